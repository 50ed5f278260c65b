-- changeable_appointment(company, appointment, call): the appointment, locked, to be moved or cancelled
--
-- Customer and staff are locked before it, in the order of lock_participants; who they are is
-- read before and looked at again under the lock, and another round is made when somebody
-- re-assigned it in between. The call is who asks, and must be one of the company; it need
-- not be the one that booked (decision D2), and is not locked: nothing of it is written.
--
-- A status in another spelling is returned as the word that it means, for those who ask what
-- it is; a word that the vocabulary does not know stays.

create or replace function trueup.changeable_appointment(
    p_company_id bigint,
    p_appointment_id bigint,
    p_call_id bigint
)
    returns public.appointments
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment public.appointments;
    v_customer_id bigint;
    v_staff_id bigint;
begin
    if
        p_call_id is not null
        and not exists (
            select 1
            from public.calls as c
            where c.id = p_call_id and c.company_id = p_company_id and c.deleted_at is null
        )
    then
        perform trueup.refuse_unknown('call', p_call_id, p_company_id);
    end if;

    select a.customer_id, a.staff_id into v_customer_id, v_staff_id
    from public.appointments as a
    where a.id = p_appointment_id and a.company_id = p_company_id;

    loop
        perform 1
        from public.customers as k
        where k.id = v_customer_id and k.company_id = p_company_id
        for no key update;
        perform 1
        from public.staff as s
        where s.id = v_staff_id and s.company_id = p_company_id
        for no key update;

        select a.* into v_appointment
        from public.appointments as a
        where a.id = p_appointment_id and a.company_id = p_company_id and a.deleted_at is null
        for no key update;
        if not found then
            perform trueup.refuse_unknown('appointment', p_appointment_id, p_company_id);
        end if;

        exit when
            v_appointment.customer_id is not distinct from v_customer_id
            and v_appointment.staff_id is not distinct from v_staff_id;
        v_customer_id := v_appointment.customer_id;
        v_staff_id := v_appointment.staff_id;
    end loop;

    v_appointment.status := coalesce(
        trueup.vocabulary_value('appointment_status', v_appointment.status), v_appointment.status
    );
    return v_appointment;
end;
$$;
