-- retention_rules
--
-- The rules of trueup.retention as SQL: the condition on a row t that may go, the key of
-- its table, and the tables whose rows go with it (a foreign key on delete cascade).
-- No row for a table that is missing; guard_disarmed reports that.
--
-- A thousand years are for ever: subtracting many more has no timestamp as its result, and would end
-- a prune of all tables. Months less days are what the constraint on keep takes them for, months of 30
-- days; by the calendar a month less 29 days may end before it begins, and everything would be over.

create or replace view trueup.retention_rules as
select
    rt.name,
    rt.position,
    rt.table_name,
    rt.keep,
    rt.description,
    format('%I', rt.time_column) as time_column,
    format('%I', att.attname) as key_column,
    format_type(att.atttypid, att.atttypmod) as key_type,
    format(
        't.%I < least(now() - %L::interval, now() - %L::interval) and (%s)',
        rt.time_column, kept.length, kept.plainly, rt.predicate
    ) as condition,
    coalesce(child.tables, '{}') as child_tables,
    coalesce(child.columns, '{}') as child_columns
from trueup.retention as rt
cross join lateral (
    select
        bounded.length,
        -- an epoch has years of 365.25 days
        make_interval(
            secs => extract(epoch from bounded.length) - 5.25 * 86400 * extract(year from bounded.length)
        ) as plainly
    from (
        select case when rt.keep > interval '1000 years' then interval '1000 years' else rt.keep end as length
    ) as bounded
) as kept
inner join pg_catalog.pg_index as i on i.indrelid = to_regclass(rt.table_name) and i.indisprimary and i.indnkeyatts = 1
inner join pg_catalog.pg_attribute as att on att.attrelid = i.indrelid and att.attnum = i.indkey[0]
left join lateral (
    select
        array_agg(format('%I.%I', n.nspname, c.relname) order by n.nspname, c.relname) as tables,
        array_agg(format('%I', a.attname) order by n.nspname, c.relname) as columns
    from pg_catalog.pg_constraint as con
    inner join pg_catalog.pg_class as c on con.conrelid = c.oid
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    inner join pg_catalog.pg_attribute as a on con.conrelid = a.attrelid and a.attnum = con.conkey[1]
    where
        con.confrelid = i.indrelid
        and con.contype = 'f'
        and con.confdeltype = 'c'
        and con.confkey = array[att.attnum]
) as child on true;
