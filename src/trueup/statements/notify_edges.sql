-- what has become of alerts since the channel was last told; noted as told with this statement
--
-- One row for each check and company. Everything follows from comparing alerts that are not
-- resolved with what the channel was told: one hash join, however many of either. A flood alert
-- is of no company, and while there is one, none of its violations has an alert: it is told to
-- whoever wants some companies, too, because theirs may be among them.
with edges as materialized (
    select
        coalesce(al.id, na.alert_id) as alert_id,
        coalesce(al.alert_type, na.check_name) as check_name,
        case when al.id is null then na.company_id else al.company_id end as company_id,
        al.reopened_count,
        al.snoozed_until,
        case
            when al.id is null then 'resolved'
            when al.status = 'acknowledged' then 'known'
            when na.alert_id is null and al.reopened_count = 0 then 'opened'
            when na.alert_id is null or al.reopened_count > na.reopened_count then 'reopened'
            else 'returned'
        end as edge
    from (
        select
            al.id,
            al.alert_type,
            al.company_id,
            al.severity,
            al.status,
            al.snoozed_until,
            al.reopened_count,
            al.company_id is null and al.entity_type = 'check' and al.metadata ? 'most' as is_flood
        from trueup.data_consistency_alerts as al
        where al.status <> 'resolved'
    ) as al
    full join (
        select
            na.alert_id,
            na.check_name,
            na.company_id,
            na.reopened_count,
            na.snoozed_until,
            na.is_known
        from trueup.notified_alerts as na
        where na.channel_id = %(channel_id)s
    ) as na on al.id = na.alert_id
    where
        al.id is null
        or (al.status = 'acknowledged' and not na.is_known)
        or (
            al.status = 'open'
            and al.severity = any(%(severities)s::text[])
            and (%(checks)s::text[] = '{}' or al.alert_type = any(%(checks)s::text[]))
            and (%(companies)s::text[] = '{}' or al.company_id = any(%(companies)s::text[]) or al.is_flood)
            and coalesce(al.snoozed_until <= clock_timestamp(), true)
            and (
                na.alert_id is null
                or na.is_known
                or na.reopened_count < al.reopened_count
                or (al.snoozed_until is not null and al.snoozed_until is distinct from na.snoozed_until)
            )
        )
),

due as materialized (
    select
        e.alert_id,
        e.check_name,
        e.company_id,
        e.reopened_count,
        e.snoozed_until,
        e.edge,
        exists (
            select 1
            from trueup.notification_mutes as m
            where
                m.id = any(%(ended)s::bigint[])
                and coalesce(m.check_name = e.check_name, m.check_name is null)
                and coalesce(m.company_id = e.company_id, m.company_id is null)
        ) as is_late
    from edges as e
    where
        e.edge = 'known'
        or not exists (
            select 1
            from trueup.notification_mutes as m
            where
                m.id = any(%(muted)s::bigint[])
                and coalesce(m.check_name = e.check_name, m.check_name is null)
                and coalesce(m.company_id = e.company_id, m.company_id is null)
        )
),

known as (
    update trueup.notified_alerts as na
    set is_known = true
    from due as d
    where na.channel_id = %(channel_id)s and na.alert_id = d.alert_id and d.edge = 'known'
),

ended as (
    delete from trueup.notified_alerts as na
    using due as d
    where na.channel_id = %(channel_id)s and na.alert_id = d.alert_id and d.edge = 'resolved'
),

told as (
    insert into trueup.notified_alerts
        (channel_id, alert_id, check_name, company_id, reopened_count, snoozed_until)
    select %(channel_id)s, d.alert_id, d.check_name, d.company_id, d.reopened_count, d.snoozed_until
    from due as d
    where d.edge not in ('known', 'resolved')
    on conflict (channel_id, alert_id) do update
    set
        check_name = excluded.check_name,
        company_id = excluded.company_id,
        reopened_count = excluded.reopened_count,
        snoozed_until = excluded.snoozed_until,
        is_known = false
),

groups as (
    select
        d.check_name,
        d.company_id,
        d.is_late,
        coalesce(min(al.severity) filter (where d.edge <> 'resolved'), min(al.severity)) as severity,
        count(*) filter (where d.edge = 'opened') as opened,
        count(*) filter (where d.edge = 'reopened') as reopened,
        count(*) filter (where d.edge = 'returned') as returned,
        count(*) filter (where d.edge = 'resolved') as resolved,
        coalesce(array_agg(d.alert_id order by d.alert_id) filter (where d.edge <> 'resolved'), '{}') as alarm_ids,
        coalesce(array_agg(d.alert_id order by d.alert_id) filter (where d.edge = 'resolved'), '{}') as ended_ids
    from due as d
    left join trueup.data_consistency_alerts as al on d.alert_id = al.id
    where d.edge <> 'known'
    group by d.check_name, d.company_id, d.is_late
),

said as (
    insert into trueup.notification_groups (channel_id, check_name, company_id, said_at)
    select distinct %(channel_id)s::bigint, g.check_name, g.company_id, clock_timestamp()
    from groups as g
    on conflict (channel_id, check_name, company_id) do update set said_at = excluded.said_at
),

standing as (
    select
        al.alert_type,
        al.company_id,
        count(*) as open,
        min(coalesce(al.reopened_at, al.detected_at)) as since
    from trueup.data_consistency_alerts as al
    where al.status <> 'resolved' and al.alert_type in (select g.check_name from groups as g)
    group by al.alert_type, al.company_id
)

select
    g.check_name as check,
    g.company_id as company,
    coalesce(g.severity, ch.severity, 'warning') as severity,
    ch.invariant,
    ch.repair,
    g.opened,
    g.reopened,
    g.returned,
    g.resolved,
    coalesce(s.open, 0) as open,
    s.since,
    g.alarm_ids,
    g.ended_ids,
    g.is_late,
    x.entity_type,
    coalesce(x.examples, '{}') as examples,
    x.uncounted
from groups as g
left join trueup.checks as ch on g.check_name = ch.name
left join standing as s on g.check_name = s.alert_type and g.company_id is not distinct from s.company_id
left join lateral trueup.notified_examples(
    case when g.alarm_ids <> '{}' then g.alarm_ids else g.ended_ids end
) as x on true
order by
    array_position(array['critical', 'warning', 'info'], coalesce(g.severity, ch.severity, 'warning')),
    g.check_name,
    g.company_id nulls first;
