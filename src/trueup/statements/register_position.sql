-- where the WAL stands when a run begins: every transaction that the snapshot shows as ended has
-- written its COMMIT before the message below. The message makes sure that the position reaches
-- the standby at once, however quiet the primary is; nothing reads it.
select
    pg_current_snapshot()::text as snapshot,
    clock_timestamp() as taken_at,
    (select max(ch.definition_changed_at) from trueup.checks as ch) as defined_at,
    pg_logical_emit_message(true, 'trueup', '')::text as position,
    a.pid as backend_pid,
    a.backend_start
from pg_catalog.pg_stat_activity as a
where a.pid = pg_backend_pid();
