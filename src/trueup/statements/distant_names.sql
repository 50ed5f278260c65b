-- tables whose rows are not here, in the words of the catalogue: there may be no schema trueup yet
select format('%%I.%%I', n.nspname, c.relname)
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    n.nspname = %(schema)s
    and (
        c.relkind in ('f', 'v', 'm')
        or exists (
            select 1
            from pg_catalog.pg_partition_tree(c.oid) as part
            inner join pg_catalog.pg_class as pc on part.relid = pc.oid
            where c.relkind = 'p' and pc.relkind = 'f'
        )
    );
