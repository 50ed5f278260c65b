-- check_not_run
--
-- invariant:   every active check was evaluated completely within twice its interval,
--              and its latest evaluations did not all fail
-- severity:    critical
-- entity:      check
-- changes:     none
-- population:  none
-- prevented:   none: a scheduler that does not run cannot be made to by the database
-- repair:      review
-- cost:        the catalogue; per check a few rows of check_results_whole_idx
--
-- A check that is not evaluated finds nothing, which looks like a clean database. A
-- check registered less than twice setting check_interval ago has time; one failure is
-- forgiven (setting check_failures_tolerated), because a timeout may be bad luck. A
-- superseded result says nothing either way and is passed over, and so is what a pass over
-- changes found, which looked at a few entities only. Look at the error: a
-- timeout wants an index or a longer statement_timeout, an error wants `trueup migrate`
-- or a corrected file; nothing at all wants a look at the scheduler. After an outage
-- the first run reports what the outage missed, the second resolves it.

create or replace view trueup.check_not_run as
select
    null as company_id,
    'check' as entity_type,
    ch.id as entity_id,
    'check ' || ch.name
    || case
        when late.is_late and complete.finished_at is null then ' has never been evaluated completely'
        when late.is_late then ' has not been evaluated completely since ' || complete.finished_at
        else ' failed ' || latest.failures || ' times in a row'
    end
    || coalesce('; last error: ' || latest.error, '') as description,
    jsonb_build_object(
        'check', ch.name,
        'last_complete_at', complete.finished_at,
        'outcomes', latest.outcomes,
        'sqlstate', latest.sqlstate,
        'error', latest.error
    ) as evidence
from trueup.checks as ch
cross join lateral (
    select
        (select 2 * trueup.setting('check_interval')::interval) as allowed,
        (select trueup.setting('check_failures_tolerated')::integer + 1) as enough
) as may
left join lateral (
    select r.finished_at
    from trueup.check_results as r
    where r.check_name = ch.name and r.outcome = 'complete'
    order by r.run_id desc
    limit 1
) as complete on true
cross join lateral (
    select
        count(*) filter (where r.outcome <> 'complete') as failures,
        array_agg(r.outcome order by r.run_id desc) as outcomes,
        (array_agg(r.sqlstate order by r.run_id desc) filter (where r.outcome <> 'complete'))[1] as sqlstate,
        (
            array_agg(coalesce(r.error, r.outcome) order by r.run_id desc)
            filter (where r.outcome <> 'complete')
        )[1] as error
    from (
        select
            r.run_id,
            r.outcome,
            r.sqlstate,
            r.error
        from trueup.check_results as r
        where r.check_name = ch.name and r.outcome not in ('superseded', 'changed')
        order by r.run_id desc
        limit may.enough
    ) as r
) as latest
cross join lateral (
    select
        ch.registered_at < now() - may.allowed
        and coalesce(complete.finished_at < now() - may.allowed, true) as is_late
) as late
where
    ch.is_active
    and (late.is_late or latest.failures >= may.enough);
