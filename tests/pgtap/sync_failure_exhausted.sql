-- sync_failure_exhausted: the check, then the repair

begin;
select plan(8);

select factory.company(1);
select factory.appointment(1);
insert into trueup.sync_failures (id, company_id, appointment_id, operation, error, attempt_count, max_attempts, status, lease_expires_at)
overriding system value
values
(1, 1, 1, 'create', 'Erika was not there', 3, 3, 'pending', null),
(2, 1, 1, 'cancel', null, 2, 3, 'pending', null),
(3, 1, null, 'create', null, 3, 3, 'resolved', null),
(4, 1, null, 'create', null, 3, 3, 'manual_review', null),
(5, 1, null, 'create', null, 3, 3, 'pending', now() + interval '1 minute'),
(6, 1, null, 'create', null, 4, 3, 'pending', now() - interval '1 minute');

select set_eq(
    'select entity_id from trueup.sync_failure_exhausted', array[1, 6]::bigint[],
    'used up and pending, unless the last try is under way'
);
select is((trueup.apply_repair('sync_failure_exhausted', 'sync_failure', '1')).outcome, 'corrected', 'it is handed over');
select is(
    (select f.status from trueup.sync_failures as f where f.id = 1), 'manual_review', 'and is with a person'
);
select results_eq(
    $$
    select q.company_id, q.entity_type, q.entity_id, q.metadata
    from trueup.manual_review_queue as q where q.reason = 'sync_failed' and q.status = 'pending'
    $$,
    $$
    values ('1', 'sync_failure', '1', '{"operation": "create", "appointment_id": 1, "attempt_count": 3}'::jsonb)
    $$,
    'who finds the appointment in the item, and not the error'
);
select is(
    (select rc.table_name from trueup.repair_changes as rc where rc.key_value = '1'), 'trueup.sync_failures',
    'the journal has it'
);
select is((trueup.apply_repair('sync_failure_exhausted', 'sync_failure', '1')).outcome, 'clean', 'twice is once');
select set_eq('select entity_id from trueup.sync_failure_exhausted', array[6]::bigint[], 'the other is left');
select lives_ok(
    $$select trueup.undo_repair(r.id, 'test') from trueup.repairs as r where r.check_name = 'sync_failure_exhausted'$$,
    'and it can be undone'
);

select * from finish();
rollback;
