-- call_outcome_contradicts_flag: repair
--
-- A kept appointment of this call proves that it was booked in this call, and outranks an
-- outcome that was derived from the conversation (decision D3). Without one the flag
-- itself is in doubt.

create or replace function trueup.repair_call_outcome_contradicts_flag(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_outcome text;
    v_appointment_ids bigint[];
    v_evidence jsonb;
begin
    select c.session_outcome into v_outcome from public.calls as c where c.id = p_call_id for no key update;

    select array_agg(ka.id order by ka.id) into v_appointment_ids
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id;

    v_evidence := jsonb_build_object('session_outcome', v_outcome, 'appointment_ids', v_appointment_ids);

    if v_appointment_ids is null then
        return ('review', 'no appointment proves the flag', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set session_outcome = 'appointment_booked'
    where c.id = p_call_id;

    return ('corrected', 'the appointment outranks the outcome', v_evidence)::trueup.repair_outcome;
end;
$$;
