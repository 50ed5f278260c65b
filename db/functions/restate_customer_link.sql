-- restate_customer_link(call): what a call without a customer says about its caller, by rule K
--
-- What the repairs of call_transcript_name, call_linked_without_customer and
-- call_link_status_wrong have in common, so that all of them end in the same row: a
-- phrase that is nobody's name is cleared, the status follows rule K, and what proved a
-- link to nobody goes. Two statuses that somebody set, pending_review and failed, stay,
-- in the vocabulary's spelling. Of a call with a customer only the phrase is cleared.
-- Returns the evidence.

create or replace function trueup.restate_customer_link(p_call_id bigint)
    returns jsonb
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_meant text;
    v_status text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_meant := coalesce(
        trueup.vocabulary_value('customer_link_status', v_call.customer_link_status), v_call.customer_link_status
    );
    v_status := case
        when v_call.customer_id is not null or v_meant in ('pending_review', 'failed') then v_meant
        else trueup.link_status_without_customer(v_call.company_id, v_call.customer_name, v_call.from_number)
    end;

    update public.calls as c
    set
        customer_name = case when trueup.usable_name(c.company_id, c.customer_name) then c.customer_name end,
        customer_link_status = v_status,
        customer_link_method = case when is_kept then c.customer_link_method end,
        customer_link_confidence = case when is_kept then c.customer_link_confidence end,
        customer_linked_at = case when is_kept then c.customer_linked_at end
    from (
        values (v_call.customer_id is not null or v_meant <> 'linked')
    ) as provenance (is_kept)
    where c.id = p_call_id;

    return jsonb_build_object(
        'customer_id', v_call.customer_id,
        'from_number', trueup.masked(v_call.from_number),
        'has_usable_name', trueup.usable_name(v_call.company_id, v_call.customer_name),
        'old_status', v_call.customer_link_status,
        'new_status', v_status
    );
end;
$$;
