-- retry_events(events, status): let process_events try events again
--
-- For events that are parked or dead: because the line, the service or the row that was
-- missing is there now. They are due at once, with all their attempts. Without ids, all
-- of that status. Returns the ids of those it put back; an event in another status is
-- left alone, and so is one that does not exist.

create or replace function trueup.retry_events(p_event_ids bigint[] default null, p_status text default null)
    returns setof bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_status is not null and p_status not in ('parked', 'dead') or p_event_ids is null and p_status is null then
        raise exception 'only parked and dead events can be tried again'
            using errcode = 'TU312', hint = 'Give the ids of events, or the status parked or dead, or both.';
    end if;

    return query
    update trueup.webhook_events as e
    set status = 'received', attempt_count = 0, next_attempt_at = now()
    where
        e.status in ('parked', 'dead')
        and (p_status is null or e.status = p_status)
        and (p_event_ids is null or e.id = any(p_event_ids))
    returning e.id;
end;
$$;
