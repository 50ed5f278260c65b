-- remember what the catalogue holds of constraints that are there and were never recorded, or
-- were recorded by another release of the server; return the names of those we did not add. One
-- that a deployment of ours began to add, and did not live to record, is ours. Never recorded is what
-- has no server version: a revision that widens an index empties the checksum, the first time too
with last as (
    select distinct on (d.name)
        d.name,
        d.outcome
    from trueup.deployments as d
    where d.kind = 'constraint'
    order by d.name, d.id desc
),

found as (
    select
        cs.name,
        cs.live_checksum,
        cs.server_version is null and coalesce(l.outcome not in ('running', 'interrupted'), true) as was_there
    from trueup.constraint_states as cs
    left join last as l on cs.name = l.name
    where
        cs.live_checksum is not null
        -- what a build of ours left that was cut off
        and cs.state <> 'invalid'
        and (
            cs.server_version is null
            or cs.server_version <> current_setting('server_version_num')::integer / 10000
        )
),

recorded as (
    update trueup.constraints as ct
    set
        definition_checksum = f.live_checksum,
        server_version = current_setting('server_version_num')::integer / 10000,
        was_there = ct.was_there or f.was_there
    from found as f
    where ct.name = f.name
    returning ct.name, f.was_there
)

select r.name
from recorded as r
where r.was_there
order by r.name;
