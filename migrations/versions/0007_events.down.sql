alter table public.calls
    drop constraint if exists calls_booking_details_decoded,
    drop constraint if exists calls_metadata_decoded;
alter table public.appointments drop constraint if exists appointments_metadata_decoded;
drop index if exists public.services_event_type_idx;
delete from trueup.constraints
where
    name in (
        'calls_booking_details_decoded', 'calls_metadata_decoded', 'appointments_metadata_decoded',
        'services_event_type_idx'
    );
delete from trueup.review_priorities where reason = 'event_dead';
delete from trueup.settings
where
    name in (
        'event_max_bytes', 'event_max_attempts', 'event_retry_delay', 'event_order_wait', 'event_unprocessed_limit'
    );
alter table trueup.webhook_events
    drop constraint webhook_events_body_decoded,
    drop constraint webhook_events_identity_key,
    drop column previous_object_id,
    drop column named_call_id,
    drop column appointment_id,
    drop column next_attempt_at,
    add constraint webhook_events_provider_event_type_object_id_occurred_at_bo_key
        unique (provider, event_type, object_id, occurred_at, body_hash);
drop index if exists
    trueup.webhook_events_due_idx, trueup.webhook_events_object_due_idx, trueup.webhook_events_encoded_idx;
