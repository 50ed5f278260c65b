-- call_unknown_number
--
-- invariant:   the line that a call reached is not another company's
-- severity:    critical
-- entity:      call
-- changes:     calls.id
-- population:  calls where lower(direction) is distinct from 'outbound' and deleted_at is null
-- prevented:   constraint calls_company_id_phone_number_id_fkey
-- repair:      review
-- cost:        one pass over calls, hashed against phone_numbers, or probing phone_numbers_number_key for one
--              call. A number is brought into its plain form only where no line is written like it
--
-- A number that differs from the line's in spaces and signs, or in 00 for +, is the line's
-- (trueup.plain_phone), as in trueup.direction_by_numbers. Two things here are for the
-- planner: a number that is plain already is not looked up twice, and of an equality it
-- expects few rows.
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
        'to_number', trueup.masked(c.to_number),
        'phone_number_id', coalesce(pn.id, plain.id),
        'line_company_id', coalesce(pn.company_id, plain.company_id)
    ) as evidence
from public.calls as c
left join public.phone_numbers as pn on c.to_number = pn.number
left join public.phone_numbers as plain
    on plain.number = case when pn.id is null and c.to_number ~ '[^0-9+]|^00' then trueup.plain_phone(c.to_number) end
where
    case when coalesce(pn.company_id, plain.company_id) <> c.company_id then 1 end = 1
    and lower(c.direction) is distinct from 'outbound'
    and c.deleted_at is null;
