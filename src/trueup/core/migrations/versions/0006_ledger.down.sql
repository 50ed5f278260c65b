-- core 0006, taken back: the history of deployments goes

delete from trueup.settings as st where st.name in ('migrate_lock_timeout', 'migrate_lock_budget');

alter table trueup.objects drop column definition;

drop table trueup.deployment_checks;
drop table trueup.deployments;
delete from trueup.tables as t where t.name in ('deployments', 'deployment_checks');
