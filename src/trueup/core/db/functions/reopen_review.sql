-- reopen_review(item, actor, note): a decision is taken back; the item waits again
--
-- With a new due time. What a dismissal accepted is open again, unless somebody
-- accepted it anew since. A resolved alert stays resolved: the next run looks, and closes the item
-- again when nothing is wrong and nobody has claimed it.

create or replace function trueup.reopen_review(
    p_item_id bigint,
    p_actor text default session_user,
    p_note text default null
)
    returns trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_old trueup.manual_review_queue;
    v_item trueup.manual_review_queue;
    v_other_id bigint;
begin
    select q.* into v_old
    from trueup.manual_review_queue as q
    where q.id = p_item_id
    for update;

    if not found then
        raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
    elsif v_old.status in ('pending', 'in_progress') then
        raise exception 'review item % is not decided, it is %', p_item_id, v_old.status
            using errcode = 'TU003';
    end if;

    begin
        update trueup.manual_review_queue as q
        set
            status = 'pending',
            due_at = clock_timestamp() + trueup.setting('review_due_' || q.severity)::interval,
            escalated_at = null,
            claimed_by = null,
            claimed_at = null,
            claim_token = null,
            decided_by = null,
            decided_at = null,
            resolution_notes = null,
            repair_id = null,
            updated_at = clock_timestamp()
        where q.id = p_item_id
        returning q.* into v_item;
    exception
        when unique_violation then
            select q.id into v_other_id
            from trueup.manual_review_queue as q
            where
                q.reason = v_old.reason
                and q.entity_type = v_old.entity_type
                and q.entity_id = v_old.entity_id
                and q.status in ('pending', 'in_progress');
            raise exception 'review item % cannot be reopened: item % is open for the same matter',
                p_item_id, v_other_id
                using errcode = 'TU003', hint = 'Work on that one.';
    end;

    update trueup.data_consistency_alerts as al
    set
        status = 'open',
        acknowledged_by = null,
        acknowledged_at = null,
        accepted_by = null,
        accepted_at = null,
        accepted_reason = null,
        accepted_until = null,
        accepted_evidence = null
    where
        v_old.status = 'dismissed'
        and al.alert_type = v_old.reason
        and al.entity_type = v_old.entity_type
        and al.entity_id = v_old.entity_id
        and al.status = 'acknowledged'
        and al.accepted_at = v_old.decided_at;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'reopened',
        coalesce(p_actor, session_user),
        jsonb_strip_nulls(
            jsonb_build_object(
                'note', p_note,
                'decision', v_old.status,
                'decided_by', v_old.decided_by,
                'decided_at', v_old.decided_at,
                'repair_id', v_old.repair_id
            )
        )
    );

    return v_item;
end;
$$;
