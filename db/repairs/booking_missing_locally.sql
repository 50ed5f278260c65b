-- booking_missing_locally: repair
--
-- A booking that was moved at the provider has the appointment of the booking it came from,
-- however many moves ago: those between are in the lists, as cancelled, and each says where
-- it came from. That appointment gets the new uid, number, time and status, and one
-- modification records it. Any other booking gets its appointment by
-- trueup.appointment_from_booking, for the one call of the company whose booking_id names it,
-- if there is one.
--
-- A person decides what that function leaves to one, a booking that several calls name, one
-- whose appointment, or that of a booking it came from, was moved to another booking or
-- deleted here (the provider was not told), and one that was moved there from an appointment
-- which is over here, or from several.

create or replace function trueup.repair_booking_missing_locally(p_booking_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_booking trueup.booking_snapshots;
    v_moved public.appointments;
    v_former_uids text[];
    v_appointment_ids bigint[];
    v_call_ids bigint[];
    v_made record;
    v_evidence jsonb;
begin
    select s.* into v_booking from trueup.booking_snapshots as s where s.id = p_booking_id for no key update;

    -- the bookings it came from, the nearest first
    with recursive came_from as (
        select array[v_booking.rescheduled_from_uid] as uids
        where v_booking.rescheduled_from_uid <> v_booking.booking_uid
        union all
        select came_from.uids || s.rescheduled_from_uid
        from came_from
        inner join trueup.booking_snapshots as s
            on
                came_from.uids[cardinality(came_from.uids)] = s.booking_uid
                and s.company_id = v_booking.company_id
        where s.rescheduled_from_uid <> all(came_from.uids || v_booking.booking_uid)
    )

    select cf.uids into v_former_uids
    from came_from as cf
    order by cardinality(cf.uids) desc
    limit 1;

    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_uid', v_booking.booking_uid,
        'rescheduled_from_uid', v_booking.rescheduled_from_uid,
        'former_uids', v_former_uids,
        'seen_at', v_booking.seen_at
    ));

    select array_agg(f.id order by f.id) filter (where f.deleted_at is null) into v_appointment_ids
    from (
        select
            a.id,
            a.deleted_at
        from public.appointments as a
        where a.company_id = v_booking.company_id and a.calcom_booking_uid = any(v_former_uids)
        order by a.id
        for no key update
    ) as f;
    if cardinality(v_appointment_ids) > 1 then
        return (
            'review',
            'the booking was moved, and several appointments bear bookings it came from',
            v_evidence || jsonb_build_object('appointment_ids', v_appointment_ids)
        )::trueup.repair_outcome;
    end if;

    select a.* into v_moved
    from public.appointments as a
    where a.company_id = v_booking.company_id and a.calcom_booking_uid = any(v_former_uids)
    order by a.deleted_at is null desc, array_position(v_former_uids, a.calcom_booking_uid), a.id desc
    limit 1;

    if found then
        v_evidence := v_evidence || jsonb_build_object(
            'appointment_id', v_moved.id, 'old_starts_at', v_moved.starts_at, 'old_status', v_moved.status
        );
        if
            v_moved.deleted_at is not null
            or coalesce(
                trueup.vocabulary_value('appointment_status', v_moved.status) not in ('pending', 'confirmed'), true
            )
        then
            return (
                'review', 'the booking was moved, and its appointment is over here', v_evidence
            )::trueup.repair_outcome;
        end if;

        update public.appointments as a
        set
            calcom_booking_uid = v_booking.booking_uid,
            calcom_booking_id = v_booking.booking_number,
            previous_starts_at = a.starts_at,
            starts_at = v_booking.starts_at,
            ends_at = v_booking.ends_at,
            status = case v_booking.status when 'accepted' then 'confirmed' else 'pending' end
        where a.id = v_moved.id;

        insert into public.appointment_modifications
            (company_id, appointment_id, kind, old_starts_at, new_starts_at, reason, actor)
        values (
            v_moved.company_id, v_moved.id, 'reschedule', v_moved.starts_at, v_booking.starts_at,
            'moved at the provider', 'trueup'
        );
        return ('corrected', 'moved as the provider did', v_evidence)::trueup.repair_outcome;
    end if;

    if
        exists (
            select 1
            from trueup.former_bookings as fb
            where
                fb.booking_uid = any(v_former_uids || v_booking.booking_uid)
                and fb.company_id = v_booking.company_id
        )
    then
        return (
            'review',
            'its appointment was moved to another booking or deleted here, and the provider still holds it',
            v_evidence || jsonb_build_object('appointment_ids', array(
                select distinct fb.appointment_id
                from trueup.former_bookings as fb
                where
                    fb.booking_uid = any(v_former_uids || v_booking.booking_uid)
                    and fb.company_id = v_booking.company_id
                order by 1
            ))
        )::trueup.repair_outcome;
    end if;

    v_call_ids := array(
        select c.id
        from public.calls as c
        where
            c.company_id = v_booking.company_id
            and c.booking_id in (v_booking.booking_uid, v_booking.booking_number::text)
            and c.deleted_at is null
        order by c.id
    );
    if cardinality(v_call_ids) > 1 then
        return (
            'review', 'several calls name the booking', v_evidence || jsonb_build_object('call_ids', v_call_ids)
        )::trueup.repair_outcome;
    end if;

    select m.* into v_made
    from trueup.appointment_from_booking(
        v_booking.company_id,
        v_booking.booking_uid,
        v_booking.booking_number,
        v_booking.status,
        v_booking.starts_at,
        v_booking.ends_at,
        v_booking.event_type_id,
        jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
            'name', v_booking.attendee_name,
            'email', v_booking.attendee_email,
            'phoneNumber', v_booking.attendee_phone
        ))),
        null,
        'backfill',
        'system',
        p_call_id => v_call_ids[1],
        p_booked_at => v_booking.booked_at
    ) as m;

    v_evidence := v_evidence || v_made.evidence;
    if v_made.outcome = 'review' then
        return ('review', v_made.reason, v_evidence)::trueup.repair_outcome;
    end if;

    -- nobody needs the attendee any more
    update trueup.booking_snapshots as s
    set attendee_name = null, attendee_email = null, attendee_phone = null
    where s.id = p_booking_id;

    return (
        'corrected',
        case v_made.outcome when 'found' then 'linked by booking number' else 'created from the provider booking' end,
        v_evidence
    )::trueup.repair_outcome;
end;
$$;
