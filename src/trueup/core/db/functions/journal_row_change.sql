-- journal_row_change(key column): before and after images of what a repair changes
--
-- Attached to every table that repairs may write, also through the triggers they set
-- off. Fires only while a repair is being applied (trueup.repair_id is set), and then
-- the images are complete, whoever wrote the row.
--
-- Images are written in one form, whatever the session's: undo_repair compares them.

create or replace function trueup.journal_row_change()
    returns trigger
    language plpgsql
    security definer
    set search_path = ''
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set intervalstyle = 'postgres'
    set bytea_output = 'hex'
as $$
declare
    v_before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    v_after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
begin
    if v_before is distinct from v_after then
        -- the parameter alone proves nothing: the repair it names must be under way in this
        -- transaction, which nobody else sees while its reason is still empty
        insert into trueup.repair_changes
            (repair_id, table_name, key_column, key_value, operation, before, after)
        select
            r.id,
            format('%I.%I', tg_table_schema, tg_table_name),
            tg_argv[0],
            coalesce(v_after, v_before) ->> tg_argv[0],
            lower(tg_op),
            v_before,
            v_after
        from trueup.repairs as r
        where r.id = current_setting('trueup.repair_id')::bigint and r.reason = '';
    end if;
    return null;
end;
$$;
