-- circuit_overview
--
-- Every circuit that ever failed or was ordered something, with the calls that are judged
-- together, those since its last change of state. `trueup circuit show` says more of one.

create or replace view trueup.circuit_overview
with (security_invoker = true) as
select
    s.service_key,
    s.current_state as state,
    s.mode,
    s.failure_count,
    s.last_failure_at,
    s.state_changed_at,
    s.opened_at,
    coalesce(s.open_until, s.probe_expires_at) as retry_at,
    m.calls as calls_last_hour,
    m.failures as failures_last_hour,
    m.slow as slow_last_hour
from trueup.circuit_breaker_states as s
left join lateral (
    select
        count(*) as calls,
        count(*) filter (where m.outcome = 'failure') as failures,
        count(*) filter (where m.is_slow) as slow
    from trueup.circuit_breaker_metrics as m
    where
        m.service_key = s.service_key
        and m.epoch = s.epoch
        and m.outcome in ('success', 'failure')
        and m.happened_at > now() - interval '1 hour'
) as m on true;

comment on view trueup.circuit_overview is 'every circuit that ever failed, and its calls of the last hour';
comment on column trueup.circuit_overview.service_key is 'name of the circuit';
comment on column trueup.circuit_overview.state is 'closed, open or half_open';
comment on column trueup.circuit_overview.mode is 'automatic, or what a person ordered: shadow, force_open, force_closed';
comment on column trueup.circuit_overview.failure_count is 'failures in a row';
comment on column trueup.circuit_overview.last_failure_at is 'when the last call failed';
comment on column trueup.circuit_overview.state_changed_at is 'since when it is in this state';
comment on column trueup.circuit_overview.opened_at is 'since when it has not been closed; NULL when it is';
comment on column trueup.circuit_overview.retry_at is 'when the next call may be tried';
comment on column trueup.circuit_overview.calls_last_hour is 'calls in this state and hour that succeeded or failed';
comment on column trueup.circuit_overview.failures_last_hour is 'those of them that failed';
comment on column trueup.circuit_overview.slow_last_hour is 'those of them that took too long';
