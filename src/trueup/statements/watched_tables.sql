-- tables that the checks named rest on, with the columns whose update can change a verdict: all of
-- them where only the header names the table, because a function hides what it reads there.
-- A BEFORE trigger, be it on one partition, may write a column that the statement does not name: what
-- fires such a trigger counts as well, and one without a column list makes every update count, unless it is
-- ours and notes the row itself (trueup.note_row). No trigger sees the value of a virtual generated column: what
-- counts is those it is computed from.
with reads as materialized (
    select
        cr.check_name,
        to_regclass(cr.table_name)::oid as relid,
        cr.column_name
    from trueup.check_reads as cr
    where cr.check_name = any(%(names)s::text[])
),

rests as (
    select
        rd.relid,
        rd.column_name
    from reads as rd
    union all
    select
        a.attrelid,
        a.attname::text
    from unnest(%(sources)s::text[], %(tables)s::text[]) as s (check_name, table_name)
    inner join pg_catalog.pg_attribute as a
        on to_regclass(s.table_name) = a.attrelid and a.attnum > 0 and not a.attisdropped
    where not exists (
        select 1
        from reads as rd
        where rd.check_name = s.check_name and rd.relid = a.attrelid
    )
)

select
    w.table_name,
    -- a statement trigger with transition tables refuses to see rows of foreign tables
    not exists (
        select 1
        from pg_catalog.pg_partition_tree(w.relid) as pt
        inner join pg_catalog.pg_class as pc on pt.relid = pc.oid
        where pc.relkind = 'f'
    )
    and w.relkind not in ('f', 'm')
    -- a partition has its part of the triggers of a partitioned table, under the same names
    and not exists (
        select 1
        from rests as r
        inner join pg_catalog.pg_partition_ancestors(w.relid) as pa on r.relid = pa.relid and pa.relid <> w.relid
    ) as is_trackable,
    w.relkind = 'p' or w.relispartition as is_partitioned,
    bt.is_unlisted as any_update,
    -- a column that a check names cannot be dropped under it; of a table that is read as a whole, any can,
    -- and one that a virtual column is computed from, once it is computed from others
    bt.is_unlisted
    and (
        not exists (
            select 1
            from pg_catalog.pg_attribute as a
            where
                a.attrelid = w.relid
                and a.attnum > 0
                and not a.attisdropped
                and a.attname <> all(w.columns)
        )
        or exists (
            select 1
            from pg_catalog.pg_attribute as v
            where v.attrelid = w.relid and v.attgenerated = 'v' and v.attname = any(w.columns)
        )
    ) as is_whole,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where
            a.attrelid = w.relid
            and a.attnum > 0
            and not a.attisdropped
            and a.attgenerated <> 'v'
            and (
                a.attname = any(w.columns)
                -- where every update counts, what fires others matters no more
                or (not bt.is_unlisted and a.attname = any(bt.columns))
                or exists (
                    select 1
                    from pg_catalog.pg_attribute as v
                    inner join pg_catalog.pg_attrdef as ad on v.attrelid = ad.adrelid and v.attnum = ad.adnum
                    inner join pg_catalog.pg_depend as d on ad.oid = d.objid
                    where
                        v.attrelid = a.attrelid
                        and v.attgenerated = 'v'
                        and v.attname = any(w.columns)
                        and d.classid = 'pg_catalog.pg_attrdef'::regclass
                        and d.refclassid = 'pg_catalog.pg_class'::regclass
                        and d.refobjid = a.attrelid
                        and d.refobjsubid = a.attnum
                )
            )
        -- in the order in which old and new are compared: long values last
        order by a.attlen < 0, a.attnum
    ) as columns,
    -- where values of these are equal they are the same, byte by byte; not so 1.0 and 1.00, or the two zeros
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        inner join pg_catalog.pg_type as ty on a.atttypid = ty.oid
        left join pg_catalog.pg_collation as co on a.attcollation = co.oid
        where
            a.attrelid = w.relid
            and a.attnum > 0
            and not a.attisdropped
            and coalesce(co.collisdeterministic, true)
            and (
                ty.typtype = 'e'
                or ty.oid = any(
                    '{boolean,smallint,integer,bigint,text,varchar,uuid,date,timestamp,timestamptz}'::regtype[]
                )
            )
        order by a.attnum
    ) as exact,
    -- how a value is written may depend on the session: on its DateStyle, time zone, bytea_output ...
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        inner join pg_catalog.pg_type as ty on a.atttypid = ty.oid
        where
            a.attrelid = w.relid
            and a.attnum > 0
            and not a.attisdropped
            and ty.typcategory not in ('B', 'E', 'N', 'S')
            and ty.oid <> 'pg_catalog.uuid'::regtype
        order by a.attnum
    ) as dated,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = w.relid and a.attnum > 0 and not a.attisdropped and a.attgenerated = 'v'
        order by a.attnum
    ) as unseen
from (
    select
        format('%%I.%%I', n.nspname, c.relname) as table_name,
        c.oid as relid,
        c.relkind,
        c.relispartition,
        array_agg(distinct r.column_name) as columns
    from rests as r
    inner join pg_catalog.pg_class as c on r.relid = c.oid
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    where c.relkind in ('r', 'p', 'f', 'm')
    group by n.nspname, c.relname, c.oid, c.relkind, c.relispartition
) as w
cross join lateral (
    select
        coalesce(
            bool_or(
                cardinality(t.tgattr::smallint[]) = 0
                and not (
                    p.pronamespace = 'trueup'::regnamespace
                    and (p.prosrc ~ '\mnote_row\M' or c.relnamespace = 'trueup'::regnamespace)
                )
            ),
            false
        ) as is_unlisted,
        array_agg(a.attname::text) as columns
    from (
        select w.relid
        union
        select pt.relid::oid
        from pg_catalog.pg_partition_tree(w.relid) as pt
    ) as part
    inner join pg_catalog.pg_trigger as t on part.relid = t.tgrelid
    inner join pg_catalog.pg_class as c on t.tgrelid = c.oid
    inner join pg_catalog.pg_proc as p on t.tgfoid = p.oid
    -- the columns of a partition may have other numbers
    left join pg_catalog.pg_attribute as a on t.tgrelid = a.attrelid and a.attnum = any(t.tgattr::smallint[])
    where
        not t.tgisinternal
        -- before, row, update
        and t.tgtype & 19 = 19
) as bt
order by w.table_name;
