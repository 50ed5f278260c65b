-- review_lease(asked): how long a claim lasts, the setting unless asked otherwise
--
-- A lease that never ends would keep an item from everybody else for ever.

create or replace function trueup.review_lease(p_lease interval)
    returns interval
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_lease interval := coalesce(p_lease, trueup.setting('review_lease')::interval);
begin
    if v_lease <= interval '0' or not isfinite(v_lease) then
        raise exception 'a lease lasts longer than nothing and not for ever, not %', v_lease
            using errcode = 'TU005';
    end if;
    return v_lease;
end;
$$;
