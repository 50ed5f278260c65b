select exists (
    select 1
    from pg_catalog.pg_attribute as a
    where
        a.attrelid = to_regclass(%(table_name)s)
        and a.attname = %(column_name)s
        and a.attnum > 0
        and not a.attisdropped
);
