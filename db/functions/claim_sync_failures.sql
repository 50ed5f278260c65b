-- claim_sync_failures(most, company): what is to be tried again now, for one worker
--
-- Claims the failures that are due, the longest due first, and counts a try of each; of
-- workers that ask at once each gets others (`skip locked`). A worker tells how it went
-- with trueup.finish_sync_failure and the token of the claim, within the setting
-- sync_retry_lease. One that does not come back has used up its try, and the failure is
-- due again; when it was the last one, this function hands the failure to a person.
--
-- Commit before the provider is called: the claim holds by the lease, not by a lock.
-- Without a company: of all of them, for a worker that serves all.

create or replace function trueup.claim_sync_failures(p_most integer default 10, p_company_id bigint default null)
    returns table (
        failure_id bigint,
        company_id bigint,
        appointment_id bigint,
        operation text,
        attempt integer,
        max_attempts integer,
        metadata jsonb,
        token uuid,
        lease_expires_at timestamptz
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
    for v_failure in
        select f.*
        from trueup.sync_failures as f
        where
            f.status = 'pending'
            and (f.next_attempt_at is null or f.next_attempt_at <= clock_timestamp())
            and (f.lease_expires_at is null or f.lease_expires_at <= clock_timestamp())
            and (p_company_id is null or f.company_id = p_company_id)
        order by f.next_attempt_at nulls first, f.id
        limit greatest(p_most, 0)
        for update skip locked
    loop
        if v_failure.attempt_count >= v_failure.max_attempts then
            perform trueup.hand_over_sync_failure(v_failure.id, 'all tries are used up');
            continue;
        end if;

        update trueup.sync_failures as f
        set
            attempt_count = f.attempt_count + 1,
            claim_token = gen_random_uuid(),
            lease_expires_at = clock_timestamp() + trueup.setting('sync_retry_lease')::interval,
            updated_at = clock_timestamp()
        where f.id = v_failure.id
        returning f.* into v_failure;

        failure_id := v_failure.id;
        company_id := v_failure.company_id;
        appointment_id := v_failure.appointment_id;
        operation := v_failure.operation;
        attempt := v_failure.attempt_count;
        max_attempts := v_failure.max_attempts;
        metadata := v_failure.metadata;
        token := v_failure.claim_token;
        lease_expires_at := v_failure.lease_expires_at;
        return next;
    end loop;
end;
$$;
