-- append_only(): what was written stays written
--
-- Statement-level, so truncate is refused too. Dropping the table is still possible:
-- uninstalling is no way to change one line of a history.

create or replace function trueup.append_only()
    returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    raise exception '%.% is append-only: no %', tg_table_schema, tg_table_name, lower(tg_op)
        using errcode = 'TU003', hint = 'Write a further row that says what was wrong.';
end;
$$;

create or replace trigger append_only
    before update or delete or truncate on trueup.manual_review_events
    for each statement
    execute function trueup.append_only();
