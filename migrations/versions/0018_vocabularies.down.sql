-- 0018_vocabularies, taken back: the next `trueup migrate` puts the constraints of that release in place
update trueup.constraints as ct
set
    definition = v.definition,
    definition_checksum = ''
from (
    values
    ('calls_direction_vocabulary', '(nullif(direction, '''') in (''inbound'', ''outbound''))'),
    ('calls_status_vocabulary', '(status in (''registered'', ''ongoing'', ''ended'', ''analyzed'', ''failed''))'),
    ('calls_session_outcome_vocabulary', '(session_outcome in (''appointment_booked'', ''appointment_rescheduled'', ''appointment_cancelled'', ''information_only'', ''callback_requested'', ''transferred'', ''voicemail'', ''abandoned'', ''technical_issue'', ''spam'', ''creation_failed'', ''other''))'),
    ('calls_customer_link_status_vocabulary', '(customer_link_status in (''linked'', ''name_only'', ''anonymous'', ''pending_review'', ''unlinked'', ''failed''))'),
    ('calls_customer_link_method_vocabulary', '(customer_link_method in (''phone_match'', ''name_match'', ''email_match'', ''manual_link'', ''ai_match'', ''appointment_link'', ''auto_created'', ''unknown''))'),
    ('calls_appointment_link_status_vocabulary', '(appointment_link_status in (''linked'', ''unlinked'', ''not_applicable'', ''pending_creation'', ''creation_failed''))'),
    ('appointments_status_vocabulary', '(status in (''pending'', ''confirmed'', ''completed'', ''no_show'', ''cancelled''))'),
    ('appointments_source_vocabulary', '(source in (''retell'', ''calcom'', ''manual'', ''api'', ''backfill''))'),
    ('appointments_sync_origin_vocabulary', '(sync_origin in (''retell'', ''calcom'', ''admin'', ''api'', ''system''))'),
    ('appointments_calcom_sync_status_vocabulary', '(calcom_sync_status in (''pending'', ''synced'', ''failed'', ''verification_pending''))'),
    ('appointment_modifications_kind_vocabulary', '(kind in (''reschedule'', ''cancel''))')
) as v (name, definition)
where ct.name = v.name;
