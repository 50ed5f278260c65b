-- undo_proven(repair): this very transaction has marked the repair undone, which only undo_repair does
--
-- What trueup.undoing() asks when the session parameter names a repair.

create or replace function trueup.undo_proven(p_repair_id text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_repair_id !~ '^[0-9]{1,18}$' then
        return false;
    end if;
    return exists (
        select 1
        from trueup.repairs as r
        where r.id = p_repair_id::bigint and r.undone_at = now()
    );
end;
$$;
