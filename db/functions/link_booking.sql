-- link_booking(call): give a call the appointment that its booking uid proves
--
-- What the repairs of call_made_without_appointment, call_outcome_without_appointment
-- and call_linked_without_appointment have in common. Only the one free appointment
-- that bears the uid is evidence; anything less is a person's decision, because
-- clearing a flag would destroy the only trace of a booking that may exist at the
-- provider. Writes the appointment alone: appointments_sync_calls completes the call.

create or replace function trueup.link_booking(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = ''
as $$
declare
    v_call public.calls;
    v_appointment_ids bigint[];
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    if nullif(v_call.booking_id, '') is null then
        return ('review', 'the call bears no booking uid', null)::trueup.repair_outcome;
    end if;

    v_appointment_ids := trueup.appointment_of_booking(v_call.company_id, v_call.booking_id);
    v_evidence := jsonb_build_object('booking_uid', v_call.booking_id, 'appointment_ids', v_appointment_ids);

    if v_appointment_ids is null then
        return ('review', 'no appointment without a call bears the booking uid', v_evidence)::trueup.repair_outcome;
    elsif cardinality(v_appointment_ids) > 1 then
        return ('review', 'several appointments bear the booking uid', v_evidence)::trueup.repair_outcome;
    end if;

    -- the condition once more: the row may have been taken since it was read
    update public.appointments as a
    set call_id = p_call_id
    where a.id = v_appointment_ids[1] and a.call_id is null and a.deleted_at is null;

    if not found then
        return ('review', 'the appointment was taken meanwhile', v_evidence)::trueup.repair_outcome;
    end if;

    return ('corrected', 'linked by booking uid', v_evidence)::trueup.repair_outcome;
end;
$$;
