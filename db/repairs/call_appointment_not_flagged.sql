-- call_appointment_not_flagged: repair
--
-- The appointment is the evidence: flags derive from it (decision D1). A time of linking
-- that is there stays; a missing one is the time of this repair, because nothing tells
-- when an appointment got its call. An outcome that denies the appointment gives way
-- (trueup.proven_outcome).

create or replace function trueup.repair_call_appointment_not_flagged(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment_ids bigint[];
begin
    select array_agg(ka.id order by ka.id) into v_appointment_ids
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id;

    if v_appointment_ids is null then
        return ('review', 'the call has no appointment', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        appointment_made = true,
        appointment_link_status = 'linked',
        appointment_linked_at = coalesce(c.appointment_linked_at, now()),
        session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id;

    return (
        'corrected', 'flagged by its appointment', jsonb_build_object('appointment_ids', v_appointment_ids)
    )::trueup.repair_outcome;
end;
$$;
