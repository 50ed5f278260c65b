delete from trueup.settings as st where st.name in ('check_cost_ceiling', 'check_cost_growth');

alter table trueup.check_results drop column planned_cost;
alter table trueup.checks drop column planned_cost;
