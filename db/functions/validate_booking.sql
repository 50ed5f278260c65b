-- validate_booking(company, call, appointment, booking uid): what is wrong with a booking just made
--
-- No row: nothing. Else one row for each reason, and in detail the fact:
--
--     appointment_not_found       the company has no such undeleted appointment
--     appointment_not_linked      it names no call
--     appointment_wrong_call      it names another call
--     booking_id_mismatch         it stands for another booking than the uid given, or than that
--                                 of the call when none is given
--     appointment_too_old         made longer ago than booking_validation_window: not by this booking
--     call_flags_inconsistent     the call does not say what its appointment proves
--
-- Reads only, and locks nothing: a verdict on what was committed. Hand a booking that fails to
-- a person: trueup.queue_review('validation_failed', 'call', ...). A call that the company
-- does not have is refused (TU200).

create or replace function trueup.validate_booking(
    p_company_id bigint,
    p_call_id bigint,
    p_appointment_id bigint,
    p_booking_uid text default null
)
    returns table (reason text, detail text)
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_appointment public.appointments;
    v_booking_uid text;
begin
    select c.* into v_call
    from public.calls as c
    where c.id = p_call_id and c.company_id = p_company_id and c.deleted_at is null;
    if not found then
        perform trueup.refuse_unknown('call', p_call_id, p_company_id);
    end if;

    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id and a.company_id = p_company_id and a.deleted_at is null;
    if not found then
        return query
        select
            'appointment_not_found',
            format('company %s has no appointment %s', p_company_id, coalesce(p_appointment_id::text, 'NULL'));
        return;
    end if;
    v_booking_uid := coalesce(nullif(btrim(p_booking_uid), ''), v_call.booking_id);

    return query
    select r.reason, r.detail
    from (
        values
        (
            1,
            v_appointment.call_id is null,
            'appointment_not_linked',
            format('appointment %s names no call', p_appointment_id)
        ),
        (
            2,
            v_appointment.call_id <> p_call_id,
            'appointment_wrong_call',
            format('appointment %s names call %s', p_appointment_id, v_appointment.call_id)
        ),
        (
            3,
            -- the call may hold the provider's number of the booking instead of its uid
            v_booking_uid is not null
            and v_appointment.calcom_booking_uid is distinct from v_booking_uid
            and v_appointment.calcom_booking_id::text is distinct from v_booking_uid,
            'booking_id_mismatch',
            format(
                'appointment %s stands for booking %s, not %s',
                p_appointment_id, coalesce(v_appointment.calcom_booking_uid, 'NULL'), v_booking_uid
            )
        ),
        (
            4,
            v_appointment.created_at
            < clock_timestamp() - trueup.setting('booking_validation_window')::interval,
            'appointment_too_old',
            format('appointment %s was made at %s', p_appointment_id, v_appointment.created_at)
        ),
        (
            5,
            not v_call.appointment_made
            or v_call.appointment_id is null
            or v_call.appointment_link_status <> 'linked'
            or v_call.appointment_linked_at is null
            or v_call.booking_failed
            or coalesce(v_call.session_outcome = 'creation_failed', false),
            'call_flags_inconsistent',
            format(
                'call %s: made %s, appointment %s, link status %s, failed %s, outcome %s',
                p_call_id, v_call.appointment_made, coalesce(v_call.appointment_id::text, 'NULL'),
                v_call.appointment_link_status, v_call.booking_failed, coalesce(v_call.session_outcome, 'NULL')
            )
        )
    ) as r (position, is_wrong, reason, detail)
    where r.is_wrong
    order by r.position;
end;
$$;
