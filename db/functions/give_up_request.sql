-- give_up_request(request, why): nobody but a person can say how a request ended
--
-- Its outcome becomes unknown, and the review queue gets it under the name of the check that
-- lists it. trueup.settle_request is what the person says then.

create or replace function trueup.give_up_request(p_request_id bigint, p_why text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_request trueup.idempotency_keys;
begin
    update trueup.idempotency_keys as ik
    set status = 'unknown', is_retryable = false, lease_expires_at = least(ik.lease_expires_at, clock_timestamp())
    where ik.id = p_request_id
    returning ik.* into v_request;

    perform trueup.queue_review(
        'idempotency_key_stuck',
        'request',
        p_request_id::text,
        p_why,
        v_request.company_id::text,
        'critical',
        jsonb_build_object('scope', v_request.scope, 'key', v_request.key, 'attempt', v_request.attempt)
    );
end;
$$;
