-- call_linked_without_customer: repair
--
-- The status that rule K gives a call without a customer; what proved a link to nobody
-- goes with it and stays in the journal. No customer is looked for: whom the call meant
-- is not in the row.

create or replace function trueup.repair_call_linked_without_customer(p_call_id bigint)
    returns trueup.repair_outcome
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
select (
    'corrected', 'no customer: the status follows name and number', trueup.restate_customer_link(p_call_id)
)::trueup.repair_outcome;
$$;
