-- appointment_cancel_contradicts: repair
--
-- Cancelled without a time: the last modification tells it, if that is a cancel. A time
-- without being cancelled is a person's decision even with such a modification: an
-- appointment that was taken up again by writing only its status looks the same. Only
-- a status that is another spelling of cancelled leaves nothing to decide.

create or replace function trueup.repair_appointment_cancel_contradicts(p_appointment_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment public.appointments;
    v_cancelled_at timestamptz;
begin
    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id
    for no key update;

    if v_appointment.cancelled_at is null then
        v_cancelled_at := trueup.cancellation_time(p_appointment_id);
        if v_cancelled_at is null then
            return ('review', 'no modification says when it was cancelled', null)::trueup.repair_outcome;
        end if;

        update public.appointments as a
        set cancelled_at = v_cancelled_at
        where a.id = p_appointment_id;

        return (
            'corrected',
            'cancelled_at is the time of the last modification, a cancel',
            jsonb_build_object('cancelled_at', v_cancelled_at)
        )::trueup.repair_outcome;
    end if;

    if trueup.vocabulary_value('appointment_status', v_appointment.status) = 'cancelled' then
        update public.appointments as a
        set status = 'cancelled'
        where a.id = p_appointment_id;

        return (
            'corrected',
            'the status is another spelling of cancelled',
            jsonb_build_object('status', v_appointment.status)
        )::trueup.repair_outcome;
    end if;

    return (
        'review',
        'cancelled and forgotten, or taken up again: the row does not tell',
        jsonb_build_object('last_modification_cancelled_at', trueup.cancellation_time(p_appointment_id))
    )::trueup.repair_outcome;
end;
$$;
