-- object_states
--
-- Every view, function and trigger of ours as deployed, beside what the catalogue
-- holds now: deployed, missing, different, or disabled (a trigger that does not fire
-- for ordinary sessions, of a partitioned table or of one of its partitions). Checksums are compared only on the server version that made
-- them: another version may print the same object in other words.

create or replace view trueup.object_states as
select
    o.id,
    o.kind,
    o.identity,
    o.file,
    o.file_checksum,
    case
        when live.definition is null then 'missing'
        when
            md5(live.definition) <> o.definition_checksum
            and o.server_version = current_setting('server_version_num')::integer / 10000
            then 'different'
        when
            o.kind = 'trigger'
            and exists (
                select 1
                from pg_catalog.pg_trigger as t
                where
                    t.tgrelid in (
                        -- a table that has no partitions has no tree either
                        select pg_catalog.to_regclass(split_part(o.identity, ' on ', 2))
                        union all
                        select part.relid
                        from pg_catalog.pg_partition_tree(
                            pg_catalog.to_regclass(split_part(o.identity, ' on ', 2))
                        ) as part
                    )
                    and t.tgname = split_part(o.identity, ' on ', 1)
                    and t.tgenabled in ('D', 'R')
            )
            then 'disabled'
        else 'deployed'
    end as state,
    o.server_version = current_setting('server_version_num')::integer / 10000 as is_current_release
from trueup.objects as o
cross join lateral (
    select trueup.object_definition(named.kind, named.identity) as definition
    from (values (o.kind, o.identity)) as named (kind, identity)
    -- else it is printed once for each place above that names it, and printing is what costs
    offset 0
) as live;
