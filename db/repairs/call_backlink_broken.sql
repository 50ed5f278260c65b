-- call_backlink_broken: repair
--
-- Exactly one kept appointment of the same company points at this call: that is the one it
-- must name. With several it could be any, and with none the reference may be the only
-- trace of which appointment was meant; a person decides both. calls_fill_appointment completes
-- the flags, so an outcome that denies the appointment gives way (trueup.proven_outcome).

create or replace function trueup.repair_call_backlink_broken(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_own_appointment_ids bigint[];
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    select array_agg(ka.id order by ka.id) into v_own_appointment_ids
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id and ka.company_id is not distinct from v_call.company_id;

    v_evidence := jsonb_build_object(
        'appointment_id', v_call.appointment_id, 'own_appointment_ids', v_own_appointment_ids
    );

    if v_own_appointment_ids is null then
        return ('review', 'the call has no appointment of its own', v_evidence)::trueup.repair_outcome;
    elsif cardinality(v_own_appointment_ids) > 1 then
        return ('review', 'the call has several appointments of its own', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set appointment_id = v_own_appointment_ids[1], session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id;

    return ('corrected', 'points at its only appointment', v_evidence)::trueup.repair_outcome;
end;
$$;
