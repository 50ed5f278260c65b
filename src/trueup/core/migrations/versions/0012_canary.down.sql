-- core 0012, taken back: guards have one mode and forget what they saw; backfills begin anew

delete from trueup.deployments as d where d.kind = 'backfill';
alter table trueup.deployments drop constraint deployments_kind_known;
alter table trueup.deployments add constraint deployments_kind_known check (
    kind in ('revision', 'revision taken back', 'stamp', 'found', 'edit accepted', 'files', 'constraint', 'checks')
);
drop table trueup.backfills;

delete from trueup.retention as rt where rt.name in ('guard_trips', 'write_samples');

drop table trueup.write_samples;
drop table trueup.guard_companies;
drop table trueup.guard_trips;
delete from trueup.tables as t where t.name in ('guard_trips', 'guard_companies', 'write_samples', 'backfills');
