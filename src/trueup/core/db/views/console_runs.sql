-- console_runs: evaluations, with the rate of the companies that who is signed in may see
--
-- Counts over all companies, and errors, which may quote rows, are for who may see all.

create or replace view trueup.console_runs with (security_barrier) as
select
    cr.id,
    cr.kind,
    cr.status,
    cr.started_at,
    cr.finished_at,
    cr.finished_at - cr.started_at as duration,
    cr.checks,
    cr.checks_failed,
    case when me.companies is null then cr.violations end as violations,
    case when me.companies is null then cr.opened end as opened,
    case when me.companies is null then cr.resolved end as resolved,
    case when me.companies is null then cr.reopened end as reopened,
    case when me.companies is null then cr.error end as error,
    case when me.companies is null then cr.actor end as actor,
    (
        -- down, never up to 100
        select floor(10000 * (sum(r.population) - sum(r.wrong)) / nullif(sum(r.population), 0)) / 100
        from trueup.consistency_rates as r
        where
            r.run_id = cr.id
            and case when me.companies is null then r.company_id is null else r.company_id = any(me.companies) end
    ) as rate
from trueup.check_runs as cr
cross join trueup.console_me as me;
