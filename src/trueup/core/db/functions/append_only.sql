-- append_only(): what was written stays written, until trueup.prune takes it away
--
-- Statement-level, so truncate is refused too. Dropping the table is still possible:
-- uninstalling is no way to change one line of a history.

create or replace function trueup.append_only()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- trueup.prune alone can write this row, and it is open only while prune runs
    if
        tg_op = 'DELETE'
        and exists (
            select 1
            from trueup.prunes as p
            where p.xid = pg_current_xact_id() and p.finished_at is null
        )
    then
        return null;
    end if;

    raise exception '%.% is append-only: no %', tg_table_schema, tg_table_name, lower(tg_op)
        using errcode = 'TU003', hint = 'Write a further row that says what was wrong.';
end;
$$;

create or replace trigger append_only
    before update or delete or truncate on trueup.manual_review_events
    for each statement
    execute function trueup.append_only();

create or replace trigger append_only
    before update or delete or truncate on trueup.console_audit
    for each statement
    execute function trueup.append_only();
