-- tables that are no ordinary ones, and what cannot stand on them; asked before there is a schema
-- trueup, so in words of its own (trueup.distant_tables, trueup.constraint_obstacle)
select
    format(
        case
            when shape.is_distant
                then '%%s (%%s): checks read the rows; triggers, constraints and repairs are left out, and belong '
                'into the database that holds the rows: adopt it, too'
            else '%%s (%%s): unique indexes and exclusion constraints without these columns are left out, and '
            'foreign keys that refer to such; checks find what they would refuse. Statement triggers fire for '
            'statements that name the table, not for those that name a partition'
        end,
        string_agg(format('%%s.%%I', %(schema)s::text, c.relname), ', ' order by c.relname),
        shape.name
    ) as note
from pg_catalog.pg_class as c
cross join lateral (
    select
        case
            when c.relkind = 'f' then 'foreign tables'
            when c.relkind in ('v', 'm') then 'views'
            when exists (
                select 1
                from pg_catalog.pg_partition_tree(c.oid) as part
                inner join pg_catalog.pg_class as pc on part.relid = pc.oid
                where pc.relkind = 'f'
            ) then 'foreign tables as partitions'
        end as distance
) as d
cross join lateral (
    select
        d.distance is not null as is_distant,
        coalesce(d.distance, 'partitioned by ' || pg_get_partkeydef(c.oid)) as name
) as shape
where
    c.relnamespace = to_regnamespace(%(schema)s)
    and c.relkind in ('p', 'f', 'v', 'm')
    and c.relname = any(%(names)s::text[])
group by shape.is_distant, shape.name
order by note;
