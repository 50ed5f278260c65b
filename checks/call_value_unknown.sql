-- call_value_unknown
--
-- invariant:   direction, link statuses and link method of an undeleted call are words of their vocabularies
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where deleted_at is null
-- prevented:   constraint calls_direction_vocabulary; constraint calls_customer_link_status_vocabulary;
--              constraint calls_customer_link_method_vocabulary;
--              constraint calls_appointment_link_status_vocabulary
-- repair:      evidence
-- cost:        suspect calls by calls_suspect_idx; the vocabularies are read once
--
-- One row per call; the evidence names each column and its value. A direction that is
-- not there at all is call_direction_missing.

create or replace view trueup.call_value_unknown as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'holds a value outside its vocabulary' as description,
    jsonb_build_object('values', (
        select jsonb_object_agg(co.name, co.value)
        from (
            values
            ('direction', nullif(c.direction, ''), 'direction'),
            ('customer_link_status', c.customer_link_status, 'customer_link_status'),
            ('customer_link_method', c.customer_link_method, 'customer_link_method'),
            ('appointment_link_status', c.appointment_link_status, 'appointment_link_status')
        ) as co (name, value, vocabulary)
        where co.value <> all(trueup.vocabulary_values(co.vocabulary))
    )) as evidence
from trueup.suspect_calls as c
where
    nullif(c.direction, '') <> all((select trueup.vocabulary_values('direction'))::text[])
    or c.customer_link_status <> all((select trueup.vocabulary_values('customer_link_status'))::text[])
    or c.customer_link_method <> all((select trueup.vocabulary_values('customer_link_method'))::text[])
    or c.appointment_link_status <> all((select trueup.vocabulary_values('appointment_link_status'))::text[]);
