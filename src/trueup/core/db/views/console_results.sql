-- console_results: what became of each check in a run

create or replace view trueup.console_results with (security_barrier) as
select
    r.run_id,
    r.check_name,
    ch.severity,
    ch.invariant,
    r.outcome,
    r.duration_ms,
    case when me.companies is null then r.rows_tested end as rows_tested,
    case when me.companies is null then r.violations end as violations,
    case when me.companies is null then r.opened end as opened,
    case when me.companies is null then r.resolved end as resolved,
    case when me.companies is null then r.error end as error
from trueup.check_results as r
cross join trueup.console_me as me
left join trueup.checks as ch on r.check_name = ch.name;
