-- call_link_unproven: repair
--
-- The number, when it is the customer's (trueup.phone_matches), proves the link:
-- phone_match, 100.00. A time of linking that is there stays; a missing one is the time of
-- this repair. Anything else is for a person: to unlink would destroy what somebody knew.

create or replace function trueup.repair_call_link_unproven(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_phone text;
    v_is_phone_match boolean;
    v_evidence jsonb;
    v_reason text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    select
        k.phone,
        trueup.phone_matches(
            v_call.company_id,
            v_call.direction,
            v_call.from_number,
            v_call.to_number,
            k.company_id,
            k.phone_normalized
        )
    into v_phone, v_is_phone_match
    from public.customers as k
    where k.id = v_call.customer_id;

    v_evidence := jsonb_build_object(
        'customer_id', v_call.customer_id,
        'direction', v_call.direction,
        'from_number', trueup.masked(v_call.from_number),
        'to_number', trueup.masked(v_call.to_number),
        'customer_phone', trueup.masked(v_phone)
    );
    v_reason := case
        when v_call.customer_link_status <> 'linked' then 'a confidence outside 0 to 100, and the call is not linked'
        when not coalesce(v_is_phone_match, false) then 'no number of the call is the customer''s'
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        customer_link_method = 'phone_match',
        customer_link_confidence = 100.00,
        customer_linked_at = coalesce(c.customer_linked_at, now())
    where c.id = p_call_id;

    return ('corrected', 'the number is the customer''s', v_evidence)::trueup.repair_outcome;
end;
$$;
