-- appointment_value_unknown
--
-- invariant:   status, source, sync_origin and calcom_sync_status of an undeleted appointment are words
--              of their vocabularies
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id
-- population:  appointments where deleted_at is null
-- prevented:   constraint appointments_status_vocabulary; constraint appointments_source_vocabulary;
--              constraint appointments_sync_origin_vocabulary;
--              constraint appointments_calcom_sync_status_vocabulary; fill appointments_fill_status
-- repair:      evidence
-- cost:        suspect appointments by appointments_suspect_idx; the vocabularies are read once
--
-- One row per appointment; the evidence names each column and its value.

create or replace view trueup.appointment_value_unknown as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    'holds a value outside its vocabulary' as description,
    jsonb_build_object('values', (
        select jsonb_object_agg(co.name, co.value)
        from (
            values
            ('status', ka.status, 'appointment_status'),
            ('source', ka.source, 'source'),
            ('sync_origin', ka.sync_origin, 'sync_origin'),
            ('calcom_sync_status', ka.calcom_sync_status, 'calcom_sync_status')
        ) as co (name, value, vocabulary)
        where co.value <> all(trueup.vocabulary_values(co.vocabulary))
    )) as evidence
from trueup.suspect_appointments as ka
where
    ka.status <> all((select trueup.vocabulary_values('appointment_status'))::text[])
    or ka.source <> all((select trueup.vocabulary_values('source'))::text[])
    or ka.sync_origin <> all((select trueup.vocabulary_values('sync_origin'))::text[])
    or ka.calcom_sync_status <> all((select trueup.vocabulary_values('calcom_sync_status'))::text[]);
