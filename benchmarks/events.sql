-- What two providers would send of %(calls)s calls: three events of each call, its booking,
-- of every fourth a move, of every eighth a cancellation. In the order in which they happen.
insert into pg_temp.sent (provider, body)
select
    s.provider,
    s.body
from generate_series(1, %(calls)s::integer) as i
cross join lateral (
    select
        'call_' || lpad(to_hex(%(seed)s::bigint * 1000000 + i), 27, '0') as call_id,
        'bk-' || %(seed)s || '-' || i as uid,
        1760950800000 + i * 60000::bigint as began,
        timestamptz '2027-01-04 08:00+00' + i * interval '1 hour' as starts_at
) as c
cross join lateral (
    values
    (1, 'retell', 'call_started', '{}'::jsonb),
    (2, 'calcom', 'BOOKING_CREATED', '{}'),
    (3, 'retell', 'call_ended', '{}'),
    (4, 'retell', 'call_analyzed', '{"call_analysis": {"call_successful": true, "call_summary": "booked"}}'),
    (5, 'calcom', 'BOOKING_RESCHEDULED', jsonb_build_object('rescheduleUid', c.uid)),
    (6, 'calcom', 'BOOKING_CANCELLED', '{"cancellationReason": "ill"}')
) as e (position, provider, type, more)
cross join lateral (
    select
        e.provider,
        case e.provider
            when 'retell' then jsonb_build_object('event', e.type, 'call', jsonb_build_object(
                'call_id', c.call_id,
                'agent_id', 'agent_1',
                'call_type', 'phone_call',
                'from_number', '+49170' || (%(seed)s::bigint * 100000 + i),
                'to_number', '+4930900000',
                'direction', 'inbound',
                'start_timestamp', c.began,
                'transcript', repeat('Agent: Guten Tag. User: Einen Termin bitte. ', 40)
            ) || case when e.type <> 'call_started' then jsonb_build_object(
                'end_timestamp', c.began + 61000, 'duration_ms', 61000, 'disconnection_reason', 'user_hangup'
            ) else '{}' end || e.more)
            else jsonb_build_object(
                'triggerEvent', e.type,
                'createdAt', to_char(to_timestamp(c.began / 1000 + e.position * 10) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                'payload', jsonb_build_object(
                    'uid', case when e.position = 5 or (e.position = 6 and i %% 4 = 0) then c.uid || '-2' else c.uid end,
                    'bookingId', %(seed)s::bigint * 1000000 + i * 10 + e.position,
                    'eventTypeId', 7000001,
                    'startTime', to_char(c.starts_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                    'endTime', to_char((c.starts_at + interval '45 minutes') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                    'status', 'ACCEPTED',
                    'attendees', jsonb_build_array(jsonb_build_object(
                        'name', 'Guest ' || i, 'email', 'guest' || i || '@example.com'
                    )),
                    'metadata', jsonb_build_object('call_id', c.call_id)
                ) || e.more
            )
        end as body
) as s
where
    e.position < 5
    or (e.position = 5 and i %% 4 = 0)
    or (e.position = 6 and i %% 8 = 0)
order by i, e.position
