-- finish_request(company, scope, key, token, outcome, result): how what begin_request allowed has ended
--
-- The outcome is what the runner knows: success; failure, which is final (the provider refused);
-- transient, a failure that nothing was done by and that may be tried again; unknown, as after
-- a timeout. What it means for who asks again is the policy of the scope (request_policies):
--
--     outcome     replay              retry               complete
--     success     finished            finished            finished
--     failure     finished            finished            unknown: it must be done, and cannot
--     transient   finished            retry               retry, and an alert if nobody does
--     unknown     unknown             unknown             unknown
--
-- Returned is what became of the request: finished, every later request is given this result;
-- retry, the next one is new; unknown, a person looks after it, and nobody tries again blindly.
--
-- Who was taken over has a token of no worth and is refused (TU201), whatever it knows. Who
-- holds an expired lease that nobody took may tell. Told twice with one token, the first counts;
-- but who said unknown, or was given up, may find out and tell success or failure, until a
-- person has settled it.
--
-- A failure rolls back with the transaction that it ended: call this after the rollback.

create or replace function trueup.finish_request(
    p_company_id bigint,
    p_scope text,
    p_key uuid,
    p_token uuid,
    p_outcome text default 'success',
    p_result jsonb default null
)
    returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_request trueup.idempotency_keys;
    v_policy text := coalesce(
        (select rp.policy from trueup.request_policies as rp where rp.scope = p_scope), 'replay'
    );
begin
    if p_outcome is null or p_outcome not in ('success', 'failure', 'transient', 'unknown') then
        raise exception 'a request ends with success, failure, transient or unknown, not with %',
            coalesce(p_outcome, 'NULL')
            using errcode = 'TU205';
    end if;

    select ik.* into v_request
    from trueup.idempotency_keys as ik
    where ik.key = p_key and ik.scope = p_scope and ik.company_id is not distinct from p_company_id
    for update;

    if not found then
        raise exception 'request % of % was not begun', p_key, p_scope using errcode = 'TU200';
    end if;

    if (v_request.token = p_token) is not true then
        raise exception 'another runner has taken over request % of %', p_key, p_scope
            using
                errcode = 'TU201',
                detail = format('It is in attempt %s, %s.', v_request.attempt, v_request.status),
                hint = 'Nothing was changed. If you did it all the same, tell a person: it may have been done twice.';
    end if;

    if v_request.is_retryable then
        return 'retry';
    elsif
        v_request.status = 'finished'
        or (v_request.status = 'unknown' and p_outcome in ('transient', 'unknown'))
    then
        return v_request.status;
    end if;

    if p_outcome = 'unknown' or (p_outcome = 'failure' and v_policy = 'complete') then
        update trueup.idempotency_keys as ik set result = p_result where ik.id = v_request.id;
        perform trueup.give_up_request(
            v_request.id,
            case p_outcome when 'unknown' then 'nobody knows how it ended' else 'it must be done and was refused' end
        );
        return 'unknown';
    end if;

    update trueup.idempotency_keys as ik
    set
        -- to be completed, it is not over: past its lease the check idempotency_key_stuck says so
        status = case when p_outcome = 'transient' and v_policy = 'complete' then 'running' else 'finished' end,
        finished_at = case when p_outcome = 'transient' and v_policy = 'complete' then null else clock_timestamp() end,
        is_retryable = p_outcome = 'transient' and v_policy <> 'replay',
        result = p_result
    where ik.id = v_request.id;

    return case when p_outcome = 'transient' and v_policy <> 'replay' then 'retry' else 'finished' end;
end;
$$;
