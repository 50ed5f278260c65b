-- 0019_infinite, taken back: the next `trueup migrate` of that release builds its indexes and its constraint
update trueup.constraints as ct
set
    definition = replace(ct.definition, v.after, v.before),
    definition_checksum = ''
from (
    values
    (
        'calls_times_agree',
        'abs(extract(epoch from ended_at - started_at) * 1000 - duration_ms) <= 1000',
        'case when isfinite(started_at) and isfinite(ended_at) then abs(extract(epoch from ended_at - started_at) * 1000 - duration_ms) <= 1000 else num_nulls(started_at, ended_at, duration_ms) > 0 end'
    ),
    (
        'calls_suspect_idx',
        'abs(extract(epoch from ended_at - started_at) * 1000 - duration_ms) > 1000',
        'case when isfinite(started_at) and isfinite(ended_at) then abs(extract(epoch from ended_at - started_at) * 1000 - duration_ms) > 1000 else num_nulls(started_at, ended_at, duration_ms) = 0 end'
    ),
    (
        'appointments_suspect_idx',
        '
        or ends_at <= starts_at
        or starts_at - created_at > interval ''300 days''
        or source = ''retell'' and (idempotency_key is null or call_id is null or starts_at < created_at)',
        '
        or source = ''retell'' and (idempotency_key is null or call_id is null)'
    )
) as v (name, before, after)
where ct.name = v.name;
