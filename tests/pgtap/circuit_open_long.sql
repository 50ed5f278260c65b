-- circuit_open_long: counted from when the circuit was closed last

begin;
select plan(8);

-- opened by what was reported, and long ago; half open since, which is not closed
select trueup.circuit_report(a.permit, 'failure')
from generate_series(1, 3) as n, lateral trueup.circuit_allow('open ' || n * 0) as a;
select trueup.circuit_report(a.permit, 'failure')
from generate_series(1, 3) as n, lateral trueup.circuit_allow('tried ' || n * 0) as a;
select trueup.circuit_report(a.permit, 'failure')
from generate_series(1, 3) as n, lateral trueup.circuit_allow('young ' || n * 0) as a;
select trueup.circuit_report(a.permit, 'failure') from trueup.circuit_allow('closed') as a;
select trueup.set_circuit_mode('forced', 'force_open', 'forgotten');
select trueup.set_circuit_mode('let through', 'force_closed');
select trueup.set_circuit_mode('shadow 0', 'shadow');
select trueup.circuit_report(a.permit, 'failure')
from generate_series(1, 3) as n, lateral trueup.circuit_allow('shadow ' || n * 0) as a;

select is_empty('select 1 from trueup.circuit_open_long', 'near miss: open, but not for long');

update trueup.circuit_breaker_states
set
    opened_at = opened_at - interval '11 minutes',
    state_changed_at = state_changed_at - interval '11 minutes',
    open_until = open_until - interval '11 minutes'
where service_key not like 'young%';
update trueup.circuit_breaker_states
set opened_at = opened_at - interval '9 minutes'
where service_key like 'young%';

select set_eq(
    'select entity_id from trueup.circuit_open_long',
    array['open 0', 'tried 0', 'forced', 'shadow 0'],
    'what has not been closed for longer than ten minutes, by reports or by order, and no closed circuit'
);

-- a probe that fails changes the state, and not since when
select trueup.circuit_report(a.permit, 'failure') from trueup.circuit_allow('tried 0') as a;
select ok(
    s.state_changed_at > now() - interval '1 minute', 'the state has just changed'
) from trueup.circuit_breaker_states as s where s.service_key = 'tried 0';
select ok(
    exists (select 1 from trueup.circuit_open_long as v where v.entity_id = 'tried 0'),
    'and the circuit is still the one that was opened eleven minutes ago'
);
select is(
    (select v.evidence - 'opened_at' from trueup.circuit_open_long as v where v.entity_id = 'forced'),
    '{"mode": "force_open"}'::jsonb, 'the evidence says that a person ordered it'
);

update trueup.settings set value = '8 minutes' where name = 'circuit_open_limit';
select ok(
    exists (select 1 from trueup.circuit_open_long as v where v.entity_id = 'young 0'),
    'how long is a setting'
);
update trueup.settings set value = '10 minutes' where name = 'circuit_open_limit';

-- closed by two successful probes, by order, and freed
select trueup.circuit_report(a.permit, 'success')
from generate_series(1, 2) as n, lateral trueup.circuit_allow('open ' || n * 0) as a;
select trueup.set_circuit_mode('tried 0', 'force_closed');
select trueup.set_circuit_mode('shadow 0', 'force_closed');
select trueup.set_circuit_mode('forced', 'automatic');
select is_empty('select 1 from trueup.circuit_open_long', 'closed circuits are silent');
select is(
    (select ch.severity from trueup.checks as ch where ch.name = 'circuit_open_long'),
    'warning', 'the catalogue holds it'
);

select * from finish();
rollback;
