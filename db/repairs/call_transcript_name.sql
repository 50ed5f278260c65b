-- call_transcript_name: repair
--
-- Clears the phrase, and lets the status follow rule K when the call has no customer.

create or replace function trueup.repair_call_transcript_name(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_phrase text;
begin
    select trueup.plain_name(c.customer_name) into v_phrase from public.calls as c where c.id = p_call_id;

    return (
        'corrected',
        'cleared, being a phrase of the stop list',
        trueup.restate_customer_link(p_call_id) || jsonb_build_object('phrase', v_phrase)
    )::trueup.repair_outcome;
end;
$$;
