select
    s.service_key as key,
    s.current_state as state,
    s.mode,
    s.mode_reason as reason,
    s.epoch,
    s.failure_count,
    s.success_count,
    s.last_failure_at,
    s.state_changed_at,
    s.opened_at,
    coalesce(s.open_until, s.probe_expires_at) as retry_at,
    s.mode_changed_at,
    s.mode_changed_by
from trueup.circuit_breaker_states as s
order by s.current_state = 'closed', s.state_changed_at desc, s.service_key;
