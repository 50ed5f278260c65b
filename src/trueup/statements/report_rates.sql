-- entities without an open critical or warning alert, accepted ones aside, of the population that run counted:
-- of each company, and of the whole (company NULL). What one flood alert stands for is counted row by row, so
-- that the rate is never better than it is.
with open_alerts as (
    select al.company_id, al.alert_type, al.entity_type, al.entity_id, al.metadata
    from trueup.data_consistency_alerts as al
    where
        al.status <> 'resolved'
        and al.severity in ('critical', 'warning')
        and al.accepted_by is null
),

wrong as (
    -- an entity is wrong once, whatever the number of its alerts
    select min(o.company_id) as company_id
    from open_alerts as o
    where
        o.entity_type in (
            select cp.entity_type
            from trueup.check_populations as cp
            inner join trueup.checks as ch on cp.check_name = ch.name
            where ch.is_active
        )
    group by o.entity_type, o.entity_id
),

unlisted as (
    select coalesce(sum((o.metadata ->> 'new')::bigint), 0) as entities
    from open_alerts as o
    where
        o.alert_type in (select cp.check_name from trueup.check_populations as cp)
        and o.entity_type = 'check' and o.metadata ? 'new' and o.metadata ? 'most'
),

counted as (
    select w.company_id, count(*) as entities
    from wrong as w
    where w.company_id is not null
    group by w.company_id
    union all
    select null, (select count(*) from wrong as w) + u.entities
    from unlisted as u
),

measured as (
    select
        r.company_id,
        r.population,
        least(r.population, coalesce(c.entities, 0))::bigint as wrong
    from trueup.consistency_rates as r
    left join counted as c on r.company_id is not distinct from c.company_id
    where r.run_id = %(run_id)s
)

select
    m.company_id,
    m.population,
    m.wrong,
    -- cut, not rounded: 100.00 means not one is wrong
    case
        when m.population = 0 then 100
        else trunc(100.0 * (m.population - m.wrong) / m.population, 2)
    end::numeric(5, 2) as rate
from measured as m
where %(company)s::text is null or m.company_id = %(company)s::text
order by m.company_id is not null, m.wrong desc, m.population desc, m.company_id;
