-- 0009_reconcile: what the provider lists, failures that are tried again, notices of change
--
-- booking_imports and booking_snapshots hold what the provider said of its bookings, so that
-- the checks booking_missing_locally, booking_missing_remotely and booking_differs can
-- compare it with the appointments. sync_failures learns to be claimed by one worker at a
-- time. appointment_notices keeps what was sent as NOTIFY trueup_appointments, for
-- listeners that were away.
--
-- The one table altered is written by retries alone: no application waits for it.
-- squawk-ignore-file require-concurrent-index-creation

-- one reading of the provider's list. A window says that the list was asked for every booking
-- that starts at window_from or later and ends by window_to; only a complete one proves that
-- a booking is not there.
create table trueup.booking_imports (
    id bigint generated always as identity primary key,
    company_id bigint not null,
    -- before the first page was asked for: nothing in the list is older than this
    taken_at timestamptz not null,
    window_from timestamptz,
    window_to timestamptz,
    status text not null default 'running',
    pages integer not null default 0,
    bookings integer not null default 0,
    -- how many there are, by the provider's own count
    expected integer,
    finished_at timestamptz,
    constraint booking_imports_status_known check (status in ('running', 'complete', 'incomplete')),
    constraint booking_imports_finished_complete check ((status = 'running') = (finished_at is null)),
    constraint booking_imports_window_ordered check (
        (window_from is null) = (window_to is null) and window_to > window_from
    )
);

create index booking_imports_taken_at_idx on trueup.booking_imports (taken_at);

-- the last that the provider said of each booking. Who attends is kept only while no
-- appointment stands for the booking: nothing else needs it.
create table trueup.booking_snapshots (
    id bigint generated always as identity primary key,
    company_id bigint not null,
    booking_uid text not null,
    booking_number bigint,
    status text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    event_type_id bigint,
    attendee_name text,
    attendee_email text,
    attendee_phone text,
    rescheduled_from_uid text,
    booked_at timestamptz,
    import_id bigint not null references trueup.booking_imports (id) on delete cascade,
    -- taken_at of that import
    seen_at timestamptz not null,
    -- the uid first: a change of an appointment is followed to the booking by it
    unique (booking_uid, company_id),
    constraint booking_snapshots_times_ordered check (ends_at > starts_at)
) with (fillfactor = 80);

-- an import that is pruned takes along what was seen in no later one
create index booking_snapshots_import_id_idx on trueup.booking_snapshots (import_id);
create index booking_snapshots_booking_number_idx
    on trueup.booking_snapshots (booking_number) where booking_number is not null;
create index booking_snapshots_rescheduled_from_uid_idx
    on trueup.booking_snapshots (rescheduled_from_uid) where rescheduled_from_uid is not null;

-- uids that an appointment bore and bears no more: moved to another booking, or deleted. Written
-- by the trigger appointments_note_bookings; without it nobody could tell a booking that
-- was moved here from one that never arrived.
create table trueup.former_bookings (
    id bigint generated always as identity primary key,
    company_id bigint not null,
    booking_uid text not null,
    appointment_id bigint not null,
    ended_at timestamptz not null default clock_timestamp()
);

create index former_bookings_booking_uid_idx on trueup.former_bookings (booking_uid, company_id);
create index former_bookings_ended_at_idx on trueup.former_bookings (ended_at);

alter table trueup.sync_failures
add column claim_token uuid,
add column lease_expires_at timestamptz;

-- of several that wait for one and the same, the first is tried again
update trueup.sync_failures as f
set status = 'resolved', updated_at = now()
where
    f.status <> 'resolved'
    and exists (
        select 1
        from trueup.sync_failures as earlier
        where
            earlier.appointment_id = f.appointment_id
            and earlier.operation = f.operation
            and earlier.status <> 'resolved'
            and earlier.id < f.id
    );

create unique index sync_failures_open_key
    on trueup.sync_failures (appointment_id, operation)
    where status <> 'resolved' and appointment_id is not null;

-- used up, but nobody has been told: the check sync_failure_exhausted reads this alone
create index sync_failures_exhausted_idx
    on trueup.sync_failures (id) where status = 'pending' and attempt_count >= max_attempts;

-- what NOTIFY trueup_appointments said, for listeners that were away. A NULL date is any day of
-- the company, a NULL company all of them. xact_id: who has seen everything below a
-- transaction asks for the rest (trueup.appointment_notices_since).
create table trueup.appointment_notices (
    id bigint generated always as identity primary key,
    xact_id xid8 not null default pg_current_xact_id(),
    company_id bigint,
    date date,
    noted_at timestamptz not null default clock_timestamp()
);

create index appointment_notices_noted_at_idx on trueup.appointment_notices (noted_at);

-- one row: below this position notices have been pruned
create table trueup.appointment_notice_floor (
    is_only boolean primary key default true,
    position bigint not null default 0,
    constraint appointment_notice_floor_one_row check (is_only)
);

insert into trueup.appointment_notice_floor default values;

insert into trueup.settings (name, value, default_value, kind, description) values
('booking_snapshot_age', '2 days', '2 days', 'interval', 'how old the provider''s list may be for a check to conclude anything from it'),
('booking_arrival_limit', '15 minutes', '15 minutes', 'interval', 'how long a booking may take from the provider to us, or from us to the provider'),
('sync_pending_limit', '1 hour', '1 hour', 'interval', 'how long an appointment may wait for its first synchronisation'),
('sync_failed_limit', '24 hours', '24 hours', 'interval', 'how long an appointment may stay failed to synchronise'),
('sync_retry_first', '1 minute', '1 minute', 'interval', 'pause before a failed synchronisation is tried again; doubles each time'),
('sync_retry_cap', '1 hour', '1 hour', 'interval', 'longest pause between two tries of a synchronisation'),
('sync_retry_attempts', '3', '3', 'integer', 'tries of a synchronisation before a person gets it'),
('sync_retry_lease', '5 minutes', '5 minutes', 'interval', 'how long a worker has for one try of a synchronisation'),
('appointment_notices', 'notify', 'notify', 'text', 'of changed appointments: notify listeners, record for those who ask, or off'),
('notice_days_limit', '31', '31', 'integer', 'days of one company in a statement above which one notice stands for all its days'),
('notice_companies_limit', '100', '100', 'integer', 'companies in a statement above which one notice stands for all of them');

insert into trueup.retention (name, position, table_name, time_column, keep, default_keep, predicate, description) values
(
    'booking_imports', 160, 'trueup.booking_imports', 'taken_at', '90 days', '90 days',
    $$true$$,
    'lists of the provider, with the bookings that no later one showed'
),
(
    'former_bookings', 165, 'trueup.former_bookings', 'ended_at', '400 days', '400 days',
    $$true$$,
    'bookings that an appointment stood for and does no more'
),
(
    'appointment_notices', 170, 'trueup.appointment_notices', 'noted_at', '7 days', '7 days',
    $$true$$,
    'notices of changed appointments; a listener that was away for longer is told to forget everything'
);

insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('appointments_synced_has_id', 'public.appointments', 'check',
    '(calcom_sync_status is distinct from ''synced'' or calcom_booking_uid is not null or calcom_booking_id is not null)',
    'sync_synced_without_id', 'what the provider knows bears the provider''s name for it'),
('appointments_unsynced_idx', 'public.appointments', 'index',
    '(id) where deleted_at is null and case when
        calcom_sync_status in (''pending'', ''failed'')
        or calcom_sync_status = ''synced'' and calcom_booking_uid is null and calcom_booking_id is null
        then 1 end = 1',
    null, 'appointments that the provider does not know: spares 3 checks a scan');
