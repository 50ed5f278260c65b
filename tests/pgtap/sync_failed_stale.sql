-- sync_failed_stale: the check; only time causes it, and a person decides

begin;
select plan(6);

select factory.company(1);
create function pg_temp.made(p_id bigint, p_before interval, p_status text, p_deleted boolean default false)
    returns void language sql as $$
select factory.appointment(
    p_id, calcom_sync_status => p_status, calcom_booking_uid => 'uid ' || p_id,
    starts_at => now() + interval '1 day', created_at => now() - p_before,
    deleted_at => case when p_deleted then now() end
);
$$;
select pg_temp.made(1, interval '25 hours', 'failed');
select pg_temp.made(2, interval '23 hours', 'failed');
select pg_temp.made(3, interval '25 hours', 'pending');
select pg_temp.made(4, interval '25 hours', 'synced');
select pg_temp.made(5, interval '25 hours', null);
select pg_temp.made(6, interval '25 hours', 'failed', true);
select pg_temp.made(7, interval '30 days', 'failed');
select factory.modification(1, 7, created_at => now() - interval '23 hours');
select pg_temp.made(8, interval '30 days', 'failed');
select factory.modification(2, 8, created_at => now() - interval '25 hours');
select pg_temp.made(9, interval '25 hours', 'failed');
update public.appointments set status = 'cancelled', cancelled_at = now() - interval '30 days' where id = 9;

select set_eq(
    'select entity_id from trueup.sync_failed_stale', array[1, 8, 9]::bigint[],
    'failed for longer than allowed since it was made or changed, cancelled or not'
);
update trueup.settings set value = '22 hours' where name = 'sync_failed_limit';
select set_eq(
    'select entity_id from trueup.sync_failed_stale', array[1, 2, 7, 8, 9]::bigint[], 'the limit is a setting'
);
update trueup.settings set value = default_value;
select is(
    (trueup.apply_repair('sync_failed_stale', 'appointment', '1', p_correct => false)).outcome, 'review', 'a person decides'
);
select is(
    (select q.severity from trueup.manual_review_queue as q where q.reason = 'sync_failed_stale'), 'critical', 'at once'
);
set constraints all immediate;
select factory.behind_the_back(true);
update public.appointments set calcom_sync_status = 'failed' where id = 4;
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.sync_failed_stale', array[1, 4, 8, 9]::bigint[], 'also when no trigger saw it'
);
update public.appointments set calcom_sync_status = 'synced';
select is_empty('select entity_id from trueup.sync_failed_stale', 'over when it is synced');

select * from finish();
rollback;
