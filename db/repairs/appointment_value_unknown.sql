-- appointment_value_unknown: repair
--
-- Replaces a spelling or synonym by the word of the vocabulary. One value that means
-- nothing there hands the whole row to a person, who sees all of it. So does a word that
-- means pending or confirmed on an appointment whose last modification is a cancel:
-- cancelled and not written there, or taken up again, the row does not tell.

create or replace function trueup.repair_appointment_value_unknown(p_appointment_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment public.appointments;
    v_status text;
    v_source text;
    v_sync_origin text;
    v_calcom_sync_status text;
    v_cancelled_at timestamptz;
begin
    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id
    for no key update;

    v_status := trueup.vocabulary_value('appointment_status', v_appointment.status);
    v_source := trueup.vocabulary_value('source', v_appointment.source);
    v_sync_origin := trueup.vocabulary_value('sync_origin', v_appointment.sync_origin);
    v_calcom_sync_status := trueup.vocabulary_value('calcom_sync_status', v_appointment.calcom_sync_status);

    if
        v_status is null
        or (v_source is null) <> (v_appointment.source is null)
        or (v_sync_origin is null) <> (v_appointment.sync_origin is null)
        or (v_calcom_sync_status is null) <> (v_appointment.calcom_sync_status is null)
    then
        return ('review', 'a value is no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    v_cancelled_at := trueup.cancellation_time(p_appointment_id);
    if v_status in ('pending', 'confirmed') and v_status <> v_appointment.status and v_cancelled_at is not null then
        return (
            'review',
            'it means ' || v_status || ', and its last modification is a cancel',
            jsonb_build_object('last_modification_cancelled_at', v_cancelled_at)
        )::trueup.repair_outcome;
    end if;

    v_cancelled_at := v_appointment.cancelled_at;
    if v_status = 'cancelled' and v_cancelled_at is null then
        v_cancelled_at := trueup.cancellation_time(p_appointment_id);
        if v_cancelled_at is null then
            return (
                'review', 'it means cancelled, and no modification says when it was', null
            )::trueup.repair_outcome;
        end if;
    end if;

    update public.appointments as a
    set
        status = v_status,
        source = v_source,
        sync_origin = v_sync_origin,
        calcom_sync_status = v_calcom_sync_status,
        cancelled_at = v_cancelled_at
    where a.id = p_appointment_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_strip_nulls(jsonb_build_object(
            'status', nullif(v_appointment.status, v_status),
            'source', nullif(v_appointment.source, v_source),
            'sync_origin', nullif(v_appointment.sync_origin, v_sync_origin),
            'calcom_sync_status', nullif(v_appointment.calcom_sync_status, v_calcom_sync_status)
        ))
    )::trueup.repair_outcome;
end;
$$;
