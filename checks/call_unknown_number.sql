-- call_unknown_number
--
-- invariant:   the line that a call reached is not another company's
-- severity:    critical
-- entity:      call
-- changes:     calls.id
-- population:  calls where lower(direction) is distinct from 'outbound' and deleted_at is null
-- prevented:   constraint calls_company_id_phone_number_id_fkey
-- repair:      review
-- cost:        one pass over calls; one probe of phone_numbers_number_key each
--
-- The foreign key keeps phone_number_id within the company; the dialled number is text
-- that no constraint can compare with another row. Outbound calls are left out: a
-- company may well call another that uses the same agent.

create or replace view trueup.call_unknown_number as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'reached a line of another company' as description,
    jsonb_build_object(
        'to_number', trueup.masked(c.to_number), 'phone_number_id', pn.id, 'line_company_id', pn.company_id
    ) as evidence
from public.calls as c
inner join public.phone_numbers as pn on c.to_number = pn.number
where
    pn.company_id <> c.company_id
    and lower(c.direction) is distinct from 'outbound'
    and c.deleted_at is null;
