-- release_review(item, token, note): give the item back, undecided

create or replace function trueup.release_review(p_item_id bigint, p_token uuid, p_note text default null)
    returns trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token);
begin
    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (p_item_id, 'released', v_item.claimed_by, jsonb_strip_nulls(jsonb_build_object('note', p_note)));

    update trueup.manual_review_queue as q
    set
        status = 'pending',
        claimed_by = null,
        claimed_at = null,
        claim_token = null,
        lease_expires_at = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    return v_item;
end;
$$;
