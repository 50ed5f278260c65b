-- hand_over_sync_failure(failure, reason): a synchronisation that failed becomes a person's
--
-- The one way there, for the last try, the worker that died on it, and the repair of
-- sync_failure_exhausted. The item's reason is sync_failed and not the check's name: what
-- is handed over violates the check no longer, and items of a check end with its violation.
-- The error is not put into the queue: it may quote the customer.

create or replace function trueup.hand_over_sync_failure(p_failure_id bigint, p_reason text)
    returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_failure trueup.sync_failures;
begin
    update trueup.sync_failures as f
    set
        status = 'manual_review',
        claim_token = null,
        lease_expires_at = null,
        next_attempt_at = null,
        updated_at = clock_timestamp()
    where f.id = p_failure_id
    returning f.* into v_failure;

    return trueup.queue_review(
        'sync_failed',
        'sync_failure',
        p_failure_id::text,
        'a synchronisation failed for good: ' || p_reason,
        v_failure.company_id::text,
        'warning',
        jsonb_strip_nulls(jsonb_build_object(
            'operation', v_failure.operation,
            'appointment_id', v_failure.appointment_id,
            'attempt_count', v_failure.attempt_count
        ))
    );
end;
$$;
