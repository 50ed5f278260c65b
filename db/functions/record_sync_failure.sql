-- record_sync_failure(company, appointment, operation ...): the provider was not told
--
-- Call it after the transaction of the booking is over, in one of its own: a failure that is
-- recorded in the transaction it undoes is lost. operation names what was tried (create,
-- reschedule, cancel ...). One open failure per appointment and operation: recorded
-- again, it counts one try more.
--
-- p_outcome: failed     it may work later; tried again after a pause that doubles
--            refused    the provider said no, and will again: a person gets it at once
--            unknown    nobody knows whether the provider did it: a person, never a blind retry
--
-- The appointment becomes calcom_sync_status failed, or verification_pending when the
-- outcome is unknown. status of the answer is pending, or manual_review with the queue
-- item. Locks the appointment, then the failure.
--
--     TU401   no operation, or an outcome that is none of the three
--     TU402   no such appointment of this company

create or replace function trueup.record_sync_failure(
    p_company_id bigint,
    p_appointment_id bigint,
    p_operation text,
    p_error text default null,
    p_outcome text default 'failed',
    p_metadata jsonb default '{}'
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
begin
    if nullif(btrim(p_operation), '') is null or (p_outcome in ('failed', 'refused', 'unknown')) is not true then
        raise exception 'a failed synchronisation has an operation and an outcome'
            using
                errcode = 'TU401',
                detail = format('Operation %s, outcome %s.', quote_nullable(p_operation), quote_nullable(p_outcome)),
                hint = 'The outcomes are failed, refused and unknown.';
    end if;

    perform 1
    from public.appointments as a
    where a.id = p_appointment_id and a.company_id = p_company_id
    for no key update;
    if not found then
        raise exception 'company % has no appointment %',
            coalesce(p_company_id::text, 'NULL'), coalesce(p_appointment_id::text, 'NULL')
            using errcode = 'TU402';
    end if;

    update public.appointments as a
    set
        calcom_sync_status = case p_outcome when 'unknown' then 'verification_pending' else 'failed' end,
        sync_attempt_count = a.sync_attempt_count + 1,
        last_sync_attempted_at = clock_timestamp()
    where a.id = p_appointment_id;

    insert into trueup.sync_failures as f (
        company_id, appointment_id, operation, error, attempt_count, max_attempts, next_attempt_at, metadata
    )
    values (
        p_company_id,
        p_appointment_id,
        p_operation,
        p_error,
        1,
        trueup.setting('sync_retry_attempts')::integer,
        trueup.sync_retry_at(1),
        coalesce(p_metadata, '{}')
    )
    on conflict (appointment_id, operation) where status <> 'resolved' and appointment_id is not null
    do update set
        error = excluded.error,
        attempt_count = f.attempt_count + 1,
        next_attempt_at = case when f.status = 'pending' then trueup.sync_retry_at(f.attempt_count + 1) end,
        claim_token = null,
        lease_expires_at = null,
        metadata = f.metadata || excluded.metadata,
        updated_at = clock_timestamp()
    returning f.* into v_failure;

    if
        v_failure.status = 'manual_review'
        or p_outcome <> 'failed'
        or v_failure.attempt_count >= v_failure.max_attempts
    then
        review_item_id := trueup.hand_over_sync_failure(
            v_failure.id,
            case p_outcome
                when 'refused' then 'the provider refused it'
                when 'unknown' then 'nobody knows whether the provider did it'
                else 'all tries are used up'
            end
        );
        select f.* into v_failure from trueup.sync_failures as f where f.id = v_failure.id;
    end if;

    failure_id := v_failure.id;
    status := v_failure.status;
    attempt_count := v_failure.attempt_count;
    next_attempt_at := v_failure.next_attempt_at;
    return next;
end;
$$;
