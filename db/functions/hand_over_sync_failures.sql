-- hand_over_sync_failures(): failures whose tries are used up become a person's
--
-- A worker that claims does the same for what it meets (trueup.claim_sync_failures); this is
-- for the hour in which no worker comes. Returns how many.

create or replace function trueup.hand_over_sync_failures()
    returns bigint
    language sql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select count(trueup.hand_over_sync_failure(f.id, 'all tries are used up'))
    from (
        select exhausted.id
        from trueup.sync_failures as exhausted
        where
            exhausted.status = 'pending'
            and exhausted.attempt_count >= exhausted.max_attempts
            and (exhausted.next_attempt_at is null or exhausted.next_attempt_at <= clock_timestamp())
            and (exhausted.lease_expires_at is null or exhausted.lease_expires_at <= clock_timestamp())
        order by exhausted.id
        for update skip locked
    ) as f;
$$;
