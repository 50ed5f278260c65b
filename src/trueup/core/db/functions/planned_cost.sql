-- planned_cost(check): what the planner expects the whole view of a check to cost
--
-- Planner units; NULL for a view that cannot be planned, whose evaluation will say why,
-- or whose tables are locked. Nothing is executed. Planned without parallel workers, as
-- a run plans it: what it finds is inserted into a temporary table.

create or replace function trueup.planned_cost(p_check text)
    returns numeric
    language plpgsql
    set search_path = ''
    set lock_timeout = '1s'
    set max_parallel_workers_per_gather = 0
as $$
declare
    v_plan jsonb;
begin
    execute format('explain (format json) select v.* from trueup.%I as v', p_check) into v_plan;
    return v_plan #>> '{0,Plan,Total Cost}';
exception
    when others then
        return null;
end;
$$;
