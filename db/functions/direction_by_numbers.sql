-- direction_by_numbers(company, from, to): the direction that the numbers of a call prove
--
-- A number is ours when a row of phone_numbers of the call's company holds it: the number
-- called makes the call inbound, else the caller's makes it outbound. NULL: neither is,
-- and nothing is proven. A line of another company proves nothing here.
--
-- Numbers are compared as written and as trueup.plain_phone writes them, so that both
-- ways find the unique index on number.

create or replace function trueup.direction_by_numbers(p_company_id bigint, p_from_number text, p_to_number text)
    returns text
    language sql
    stable
    parallel safe
return case
    when
        exists (
            select 1
            from public.phone_numbers as pn
            where
                pn.company_id = p_company_id
                and pn.number in (p_to_number, trueup.plain_phone(p_to_number))
        )
        then 'inbound'
    when
        exists (
            select 1
            from public.phone_numbers as pn
            where
                pn.company_id = p_company_id
                and pn.number in (p_from_number, trueup.plain_phone(p_from_number))
        )
        then 'outbound'
end;
