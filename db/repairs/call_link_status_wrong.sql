-- call_link_status_wrong: repair
--
-- The status that rule K gives; a fragment of speech in the way of it is cleared, as
-- call_transcript_name would.

create or replace function trueup.repair_call_link_status_wrong(p_call_id bigint)
    returns trueup.repair_outcome
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
select (
    'corrected', 'the status follows name and number', trueup.restate_customer_link(p_call_id)
)::trueup.repair_outcome;
$$;
