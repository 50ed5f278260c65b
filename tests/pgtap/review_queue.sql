-- the review queue: claim, lease, token, decide, and the log of it all

begin;
select plan(82);

select factory.company(1);
select factory.company(2);
set constraints all immediate;

create function pg_temp.item(p_entity_id text) returns trueup.manual_review_queue language sql as $$
select q.* from trueup.manual_review_queue as q where q.entity_id = p_entity_id order by q.id desc limit 1;
$$;
create function pg_temp.events(p_entity_id text) returns text[] language sql as $$
select array_agg(e.event order by e.id)
from trueup.manual_review_events as e
where e.item_id = (pg_temp.item(p_entity_id)).id;
$$;
-- a call of pg_temp.token in a statement of its own claims; later ones read
create function pg_temp.token(p_entity_id text) returns uuid language sql as $$
select (pg_temp.item(p_entity_id)).claim_token;
$$;
create function pg_temp.id(p_entity_id text) returns bigint language sql as $$
select (pg_temp.item(p_entity_id)).id;
$$;
create function pg_temp.lapse(p_entity_id text) returns void language sql as $$
update trueup.manual_review_queue set lease_expires_at = now() - interval '1 minute'
where id = pg_temp.id(p_entity_id);
$$;

-- order: priority, due time, id; and what is not offered
select is((select q.id from trueup.claim_review('ann') as q), null, 'an empty queue offers nothing');

select trueup.queue_review('something', 'call', 'e5', 'late', p_company_id => '1');
select trueup.queue_review('something', 'call', 'd5', 'critical', p_company_id => '1', p_severity => 'critical');
select trueup.queue_review('something', 'call', 'c5', 'same due time', p_company_id => '2', p_severity => 'info');
select trueup.queue_review('validation_failed', 'call', 'a1', 'first', p_company_id => '1');
select trueup.queue_review('something', 'call', 'z5', 'snoozed', p_severity => 'critical');
select trueup.queue_review('something', 'call', 'y5', 'for bob', p_severity => 'critical');
update trueup.manual_review_queue set snoozed_until = now() + interval '1 hour' where entity_id = 'z5';
update trueup.manual_review_queue set assigned_to = 'bob' where entity_id = 'y5';

select is((select q.entity_id from trueup.claim_review('ann') as q), 'a1', 'the lowest priority number first');
select is((select q.entity_id from trueup.claim_review('ann') as q), 'd5', 'then the earliest due time');
select is((select q.entity_id from trueup.claim_review('bob') as q), 'y5', 'what is assigned to bob is bob''s');
select is(
    (select q.entity_id from trueup.claim_review('ann', p_company_id => '2') as q), 'c5', 'one company only'
);
select is((select q.entity_id from trueup.claim_review(' ann ') as q), 'e5', 'then the rest');
select is(
    (select q.id from trueup.claim_review('ann') as q),
    null, 'no snoozed item, none of somebody else, none that is claimed'
);
select is((pg_temp.item('e5')).claimed_by, 'ann', 'a name without the spaces around it');
select is((pg_temp.item('e5')).status, 'in_progress', 'claimed');
select is(
    (select q.lease_expires_at - q.claimed_at > interval '29 minutes' from pg_temp.item('e5') as q),
    true, 'for as long as the setting says'
);
select is(pg_temp.events('e5'), array['queued', 'claimed'], 'both are on record');

-- claim by id
select throws_ok(
    $$select trueup.claim_review('bob', 0)$$, 'TU002', 'review item 0 does not exist', 'an id nobody has'
);
select throws_ok(
    $$select trueup.claim_review('bob', pg_temp.id('e5'), p_company_id => '2')$$,
    'TU002', null, 'an item of another company does not exist'
);
select throws_like(
    $$select trueup.claim_review('bob', pg_temp.id('e5'))$$,
    'review item % is claimed by ann until 20%', 'who holds it, and until when'
);
select throws_ok($$select trueup.claim_review('bob', pg_temp.id('e5'))$$, 'TU003', null, 'as a state');
select throws_ok($$select trueup.claim_review(' ')$$, 'TU005', null, 'nobody claims nothing');
select throws_ok($$select trueup.claim_review('bob', p_lease => '0 s')$$, 'TU005', null, 'no lease of nothing');
select is(
    (select q.entity_id from trueup.claim_review('ann', pg_temp.id('z5')) as q), 'z5',
    'a snoozed item may be taken by its id'
);
select is((pg_temp.item('z5')).snoozed_until, null, 'and is awake then');

-- lease and token
select trueup.release_review(pg_temp.id('y5'), pg_temp.token('y5'), 'not mine');
select is((pg_temp.item('y5')).status, 'pending', 'released');
select throws_like(
    $$select trueup.claim_review('ann', pg_temp.id('y5'))$$, '%is assigned to bob', 'still bob''s'
);
select is(
    (
        select e.details ->> 'note'
        from trueup.manual_review_events as e
        where e.event = 'released'
    ), 'not mine', 'with a note'
);

create temporary table old_token as select pg_temp.token('e5') as token;
select pg_temp.lapse('e5');
select throws_ok(
    $$select trueup.resolve_review(pg_temp.id('e5'), pg_temp.token('e5'), 'done')$$,
    'TU001', null, 'an expired claim decides nothing'
);
select is(
    (select q.lease_expires_at > now() from trueup.extend_review(pg_temp.id('e5'), pg_temp.token('e5')) as q),
    true, 'but may be extended while nobody has taken the item'
);
select is(
    (
        select q.lease_expires_at > now() + interval '25 minutes'
        from trueup.extend_review(pg_temp.id('e5'), pg_temp.token('e5'), '1 minute') as q
    ),
    true, 'an extension never shortens'
);
select pg_temp.lapse('e5');
select is(
    (select q.claimed_by from trueup.claim_review('bob', pg_temp.id('e5'), '2 hours') as q),
    'bob', 'an item whose lease expired is free'
);
select is(
    pg_temp.events('e5'),
    array['queued', 'claimed', 'extended', 'extended', 'lease_expired', 'claimed'], 'and that is on record'
);
select throws_ok(
    format('select trueup.%s_review(pg_temp.id(''e5''), (select o.token from old_token as o)%s)', w.name, w.more),
    'TU001', null, w.name || ' with a stale token'
)
from (
    values
    ('extend', ''),
    ('release', ''),
    ('resolve', ''),
    ('dismiss', ', ''why'''),
    ('snooze', ', now() + interval ''1 day'''),
    ('reassign', ', ''cyd''')
) as w (name, more);
select throws_ok(
    $$select trueup.resolve_review(pg_temp.id('e5'), null)$$, 'TU001', null, 'nor without any token'
);
select throws_ok(
    $$select trueup.snooze_review(pg_temp.id('e5'), null, now() + interval '1 day')$$,
    'TU001', null, 'a claimed item is not snoozed by others'
);
select is((pg_temp.item('e5')).claimed_by, 'bob', 'nothing of that changed the item');
select throws_ok($$select trueup.extend_review(0, gen_random_uuid())$$, 'TU002', null, 'no such item');
select trueup.release_review(pg_temp.id('e5'), pg_temp.token('e5'));
select throws_ok(
    $$select trueup.release_review(pg_temp.id('e5'), (select o.token from old_token as o))$$,
    'TU001', null, 'nobody holds it: a token of long ago holds nothing'
);
select throws_ok(
    $$select trueup.release_review(pg_temp.id('e5'), null)$$,
    'TU001', null, 'and NULL is not the token of an item without one'
);
select pg_temp.lapse('a1');
select is(
    (select q.entity_id from trueup.claim_review('bob') as q), 'a1', 'an expired item is offered again'
);

-- snooze, reassign
select is(
    (
        select q.status
        from trueup.snooze_review(pg_temp.id('a1'), pg_temp.token('a1'), now() + interval '1 day', 'on monday') as q
    ),
    'pending', 'snoozing gives the claim back'
);
select is((pg_temp.item('a1')).claimed_by, null, 'entirely');
select throws_ok(
    $$select trueup.snooze_review(pg_temp.id('a1'), null, now() - interval '1 s')$$,
    'TU005', null, 'not into the past'
);
select throws_ok(
    $$select trueup.snooze_review(pg_temp.id('a1'), null, 'infinity')$$, 'TU005', null, 'nor for ever'
);
select is(
    (
        select q.assigned_to
        from trueup.reassign_review(pg_temp.id('a1'), null, 'cyd', 'she knows', p_actor => 'boss') as q
    ),
    'cyd', 'an item that nobody holds is assigned without a token'
);
select is(
    (
        select e.actor || ' ' || e.details::text
        from trueup.manual_review_events as e
        where e.event = 'reassigned'
    ),
    'boss {"to": "cyd", "note": "she knows"}', 'by somebody'
);
select is(
    (select q.assigned_to from trueup.reassign_review(pg_temp.id('a1'), null, null) as q),
    null, 'to anybody again'
);
select throws_ok(
    $$select trueup.reassign_review(pg_temp.id('a1'), null, ' ')$$, 'TU005', null, 'but not to a name of spaces'
);

-- decide: a matter that is no check
select trueup.claim_review('ann', pg_temp.id('a1'));
select throws_ok(
    $$select trueup.dismiss_review(pg_temp.id('a1'), pg_temp.token('a1'), ' ')$$,
    'TU005', null, 'a dismissal needs a reason'
);
select throws_ok(
    $$select trueup.resolve_review(pg_temp.id('a1'), pg_temp.token('a1'), 'done', true)$$,
    'TU003', null, 'what is no check cannot be repaired'
);
select trueup.file_alert('validation_failed', '1', 'call', 'a1', 'failed', '{}');
select is(
    (select q.status from trueup.resolve_review(pg_temp.id('a1'), pg_temp.token('a1'), 'called back') as q),
    'resolved', 'resolved'
);
select results_eq(
    $$select al.status, al.resolution, al.resolution_notes, al.auto_corrected
      from trueup.data_consistency_alerts as al where al.entity_id = 'a1'$$,
    $$values ('resolved', 'fixed elsewhere', 'called back', false)$$,
    'with its alert'
);
select is(
    (select q.decided_by || ' ' || q.resolution_notes from pg_temp.item('a1') as q),
    'ann called back', 'by whom, and what they said'
);
select is(
    (select q.status from trueup.resolve_review(pg_temp.id('a1'), pg_temp.token('a1'), 'called back') as q),
    'resolved', 'asked twice: the same answer'
);
select is(
    (select count(*)::int from unnest(pg_temp.events('a1')) as e (event) where e.event = 'resolved'), 1, 'and one event'
);
select throws_ok(
    $$select trueup.dismiss_review(pg_temp.id('a1'), pg_temp.token('a1'), 'no')$$,
    'TU003', null, 'a decision is not turned into another'
);
select throws_ok(
    $$select trueup.extend_review(pg_temp.id('a1'), pg_temp.token('a1'))$$, 'TU003', null, 'nor extended'
);
select throws_ok(
    $$select trueup.snooze_review(pg_temp.id('a1'), null, now() + interval '1 day')$$, 'TU003', null, 'nor snoozed'
);
select throws_ok($$select trueup.claim_review('bob', pg_temp.id('a1'))$$, 'TU003', null, 'nor claimed');

-- reopen
select throws_ok($$select trueup.reopen_review(pg_temp.id('e5'), 'ann')$$, 'TU003', null, 'only what was decided');
select throws_ok($$select trueup.reopen_review(0, 'ann')$$, 'TU002', null, 'only what exists');
select is(
    (select q.status from trueup.reopen_review(pg_temp.id('a1'), 'bob', 'she called again') as q),
    'pending', 'reopened'
);
select trueup.claim_review('ann', pg_temp.id('a1'));
select trueup.resolve_review(pg_temp.id('a1'), pg_temp.token('a1'));
create temporary table first_item as select pg_temp.id('a1') as id;
select trueup.queue_review('validation_failed', 'call', 'a1', 'once more');
select throws_like(
    $$select trueup.reopen_review((select f.id from first_item as f), 'bob')$$,
    '%is open for the same matter', 'not beside another open item for the same matter'
);

-- decide: a matter that is a check; call 7 is flagged and has no appointment
select factory.call(id => 7, appointment_made => false);
select factory.behind_the_back(true);
update public.calls set appointment_made = true where id = 7;
select factory.behind_the_back(false);
select trueup.queue_review('call_made_without_appointment', 'call', '7', 'look');
select trueup.claim_review('ann', pg_temp.id('7'));

select throws_like(
    $$select trueup.resolve_review(pg_temp.id('7'), pg_temp.token('7'), 'done')$$,
    'call 7 still violates call_made_without_appointment', 'what is still wrong is not resolved'
);
select throws_ok(
    $$select trueup.resolve_review(pg_temp.id('7'), pg_temp.token('7'), 'done')$$, 'TU004', null, 'as a violation'
);

-- dismissed: accepted, with the alert it did not have yet
select is(
    (select q.status from trueup.dismiss_review(pg_temp.id('7'), pg_temp.token('7'), 'a test call') as q),
    'dismissed', 'but it may stay as it is'
);
select results_eq(
    $$select al.status, al.accepted_by, al.accepted_reason, al.accepted_until, al.accepted_evidence = v.evidence
      from trueup.data_consistency_alerts as al
      inner join trueup.call_made_without_appointment as v on al.entity_id = v.entity_id::text
      where al.alert_type = 'call_made_without_appointment'$$,
    $$values ('acknowledged', 'ann', 'a test call', null::timestamptz, true)$$,
    'accepted with the evidence as it is'
);
select is(
    (select q.status from trueup.dismiss_review(pg_temp.id('7'), pg_temp.token('7'), 'a test call') as q),
    'dismissed', 'asked twice: the same answer'
);
select trueup.reopen_review(pg_temp.id('7'), 'bob');
select results_eq(
    $$select al.status, al.accepted_by, al.accepted_evidence
      from trueup.data_consistency_alerts as al where al.alert_type = 'call_made_without_appointment'$$,
    $$values ('open', null::text, null::jsonb)$$,
    'reopened: no longer accepted'
);

-- resolved with a repair: refused without evidence, done with it
select trueup.claim_review('ann', pg_temp.id('7'));
select throws_like(
    $$select trueup.resolve_review(pg_temp.id('7'), pg_temp.token('7'), null, true)$$,
    'the repair of call_made_without_appointment left call 7 as it is: %', 'no evidence, no repair'
);
select throws_ok(
    $$select trueup.resolve_review(pg_temp.id('7'), pg_temp.token('7'), null, true)$$,
    'TU004', null, 'as a violation'
);
select is((pg_temp.item('7')).status, 'in_progress', 'and nothing is decided');
select factory.appointment(id => 70, call_id => null, calcom_booking_uid => 'uid-7');
set constraints all immediate;
select factory.behind_the_back(true);
update public.calls set booking_id = 'uid-7' where id = 7;
select factory.behind_the_back(false);
select is(
    (select q.status from trueup.resolve_review(pg_temp.id('7'), pg_temp.token('7'), null, true) as q),
    'resolved', 'corrected'
);
select results_eq(
    $$select al.status, al.resolution, al.auto_corrected, al.corrected_at is not null
      from trueup.data_consistency_alerts as al where al.alert_type = 'call_made_without_appointment'$$,
    $$values ('resolved', 'repaired', true, true)$$,
    'with its alert'
);
select results_eq(
    $$select r.id, r.actor from trueup.repairs as r$$,
    $$select q.repair_id, 'ann' from pg_temp.item('7') as q$$,
    'the item names the repair, and the repair the reviewer'
);
select is_empty(
    'select 1 from trueup.violation_under_review(''call_made_without_appointment'', ''call'', ''not a number'')',
    'a key of another kind is no violation and no error'
);

-- overdue
update trueup.manual_review_queue set due_at = now() - interval '1 minute' where entity_id in ('e5', 'c5', 'z5');
update trueup.manual_review_queue set priority = 1 where entity_id = 'c5';
select trueup.snooze_review(pg_temp.id('z5'), pg_temp.token('z5'), now() + interval '1 day');
select results_eq(
    'select q.entity_id, q.priority::int from trueup.escalate_reviews() as q',
    $$values ('c5', 1), ('e5', 4)$$,
    'late items move up, not above 1; snoozed ones are not late'
);
select is_empty('select 1 from trueup.escalate_reviews()', 'once');
select is(
    (select count(*)::int from trueup.manual_review_events as e where e.event = 'escalated'), 2, 'on record'
);

-- the log
select throws_ok('update trueup.manual_review_events set actor = ''me''', 'TU003', null, 'no line is changed');
select throws_ok('delete from trueup.manual_review_events', 'TU003', null, 'none is deleted');
select throws_ok('truncate trueup.manual_review_events', 'TU003', null, 'nor all of them');

select * from finish();
rollback;
