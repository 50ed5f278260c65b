-- planned_cost(check): what the planner expects a full evaluation of a check to cost
--
-- Planner units: of its whole view, or of its candidates where a view <check>_candidates
-- lists them, for those it names are few. NULL for a view that cannot be planned, whose
-- evaluation will say why, or whose tables are locked. Nothing is executed. Planned without
-- parallel workers, because a plan with them costs less only where workers are free.

create or replace function trueup.planned_cost(p_check text)
    returns numeric
    language plpgsql
    set search_path = pg_catalog, pg_temp
    -- there is one for each check: a table that is held for long must not hold up the run
    set lock_timeout = '100ms'
    set max_parallel_workers_per_gather = 0
as $$
declare
    v_plan jsonb;
begin
    execute format(
        'explain (format json) select v.* from trueup.%I as v',
        coalesce(
            (
                select c.relname
                from pg_catalog.pg_class as c
                where c.relnamespace = 'trueup'::regnamespace and c.relname = p_check || '_candidates'
            ),
            p_check
        )
    )
    into v_plan;
    return v_plan #>> '{0,Plan,Total Cost}';
exception
    when others then
        return null;
end;
$$;
