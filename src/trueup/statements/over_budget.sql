-- one alert for a repair that would have changed more than its budget; the next one within it resolves the alert
select trueup.file_alert(
    'repair_over_budget',
    null,
    'repair',
    'all',
    format('a repair of %%s entities was refused: the budget is %%s', %(wanted)s::bigint, %(budget)s::bigint),
    jsonb_build_object('entities', %(wanted)s::bigint, 'budget', %(budget)s::bigint, 'run_id', %(run_id)s::bigint)
);
