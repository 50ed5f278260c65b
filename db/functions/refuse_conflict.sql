-- refuse_conflict(company, appointment, customer, service, staff, booked for, start, end)
--
-- Refuses an appointment that the rows already there rule out, and names them. For
-- book_appointment and reschedule_appointment, which have locked customer and staff before,
-- so what is read here is still true when they write; `appointment` is the one that is moved.
--
-- A customer who has the same service at nearly the same time is told first (TU203, the
-- invariant of appointment_duplicate): it is the better answer to somebody who books anew what
-- is booked. Else staff who are taken are refused as appointments_staff_id_excl would, with
-- its SQLSTATE and name; where that constraint is left out, this alone refuses.
--
-- Four hours is a cut between two indexes, as in appointment_staff_overlap.

create or replace function trueup.refuse_conflict(
    p_company_id bigint,
    p_appointment_id bigint,
    p_customer_id bigint,
    p_service_id bigint,
    p_staff_id bigint,
    p_booked_for text,
    p_starts_at timestamptz,
    p_ends_at timestamptz
)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_window interval := trueup.setting('duplicate_appointment_window')::interval;
    v_duplicate_appointment_ids bigint[];
    v_overlapping_appointment_ids bigint[];
begin
    if p_customer_id is not null then
        select array_agg(la.id order by la.id) into v_duplicate_appointment_ids
        from trueup.live_appointments as la
        where
            la.company_id = p_company_id
            and la.customer_id = p_customer_id
            and la.starts_at >= p_starts_at - v_window
            and la.starts_at <= p_starts_at + v_window
            and la.service_id is not distinct from p_service_id
            and la.metadata ->> 'booked_for' is not distinct from p_booked_for
            and la.id is distinct from p_appointment_id;
    end if;

    if p_staff_id is not null then
        select array_agg(o.id order by o.id) into v_overlapping_appointment_ids
        from (
            select la.id
            from trueup.live_appointments as la
            where
                la.staff_id = p_staff_id
                and la.starts_at >= p_starts_at - interval '4 hours'
                and la.starts_at < p_ends_at
                and la.ends_at > p_starts_at
                and la.ends_at > la.starts_at
            union
            select la.id
            from trueup.live_appointments as la
            where
                la.staff_id = p_staff_id
                and la.is_long
                and la.starts_at < p_ends_at
                and la.ends_at > p_starts_at
        ) as o
        where o.id is distinct from p_appointment_id;
    end if;

    if v_duplicate_appointment_ids is not null then
        raise exception 'customer % has this service at nearly the same time', p_customer_id
            using
                errcode = 'TU203',
                constraint = 'appointment_duplicate',
                schema = 'trueup',
                detail = format('Near-duplicate of appointment %s.', array_to_string(v_duplicate_appointment_ids, ', '))
                    || case
                        when v_overlapping_appointment_ids is null then ''
                        else format(
                            ' Staff %s is booked for appointment %s.',
                            p_staff_id, array_to_string(v_overlapping_appointment_ids, ', ')
                        )
                    end,
                hint = 'Reschedule that one, or say whom the second one is for (booked_for).';
    elsif v_overlapping_appointment_ids is not null then
        raise exception 'conflicting key value violates exclusion constraint "appointments_staff_id_excl"'
            using
                errcode = 'exclusion_violation',
                constraint = 'appointments_staff_id_excl',
                schema = split_part('public.appointments', '.', 1),
                table = 'appointments',
                detail = format(
                    'Staff %s is booked for appointment %s at that time.',
                    p_staff_id, array_to_string(v_overlapping_appointment_ids, ', ')
                ),
                hint = 'Choose another time, or somebody else.';
    end if;
end;
$$;
