-- entities without an open critical or warning alert, accepted ones aside; a company of NULL counts in the whole only
with found as (
    select v.check_name, v.company_id, v.entity_type, v.entity_id
    from pg_temp.trueup_violations as v
    union all
    select fl.check_name, fl.company_id, fl.entity_type, fl.entity_id
    from pg_temp.trueup_flooded as fl
),

wrong as (
    select distinct f.company_id, f.entity_type, f.entity_id
    from found as f
    inner join trueup.checks as ch on f.check_name = ch.name
    where
        ch.severity in ('critical', 'warning')
        and exists (select 1 from pg_temp.trueup_populations as p where p.entity_type = f.entity_type)
        and not exists (
            select 1
            from trueup.data_consistency_alerts as al
            where
                al.alert_type = f.check_name
                and al.entity_type = f.entity_type
                and al.entity_id = f.entity_id
                and al.status = 'acknowledged'
                and al.accepted_by is not null
        )
    union
    -- what applications have filed under names that are no checks', such as a booking that failed
    select al.company_id, al.entity_type, al.entity_id
    from trueup.data_consistency_alerts as al
    where
        al.status <> 'resolved'
        and al.severity in ('critical', 'warning')
        and al.accepted_by is null
        and exists (select 1 from pg_temp.trueup_populations as p where p.entity_type = al.entity_type)
        and not exists (select 1 from trueup.checks as ch where ch.name = al.alert_type and ch.is_active)
),

counted as (
    select p.company_id, sum(p.entities) as population
    from pg_temp.trueup_populations as p
    where p.company_id is not null
    group by p.company_id
    union all
    select null, coalesce(sum(p.entities), 0)
    from pg_temp.trueup_populations as p
),

measured as (
    select
        c.company_id,
        c.population,
        least(
            c.population,
            (
                select count(distinct (w.entity_type, w.entity_id))
                from wrong as w
                where c.company_id is null or w.company_id = c.company_id
            )
        ) as wrong
    from counted as c
)

insert into trueup.consistency_rates (run_id, company_id, population, wrong, rate)
select
    %(run_id)s,
    m.company_id,
    m.population,
    m.wrong,
    -- cut, not rounded: 100.00 means not one is wrong
    case when m.population = 0 then 100 else trunc(100 * (m.population - m.wrong) / m.population, 2) end
from measured as m
returning company_id, population, wrong, rate;
