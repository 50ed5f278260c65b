-- sync_retry_at(attempts): when a synchronisation that failed so often is tried again
--
-- sync_retry_first after the first failure, twice that after the second, and so on, at
-- most sync_retry_cap; and up to a tenth more, so that what failed together is not tried
-- together.

create or replace function trueup.sync_retry_at(p_attempts integer)
    returns timestamptz
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
select clock_timestamp() + (1 + random() / 10) * least(
    trueup.setting('sync_retry_cap')::interval,
    trueup.setting('sync_retry_first')::interval * 2 ^ least(greatest(p_attempts, 1) - 1, 20)
);
$$;
