-- what a guard saw in mode observe: since when it looks, the writes it would have refused in the last time,
-- the newest of them, and how many rows of its tables were written meanwhile (NULL: no full run has counted)
with looked as (
    select
        greatest(
            now() - %(quiet)s::interval,
            case when g.mode = 'observe' then g.changed_at else now() end
        ) as since,
        case when g.mode = 'observe' then now() - g.changed_at end as observed_for
    from trueup.guards as g
    where g.name = %(name)s
),

watched as (
    select distinct c.oid::regclass::text as table_name
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_class as c on t.tgrelid = c.oid
    where t.tgname = %(name)s and not t.tgisinternal and not c.relispartition
),

counted as (
    -- what was counted since a reset of the server's statistics begins anew
    select greatest(s.writes - s.before, case when s.writes < s.before then s.writes end) as writes
    from (
        select
            sample.writes,
            lag(sample.writes) over (partition by sample.table_name order by sample.sampled_at) as before
        from (
            select ws.table_name, ws.sampled_at, ws.writes
            from trueup.write_samples as ws
            inner join watched as w on ws.table_name = w.table_name
            cross join looked as l
            where ws.sampled_at >= l.since
            union all
            select ws.table_name, now(), ws.writes
            from trueup.table_writes as ws
            inner join watched as w on ws.table_name = w.table_name
        ) as sample
    ) as s
    where s.before is not null
)

select
    l.observed_for,
    (
        select count(*)
        from trueup.guard_trips as gt
        where
            gt.guard = %(name)s
            and gt.tripped_at >= now() - %(quiet)s::interval
            and (%(company_id)s::text is null or gt.company_id = %(company_id)s)
    ) as refusable,
    newest.tripped_at,
    newest.role_name,
    newest.application,
    (select sum(c.writes)::bigint from counted as c) as writes
from looked as l
left join lateral (
    select gt.tripped_at, gt.role_name, gt.application
    from trueup.guard_trips as gt
    where gt.guard = %(name)s and (%(company_id)s::text is null or gt.company_id = %(company_id)s)
    order by gt.tripped_at desc
    limit 1
) as newest on true;
