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
    set extra_float_digits = 1
as $$
declare
    v_before jsonb := case when tg_op <> 'INSERT' then trueup.row_image(old) end;
    v_after jsonb := case when tg_op <> 'DELETE' then trueup.row_image(new) end;
    v_row jsonb := coalesce(v_after, v_before);
    v_repair_id bigint;
    v_table text;
    v_key_column text := case when tg_nargs = 1 then tg_argv[0] else to_jsonb(tg_argv)::text end;
    v_key_value text;
    v_later_id bigint;
    v_current jsonb;
begin
    -- to jsonb 1.50 equals 1.5
    if v_before::text is not distinct from v_after::text then
        return null;
    end if;

    -- the parameter alone proves nothing: the repair it names must be under way in this
    -- transaction, which nobody else sees while its reason is still empty
    select r.id into v_repair_id
    from trueup.repairs as r
    where r.id = current_setting('trueup.repair_id')::bigint and r.reason = '';
    if v_repair_id is null then
        return null;
    end if;

    select format('%I.%I', n.nspname, c.relname) into v_table
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    where c.oid = coalesce(pg_partition_root(tg_relid), tg_relid);

    if tg_nargs = 1 then
        v_key_value := v_row ->> tg_argv[0];
    else
        select jsonb_agg(v_row -> k.name order by k.place)::text into v_key_value
        from unnest(tg_argv) with ordinality as k (name, place);
    end if;

    -- an AFTER trigger of the application that fired before this one may have written the row again,
    -- and what it wrote is in the journal already: one entry for both
    if v_after is not null then
        -- t alone would be a column of that name
        execute format(
            'select trueup.row_image(t.*) from %s as t where %s', v_table, trueup.journaled_row(v_table, v_key_column)
        )
        into v_current
        using v_after;
    end if;
    if v_current::text is distinct from v_after::text then
        select max(l.id) into v_later_id
        from (
            select rc.id, rc.before, lag(rc.after) over (order by rc.id) as left_as
            from trueup.repair_changes as rc
            where rc.repair_id = v_repair_id and rc.table_name = v_table and rc.key_value = v_key_value
        ) as l
        where l.before::text = v_after::text and l.left_as::text is distinct from l.before::text;
    end if;

    if v_later_id is null then
        insert into trueup.repair_changes
            (repair_id, table_name, key_column, key_value, operation, before, after)
        values (v_repair_id, v_table, v_key_column, v_key_value, lower(tg_op), v_before, v_after);
        return null;
    end if;

    delete from trueup.repair_changes as rc
    where rc.id = v_later_id and rc.after::text is not distinct from v_before::text;
    update trueup.repair_changes as rc
    set
        before = v_before,
        operation = case when v_before is null then 'insert' when rc.after is null then 'delete' else 'update' end
    where rc.id = v_later_id;
    return null;
end;
$$;
