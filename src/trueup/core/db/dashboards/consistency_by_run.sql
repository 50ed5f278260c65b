-- consistency_by_run
--
-- The consistency rates of the last 90 days: each full run and each repair measures them.

create or replace view trueup.consistency_by_run
with (security_invoker = true) as
select
    cr.id as run_id,
    cr.kind,
    cr.finished_at as measured_at,
    cra.company_id,
    cra.population,
    cra.wrong,
    cra.rate
from trueup.check_runs as cr
inner join trueup.consistency_rates as cra on cr.id = cra.run_id
where cr.started_at > now() - interval '90 days';

comment on view trueup.consistency_by_run is 'consistency rates of the last 90 days, by run and company';
comment on column trueup.consistency_by_run.run_id is 'id in trueup.check_runs';
comment on column trueup.consistency_by_run.kind is 'full or repair';
comment on column trueup.consistency_by_run.measured_at is 'when the run ended';
comment on column trueup.consistency_by_run.company_id is 'company; NULL for all together';
comment on column trueup.consistency_by_run.population is 'entities that the checks are about';
comment on column trueup.consistency_by_run.wrong is 'those of them with an open critical or warning alert';
comment on column trueup.consistency_by_run.rate is 'share of the others in per cent, 0 to 100, cut to two decimals';
