-- journal_row_change(key column, ...): before and after images of what a repair changes
--
-- The columns name one row of the table and no other; a deployment refuses those that no unique
-- index does (of a partitioned table, the partition key aside). Of several columns the journal
-- holds names and values as JSON arrays: '["order_id", "line_no"]', '[7, 2]'.
--
-- Attached to every table that repairs may write, also through the triggers they set
-- off. Fires only while a repair is being applied (trueup.repair_id is set), and then
-- the images are complete, whoever wrote the row.
--
-- Images are written in one form, whatever the session's: undo_repair compares them. A row
-- of a partition is a row of the partitioned table: an undo may have to put it back into
-- another partition.

create or replace function trueup.journal_row_change()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set intervalstyle = 'postgres'
    set bytea_output = 'hex'
as $$
declare
    v_before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    v_after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    v_key jsonb := coalesce(v_after, v_before);
begin
    if v_before is distinct from v_after then
        -- the parameter alone proves nothing: the repair it names must be under way in this
        -- transaction, which nobody else sees while its reason is still empty
        insert into trueup.repair_changes
            (repair_id, table_name, key_column, key_value, operation, before, after)
        select
            r.id,
            (
                select format('%I.%I', n.nspname, c.relname)
                from pg_catalog.pg_class as c
                inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
                where c.oid = coalesce(pg_partition_root(tg_relid), tg_relid)
            ),
            case when tg_nargs = 1 then tg_argv[0] else to_jsonb(tg_argv)::text end,
            case
                when tg_nargs = 1 then v_key ->> tg_argv[0]
                else (
                    select jsonb_agg(v_key -> k.name order by k.place)::text
                    from unnest(tg_argv) with ordinality as k (name, place)
                )
            end,
            lower(tg_op),
            v_before,
            v_after
        from trueup.repairs as r
        where r.id = current_setting('trueup.repair_id')::bigint and r.reason = '';
    end if;
    return null;
end;
$$;
