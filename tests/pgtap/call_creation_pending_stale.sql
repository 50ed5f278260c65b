-- call_creation_pending_stale: the check

begin;
select plan(3);

select factory.company(1);
select factory.behind_the_back(true);
-- waits too long
select factory.call(id => 1, appointment_link_status => 'pending_creation');
select factory.call(
    id => 2, appointment_link_status => 'pending_creation', started_at => now() - interval '20 minutes',
    ended_at => now() - interval '16 minutes', duration_ms => 240000
);
select factory.call(
    id => 3, appointment_link_status => 'pending_creation', started_at => now() - interval '16 minutes',
    ended_at => null, duration_ms => null
);
select factory.call(
    id => 4, appointment_link_status => 'pending_creation', started_at => null, ended_at => null,
    duration_ms => null
);
-- near misses: not long yet, counted from the end; not waiting; there already; deleted
select factory.call(
    id => 11, appointment_link_status => 'pending_creation', started_at => now() - interval '40 minutes',
    ended_at => now() - interval '14 minutes', duration_ms => 1560000
);
select factory.call(
    id => 12, appointment_link_status => 'pending_creation', started_at => now() - interval '14 minutes',
    ended_at => null, duration_ms => null
);
select factory.call(id => 13, appointment_link_status => 'creation_failed');
select factory.call(id => 14, appointment_link_status => 'pending_creation');
select factory.appointment(id => 114, call_id => 14);
select factory.call(
    id => 15, appointment_link_status => 'pending_creation', deleted_at => '2025-10-21 09:00:00+00'
);
select factory.call(id => 16, appointment_link_status => 'pending_creation');
select factory.appointment(id => 116, call_id => 16, deleted_at => '2025-10-21 09:00:00+00');
set constraints all immediate;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_creation_pending_stale',
    array[1, 2, 3, 4, 16]::bigint[],
    'the check lists the calls that wait too long, and no other'
);
update trueup.settings set value = '30 minutes' where name = 'pending_creation_limit';
select set_eq(
    'select entity_id from trueup.call_creation_pending_stale',
    array[1, 4, 16]::bigint[],
    'how long is a setting'
);
delete from trueup.settings where name = 'pending_creation_limit';
select is_empty(
    'select entity_id from trueup.call_creation_pending_stale', 'without the setting nothing is too long'
);

select * from finish();
rollback;
