insert into trueup.check_runs (kind, version, backend_started_at, checks)
select %(kind)s, %(version)s, a.backend_start, %(checks)s
from pg_catalog.pg_stat_activity as a
where a.pid = pg_backend_pid()
returning id;
