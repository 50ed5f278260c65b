-- snooze_review(item, token, until, note): not now; it comes back by itself
--
-- The token may be NULL while nobody holds the item. A claim ends with it. A snoozed
-- item is not offered and not overdue until then; whoever names it may still claim it.

create or replace function trueup.snooze_review(
    p_item_id bigint,
    p_token uuid,
    p_until timestamptz,
    p_note text default null,
    p_actor text default session_user
)
    returns trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token, p_free => true);
    v_actor text := coalesce(case when p_token is not null then v_item.claimed_by end, p_actor);
begin
    perform trueup.refuse_past(p_until);

    update trueup.manual_review_queue as q
    set
        status = 'pending',
        snoozed_until = p_until,
        claimed_by = null,
        claimed_at = null,
        claim_token = null,
        lease_expires_at = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'snoozed',
        v_actor,
        jsonb_strip_nulls(jsonb_build_object('until', p_until, 'note', p_note))
    );

    return v_item;
end;
$$;
