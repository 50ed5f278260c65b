-- call_backlink_missing: repair
--
-- Names the appointment that the sync would name: the earliest live one that points at
-- this call, else the earliest kept one. calls_fill_appointment completes the flags, so an
-- outcome that denies the appointment gives way (trueup.proven_outcome).

create or replace function trueup.repair_call_backlink_missing(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment_id bigint;
begin
    select own.appointment_id into v_appointment_id
    from public.calls as c
    cross join lateral trueup.appointments_of_call(c.id, c.company_id, c.appointment_id) as own
    where c.id = p_call_id;

    if v_appointment_id is null then
        return ('review', 'the call has no appointment in its company', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set appointment_id = v_appointment_id, session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id;

    return (
        'corrected', 'points back at its appointment', jsonb_build_object('appointment_id', v_appointment_id)
    )::trueup.repair_outcome;
end;
$$;
