-- begin_request(company, scope, key, hash of the parameters, lease): may this be done, was it done already
--
-- Before something outside the database is done that must not be done twice, such as a
-- booking at the provider. One row says which:
--
--     new       do it, and tell trueup.finish_request with the token before lease_expires_at.
--               taken_over: somebody began and never told how it ended; look before doing it again
--     running   somebody does it now, until lease_expires_at at the latest
--     replay    it was done; result is what finish_request stored
--     unknown   nobody knows how it ended: a person looks after it, and nobody does it again
--
-- A request is known by company, scope (the operation) and key; company NULL is one, too. The
-- same key with another hash is another request under the same name and is refused (TU202).
--
-- An expired lease is taken over once. The second one that expires makes the outcome unknown:
-- two runners that died of one request are no accident, and a third blind try may book a
-- third time. Whoever comes next is told so, and the review queue has it.
--
-- What is begun counts for others when the transaction commits; until then they wait. So
-- commit before you call the provider. The clock is the database's, and goes on while a
-- transaction waits.

create or replace function trueup.begin_request(
    p_company_id bigint,
    p_scope text,
    p_key uuid,
    p_parameters_hash text,
    p_lease interval default null
)
    returns table (
        outcome text,
        token uuid,
        attempt integer,
        taken_over boolean,
        result jsonb,
        lease_expires_at timestamptz
    )
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_lease interval := coalesce(
        p_lease,
        (select rp.lease from trueup.request_policies as rp where rp.scope = p_scope),
        trueup.setting('request_lease')::interval
    );
    v_request trueup.idempotency_keys;
begin
    if p_key is null or coalesce(btrim(p_scope), '') = '' or coalesce(btrim(p_parameters_hash), '') = '' then
        raise exception 'a request needs a scope, a key and a hash of its parameters'
            using errcode = 'TU205', hint = 'trueup.parameters_hash(jsonb) makes the hash.';
    end if;
    if v_lease <= interval '0' or not isfinite(clock_timestamp() + v_lease) then
        raise exception 'a lease of % is none', v_lease using errcode = 'TU205';
    end if;

    loop
        insert into trueup.idempotency_keys as ik
            (company_id, scope, key, parameters_hash, token, lease_expires_at)
        values (
            p_company_id, p_scope, p_key, p_parameters_hash, gen_random_uuid(), clock_timestamp() + v_lease
        )
        on conflict do nothing
        returning ik.* into v_request;
        if found then
            return query select 'new', v_request.token, 1, false, null::jsonb, v_request.lease_expires_at;
            return;
        end if;

        select ik.* into v_request
        from trueup.idempotency_keys as ik
        where ik.key = p_key and ik.scope = p_scope and ik.company_id is not distinct from p_company_id
        for update;
        exit when found; -- else it was pruned between the two statements
    end loop;

    if v_request.parameters_hash <> p_parameters_hash then
        raise exception 'request % of % was made with other parameters', p_key, p_scope
            using
                errcode = 'TU202',
                detail = format('Request %s has had this key since %s.', v_request.id, v_request.created_at),
                hint = 'Send a new key for a new request, and the same parameters with the same key.';
    end if;

    if v_request.status = 'finished' and not v_request.is_retryable then
        return query
        select 'replay', null::uuid, v_request.attempt, false, v_request.result, null::timestamptz;
        return;
    end if;

    if
        v_request.status = 'running'
        and not v_request.is_retryable
        and v_request.lease_expires_at <= clock_timestamp()
        and v_request.was_taken_over
    then
        perform trueup.give_up_request(v_request.id, 'two runners did not say how it ended');
        v_request.status := 'unknown';
    end if;

    if v_request.status = 'unknown' then
        return query
        select 'unknown', null::uuid, v_request.attempt, false, v_request.result, null::timestamptz;
        return;
    end if;

    if
        v_request.status = 'running'
        and not v_request.is_retryable
        and v_request.lease_expires_at > clock_timestamp()
    then
        return query
        select 'running', null::uuid, v_request.attempt, false, null::jsonb, v_request.lease_expires_at;
        return;
    end if;

    -- a failure that may be tried again, or a lease that expired for the first time
    return query
    update trueup.idempotency_keys as ik
    set
        status = 'running',
        token = gen_random_uuid(),
        attempt = ik.attempt + 1,
        was_taken_over = ik.was_taken_over or not ik.is_retryable,
        is_retryable = false,
        result = null,
        finished_at = null,
        lease_expires_at = clock_timestamp() + v_lease
    where ik.id = v_request.id
    returning 'new', ik.token, ik.attempt, not v_request.is_retryable, null::jsonb, ik.lease_expires_at;
end;
$$;
