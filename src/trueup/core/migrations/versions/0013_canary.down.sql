-- core 0013, taken back: guards have one mode, and forget what they saw

delete from trueup.retention as rt where rt.name in ('guard_trips', 'write_samples');

drop table trueup.write_samples;
drop table trueup.guard_companies;
drop table trueup.guard_trips;
delete from trueup.tables as t where t.name in ('guard_trips', 'guard_companies', 'write_samples');
