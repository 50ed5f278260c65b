-- call_customer_not_linked: repair
--
-- Sets linked where the link is proven: by the method and confidence that are there, or
-- by the number of the call (trueup.phone_matches). A time of linking that is there stays,
-- a missing one is the time of this repair. Where nothing proves it a person decides:
-- linked without a proof would only move the call to call_link_unproven.

create or replace function trueup.repair_call_customer_not_linked(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_is_phone_match boolean;
    v_is_given boolean;
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_is_phone_match := exists (
        select 1
        from public.customers as k
        where
            k.id = v_call.customer_id
            and trueup.phone_matches(
                v_call.company_id,
                v_call.direction,
                v_call.from_number,
                v_call.to_number,
                k.company_id,
                k.phone_normalized
            )
    );
    v_is_given := coalesce(
        (v_call.customer_link_method <> 'phone_match' or v_is_phone_match)
        and v_call.customer_link_confidence between 0 and 100,
        false
    );
    v_evidence := jsonb_build_object('customer_id', v_call.customer_id, 'number_matches', v_is_phone_match);

    if not v_is_given and not v_is_phone_match then
        return ('review', 'nothing proves the link to the customer', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        customer_link_status = 'linked',
        customer_link_method = case when v_is_given then c.customer_link_method else 'phone_match' end,
        customer_link_confidence = case when v_is_given then c.customer_link_confidence else 100.00 end,
        customer_linked_at = coalesce(c.customer_linked_at, now())
    where c.id = p_call_id;

    return (
        'corrected',
        case
            when v_is_given then 'linked by the method that is recorded'
            else 'linked: the number is the customer''s'
        end,
        v_evidence
    )::trueup.repair_outcome;
end;
$$;
