-- 0005_planned_cost: what the planner expects each check to cost
--
-- For the check check_cost_high. A run plans every view before it evaluates the first:
-- checks.planned_cost is what the check would cost now, check_results.planned_cost what
-- an evaluation was expected to cost. Planner units, NULL where nothing was planned.

alter table trueup.checks add column planned_cost numeric;
alter table trueup.check_results add column planned_cost numeric;

insert into trueup.settings (name, value, default_value, kind, description) values
('check_cost_ceiling', '10000000000', '10000000000', 'numeric', 'planned cost, in planner units, above which check_cost_high reports a check'),
('check_cost_growth', '10', '10', 'numeric', 'times its planned cost at its last complete evaluation above which check_cost_high reports a check');
