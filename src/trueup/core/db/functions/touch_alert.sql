-- touch_alert(): who wrote an alert last, exactly
--
-- A run resolves and updates only alerts whose last writer its snapshot can see; that
-- is decided by transaction id, because no clock can tell whether a transaction that
-- began earlier has committed.

create or replace function trueup.touch_alert()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := clock_timestamp();
    new.touched_xid := pg_current_xact_id();
    return new;
end;
$$;

create or replace trigger touch_alert
    before update on trueup.data_consistency_alerts
    for each row
    execute function trueup.touch_alert();
