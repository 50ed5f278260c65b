-- What each check would cost now, kept with the check. One that another run is planning,
-- or a deployment holds, is left out: nobody waits for a number. So is one that rests on tables of
-- another server, of whose rows the planner knows nothing.
with planned as materialized (
    select ch.id, ch.name, trueup.planned_cost(ch.name) as planned_cost
    from trueup.checks as ch
    where
        ch.name = any(%(names)s)
        and not exists (
            select 1
            from trueup.check_tables as ct
            inner join trueup.distant_tables as dt on ct.table_name = dt.table_name
            where ct.check_name = ch.name
        )
    for no key update of ch skip locked
),

kept as (
    update trueup.checks as ch
    set planned_cost = p.planned_cost
    from planned as p
    where ch.id = p.id and ch.planned_cost is distinct from p.planned_cost
)

select p.name, p.planned_cost
from planned as p;
