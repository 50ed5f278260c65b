-- runners_overview
--
-- The processes of trueup run. Only those heard of within a day of the last: a cron job makes a
-- thousand a day, and the last is to be seen however long it has been silent.

create or replace view trueup.runners_overview
with (security_invoker = true) as
select
    ru.id as runner_id,
    ru.host,
    ru.pid,
    ru.version,
    ru.application,
    ru.started_at,
    ru.heartbeat_at,
    extract(epoch from clock_timestamp() - ru.heartbeat_at) as heartbeat_age_seconds,
    case
        when ru.stopped_at is not null then 'stopped'
        when ru.lost_at is not null or ru.heartbeat_at < clock_timestamp() - ru.silent_after then 'silent'
        else 'up'
    end as state
from trueup.runners as ru
where
    ru.heartbeat_at > (
        select max(newest.heartbeat_at) - interval '1 day'
        from trueup.runners as newest
    );

comment on view trueup.runners_overview is 'every process of trueup run heard of within a day of the last';
comment on column trueup.runners_overview.runner_id is 'id in trueup.runners';
comment on column trueup.runners_overview.host is 'machine it runs on';
comment on column trueup.runners_overview.pid is 'its process there';
comment on column trueup.runners_overview.version is 'version of the program';
comment on column trueup.runners_overview.application is 'trueup run, or trueup run --once and a job';
comment on column trueup.runners_overview.started_at is 'when it began';
comment on column trueup.runners_overview.heartbeat_at is 'its last sign of life';
comment on column trueup.runners_overview.heartbeat_age_seconds is 'how long ago that was';
comment on column trueup.runners_overview.state is 'up, silent (gone without a word, or out of reach) or stopped';
