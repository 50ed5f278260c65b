-- require_journal(table, operation, that a row was written is known): refuse a write that no undo could take back
--
-- Called by what notes changes, while a repair is being applied: the repair, or a trigger that it set
-- off, has changed a value that checks read. The table must have its journal then (journal_row_change),
-- and no journal of rows sees a TRUNCATE. A statement of which nobody knows whether it wrote a row is
-- believed to have when the server has counted one in this transaction.

create or replace function trueup.require_journal(p_table oid, p_operation text, p_is_known boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if
        p_operation <> 'TRUNCATE'
        and exists (
            select 1
            from pg_catalog.pg_trigger as tg
            where
                tg.tgrelid = p_table
                and tg.tgfoid = 'trueup.journal_row_change()'::regprocedure
                and tg.tgenabled in ('O', 'A')
                -- each row: insert, delete and update
                and tg.tgtype & 29 = 29
        )
    then
        return;
    end if;

    if
        not p_is_known
        and p_operation <> 'TRUNCATE'
        and not exists (
            select 1
            from (
                select p_table as relid
                union all
                select pt.relid::oid
                from pg_catalog.pg_partition_tree(p_table) as pt
            ) as t
            where
                pg_stat_get_xact_tuples_inserted(t.relid) > 0
                or pg_stat_get_xact_tuples_updated(t.relid) > 0
                or pg_stat_get_xact_tuples_deleted(t.relid) > 0
        )
    then
        return;
    end if;

    -- to trueup.apply_repair TU100 is the reason why a person decides
    if p_operation = 'TRUNCATE' then
        raise exception 'the repair truncates %, which no journal sees', p_table::regclass using errcode = 'TU100';
    end if;
    raise exception 'the repair changes %, which has no journal: give it its trigger in triggers/journal_repairs.sql',
        p_table::regclass
        using errcode = 'TU100';
end;
$$;
