-- check_cost_high: above the ceiling, grown since the last complete evaluation, and the near misses of both

begin;
select plan(11);

update trueup.checks set is_active = false;
insert into trueup.checks (
    name, invariant, severity, entity, changes, population, prevented, repair, cost, description, file, checksum,
    planned_cost
)
select 'ch_' || n.name, '', 'info', 'call', 'none', 'none', 'none: test', 'review', '', '', '', '', n.planned_cost
from (
    values
    ('unplanned', null),
    ('at_ceiling', 1e10),
    ('above', 1e10 + 1),
    ('grown', 1.1e6),
    ('grown_exactly', 1e6 + 10),
    ('grown_little', 1e6),
    ('unplanned_then', 1.1e6),
    ('never_finished', 1e9)
) as n (name, planned_cost);

insert into trueup.check_runs (kind, version) select 'full', '0' from generate_series(1, 3);
create temporary view run as
select row_number() over (order by r.id) as n, r.id from trueup.check_runs as r;
insert into trueup.check_results (run_id, check_name, outcome, duration_ms, planned_cost)
select run.id, 'ch_' || r.check_name, r.outcome, 1, r.planned_cost
from (
    values
    (1, 'at_ceiling', 'complete', 9e9),
    (1, 'grown', 'complete', 1),
    (2, 'grown', 'complete', 1e5),
    (3, 'grown', 'timeout', 1.1e6),
    (1, 'grown_exactly', 'complete', 1e5 + 1),
    (1, 'unplanned_then', 'complete', 1),
    (2, 'unplanned_then', 'complete', null),
    (1, 'grown_little', 'complete', 1),
    (1, 'never_finished', 'timeout', 1)
) as r (n, check_name, outcome, planned_cost)
inner join run on r.n = run.n;

create temporary view listed as
select ch.name, v.entity_type, v.description, v.evidence
from trueup.check_cost_high as v
inner join trueup.checks as ch on v.entity_id = ch.id;

select set_eq(
    'select l.name from listed as l',
    array['ch_above', 'ch_grown'],
    'above the ceiling, and above what it cost when it last finished, not when it was last tried'
);
select is(
    (select l.description from listed as l where l.name = 'ch_above'),
    'check ch_above is planned to cost 10,000,000,001, more than the ceiling of 10,000,000,000; '
    'trueup explain ch_above shows the plan',
    'the ceiling'
);
select is(
    (select l.description from listed as l where l.name = 'ch_grown'),
    'check ch_grown is planned to cost 1,100,000, 11 times what it cost when it last finished; '
    'trueup explain ch_grown shows the plan',
    'the growth'
);
select is(
    (select l.evidence - 'last_complete_at' from listed as l where l.name = 'ch_grown'),
    '{"check": "ch_grown", "ceiling": 10000000000, "planned_cost": 1.1e6, "last_planned_cost": 1e5}'::jsonb,
    'the evidence names what was compared'
);
select is((select distinct l.entity_type from listed as l), 'check', 'the entity is the check');

update trueup.settings set value = '100000000' where name = 'check_cost_ceiling';
select set_eq(
    'select l.name from listed as l',
    array['ch_above', 'ch_at_ceiling', 'ch_never_finished', 'ch_grown', 'ch_grown_little'],
    'a lower ceiling finds more, and smaller growth'
);
update trueup.settings set value = default_value where name = 'check_cost_ceiling';
update trueup.settings set value = '20' where name = 'check_cost_growth';
select set_eq('select l.name from listed as l', array['ch_above'], 'how much growth is too much is a setting');
update trueup.settings set value = default_value where name = 'check_cost_growth';

-- it finishes in spite of its new cost
update trueup.check_results as r set outcome = 'complete' where r.check_name = 'ch_grown' and r.outcome = 'timeout';
select set_eq('select l.name from listed as l', array['ch_above'], 'one that finishes is news no more');

update trueup.checks set is_active = false where name = 'ch_above';
select is_empty('select 1 from listed', 'a retired check costs nothing');

select cmp_ok(
    trueup.planned_cost('check_not_run'), '>', 0::numeric, 'the planner is asked; it does not read a row'
);
select is(trueup.planned_cost('no_such_check'), null, 'what cannot be planned has no cost');

select * from finish();
rollback;
