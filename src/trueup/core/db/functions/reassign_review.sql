-- reassign_review(item, token, to, note): for one reviewer only; NULL: for anybody
--
-- The token may be NULL while nobody holds the item. A claim ends with it: the next
-- one is the new reviewer's.

create or replace function trueup.reassign_review(
    p_item_id bigint,
    p_token uuid,
    p_to text,
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
    if btrim(p_to) = '' then
        raise exception 'an item is reassigned to a reviewer with a name'
            using errcode = 'TU005', hint = 'NULL takes the assignment away.';
    end if;

    update trueup.manual_review_queue as q
    set
        status = 'pending',
        assigned_to = btrim(p_to),
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
        'reassigned',
        v_actor,
        jsonb_strip_nulls(jsonb_build_object('to', v_item.assigned_to, 'note', p_note))
    );

    return v_item;
end;
$$;
