-- note_row(table, key): note one changed row, as the triggers that note changes do
--
-- For a fill that any update of its table may fire: the trigger that notes updates looks
-- only at statements that name a column some check rests on, and would not see what the
-- fill writes. The key is 'column=value'.

create or replace function trueup.note_row(p_table text, p_key text)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
insert into trueup.changes (table_name, keys) values (p_table, array[p_key]);
$$;
