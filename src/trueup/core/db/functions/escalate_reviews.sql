-- escalate_reviews(): overdue items move up by one priority, each once
--
-- Returns them. An item that a reviewer is just writing is left to the next call.

create or replace function trueup.escalate_reviews(p_actor text default session_user)
    returns setof trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with overdue as (
        select q.id, q.priority as old_priority
        from trueup.manual_review_queue as q
        where
            q.status in ('pending', 'in_progress')
            and q.escalated_at is null
            and q.due_at < clock_timestamp()
            and (q.snoozed_until is null or q.snoozed_until <= clock_timestamp())
        order by q.id
        for update skip locked
    ),

    escalated as (
        update trueup.manual_review_queue as q
        set
            priority = greatest(q.priority - 1, 1),
            escalated_at = clock_timestamp(),
            updated_at = clock_timestamp()
        from overdue as o
        where q.id = o.id
        returning q.*
    ),

    logged as (
        insert into trueup.manual_review_events (item_id, event, actor, details)
        select
            e.id,
            'escalated',
            coalesce(p_actor, session_user),
            jsonb_build_object('due_at', e.due_at, 'priority', e.priority, 'old_priority', o.old_priority)
        from escalated as e
        inner join overdue as o on e.id = o.id
        order by e.id
    )

    select e.*
    from escalated as e
    order by e.priority, e.due_at, e.id;
end;
$$;
