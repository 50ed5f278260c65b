select
    pg_current_snapshot()::text as snapshot,
    clock_timestamp() as taken_at,
    (select max(ch.definition_changed_at) from trueup.checks as ch) as defined_at;
