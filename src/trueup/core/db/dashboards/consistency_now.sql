-- consistency_now
--
-- What the latest run that measured it says. Runs of changes measure no rate: they do not
-- count the population.

create or replace view trueup.consistency_now
with (security_invoker = true) as
select
    cra.run_id,
    cr.finished_at as measured_at,
    cra.company_id,
    cra.population,
    cra.wrong,
    cra.rate
from trueup.consistency_rates as cra
inner join trueup.check_runs as cr on cra.run_id = cr.id
where
    cra.run_id = (
        select newest.run_id
        from trueup.consistency_rates as newest
        order by newest.run_id desc
        limit 1
    );

comment on view trueup.consistency_now is 'consistency rates of the latest run that measured them, by company';
comment on column trueup.consistency_now.run_id is 'id in trueup.check_runs';
comment on column trueup.consistency_now.measured_at is 'when the run ended';
comment on column trueup.consistency_now.company_id is 'company; NULL for all together';
comment on column trueup.consistency_now.population is 'entities that the checks are about';
comment on column trueup.consistency_now.wrong is 'those of them with an open critical or warning alert';
comment on column trueup.consistency_now.rate is 'share of the others in per cent, 0 to 100, cut to two decimals';
