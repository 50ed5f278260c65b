-- appointments_notify: what is noted of which write; tests/test_notices.py listens

begin;
select plan(24);

select factory.company(1), factory.company(2);
update public.companies set timezone = 'America/New_York' where id = 2;
select factory.staff(1), factory.staff(2);

create function pg_temp.noted() returns text[] language sql as $$
with gone as (delete from trueup.appointment_notices returning company_id, date)
select coalesce(array_agg(distinct concat_ws(' ', coalesce(g.company_id::text, 'all'), coalesce(g.date::text, 'any'))), '{}')
from gone as g;
$$;

select factory.appointment(1, staff_id => 1);
select is(pg_temp.noted(), array['1 2025-10-22'], 'one that is made');
select factory.appointment(2, starts_at => '2025-10-26 22:30:00+00');
select is(pg_temp.noted(), array['1 2025-10-26', '1 2025-10-27'], 'over midnight of the company it touches two days');
select factory.appointment(3, starts_at => '2025-10-26 22:15:00+00');
select is(pg_temp.noted(), array['1 2025-10-26'], 'one that ends at midnight does not touch the next');
select factory.appointment(4, company_id => 2, starts_at => '2025-10-23 02:00:00+00');
select is(pg_temp.noted(), array['2 2025-10-22'], 'the clock of its company decides');
select factory.appointment(5, deleted_at => '2025-10-21 09:00:00+00');
select is(pg_temp.noted(), '{}', 'one that is deleted already takes no time');

update public.appointments set notes = 'n', metadata = '{"a": 1}', updated_at = now() where id = 1;
select is(pg_temp.noted(), '{}', 'notes take no time');
update public.appointments set status = case when id = 3 then 'completed' else status end where id in (2, 3, 4);
select is(pg_temp.noted(), array['1 2025-10-26'], 'of the rows of one statement those that it changed');
update public.appointments set starts_at = starts_at + interval '2 days', ends_at = ends_at + interval '2 days' where id = 1;
select is(pg_temp.noted(), array['1 2025-10-22', '1 2025-10-24'], 'one that is moved: where it was and where it is');
update public.appointments set staff_id = 2 where id = 1;
select is(pg_temp.noted(), array['1 2025-10-24'], 'one that is given to somebody else');
update public.appointments set status = 'cancelled' where id = 1;
select is(pg_temp.noted(), array['1 2025-10-24'], 'one that is cancelled');
update public.appointments set deleted_at = now() where id = 1;
select is(pg_temp.noted(), array['1 2025-10-24'], 'one that is deleted softly');
update public.appointments set starts_at = starts_at - interval '1 day' where id = 1;
select is(pg_temp.noted(), '{}', 'a deleted one takes no time, wherever it is moved');
update public.appointments set deleted_at = null, status = 'confirmed' where id = 1;
select is(pg_temp.noted(), array['1 2025-10-23', '1 2025-10-24'], 'one that is revived');
delete from public.appointments where id in (1, 5);
select is(pg_temp.noted(), array['1 2025-10-23', '1 2025-10-24'], 'one that is deleted, hard');

insert into public.appointments (company_id, starts_at, ends_at)
select 1, d.day, d.day + interval '1 hour'
from generate_series(timestamptz '2025-11-01 09:00:00+00', '2025-12-03', interval '1 day') as d (day);
select is(pg_temp.noted(), array['1 any'], 'more days than notice_days_limit are any day');
update trueup.settings set value = '1' where name = 'notice_companies_limit';
insert into public.appointments (company_id, starts_at, ends_at)
values (1, '2025-11-01 09:00:00+00', '2025-11-01 09:45:00+00'), (2, '2025-11-01 09:00:00+00', '2025-11-01 09:45:00+00');
select is(pg_temp.noted(), array['all any'], 'more companies than notice_companies_limit are all of them');
select factory.appointment(6, starts_at => '2025-11-01 09:00:00+00', ends_at => '2026-02-01 09:00:00+00');
select is(pg_temp.noted(), array['1 any'], 'one that is longer than that');
update public.companies set timezone = 'Middle/Earth' where id = 1;
select factory.appointment(7);
select is(pg_temp.noted(), array['1 any'], 'a zone that nobody knows stops no booking');

-- rows from before the constraints, and the index of long appointments, which has no place for endless ones
set constraints all immediate;
alter table public.appointments drop constraint appointments_company_known, drop constraint appointments_times_ordered;
drop index public.appointments_long_idx;
insert into public.appointments (company_id, starts_at, ends_at)
values (null, '2025-11-01 09:00:00+00', '2025-11-01 09:45:00+00');
select is(pg_temp.noted(), '{}', 'one without a company takes time of nobody');
insert into public.appointments (company_id, starts_at, ends_at) values (2, 'infinity', 'infinity');
select is(pg_temp.noted(), array['2 any'], 'one that never begins');
set constraints all deferred;

update trueup.settings set value = 'record' where name = 'appointment_notices';
select factory.appointment(8);
select is(pg_temp.noted(), array['1 any'], 'recorded for those who ask');
update trueup.settings set value = 'off' where name = 'appointment_notices';
select factory.appointment(9);
select is(pg_temp.noted(), '{}', 'nobody wants to know');

update trueup.settings set value = default_value;
set constraints all immediate;
truncate public.appointments cascade;
select is(pg_temp.noted(), array['all any'], 'all of them');
select isnt(
    (select f.position from trueup.appointment_notice_floor as f), 0::bigint,
    'what is pruned is remembered as gone'
);

select * from finish();
rollback;
