-- guard_disarmed
--
-- invariant:   every view, function, trigger, constraint, index and table of ours is
--              there, switched on, valid, and as its file says
-- severity:    critical
-- entity:      object, constraint, layer_table
-- changes:     none
-- population:  none
-- prevented:   none: whoever owns a table may drop or disable what stands on it
-- repair:      review
-- cost:        the catalogue of the server, once per object of ours; no rows of tables
--
-- Triggers are dropped by later deployments and lost with restored databases, and
-- nothing says so: writes go on, only wrong. `trueup migrate` puts objects and
-- constraints back, `trueup enforce` validates what has become clean, `trueup verify`
-- shows the same as this check; a table comes back from a backup only.
--
-- What waits for clean rows is not disarmed. A constraint that is NOT VALID, and an
-- exclusion constraint or unique index that could not be built over legacy rows, is
-- reported only when its own check has been clean for longer than setting
-- constraint_grace: by then somebody should have run `trueup enforce`. Without a check
-- of its own a constraint may stay NOT VALID, and one that waits for another may be
-- missing or NOT VALID until that one is valid. A guard in mode off
-- is a decision. What PostgreSQL cannot have on a partitioned or foreign table is left
-- out, which `trueup status` tells with the reason.

create or replace view trueup.guard_disarmed as
select
    null as company_id,
    'object' as entity_type,
    os.id as entity_id,
    os.kind || ' ' || os.identity || ' is ' || os.state as description,
    jsonb_build_object('kind', os.kind, 'identity', os.identity, 'file', os.file, 'state', os.state) as evidence
from trueup.object_states as os
where os.state <> 'deployed'
union all
select
    null as company_id,
    'constraint' as entity_type,
    ct.id as entity_id,
    cs.kind || ' ' || cs.name || ' on ' || cs.table_name || ' is ' || cs.state
    || case when ripe.is_ripe then ' although its check is clean' else '' end as description,
    jsonb_build_object(
        'kind', cs.kind,
        'name', cs.name,
        'table', cs.table_name,
        'state', cs.state,
        'check', cs.check_name
    ) as evidence
from trueup.constraint_states as cs
inner join trueup.constraints as ct on cs.name = ct.name
left join lateral (
    select true as is_awaited
    from trueup.constraint_states as first
    where first.name = cs.waits_for and first.state not in ('valid', 'left out')
) as aw on true
cross join lateral (
    select
        cs.state = 'not valid'
        or (
            cs.state = 'missing'
            and (cs.kind = 'unique index' or cs.must_be_built)
            and cs.check_name is not null
        )
        or (cs.state = 'missing' and coalesce(aw.is_awaited, false)) as may_wait
) as wait
cross join lateral (
    select
        wait.may_wait
        and coalesce(
            (
                select r.violations = 0
                from trueup.check_results as r
                where r.check_name = cs.check_name and r.outcome = 'complete'
                order by r.run_id desc
                limit 1
            ),
            false
        )
        and coalesce(
            (
                select r.finished_at
                from trueup.check_results as r
                where r.check_name = cs.check_name and r.outcome = 'complete' and r.violations > 0
                order by r.run_id desc
                limit 1
            ),
            (
                select r.finished_at
                from trueup.check_results as r
                where r.check_name = cs.check_name and r.outcome = 'complete'
                order by r.run_id
                limit 1
            )
        ) < now() - (select trueup.setting('constraint_grace')::interval)
        and not coalesce(aw.is_awaited, false)
        as is_ripe
) as ripe
where
    cs.state not in ('valid', 'left out')
    and (not wait.may_wait or ripe.is_ripe)
union all
select
    null as company_id,
    'layer_table' as entity_type,
    t.id as entity_id,
    'table trueup.' || t.name || ' is missing' as description,
    jsonb_build_object('kind', 'table', 'identity', 'trueup.' || t.name, 'state', 'missing') as evidence
from trueup.tables as t
where to_regclass(format('trueup.%I', t.name)) is null;
