-- appointment_without_call: repair
--
-- Links the one call of the company that evidence names: the provider's id in metadata
-- (trueup.call_id_named); our id in metadata.call_id; a call whose booking_id is the
-- booking uid; and, when none of them tells, a call whose booking_details prove this
-- booking. The last reads the proofs of all calls, so it comes last. Evidence that names
-- two calls is for a person; so is none, and a call that did not make the appointment
-- (not_the_maker). The call's flags and its link back are written by
-- appointments_sync_calls; an outcome that denies the appointment gives way
-- (trueup.proven_outcome).
--
-- Agents put placeholders there, {{call_id}} or 1. So nothing but an id of the provider's
-- form is taken for one, and a small number for ours only when the appointment was made
-- during that call or within an hour of it.

create or replace function trueup.repair_appointment_without_call(p_appointment_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment public.appointments;
    v_named_call_id bigint;
    v_call_ids bigint[];
    v_found_by text := 'linked by metadata.call_id or booking_id';
    v_reason text;
begin
    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id
    for no key update;

    begin
        v_named_call_id := btrim(v_appointment.metadata ->> 'call_id');
    exception
        when invalid_text_representation or numeric_value_out_of_range then
            null; -- no id of ours
    end;

    v_call_ids := array(
        select c.id
        from public.calls as c
        where
            c.company_id = v_appointment.company_id
            and c.deleted_at is null
            and (
                c.retell_call_id = trueup.call_id_named(v_appointment.metadata)
                or (
                    c.id = v_named_call_id
                    and v_appointment.created_at >= c.started_at
                    and v_appointment.created_at <= coalesce(c.ended_at, c.started_at) + interval '1 hour'
                )
                or c.booking_id = nullif(btrim(v_appointment.calcom_booking_uid), '')
            )
        order by c.id
    );

    if cardinality(v_call_ids) = 0 then
        v_found_by := 'linked by the booking in booking_details';
        v_call_ids := array(
            select bp.call_id
            from trueup.booking_proofs as bp
            where
                bp.company_id = v_appointment.company_id
                and (
                    bp.booking_uid = v_appointment.calcom_booking_uid
                    or (bp.booking_uid is null or v_appointment.calcom_booking_uid is null)
                    and bp.booking_number = v_appointment.calcom_booking_id
                )
            order by bp.call_id
        );
    end if;

    if cardinality(v_call_ids) = 0 then
        return (
            'review',
            'no call of the company is named by metadata.call_id or bears the booking',
            null
        )::trueup.repair_outcome;
    elsif cardinality(v_call_ids) > 1 then
        return (
            'review',
            'the evidence names several calls',
            jsonb_build_object('call_ids', v_call_ids)
        )::trueup.repair_outcome;
    end if;

    v_reason := trueup.not_the_maker(v_call_ids[1], p_appointment_id);
    if v_reason is not null then
        return ('review', v_reason, jsonb_build_object('call_ids', v_call_ids))::trueup.repair_outcome;
    end if;

    update public.appointments as a
    set call_id = v_call_ids[1]
    where a.id = p_appointment_id;

    update public.calls as c
    set session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = v_call_ids[1] and c.session_outcome <> trueup.proven_outcome(c.session_outcome);

    return ('corrected', v_found_by, jsonb_build_object('call_id', v_call_ids[1]))::trueup.repair_outcome;
end;
$$;
