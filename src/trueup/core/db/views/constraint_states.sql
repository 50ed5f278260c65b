-- constraint_states
--
-- Every constraint and index of ours on the application's tables, as registered by
-- the revisions, beside what the catalogue holds now:
--     valid      there, and true of every row
--     not valid  there for new rows; legacy rows not yet proven
--     invalid    an index whose concurrent build did not finish
--     different  something else bears the name
--     missing    not there
--     left out   not there, because it cannot be; left_out says why
-- must_be_built: it cannot be added NOT VALID, so that on a table with rows it is built
-- whole, under a lock, by `trueup enforce`.
--
-- Definitions are compared by checksum, and only on the server version that wrote it:
-- another version may print the same constraint in other words.

create or replace view trueup.constraint_states as
select
    ct.name,
    ct.table_name,
    ct.kind,
    ct.definition,
    ct.check_name,
    ct.purpose,
    ct.waits_for,
    ct.definition_checksum,
    ct.server_version,
    ct.was_there,
    live.checksum as live_checksum,
    case
        when live.checksum is null and obstacle.reason is not null then 'left out'
        when live.checksum is null then 'missing'
        when same.is_different then 'different'
        when live.is_valid then 'valid'
        when ct.kind in ('unique index', 'index') then 'invalid'
        else 'not valid'
    end as state,
    obstacle.reason as left_out,
    tbl.is_partitioned,
    ct.kind = 'exclude'
    or (
        -- before 18 a partitioned table takes no foreign key that is NOT VALID
        ct.kind = 'foreign key'
        and tbl.is_partitioned
        and current_setting('server_version_num')::integer < 180000
    ) as must_be_built
from trueup.constraints as ct
left join lateral (
    select
        con.convalidated as is_valid,
        md5(trueup.constraint_definition(con.oid)) as checksum
    from pg_catalog.pg_constraint as con
    where
        ct.kind not in ('unique index', 'index')
        and con.conname = ct.name
        and con.conrelid = pg_catalog.to_regclass(ct.table_name)
    union all
    select
        ind.indisvalid,
        md5(trueup.index_definition(ind.indexrelid))
    from pg_catalog.pg_index as ind
    inner join pg_catalog.pg_class as cls on ind.indexrelid = cls.oid
    where
        ct.kind in ('unique index', 'index')
        and cls.relname = ct.name
        and ind.indrelid = pg_catalog.to_regclass(ct.table_name)
) as live on true
cross join lateral (
    select
        coalesce(
            (select c.relkind = 'p' from pg_catalog.pg_class as c where c.oid = pg_catalog.to_regclass(ct.table_name)),
            false
        ) as is_partitioned
) as tbl
cross join lateral (
    select
        current_setting('server_version_num')::integer / 10000 = ct.server_version
        and coalesce(ct.definition_checksum, '') <> live.checksum as is_different
) as same
cross join lateral (
    select
        case
            when live.checksum is null or same.is_different
                then trueup.constraint_obstacle(ct.kind, ct.table_name, ct.definition)
        end as reason
) as obstacle;
