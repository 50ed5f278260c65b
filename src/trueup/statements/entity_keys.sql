select distinct
    cp.entity_type,
    cp.table_name,
    cp.key_column,
    cp.key_type,
    -- with a nondeterministic collation one key has several spellings
    exists (
        select 1
        from pg_catalog.pg_attribute as a
        inner join pg_catalog.pg_collation as co on a.attcollation = co.oid
        where
            a.attrelid = to_regclass(cp.table_name)
            and a.attname = cp.key_column
            and not co.collisdeterministic
    ) as is_spelled_freely
from trueup.check_populations as cp
inner join trueup.checks as ch on cp.check_name = ch.name
where ch.is_active;
