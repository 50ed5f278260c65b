-- settle_request(request, outcome, result): a person has found out how a request ended
--
-- For requests that idempotency_key_stuck lists; `request` is the number that alert and
-- review item name. success or failure with the result that later requests are given, or
-- retry: nothing was done, and the next request is new. Then the review item can be resolved.
-- Settled again with the same outcome it stays as it is.

create or replace function trueup.settle_request(
    p_request_id bigint,
    p_outcome text,
    p_result jsonb default null
)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_request trueup.idempotency_keys;
begin
    if p_outcome is null or p_outcome not in ('success', 'failure', 'retry') then
        raise exception 'a request is settled with success, failure or retry, not with %', coalesce(p_outcome, 'NULL')
            using errcode = 'TU205';
    end if;

    select ik.* into v_request from trueup.idempotency_keys as ik where ik.id = p_request_id for update;

    if not found then
        raise exception 'request % does not exist', p_request_id using errcode = 'TU200';
    elsif v_request.status = 'finished' and v_request.is_retryable = (p_outcome = 'retry') then
        return;
    elsif
        v_request.status = 'finished'
        or (v_request.status = 'running' and v_request.lease_expires_at > clock_timestamp())
    then
        raise exception 'request % is %', p_request_id, v_request.status
            using errcode = 'TU204', hint = 'Only a request that is unfinished past its lease is settled by hand.';
    end if;

    -- the token goes: a runner that still lives must not say otherwise
    update trueup.idempotency_keys as ik
    set
        status = 'finished',
        finished_at = clock_timestamp(),
        is_retryable = p_outcome = 'retry',
        result = p_result,
        token = null
    where ik.id = p_request_id;
end;
$$;
