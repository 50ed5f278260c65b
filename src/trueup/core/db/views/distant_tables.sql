-- distant_tables
--
-- Tables whose rows are not in this database: foreign tables, views, and partitioned
-- tables with a foreign table among their partitions. Checks read them like any other.
-- What prevents a violation cannot stand on them: PostgreSQL enforces no constraint of a
-- foreign table, takes no constraint trigger and no transition table there, and would not
-- see what is written on the other side. Constraints and triggers belong into the database
-- that holds the rows; here they are left out, and that is no fault.
--
-- Partitions by the catalogue alone: pg_partition_tree locks each of them, and whoever asks would wait
-- for those who alter one.

create or replace view trueup.distant_tables as
select
    c.oid::regclass as table_id,
    format('%I.%I', n.nspname, c.relname) as table_name,
    format(
        case
            when c.relkind = 'f' then '%I.%I is a foreign table: its rows are in another database'
            when c.relkind = 'p' then '%I.%I has a foreign table as partition: its rows are in another database'
            else '%I.%I is a view: its rows are elsewhere'
        end,
        n.nspname,
        c.relname
    ) as reason
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    n.nspname not in ('trueup', 'pg_catalog', 'information_schema')
    and (
        c.relkind in ('f', 'v', 'm')
        or (
            c.relkind = 'p'
            and exists (
                with recursive part as (
                    select i.inhrelid as relid
                    from pg_catalog.pg_inherits as i
                    where i.inhparent = c.oid
                    union
                    select i.inhrelid
                    from part
                    inner join pg_catalog.pg_inherits as i on part.relid = i.inhparent
                )

                select 1
                from part
                inner join pg_catalog.pg_class as pc on part.relid = pc.oid
                where pc.relkind = 'f'
            )
        )
    );
