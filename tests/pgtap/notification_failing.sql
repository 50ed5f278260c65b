-- notification_failing: a channel that has failed too often, and lately

begin;
select plan(6);

insert into trueup.notification_channels (name, kind, failures, failing_since, attempted_at) values
('works', 'apprise', 0, null, now()),
('stumbles', 'apprise', 2, now() - interval '5 minutes', now()),
('fails', 'webhook', 3, now() - interval '5 minutes', now()),
('forgotten', 'webhook', 30, now() - interval '9 days', now() - interval '25 hours');

select results_eq(
    $$select v.company_id, v.entity_type, nc.name
    from trueup.notification_failing as v
    inner join trueup.notification_channels as nc on v.entity_id = nc.id$$,
    $$values (null::text, 'notification_channel', 'fails')$$,
    'three failures in a row are listed; near misses: two, none, and a channel nobody has tried for a day'
);
select is(
    (select v.evidence - 'failing_since' from trueup.notification_failing as v),
    '{"channel": "fails", "kind": "webhook"}'::jsonb,
    'the evidence holds no error text, and stays the same from failure to failure'
);
update trueup.settings set value = '3' where name = 'notify_failures_tolerated';
select is_empty('select 1 from trueup.notification_failing', 'how many failures are tolerated is a setting');
update trueup.settings set value = '1' where name = 'notify_failures_tolerated';
select is((select count(*)::int from trueup.notification_failing), 2, 'the lower it is, the sooner');
update trueup.notification_channels set failures = 0, failing_since = null;
select is_empty('select 1 from trueup.notification_failing', 'one success ends it');
select throws_ok(
    $$update trueup.notification_channels set failures = 1 where name = 'works'$$,
    '23514', null, 'a failing channel fails since some time'
);

select * from finish();
rollback;
