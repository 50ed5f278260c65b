-- fail_booking(company, call, reason): the booking of this call did not come about
--
-- All of it or nothing: the flags of the call go down and booking_confirmed with them, its link
-- status and outcome become creation_failed, an alert is opened and a person gets it
-- (provider_booking_failed; deciding the review item resolves the alert). What proves a booking
-- at the provider stays: booking_id and booking_details.
--
-- Call it after the rollback of the booking that failed, in a transaction of its own, or it is
-- rolled back too. Not for an outcome that nobody knows: trueup.finish_request(.., 'unknown').
--
-- A call with a live appointment has not failed (decision D3): refused (TU204). One whose only
-- appointments are cancelled keeps what these prove, its flags and its outcome.
--
-- Told again with the same reason while the item is open, it changes nothing: replayed = true.
-- The call is locked before anything is read, so an appointment made at the same moment is
-- either seen here, or raises the flags again when this has committed.

create or replace function trueup.fail_booking(
    p_company_id bigint,
    p_call_id bigint,
    p_reason text,
    p_actor text default session_user
)
    returns table (call_id bigint, replayed boolean, alert_id bigint, queue_item_id bigint)
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert constant text := 'provider_booking_failed';
    v_call public.calls;
    v_live_appointment_ids bigint[];
    v_is_made boolean;
    v_evidence jsonb;
    v_alert_id bigint;
    v_item_id bigint;
begin
    if coalesce(btrim(p_reason), '') = '' then
        raise exception 'the booking of call % did not fail without a reason', p_call_id using errcode = 'TU205';
    end if;

    perform trueup.lock_participants(p_company_id, p_call_id, null, null);
    select c.* into v_call from public.calls as c where c.id = p_call_id and c.company_id = p_company_id;
    if not found then
        perform trueup.refuse_unknown('call', p_call_id, p_company_id);
    end if;

    select array_agg(ka.id order by ka.id) filter (where ka.status <> 'cancelled'), count(*) > 0
    into v_live_appointment_ids, v_is_made
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id;

    if v_live_appointment_ids is not null then
        raise exception 'the booking of call % has not failed: it has appointment %',
            p_call_id, array_to_string(v_live_appointment_ids, ', ')
            using errcode = 'TU204', hint = 'Cancel the appointment first if it is not to take place.';
    end if;

    select al.id into v_alert_id
    from trueup.data_consistency_alerts as al
    where
        al.alert_type = v_alert
        and al.entity_type = 'call'
        and al.entity_id = p_call_id::text
        and al.status <> 'resolved';
    select q.id into v_item_id
    from trueup.manual_review_queue as q
    where
        q.reason = v_alert
        and q.entity_type = 'call'
        and q.entity_id = p_call_id::text
        and q.status in ('pending', 'in_progress');
    if
        v_call.booking_failed
        and v_call.booking_failure_reason = p_reason
        and (v_is_made or not v_call.booking_confirmed)
        and v_call.requires_manual_processing
        and (v_is_made or (v_call.appointment_link_status, v_call.session_outcome) = ('creation_failed', 'creation_failed'))
        and v_alert_id is not null
        and v_item_id is not null
    then
        return query select p_call_id, true, v_alert_id, v_item_id;
        return;
    end if;

    update public.calls as c
    set
        appointment_made = v_is_made,
        appointment_id = case when v_is_made then c.appointment_id end,
        appointment_link_status = case when v_is_made then c.appointment_link_status else 'creation_failed' end,
        appointment_linked_at = case when v_is_made then c.appointment_linked_at end,
        session_outcome = case when v_is_made then c.session_outcome else 'creation_failed' end,
        booking_confirmed = c.booking_confirmed and v_is_made,
        booking_failed = true,
        booking_failure_reason = p_reason,
        requires_manual_processing = true,
        updated_at = now()
    where c.id = p_call_id;

    -- not the reason: it is free text of the provider and may quote the caller
    v_evidence := jsonb_build_object('booking_id', v_call.booking_id, 'was_confirmed', v_call.booking_confirmed);
    v_alert_id := trueup.file_alert(
        v_alert, p_company_id::text, 'call', p_call_id::text, 'the booking of this call did not come about', v_evidence
    );
    v_item_id := trueup.queue_review(
        v_alert, 'call', p_call_id::text, 'the booking of this call did not come about', p_company_id::text,
        'critical', v_evidence, p_actor
    );

    return query select p_call_id, false, v_alert_id, v_item_id;
end;
$$;
