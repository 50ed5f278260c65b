-- alerts: acknowledge, snooze, accept

begin;
select plan(19);

select factory.company(1);
select trueup.file_alert('call_made_without_appointment', '1', 'call', '7', 'wrong', '{"a": 1}');
select trueup.file_alert(
    'call_made_without_appointment', '1', 'call', '8', 'wrong', '{"a": 1, "written_by": {"role": "app"}}'
);
select trueup.file_alert('call_made_without_appointment', '1', 'call', '9', 'wrong', '{"a": 1}');
update trueup.data_consistency_alerts
set status = 'resolved', resolution = 'fixed elsewhere', resolved_at = now()
where entity_id = '9';

create function pg_temp.id(p_entity_id text) returns bigint language sql as $$
select al.id from trueup.data_consistency_alerts as al where al.entity_id = p_entity_id;
$$;

-- acknowledge
select results_eq(
    $$select al.status, al.acknowledged_by, al.acknowledged_at is not null
      from trueup.acknowledge_alert(pg_temp.id('7'), 'ann') as al$$,
    $$values ('acknowledged', 'ann', true)$$, 'seen'
);
select is(
    (select al.acknowledged_by from trueup.acknowledge_alert(pg_temp.id('7'), 'bob') as al),
    'ann', 'the first who saw it stays on record'
);
select is(
    (select al.acknowledged_by from trueup.acknowledge_alert(pg_temp.id('8')) as al),
    session_user::text, 'without a name, the database user'
);

-- snooze
select results_eq(
    $$select al.snoozed_by, al.snoozed_until = now() + interval '1 day', al.status
      from trueup.snooze_alert(pg_temp.id('7'), now() + interval '1 day', 'ann') as al$$,
    $$values ('ann', true, 'acknowledged')$$, 'not now; the status stays'
);
select throws_ok(
    $$select trueup.snooze_alert(pg_temp.id('7'), now() - interval '1 s')$$, 'TU005', null, 'not into the past'
);
select throws_ok($$select trueup.snooze_alert(pg_temp.id('7'), null)$$, 'TU005', null, 'nor until nothing');
select throws_ok($$select trueup.snooze_alert(pg_temp.id('7'), 'infinity')$$, 'TU005', null, 'nor for ever');

-- accept
select results_eq(
    $$select al.status, al.accepted_by, al.accepted_reason, al.accepted_until = now() + interval '30 days',
          al.accepted_evidence, al.accepted_at is not null
      from trueup.accept_alert(pg_temp.id('7'), 'bob', 'known, ticket 12', now() + interval '30 days') as al$$,
    $$values ('acknowledged', 'bob', 'known, ticket 12', true, '{"a": 1}'::jsonb, true)$$,
    'owner, reason, end, and the evidence that was accepted'
);
select is(
    (select al.acknowledged_by from trueup.data_consistency_alerts as al where al.id = pg_temp.id('7')),
    'ann', 'who had seen it first stays on record'
);
select results_eq(
    $$select al.accepted_evidence, al.accepted_until
      from trueup.accept_alert(pg_temp.id('8'), 'bob', 'known') as al$$,
    $$values ('{"a": 1}'::jsonb, null::timestamptz)$$,
    'who wrote the row is no part of the evidence, and an end is not needed'
);
select throws_ok(
    $$select trueup.accept_alert(pg_temp.id('7'), 'bob', ' ')$$, 'TU005', null, 'a reason is'
);
select throws_ok(
    $$select trueup.accept_alert(pg_temp.id('7'), 'bob', 'known', now() - interval '1 day')$$,
    'TU005', null, 'and an end to come, if any'
);

-- no such alert; nothing left to say
select throws_ok('select trueup.acknowledge_alert(0)', 'TU002', 'alert 0 does not exist', 'acknowledge: no such alert');
select throws_ok('select trueup.snooze_alert(0, now() + interval ''1 day'')', 'TU002', null, 'snooze: no such alert');
select throws_ok('select trueup.accept_alert(0, ''bob'', ''x'')', 'TU002', null, 'accept: no such alert');
select throws_ok('select trueup.acknowledge_alert(pg_temp.id(''9''))', 'TU003', null, 'acknowledge: resolved');
select throws_ok(
    'select trueup.snooze_alert(pg_temp.id(''9''), now() + interval ''1 day'')', 'TU003', null, 'snooze: resolved'
);
select throws_ok('select trueup.accept_alert(pg_temp.id(''9''), ''bob'', ''x'')', 'TU003', null, 'accept: resolved');
select is(
    (select count(*)::int from trueup.data_consistency_alerts as al where al.status = 'resolved'),
    1, 'refusals change nothing'
);

select * from finish();
rollback;
