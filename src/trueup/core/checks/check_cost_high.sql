-- check_cost_high
--
-- invariant:   no check is planned to cost more than setting check_cost_ceiling, or many
--              times what it cost when it last finished
-- severity:    warning
-- entity:      check
-- changes:     none
-- population:  none
-- prevented:   none: tables grow and plans change without a write to any check
-- repair:      review
-- cost:        the catalogue; per check a row of check_results_whole_idx
--
-- A run plans every view before it evaluates the first, which takes milliseconds, so a
-- plan that has gone wrong is reported by the run that would suffer from it, and not
-- after its timeout. Costs are the planner's units: a page read in order is 1. The
-- ceiling lets tables of ten million rows be read, and be probed by index row by row;
-- two of them in a nested loop are above it.
--
-- Growth (setting check_cost_growth) finds the plan that changed on smaller tables. It
-- is measured against the last complete evaluation: a check that finishes in spite of
-- its new cost is reported once, one that does not finish until it does. Below a
-- ten-thousandth of the ceiling growth is no news.
--
-- `trueup explain CHECK` shows the plan. An index that is missing or invalid comes back
-- with `trueup migrate`; old statistics want ANALYZE; a table that has simply grown
-- wants a higher ceiling.

create or replace view trueup.check_cost_high as
select
    null as company_id,
    'check' as entity_type,
    ch.id as entity_id,
    format(
        'check %s is planned to cost %s, %s; trueup explain %s shows the plan',
        ch.name,
        to_char(ch.planned_cost, 'FM999,999,999,999,999,999,990'),
        case
            when ch.planned_cost > lim.ceiling
                then 'more than the ceiling of ' || to_char(lim.ceiling, 'FM999,999,999,999,999,999,990')
            else format('%s times what it cost when it last finished', round(ch.planned_cost / past.planned_cost))
        end,
        ch.name
    ) as description,
    jsonb_build_object(
        'check', ch.name,
        'planned_cost', ch.planned_cost,
        'ceiling', lim.ceiling,
        'last_planned_cost', past.planned_cost,
        'last_complete_at', past.finished_at
    ) as evidence
from trueup.checks as ch
cross join (
    select
        (select trueup.setting('check_cost_ceiling')::numeric) as ceiling,
        (select trueup.setting('check_cost_growth')::numeric) as growth
) as lim
left join lateral (
    select
        case when r.planned_cost is not null then greatest(r.planned_cost, 1) end as planned_cost,
        r.finished_at
    from trueup.check_results as r
    where r.check_name = ch.name and r.outcome = 'complete'
    order by r.run_id desc
    limit 1
) as past on true
where
    ch.is_active
    and (
        ch.planned_cost > lim.ceiling
        or (ch.planned_cost > lim.growth * past.planned_cost and ch.planned_cost > lim.ceiling / 10000)
    );
