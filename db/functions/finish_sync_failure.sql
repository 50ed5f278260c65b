-- finish_sync_failure(company, failure, token, outcome ...): how the try of a synchronisation went
--
-- p_outcome: done       resolved; the appointment is synced, with the provider's uid and
--                       number where it had none
--            failed     tried again after a pause that doubles; a person when that was the last
--            refused, unknown   a person at once, as in trueup.record_sync_failure
--
-- Only the current claim counts: who was slower than the lease, and lost the failure to
-- another worker, is refused. Told twice by the same worker, done stays done. A failure
-- that is with a person is finished without a token, by outcome done.
--
--     TU401   an outcome that is none of the four; done, and no booking of the provider is known
--     TU402   no such failure of this company
--     TU403   not the current claim, or nothing is claimed

create or replace function trueup.finish_sync_failure(
    p_company_id bigint,
    p_failure_id bigint,
    p_token uuid,
    p_outcome text,
    p_error text default null,
    p_booking_uid text default null,
    p_booking_number bigint default null
)
    returns table (
        failure_id bigint,
        status text,
        attempt_count integer,
        next_attempt_at timestamptz,
        review_item_id bigint
    )
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
-- columns and results bear the same names
#variable_conflict use_column
declare
    v_failure trueup.sync_failures;
    v_appointment_id bigint;
begin
    if (p_outcome in ('done', 'failed', 'refused', 'unknown')) is not true then
        raise exception 'a synchronisation has no outcome %', quote_nullable(p_outcome)
            using errcode = 'TU401', hint = 'The outcomes are done, failed, refused and unknown.';
    end if;

    -- the appointment first, as record_sync_failure locks them
    select f.appointment_id into v_appointment_id
    from trueup.sync_failures as f
    where f.id = p_failure_id and f.company_id = p_company_id;
    perform 1 from public.appointments as a where a.id = v_appointment_id for no key update;

    select f.* into v_failure
    from trueup.sync_failures as f
    where f.id = p_failure_id and f.company_id = p_company_id
    for update;
    if not found then
        raise exception 'company % has no failed synchronisation %',
            coalesce(p_company_id::text, 'NULL'), coalesce(p_failure_id::text, 'NULL')
            using errcode = 'TU402';
    elsif
        v_failure.claim_token is distinct from p_token
        or (p_token is null and (v_failure.status <> 'manual_review' or p_outcome <> 'done'))
    then
        raise exception 'the claim of failed synchronisation % is not this one', p_failure_id
            using
                errcode = 'TU403',
                detail = format('It is %s, after %s tries.', v_failure.status, v_failure.attempt_count),
                hint = 'Claim it again; what was done at the provider stays done.';
    end if;

    if p_outcome = 'done' then
        if
            p_booking_uid is null
            and p_booking_number is null
            and exists (
                select 1
                from public.appointments as a
                where a.id = v_failure.appointment_id and a.calcom_booking_uid is null and a.calcom_booking_id is null
            )
        then
            raise exception 'appointment % is not synced without its booking', v_failure.appointment_id
                using
                    errcode = 'TU401',
                    hint = 'Give the provider''s uid or number; if nobody knows it, the outcome is unknown.';
        end if;

        update public.appointments as a
        set
            calcom_booking_uid = coalesce(a.calcom_booking_uid, p_booking_uid),
            calcom_booking_id = coalesce(a.calcom_booking_id, p_booking_number),
            calcom_sync_status = 'synced',
            last_sync_attempted_at = clock_timestamp()
        where a.id = v_failure.appointment_id and v_failure.status <> 'resolved';

        update trueup.sync_failures as f
        set
            status = 'resolved',
            -- the token stays, so that the same worker may say it twice
            lease_expires_at = null,
            next_attempt_at = null,
            updated_at = clock_timestamp()
        where f.id = p_failure_id
        returning f.* into v_failure;
    elsif v_failure.status = 'pending' then
        update public.appointments as a
        set
            calcom_sync_status = case p_outcome when 'unknown' then 'verification_pending' else 'failed' end,
            sync_attempt_count = a.sync_attempt_count + 1,
            last_sync_attempted_at = clock_timestamp()
        where a.id = v_failure.appointment_id;

        if p_outcome = 'failed' and v_failure.attempt_count < v_failure.max_attempts then
            update trueup.sync_failures as f
            set
                error = p_error,
                claim_token = null,
                lease_expires_at = null,
                next_attempt_at = trueup.sync_retry_at(f.attempt_count),
                updated_at = clock_timestamp()
            where f.id = p_failure_id
            returning f.* into v_failure;
        else
            update trueup.sync_failures as f set error = p_error where f.id = p_failure_id;
            review_item_id := trueup.hand_over_sync_failure(
                p_failure_id,
                case p_outcome
                    when 'refused' then 'the provider refused it'
                    when 'unknown' then 'nobody knows whether the provider did it'
                    else 'all tries are used up'
                end
            );
            select f.* into v_failure from trueup.sync_failures as f where f.id = p_failure_id;
        end if;
    end if;

    failure_id := v_failure.id;
    status := v_failure.status;
    attempt_count := v_failure.attempt_count;
    next_attempt_at := v_failure.next_attempt_at;
    return next;
end;
$$;
