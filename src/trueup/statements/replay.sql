-- no row once the standby has been promoted
select
    pg_last_wal_replay_lsn() >= %(position)s::pg_lsn as reached,
    pg_size_pretty(pg_wal_lsn_diff(%(position)s::pg_lsn, pg_last_wal_replay_lsn())) as behind,
    pg_last_xact_replay_timestamp() as last_commit_at,
    case when pg_is_in_recovery() then pg_is_wal_replay_paused() end as paused
where pg_is_in_recovery();
