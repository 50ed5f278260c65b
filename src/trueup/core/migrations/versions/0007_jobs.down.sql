-- core 0007, taken back: the schedule's history goes

delete from trueup.retention as rt where rt.name in ('job_runs', 'runners');
delete from trueup.settings as st where st.name in ('job_patience', 'job_failures_tolerated');

drop table trueup.job_runs;
drop table trueup.runners;
drop table trueup.jobs;
delete from trueup.tables as t where t.name in ('jobs', 'runners', 'job_runs');
