-- what stays open and was last said too long ago; what people know of is not said again
--
-- In the columns of notify_edges. Said with this statement.
with due as (
    select ng.check_name, ng.company_id
    from trueup.notification_groups as ng
    left join trueup.checks as ch on ng.check_name = ch.name
    where
        ng.channel_id = %(channel_id)s
        and ng.said_at <= clock_timestamp() - case ch.severity
            when 'critical' then %(repeat_critical)s::interval
            else %(repeat)s::interval
        end
        and not exists (
            select 1
            from trueup.notification_mutes as m
            where
                m.id = any(%(muted)s::bigint[])
                and coalesce(m.check_name = ng.check_name, m.check_name is null)
                and coalesce(m.company_id = ng.company_id, m.company_id is null)
        )
),

standing as (
    select
        na.check_name,
        na.company_id,
        min(al.severity) as severity,
        count(*) as open,
        min(coalesce(al.reopened_at, al.detected_at)) as since,
        array_agg(al.id order by al.id) as alert_ids
    from trueup.notified_alerts as na
    inner join trueup.data_consistency_alerts as al on na.alert_id = al.id
    inner join due as d on na.check_name = d.check_name and na.company_id is not distinct from d.company_id
    where
        na.channel_id = %(channel_id)s
        and al.status = 'open'
        and coalesce(al.snoozed_until <= clock_timestamp(), true)
    group by na.check_name, na.company_id
),

said as (
    update trueup.notification_groups as ng
    set said_at = clock_timestamp()
    from due as d
    where
        ng.channel_id = %(channel_id)s
        and ng.check_name = d.check_name
        and ng.company_id is not distinct from d.company_id
)

select
    s.check_name as check,
    s.company_id as company,
    s.severity,
    ch.invariant,
    ch.repair,
    0::bigint as opened,
    0::bigint as reopened,
    0::bigint as returned,
    0::bigint as resolved,
    s.open,
    s.since,
    '{}'::bigint[] as alarm_ids,
    '{}'::bigint[] as ended_ids,
    false as is_late,
    x.entity_type,
    coalesce(x.examples, '{}') as examples,
    x.uncounted
from standing as s
left join trueup.checks as ch on s.check_name = ch.name
left join lateral trueup.notified_examples(s.alert_ids) as x on true
order by array_position(array['critical', 'warning', 'info'], s.severity), s.check_name, s.company_id nulls first;
