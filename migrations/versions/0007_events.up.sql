-- 0007_events: what the inbox needs to put events into order
--
-- An event names its object (a call, or a booking by its uid), and may name two others:
-- the booking that it replaces, and the call that made the booking. Both become columns,
-- so that the events of one matter are found by index. appointment_id is where an event
-- of a booking went: the uid of an appointment changes, and this does not.
--
-- Identity is the whole key, an event without a time included: NULL equals NULL. It
-- begins with the object, and so serves the lookup of its events, too.
--
-- Locks: ACCESS EXCLUSIVE on the inbox while its indexes are built; whoever receives an
-- event meanwhile waits. No table of the application.
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, disallowed-unique-constraint

alter table trueup.webhook_events
    add column previous_object_id text,
    add column named_call_id text,
    add column appointment_id bigint,
    add column next_attempt_at timestamptz not null default now(),
    drop constraint webhook_events_provider_event_type_object_id_occurred_at_bo_key,
    add constraint webhook_events_identity_key
        unique nulls not distinct (provider, object_id, event_type, occurred_at, body_hash);

-- an encoded body may have been stored before; nobody stores another
alter table trueup.webhook_events
    add constraint webhook_events_body_decoded check (jsonb_typeof(body) <> 'string') not valid;

create index webhook_events_previous_idx
    on trueup.webhook_events (previous_object_id) where previous_object_id is not null;
create index webhook_events_named_call_idx
    on trueup.webhook_events (named_call_id) where named_call_id is not null;
create index webhook_events_due_idx
    on trueup.webhook_events (next_attempt_at, id) where status = 'received';
create index webhook_events_object_due_idx
    on trueup.webhook_events (provider, object_id, id) where status = 'received';

create index webhook_events_encoded_idx
    on trueup.webhook_events (id) where case when jsonb_typeof(body) = 'string' then 1 end = 1;

insert into trueup.settings (name, value, default_value, kind, description) values
('event_max_bytes', '1000000', '1000000', 'integer', 'a larger webhook event is refused'),
('event_max_attempts', '5', '5', 'integer', 'how often an event that fails is tried before a person gets it'),
('event_retry_delay', '30 seconds', '30 seconds', 'interval', 'pause before an event that failed is tried again; doubles each time'),
('event_order_wait', '1 minute', '1 minute', 'interval', 'how long an event waits for the one that should have come before it'),
('event_unprocessed_limit', '10 minutes', '10 minutes', 'interval', 'how long a webhook event may stay unprocessed');

insert into trueup.review_priorities (reason, priority) values ('event_dead', 2);

-- the text says object or array, however often it was encoded; any other string is a value
insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('services_event_type_idx', 'public.services', 'index',
    '(calcom_event_type_id) where calcom_event_type_id is not null',
    null, 'service of a provider event, whose company may not be known yet'),
('calls_booking_details_decoded', 'public.calls', 'check',
    '(jsonb_typeof(booking_details) <> ''string'' or booking_details #>> ''{}'' !~ ''^[\s"\\]*[[{]'')',
    'event_double_encoded', 'booking_details is JSON, not JSON inside a string'),
('calls_metadata_decoded', 'public.calls', 'check',
    '(jsonb_typeof(metadata) <> ''string'' or metadata #>> ''{}'' !~ ''^[\s"\\]*[[{]'')',
    'event_double_encoded', 'metadata is JSON, not JSON inside a string'),
('appointments_metadata_decoded', 'public.appointments', 'check',
    '(jsonb_typeof(metadata) <> ''string'' or metadata #>> ''{}'' !~ ''^[\s"\\]*[[{]'')',
    'event_double_encoded', 'metadata is JSON, not JSON inside a string');
