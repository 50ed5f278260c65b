-- call_creation_failed_unqueued: repair
--
-- Hands the call to a person and marks it requires_manual_processing. Creates nothing:
-- whether the provider holds the booking is what the person finds out. The evidence
-- names the provider booking, if there is one, and not the error text, which may quote
-- the caller.

create or replace function trueup.repair_call_creation_failed_unqueued(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_evidence jsonb;
begin
    -- updated_at too: the change is to be seen where the flag was already up
    update public.calls as c
    set requires_manual_processing = true, updated_at = clock_timestamp()
    where c.id = p_call_id
    returning c.* into v_call;

    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_id', v_call.booking_id,
        'booking_uid', (select bp.booking_uid from trueup.booking_proofs as bp where bp.call_id = p_call_id)
    ));
    v_evidence := v_evidence || jsonb_build_object('queue_item_id', trueup.queue_review(
        'provider_booking_failed',
        'call',
        p_call_id::text,
        'the appointment of a booking could not be created',
        v_call.company_id::text,
        'critical',
        v_evidence
    ));

    return ('corrected', 'handed to a person', v_evidence)::trueup.repair_outcome;
end;
$$;
