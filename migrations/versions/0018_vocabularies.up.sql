-- 0018_vocabularies: constraints that the server reads in less time
--
-- PostgreSQL reads the CHECK constraints of a table from their text in each statement that
-- writes to it, and that takes longer the more parts they have. A list is many; an array
-- literal is one. What they allow is what they allowed.
--
-- `trueup migrate` puts each in place of the old one, NOT VALID where the table has rows: it refuses what
-- the old one refused, and the next `trueup enforce` validates it.

update trueup.constraints as ct
set
    definition = v.definition,
    definition_checksum = ''
from (
    values
    ('calls_direction_vocabulary', '(nullif(direction, '''') = any(''{inbound,outbound}''))'),
    ('calls_status_vocabulary', '(status = any(''{registered,ongoing,ended,analyzed,failed}''))'),
    ('calls_session_outcome_vocabulary', '(session_outcome = any(''{appointment_booked,appointment_rescheduled,appointment_cancelled,information_only,callback_requested,transferred,voicemail,abandoned,technical_issue,spam,creation_failed,other}''))'),
    ('calls_customer_link_status_vocabulary', '(customer_link_status = any(''{linked,name_only,anonymous,pending_review,unlinked,failed}''))'),
    ('calls_customer_link_method_vocabulary', '(customer_link_method = any(''{phone_match,name_match,email_match,manual_link,ai_match,appointment_link,auto_created,unknown}''))'),
    ('calls_appointment_link_status_vocabulary', '(appointment_link_status = any(''{linked,unlinked,not_applicable,pending_creation,creation_failed}''))'),
    ('appointments_status_vocabulary', '(status = any(''{pending,confirmed,completed,no_show,cancelled}''))'),
    ('appointments_source_vocabulary', '(source = any(''{retell,calcom,manual,api,backfill}''))'),
    ('appointments_sync_origin_vocabulary', '(sync_origin = any(''{retell,calcom,admin,api,system}''))'),
    ('appointments_calcom_sync_status_vocabulary', '(calcom_sync_status = any(''{pending,synced,failed,verification_pending}''))'),
    ('appointment_modifications_kind_vocabulary', '(kind = any(''{reschedule,cancel}''))')
) as v (name, definition)
where ct.name = v.name;
