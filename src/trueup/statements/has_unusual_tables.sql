-- tables of which the catalogue alone may not tell the key
select exists (
    select 1
    from pg_catalog.pg_class as c
    where
        c.relnamespace = to_regnamespace(%(schema)s)
        and c.relkind <> 'r'
        and c.relname = any(%(names)s::text[])
);
