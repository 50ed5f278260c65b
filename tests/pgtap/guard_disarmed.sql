-- guard_disarmed: what vanished, what was switched off, and what only waits for clean rows

begin;
select plan(27);

select is_empty('select * from trueup.guard_disarmed', 'as deployed nothing is disarmed');

create temporary view listed as
select v.entity_type, v.description, v.evidence ->> 'state' as state from trueup.guard_disarmed as v;

-- triggers
alter table public.calls disable trigger call_made_without_appointment;
select results_eq(
    'select * from listed',
    $$values (
        'object',
        'trigger call_made_without_appointment on public.calls is disabled',
        'disabled'
    )$$,
    'a disabled trigger'
);
alter table public.calls enable replica trigger call_made_without_appointment;
select is((select l.state from listed as l), 'disabled', 'a trigger for replicas only does not guard');
alter table public.calls enable always trigger call_made_without_appointment;
select isnt((select l.state from listed as l), 'disabled', 'near miss: one that fires always does');
alter table public.calls enable trigger call_made_without_appointment;
select is_empty('select * from listed', 'enabled again');

drop trigger call_made_without_appointment on public.calls;
select is(
    (select l.description from listed as l),
    'trigger call_made_without_appointment on public.calls is missing', 'a dropped trigger'
);
create trigger call_made_without_appointment
after insert on public.calls for each row execute function trueup.guard_call_made_without_appointment();
select is(
    (select l.description from listed as l),
    'trigger call_made_without_appointment on public.calls is different', 'one that only looks like ours'
);
drop trigger call_made_without_appointment on public.calls;

-- functions and views
create or replace function trueup.guard_call_made_without_appointment() returns trigger language plpgsql
as 'begin return null; end';
select ok(
    exists (
        select 1
        from listed as l
        where l.description = 'function trueup.guard_call_made_without_appointment is different'
    ),
    'a function that does nothing'
);
create or replace view trueup.call_made_without_appointment as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    '' as description,
    '{}'::jsonb as evidence
from public.calls as c
where false;
select ok(
    exists (
        select 1 from listed as l where l.description = 'view trueup.call_made_without_appointment is different'
    ),
    'a check that finds nothing any more'
);
select is((select count(*)::int from listed), 3, 'each of them once');
update trueup.objects as o
set definition_checksum = md5(trueup.object_definition(o.kind, o.identity))
where trueup.object_definition(o.kind, o.identity) is not null;
delete from trueup.objects where identity = 'call_made_without_appointment on public.calls';
select is_empty('select * from listed', 'setup: what is there is taken as deployed');

-- tables of the layer
select set_eq(
    'select t.name from trueup.tables as t',
    $$select c.relname::text from pg_catalog.pg_class as c
      where c.relnamespace = 'trueup'::regnamespace and c.relkind in ('r', 'p')$$,
    'every table of ours is known by name'
);
drop table trueup.review_priorities cascade;
select results_eq(
    'select * from listed',
    $$values ('layer_table', 'table trueup.review_priorities is missing', 'missing')$$,
    'a dropped table'
);
delete from trueup.tables where name = 'review_priorities';

-- constraints: missing, different, not valid
alter table public.calls drop constraint calls_company_known;
select results_eq(
    'select * from listed',
    $$values ('constraint', 'check calls_company_known on public.calls is missing', 'missing')$$,
    'a CHECK constraint can be added over any rows: missing is missing'
);
alter table public.calls add constraint calls_company_known check (company_id is not null or id > 0);
select is((select l.state from listed as l), 'different', 'another constraint under our name');
alter table public.calls drop constraint calls_company_known;
alter table public.calls add constraint calls_company_known check (company_id is not null) not valid;
select is_empty('select * from listed', 'not valid, and its check never evaluated: it may wait');
drop index public.calls_booking_id_idx;
select is((select l.state from listed as l), 'missing', 'an index of ours');
create index calls_booking_id_idx on public.calls (company_id, booking_id) where booking_id is not null;
select is_empty('select * from listed', 'built again');

-- waiting for the check tenant_mismatch: not before it is clean, and has been for a day
create function pg_temp.result(
    p_age interval, p_violations bigint, p_outcome text default 'complete', p_check text default 'tenant_mismatch'
)
    returns void language sql as $$
with run as (
    insert into trueup.check_runs (kind, version) values ('full', '0') returning id
)
insert into trueup.check_results (run_id, check_name, outcome, finished_at, duration_ms, violations)
select run.id, p_check, p_outcome, now() - p_age, 1, p_violations from run;
$$;

select pg_temp.result(interval '23 hours', 0);
select is_empty('select * from listed', 'near miss: first seen clean less than the grace ago');
update trueup.check_results set finished_at = now() - interval '40 hours';
select is(
    (select l.description from listed as l),
    'check calls_company_known on public.calls is not valid although its check is clean',
    'clean for longer than the grace'
);
select pg_temp.result(interval '30 hours', 2);
select is_empty('select * from listed', 'near miss: not clean');
select pg_temp.result(interval '23 hours', 0);
select is((select l.state from listed as l), 'not valid', 'its last violation is older than the grace');
update trueup.check_results set finished_at = now() - interval '22 hours' where violations = 2;
select is_empty('select * from listed', 'near miss: a violation within the grace');
update trueup.check_results set finished_at = now() - interval '30 hours' where violations = 2;
select pg_temp.result(interval '1 minute', null, 'error');
select is((select l.state from listed as l), 'not valid', 'an evaluation that failed does not clear it');

-- an exclusion constraint or unique index may wait for its check, one without a check may not
delete from trueup.check_results;
alter table public.calls validate constraint calls_company_known;
alter table public.appointments drop constraint appointments_staff_id_excl;
drop index public.appointments_booking_uid_key;
select is_empty('select * from listed', 'missing, but their checks were never clean: they may wait');
select pg_temp.result(interval '40 hours', 0, 'complete', 'appointment_staff_overlap');
select is(
    (select l.description from listed as l),
    'exclude appointments_staff_id_excl on public.appointments is missing although its check is clean',
    'clean for longer than the grace: build it'
);
drop index public.branches_company_id_id_key cascade;
select ok(
    exists (
        select 1
        from listed as l
        where l.description = 'unique index branches_company_id_id_key on public.branches is missing'
    ),
    'a unique index without a check waits for nothing'
);

select * from finish();
rollback;
