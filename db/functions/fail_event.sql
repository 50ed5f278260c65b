-- fail_event(event, sqlstate, message): note that an event could not be applied
--
-- For process_object. It is tried again after the setting event_retry_delay, which
-- doubles each time; after event_max_attempts it is dead, and a person gets it (reason
-- event_dead). A conflict with another session is nothing the event did: it is tried
-- again at once, as often as that takes. Neither is a row that somebody else held for
-- longer than the lock timeout: that costs no attempt, but a pause, since whoever comes
-- next waits as long. src/trueup/statements/has_due_events.sql knows these by their error.

create or replace function trueup.fail_event(p_event_id bigint, p_sqlstate text, p_message text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_event trueup.webhook_events;
begin
    if p_sqlstate like '40%' then
        update trueup.webhook_events as e
        set status = 'received', next_attempt_at = clock_timestamp() + interval '1 second'
        where e.id = p_event_id;
        return;
    elsif p_sqlstate in ('55P03', '55006') then
        update trueup.webhook_events as e
        set
            status = 'received',
            next_attempt_at = clock_timestamp() + interval '30 seconds',
            error = 'somebody else holds a row it needs'
        where e.id = p_event_id;
        return;
    end if;

    update trueup.webhook_events as e
    set
        attempt_count = e.attempt_count + 1,
        error = format('%s (SQLSTATE %s)', left(p_message, 1000), p_sqlstate),
        status = case
            when e.attempt_count + 1 >= trueup.setting('event_max_attempts')::integer then 'dead'
            else 'received'
        end,
        next_attempt_at = clock_timestamp()
            + trueup.setting('event_retry_delay')::interval * 2 ^ least(e.attempt_count, 20)
    where e.id = p_event_id
    returning e.* into v_event;

    if v_event.status = 'dead' then
        perform trueup.queue_review(
            'event_dead',
            'webhook_event',
            p_event_id::text,
            format('%s could not be applied after %s attempts', v_event.event_type, v_event.attempt_count),
            v_event.company_id::text,
            'critical',
            jsonb_strip_nulls(jsonb_build_object(
                'provider', v_event.provider,
                'event_type', v_event.event_type,
                'object_id', v_event.object_id,
                'sqlstate', p_sqlstate
            ))
        );
    end if;
end;
$$;
