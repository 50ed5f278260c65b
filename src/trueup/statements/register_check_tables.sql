with known as (
    select r.check_name, r.table_name
    from trueup.check_reads as r
    where r.check_name = any(%(names)s::text[])
    union
    -- what the headers name, should a function hide it from the server
    select
        s.check_name,
        format('%%I.%%I', n.nspname, c.relname)
    from unnest(%(sources)s::text[], %(tables)s::text[]) as s (check_name, table_name)
    inner join pg_catalog.pg_class as c on to_regclass(s.table_name) = c.oid and c.relkind in ('r', 'p', 'f', 'm')
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
),

gone as (
    delete from trueup.check_tables as ct
    where not exists (
        select 1
        from known as k
        where k.check_name = ct.check_name and k.table_name = ct.table_name
    )
)

insert into trueup.check_tables (check_name, table_name)
select k.check_name, k.table_name
from known as k
on conflict do nothing;
