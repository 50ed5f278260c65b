-- process_events(limit): apply events of the inbox, for as many objects as the limit says
--
-- As many workers at once as you like: each takes the oldest due event of an object with
-- `for update skip locked`, and applies all that is due of the object, or of the booking
-- that it is part of, under the object's own lock. So an object's events are applied in
-- order of occurrence and never by two workers at once; a worker that finds the object
-- taken leaves it to the other. What one call did is one transaction: a worker that is
-- killed loses nothing, because nothing of it happened.
--
-- Returns one row: objects it took, events looked at, and of these how many are now
-- processed (which counts ignored), parked (nobody knows whose they are), waiting for
-- another event, failed (to be tried again) and dead. Call it again until objects is 0.

create or replace function trueup.process_events(p_limit integer default 50)
    returns table (
        objects integer, events integer, processed integer, parked integer, waiting integer, failed integer,
        dead integer
    )
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    -- for all it calls: a worker keeps its plans, and its first ones find empty tables; planned
    -- anew for each array, as they otherwise are, statements take twice as long
    set enable_seqscan = off
    set plan_cache_mode = force_generic_plan
    set jit = off
    -- a row that somebody else holds on to delays its event, and not the batch
    set lock_timeout = '3s'
as $$
#variable_conflict use_column
declare
    v_head_ids bigint[];
    v_taken_ids bigint[];
    v_event_ids bigint[] := '{}';
    r record;
begin
    if p_limit is null or p_limit not between 1 and 500 then
        raise exception 'limit % is not between 1 and 500', coalesce(p_limit::text, 'NULL')
            using
                errcode = 'TU311',
                hint = 'Locks of all objects are held until the transaction ends: call it more often instead.';
    end if;

    v_head_ids := array(
        select e.id
        from trueup.webhook_events as e
        where
            e.status = 'received'
            and e.object_id is not null
            and e.next_attempt_at <= clock_timestamp()
            and not exists (
                select 1
                from trueup.webhook_events as older
                where
                    older.provider = e.provider
                    and older.object_id = e.object_id
                    and older.status = 'received'
                    and older.next_attempt_at <= clock_timestamp()
                    and older.id < e.id
            )
        order by e.next_attempt_at, e.id
        limit p_limit
        for update of e skip locked
    );

    objects := 0;
    for r in
        select
            e.provider,
            e.object_id
        from trueup.webhook_events as e
        where e.id = any(v_head_ids)
        order by e.next_attempt_at, e.id
    loop
        v_taken_ids := trueup.process_object(r.provider, r.object_id);
        if v_taken_ids <> '{}' then
            objects := objects + 1;
            v_event_ids := v_event_ids || v_taken_ids;
        end if;
    end loop;

    select
        count(*),
        count(*) filter (where e.status in ('processed', 'ignored')),
        count(*) filter (where e.status = 'parked'),
        count(*) filter (where e.status = 'received' and e.attempt_count = 0),
        count(*) filter (where e.status = 'received' and e.attempt_count > 0),
        count(*) filter (where e.status = 'dead')
    into events, processed, parked, waiting, failed, dead
    from trueup.webhook_events as e
    where e.id = any(v_event_ids);
    return next;
end;
$$;
