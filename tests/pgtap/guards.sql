-- guards: off, observe, enforce, and who says so

begin;
select plan(27);

select factory.company(1);
select factory.call(id => 1, appointment_made => false, session_outcome => 'appointment_rescheduled');
select factory.call(id => 2, appointment_made => false, session_outcome => 'appointment_rescheduled');
select factory.appointment(id => 11, call_id => 1);

select results_eq(
    $$select g.name, g.mode from trueup.set_guard_mode('call_made_without_appointment', 'off') as g$$,
    $$values ('call_made_without_appointment', 'off')$$, 'a mode is set'
);
select throws_ok(
    $$select trueup.set_guard_mode('call_made_without_appointment', 'loud')$$,
    'TU005', 'a guard has no mode "loud"', 'one of three'
);
select throws_ok(
    $$select trueup.set_guard_mode('call_made_without_appointment', null)$$, 'TU005', null, 'not NULL'
);
select throws_ok(
    $$select trueup.set_guard_mode('call_made_without', 'off')$$,
    'TU002', 'no guard is called call_made_without', 'of a guard that exists'
);

-- off
set constraints all immediate;
select lives_ok('update public.calls set appointment_made = true where id = 2', 'off: nothing happens');
select is_empty(
    'select 1 from trueup.data_consistency_alerts as al where al.alert_type = ''call_made_without_appointment''',
    'and nothing is said'
);
update public.calls set appointment_made = false where id = 2;

-- observe
select is(
    (select g.changed_by from trueup.set_guard_mode('call_made_without_appointment', 'observe', 'ann') as g),
    'ann', 'who changed it'
);
select is(
    (select g.changed_by from trueup.set_guard_mode('call_made_without_appointment', 'observe', 'bob') as g),
    'ann', 'the same mode again is no change'
);
select lives_ok('update public.calls set appointment_made = true where id = 2', 'observe: the write goes on');
select results_eq(
    $$select al.status, al.alert_type, al.entity_id, al.company_id,
          al.metadata -> 'written_by' ->> 'transaction' = pg_current_xact_id()::text,
          al.metadata -> 'written_by' ->> 'role' = session_user,
          al.metadata -> 'written_by' ->> 'application' = current_setting('application_name')
      from trueup.data_consistency_alerts as al
      where al.alert_type = 'call_made_without_appointment'$$,
    $$values ('open', 'call_made_without_appointment', '2', '1', true, true, true)$$,
    'the alert names transaction, role and application'
);
update public.calls set appointment_made = false where id = 2;

-- enforce
select trueup.set_guard_mode('call_made_without_appointment', 'enforce');
select throws_ok(
    'update public.calls set appointment_made = true where id = 2',
    '23514', 'call 2 violates guard "call_made_without_appointment"', 'enforce: refused'
);
select is((select c.appointment_made from public.calls as c where c.id = 2), false, 'the row is as it was');
select lives_ok('update public.calls set appointment_made = true where id = 1', 'near miss: it has its appointment');
create function pg_temp.refusal() returns text[] language plpgsql as $$
declare
    v_constraint text;
    v_detail text;
    v_hint text;
begin
    update public.calls set appointment_made = true where id = 2;
    return null;
exception
    when check_violation then
        get stacked diagnostics
            v_constraint = constraint_name, v_detail = pg_exception_detail, v_hint = pg_exception_hint;
        return array[v_constraint, v_detail, v_hint];
end;
$$;
create temporary table refusal as select pg_temp.refusal() as said;
select is((select r.said[1] from refusal as r), 'call_made_without_appointment', 'the constraint is the check');
select matches((select r.said[2] from refusal as r), '^flagged appointment_made, but no .*\{.*\}$', 'what is wrong');
select matches((select r.said[3] from refusal as r), '^What must hold at commit: a call flagged', 'what must hold');

-- deferred: one transaction, any order
set constraints all deferred;
update public.calls set appointment_made = true where id = 2;
select factory.appointment(id => 12, call_id => 2);
select lives_ok('set constraints all immediate', 'the flag first, then the appointment');

-- one company first
select factory.company(2);
select factory.call(id => 4, appointment_made => false, session_outcome => 'appointment_rescheduled');
select factory.call(id => 3, company_id => 2, appointment_made => false, session_outcome => 'appointment_rescheduled');
select trueup.set_guard_mode('call_made_without_appointment', 'observe');
select throws_ok(
    $$select trueup.set_guard_mode('call_made_without_appointment', 'off', 'ann', '1')$$,
    'TU005', null, 'off is for all companies'
);
select is(
    (select g.mode from trueup.set_guard_mode('call_made_without_appointment', 'enforce', 'ann', '1') as g),
    'observe', 'the mode of the others stays'
);
select throws_ok(
    'update public.calls set appointment_made = true where id = 4', '23514', null, 'enforced for company 1'
);
delete from trueup.guard_trips;
select lives_ok('update public.calls set appointment_made = true where id = 3', 'and observed for company 2');
select results_eq(
    $$select gt.guard, gt.company_id, gt.entity_type, gt.entity_id, gt.role_name = session_user,
          gt.xid = pg_current_xact_id()
      from trueup.guard_trips as gt$$,
    $$values ('call_made_without_appointment', '2', 'call', '3', true, true)$$,
    'what it would have refused is noted'
);
update public.calls set appointment_made = false where id = 3;
select trueup.set_guard_mode('call_made_without_appointment', 'enforce');
select trueup.set_guard_mode('call_made_without_appointment', 'observe', 'ann', '1');
select lives_ok('update public.calls set appointment_made = true where id = 4', 'or the other way round');
update public.calls set appointment_made = false where id = 4;
select throws_ok(
    'update public.calls set appointment_made = true where id = 3', '23514', null, 'company 2 as all'
);
select trueup.set_guard_mode('call_made_without_appointment', null, 'ann', '1');
select throws_ok(
    'update public.calls set appointment_made = true where id = 4', '23514', null, 'and company 1 again'
);
select trueup.set_guard_mode('call_made_without_appointment', 'enforce', 'ann', '1');
select trueup.set_guard_mode('call_made_without_appointment', 'off');
delete from trueup.guard_trips;
select lives_ok('update public.calls set appointment_made = true where id = 4', 'off is off for all of them');
select is_empty('select 1 from trueup.guard_trips', 'and notes nothing');

select * from finish();
rollback;
