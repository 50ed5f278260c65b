-- bloat.sql: one pass of a day, as the runner would make it
--
-- Reads and deletes the changes that were there, sees all standing violations again, lets
-- :churn of them go and as many new ones come, decides and queues reviews, applies repairs,
-- and records the run with a result for every check.
--
-- Parameters: pass (number of the pass), standing (open alerts of each check), churn.

create temporary table if not exists trueup_violations (
    check_name text not null,
    company_id text,
    entity_type text not null,
    entity_id text not null,
    description text not null,
    evidence jsonb,
    related text[]
);
create temporary table if not exists pass_run (id bigint not null);
truncate pass_run, trueup_violations;

with begun as (
    insert into trueup.check_runs (kind, version, checks) values ('full', 'benchmark', 47) returning id
)
insert into pass_run (id) select id from begun;

begin;

update trueup.check_runs as cr
set snapshot_at = clock_timestamp(), snapshot = pg_current_snapshot()
where cr.id = (select id from pass_run);

delete from trueup.changes as c
using trueup.check_runs as cr
where cr.id = (select id from pass_run) and pg_visible_in_snapshot(c.xact_id, cr.snapshot);

-- a window of entities that moves on by :churn with every pass
insert into trueup_violations (check_name, company_id, entity_type, entity_id, description, evidence)
select c.name, '1', 'call', (:pass * :churn + n)::text, 'as the benchmark says', jsonb_build_object('n', n)
from unnest(array[
    'call_booked_without_appointment', 'call_backlink_missing', 'call_direction_missing', 'call_link_unproven'
]) as c (name)
cross join generate_series(1, :standing) as n;

select sum(f.opened) as opened, sum(f.resolved) as resolved
from unnest(array[
    'call_booked_without_appointment', 'call_backlink_missing', 'call_direction_missing', 'call_link_unproven'
]) as c (name)
cross join lateral trueup.file_violations((select id from pass_run), c.name, 1000000) as f;

insert into trueup.check_results
    (run_id, check_name, outcome, snapshot_at, duration_ms, rows_tested, violations)
select (select id from pass_run), ch.name, 'complete', clock_timestamp(), 1, 1000000, 0
from trueup.checks as ch;

insert into trueup.consistency_rates (run_id, company_id, population, wrong, rate)
select (select id from pass_run), nullif(n, 0)::text, 1000000, 100, 99.99
from generate_series(0, 20) as n;

update trueup.check_runs as cr
set status = 'complete', finished_at = clock_timestamp()
where cr.id = (select id from pass_run);

commit;

-- every fifth of what is new goes to people, who decide most of what came the pass before
begin;
select count(trueup.queue_review('call_link_unproven', 'call', (:pass * :churn + :standing - n)::text, 'who is it?', '1'))
from generate_series(0, :churn / 5 - 1) as n;
do $$
declare
    v_item trueup.manual_review_queue;
begin
    for i in 1 .. :churn / 8 loop
        v_item := trueup.claim_review('ann');
        exit when v_item.id is null;
        perform trueup.dismiss_review(v_item.id, v_item.claim_token, 'may stay');
    end loop;
end;
$$;
commit;

-- repairs, each with the images of two rows
with applied as (
    insert into trueup.repairs (run_id, check_name, company_id, entity_type, entity_id, reason, evidence)
    select (select id from pass_run), 'call_direction_missing', '1', 'call', n::text, 'the number is ours', '{"number": 1}'
    from generate_series(1, :churn / 2) as n
    returning id
)
insert into trueup.repair_changes (repair_id, table_name, key_column, key_value, operation, before, after)
select a.id, 'public.calls', 'id', n::text, 'update', i.image, i.image || '{"direction": "inbound"}'
from applied as a
cross join generate_series(1, 2) as n
cross join lateral (
    select jsonb_object_agg('column_' || k, md5(a.id::text || k)) as image from generate_series(1, 30) as k
) as i;
