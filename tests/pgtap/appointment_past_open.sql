-- appointment_past_open: the check; only time causes it, and a person decides

begin;
select plan(4);

select factory.company(1);
-- created with the appointment's own past, so that nothing else is wrong with it
create function pg_temp.past(p_id bigint, p_ended interval, p_status text, p_deleted boolean default false)
    returns void language sql as $$
select factory.appointment(
    id => p_id, starts_at => now() - p_ended - interval '45 minutes', ends_at => now() - p_ended, status => p_status,
    cancelled_at => case when p_status = 'cancelled' then now() end,
    deleted_at => case when p_deleted then now() end,
    created_at => now() - p_ended - interval '3 days'
);
$$;
select pg_temp.past(11, interval '7 days', 'confirmed');
select pg_temp.past(12, interval '7 days 1 second', 'confirmed');
select pg_temp.past(13, interval '30 days', 'pending');
select pg_temp.past(14, interval '30 days', 'completed');
select pg_temp.past(15, interval '30 days', 'no_show');
select pg_temp.past(16, interval '30 days', 'cancelled');
select pg_temp.past(17, interval '30 days', 'confirmed', true);
select pg_temp.past(18, interval '-30 days', 'confirmed');
select pg_temp.past(19, interval '30 days', 'confirmed');
update public.appointments set source = 'backfill' where id = 19;

select set_eq(
    'select entity_id from trueup.appointment_past_open', array[12, 13]::bigint[],
    'open for more than seven days after its end'
);
update trueup.settings set value = '8 days' where name = 'open_past_limit';
select set_eq(
    'select entity_id from trueup.appointment_past_open', array[13]::bigint[], 'the limit is a setting'
);
update public.appointments set status = 'no_show' where id = 13;
select is_empty('select * from trueup.appointment_past_open', 'clean once a person has decided');


-- a legacy status counts as what it means
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('appointments_status_vocabulary', 'appointments_cancel_agrees');
select pg_temp.past(21, interval '30 days', 'Booked');
select pg_temp.past(22, interval '30 days', 'Completed');
select pg_temp.past(23, interval '30 days', 'maybe');
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.appointment_past_open', array[21]::bigint[], 'a synonym is open as well'
);

select * from finish();
rollback;
