-- 0001_host_tables: the application's own tables
--
-- What a phone-booking application owns. On an empty database this creates them; on
-- one in use `trueup adopt` compares them with this file and stamps the revision
-- without running it. Bare on purpose: vocabularies, tenant keys and every other
-- invariant arrive as named constraints in 0003, so that legacy rows can be adopted.
--
-- Names are not qualified: adopt runs this file a second time in pg_temp to learn
-- what it expects, and rolls back. The revision sets search_path to public.
--
-- Columns that an adopted table may lack; what needs them is left out:
-- optional: appointment_modifications.old_starts_at, appointment_modifications.new_starts_at,
--     appointments.last_sync_attempted_at, appointments.notes, appointments.previous_starts_at,
--     appointments.sync_attempt_count, appointments.webhook_id, calls.booking_failure_reason,
--     calls.disconnection_reason, companies.timezone, customers.notes, services.calcom_event_type_id

create table companies (
    id bigint generated always as identity primary key,
    name text not null,
    timezone text not null default 'Europe/Berlin',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table branches (
    id bigint generated always as identity primary key,
    company_id bigint,
    name text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table staff (
    id bigint generated always as identity primary key,
    company_id bigint,
    branch_id bigint,
    name text not null,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table services (
    id bigint generated always as identity primary key,
    company_id bigint,
    name text not null,
    duration_minutes integer not null,
    is_active boolean not null default true,
    calcom_event_type_id bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table phone_numbers (
    id bigint generated always as identity primary key,
    company_id bigint,
    branch_id bigint,
    number text not null unique,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- phone_normalized: digits and a leading plus; 00 is the plus of a telephone keypad
create table customers (
    id bigint generated always as identity primary key,
    company_id bigint,
    name text,
    phone text,
    phone_normalized text generated always as (
        nullif(regexp_replace(regexp_replace(phone, '[^0-9+]', '', 'g'), '^00', '+'), '')
    ) stored,
    email text,
    source text,
    notes text,
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table calls (
    id bigint generated always as identity primary key,
    company_id bigint,
    branch_id bigint,
    phone_number_id bigint,
    retell_call_id text not null,
    from_number text,
    to_number text,
    direction text,
    call_type text,
    status text not null default 'registered',
    started_at timestamptz,
    ended_at timestamptz,
    duration_ms integer,
    disconnection_reason text,
    customer_id bigint,
    customer_name text,
    customer_link_status text not null default 'unlinked',
    customer_link_method text,
    customer_link_confidence numeric(5, 2),
    customer_linked_at timestamptz,
    session_outcome text,
    appointment_made boolean not null default false,
    appointment_id bigint,
    appointment_link_status text not null default 'unlinked',
    appointment_linked_at timestamptz,
    booking_confirmed boolean not null default false,
    booking_id text,
    booking_details jsonb,
    booking_failed boolean not null default false,
    booking_failure_reason text,
    requires_manual_processing boolean not null default false,
    metadata jsonb not null default '{}',
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (company_id, retell_call_id)
);

create table appointments (
    id bigint generated always as identity primary key,
    company_id bigint,
    branch_id bigint,
    customer_id bigint,
    service_id bigint,
    staff_id bigint,
    call_id bigint,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    status text not null default 'confirmed',
    source text,
    sync_origin text,
    calcom_booking_id bigint,
    calcom_booking_uid text,
    calcom_sync_status text,
    idempotency_key uuid,
    webhook_id text,
    sync_attempt_count integer not null default 0,
    last_sync_attempted_at timestamptz,
    previous_starts_at timestamptz,
    cancelled_at timestamptz,
    notes text,
    metadata jsonb not null default '{}',
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table appointment_modifications (
    id bigint generated always as identity primary key,
    company_id bigint,
    appointment_id bigint not null,
    call_id bigint,
    kind text not null,
    old_starts_at timestamptz,
    new_starts_at timestamptz,
    reason text,
    actor text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
