-- 0019_infinite: a call may start or end at infinity
--
-- The server does not subtract infinite times, before PostgreSQL 17 not even one from a finite
-- one: calls_suspect_idx and appointments_suspect_idx refused such a row, or could not be built
-- over one. Such a call has no duration. Of appointments no check looked for times by the index.
--
-- `trueup migrate` builds the indexes concurrently beside the old ones, which it then drops, and puts
-- the constraint in place of the old one, NOT VALID where the table has rows, until the next
-- `trueup enforce`.

update trueup.constraints as ct
set
    definition = replace(ct.definition, v.before, v.after),
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
