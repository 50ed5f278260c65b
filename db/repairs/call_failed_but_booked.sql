-- call_failed_but_booked: repair
--
-- What the sync does when a live appointment appears (decision D3): the failure and its
-- reason are cleared, an outcome that denies the booking becomes appointment_booked, and link status
-- creation_failed becomes linked. The reason stays readable in the journal. An appointment
-- whose status means nothing proves nothing: a person says first what it is.

create or replace function trueup.repair_call_failed_but_booked(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_appointment_ids bigint[];
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    select array_agg(la.id order by la.id) into v_appointment_ids
    from trueup.live_appointments as la
    where
        la.call_id = p_call_id
        and trueup.vocabulary_value('appointment_status', la.status) is not null;

    if v_appointment_ids is null then
        return ('review', 'no appointment of the call is known to be live', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        booking_failed = false,
        booking_failure_reason = null,
        session_outcome = trueup.proven_outcome(c.session_outcome),
        appointment_link_status = case c.appointment_link_status
            when 'creation_failed' then 'linked'
            else c.appointment_link_status
        end
    where c.id = p_call_id;

    return (
        'corrected',
        'a live appointment outranks the failure',
        jsonb_build_object('appointment_ids', v_appointment_ids)
    )::trueup.repair_outcome;
end;
$$;
