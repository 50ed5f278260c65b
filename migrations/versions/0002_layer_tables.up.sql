-- 0002_layer_tables: what the phone-booking pack keeps beside the application
--
-- In schema trueup, so that the application's schema holds the application only.
-- Names and leading columns are those that dashboards already read.

-- provider synchronisation that failed and will be tried again, or needs a person
create table trueup.sync_failures (
    id bigint generated always as identity primary key,
    company_id bigint,
    appointment_id bigint,
    operation text not null,
    error text,
    attempt_count integer not null default 0,
    max_attempts integer not null default 3,
    next_attempt_at timestamptz,
    status text not null default 'pending',
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint sync_failures_status_known check (status in ('pending', 'resolved', 'manual_review')),
    constraint sync_failures_attempts_positive check (attempt_count >= 0 and max_attempts > 0)
);

create index sync_failures_pending_idx on trueup.sync_failures (next_attempt_at) where status = 'pending';

-- inbox of provider webhooks; identity is provider, trigger, object and time of creation
create table trueup.webhook_events (
    id bigint generated always as identity primary key,
    company_id bigint,
    provider text not null,
    event_type text not null,
    object_id text,
    occurred_at timestamptz,
    body jsonb not null,
    body_hash text not null,
    status text not null default 'received',
    attempt_count integer not null default 0,
    error text,
    received_at timestamptz not null default now(),
    processed_at timestamptz,
    constraint webhook_events_provider_known check (provider in ('retell', 'calcom')),
    constraint webhook_events_status_known check (
        status in ('received', 'processed', 'parked', 'ignored', 'dead')
    ),
    unique (provider, event_type, object_id, occurred_at, body_hash)
);

create index webhook_events_unprocessed_idx
    on trueup.webhook_events (received_at) where status in ('received', 'parked');

create table trueup.idempotency_keys (
    key uuid primary key,
    company_id bigint,
    scope text not null,
    parameters_hash text not null,
    status text not null default 'running',
    result jsonb,
    lease_expires_at timestamptz,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint idempotency_keys_status_known check (status in ('running', 'finished', 'unknown')),
    constraint idempotency_keys_finished_complete check ((status = 'finished') = (finished_at is not null))
);

create index idempotency_keys_running_idx
    on trueup.idempotency_keys (lease_expires_at) where status = 'running';

create table trueup.circuit_breaker_states (
    service_key text primary key,
    current_state text not null default 'closed',
    failure_count integer not null default 0,
    success_count integer not null default 0,
    epoch bigint not null default 0,
    last_failure_at timestamptz,
    state_changed_at timestamptz not null default now(),
    open_until timestamptz,
    constraint circuit_breaker_states_state_known check (current_state in ('closed', 'open', 'half_open'))
);

create table trueup.circuit_breaker_events (
    id bigint generated always as identity primary key,
    service_key text not null,
    old_state text,
    new_state text not null,
    reason text,
    happened_at timestamptz not null default now()
);

create index circuit_breaker_events_service_key_idx
    on trueup.circuit_breaker_events (service_key, happened_at desc);

create table trueup.circuit_breaker_metrics (
    id bigint generated always as identity primary key,
    service_key text not null,
    outcome text not null,
    duration_ms numeric,
    happened_at timestamptz not null default now(),
    constraint circuit_breaker_metrics_outcome_known check (
        outcome in ('success', 'failure', 'refusal', 'rejected')
    )
);

create index circuit_breaker_metrics_service_key_idx
    on trueup.circuit_breaker_metrics (service_key, happened_at desc);

-- every value a column may hold, and what a synonym means; the CHECK constraints of
-- 0003 hold the same lists, and a test compares them
create table trueup.vocabularies (
    vocabulary text not null,
    value text not null,
    means text not null,
    rank smallint,
    primary key (vocabulary, value),
    foreign key (vocabulary, means) references trueup.vocabularies (vocabulary, value)
);

insert into trueup.vocabularies (vocabulary, value, means, rank) values
('direction', 'inbound', 'inbound', null),
('direction', 'outbound', 'outbound', null),
('call_status', 'registered', 'registered', 1),
('call_status', 'ongoing', 'ongoing', 2),
('call_status', 'ended', 'ended', 3),
('call_status', 'analyzed', 'analyzed', 4),
('call_status', 'failed', 'failed', 5),
('call_status', 'in_progress', 'ongoing', null),
('call_status', 'in-progress', 'ongoing', null),
('call_status', 'active', 'ongoing', null),
('call_status', 'completed', 'ended', null),
('session_outcome', 'appointment_booked', 'appointment_booked', null),
('session_outcome', 'appointment_rescheduled', 'appointment_rescheduled', null),
('session_outcome', 'appointment_cancelled', 'appointment_cancelled', null),
('session_outcome', 'information_only', 'information_only', null),
('session_outcome', 'callback_requested', 'callback_requested', null),
('session_outcome', 'transferred', 'transferred', null),
('session_outcome', 'voicemail', 'voicemail', null),
('session_outcome', 'abandoned', 'abandoned', null),
('session_outcome', 'technical_issue', 'technical_issue', null),
('session_outcome', 'spam', 'spam', null),
('session_outcome', 'creation_failed', 'creation_failed', null),
('session_outcome', 'other', 'other', null),
('customer_link_status', 'linked', 'linked', null),
('customer_link_status', 'name_only', 'name_only', null),
('customer_link_status', 'anonymous', 'anonymous', null),
('customer_link_status', 'pending_review', 'pending_review', null),
('customer_link_status', 'unlinked', 'unlinked', null),
('customer_link_status', 'failed', 'failed', null),
('customer_link_method', 'phone_match', 'phone_match', null),
('customer_link_method', 'name_match', 'name_match', null),
('customer_link_method', 'email_match', 'email_match', null),
('customer_link_method', 'manual_link', 'manual_link', null),
('customer_link_method', 'ai_match', 'ai_match', null),
('customer_link_method', 'appointment_link', 'appointment_link', null),
('customer_link_method', 'auto_created', 'auto_created', null),
('customer_link_method', 'unknown', 'unknown', null),
('appointment_link_status', 'linked', 'linked', null),
('appointment_link_status', 'unlinked', 'unlinked', null),
('appointment_link_status', 'not_applicable', 'not_applicable', null),
('appointment_link_status', 'pending_creation', 'pending_creation', null),
('appointment_link_status', 'creation_failed', 'creation_failed', null),
('appointment_status', 'pending', 'pending', null),
('appointment_status', 'confirmed', 'confirmed', null),
('appointment_status', 'completed', 'completed', null),
('appointment_status', 'no_show', 'no_show', null),
('appointment_status', 'cancelled', 'cancelled', null),
('appointment_status', 'scheduled', 'confirmed', null),
('appointment_status', 'booked', 'confirmed', null),
('appointment_status', 'accepted', 'confirmed', null),
('appointment_status', 'rescheduled', 'confirmed', null),
('source', 'retell', 'retell', null),
('source', 'calcom', 'calcom', null),
('source', 'manual', 'manual', null),
('source', 'api', 'api', null),
('source', 'backfill', 'backfill', null),
('sync_origin', 'retell', 'retell', null),
('sync_origin', 'calcom', 'calcom', null),
('sync_origin', 'admin', 'admin', null),
('sync_origin', 'api', 'api', null),
('sync_origin', 'system', 'system', null),
('calcom_sync_status', 'pending', 'pending', null),
('calcom_sync_status', 'synced', 'synced', null),
('calcom_sync_status', 'failed', 'failed', null),
('calcom_sync_status', 'verification_pending', 'verification_pending', null),
('modification_kind', 'reschedule', 'reschedule', null),
('modification_kind', 'cancel', 'cancel', null);

-- phrases that a transcript yields and that are nobody's name, in the form of
-- trueup.plain_name: lower case, no punctuation. company_id NULL: every company.
create table trueup.unusable_names (
    id bigint generated always as identity primary key,
    company_id bigint,
    phrase text not null,
    unique nulls not distinct (company_id, phrase),
    constraint unusable_names_plain check (
        phrase = lower(phrase) and phrase !~ '[[:punct:]]' and phrase = btrim(phrase) and phrase <> ''
    )
);

create index unusable_names_phrase_idx on trueup.unusable_names (phrase);

insert into trueup.unusable_names (phrase) values
('mir nicht'),
('guten tag'),
('guten morgen'),
('guten abend'),
('hallo'),
('ja'),
('nein'),
('gleich fertig'),
('ja bitte'),
('danke');

insert into trueup.settings (name, value, default_value, kind, description) values
('default_direction', 'inbound', 'inbound', 'text', 'direction of a call when neither number is ours'),
('pending_creation_limit', '15 minutes', '15 minutes', 'interval', 'how long a call may wait in pending_creation'),
('ongoing_limit', '2 hours', '2 hours', 'interval', 'how long a call may be registered or ongoing'),
('duplicate_call_window', '5 seconds', '5 seconds', 'interval', 'two calls that start closer than this may be one'),
('duplicate_appointment_window', '5 minutes', '5 minutes', 'interval', 'two appointments that start closer than this may be one'),
('booking_horizon', '12 months', '12 months', 'interval', 'how far ahead of its creation an appointment may start'),
('open_past_limit', '7 days', '7 days', 'interval', 'how long after its end an appointment may stay pending or confirmed');
