-- extend_review(item, token, lease): more time; never less than the claim already has
--
-- Also after the lease ran out, as long as nobody else has claimed the item.

create or replace function trueup.extend_review(
    p_item_id bigint,
    p_token uuid,
    p_lease interval default null
)
    returns trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token);
begin
    update trueup.manual_review_queue as q
    set
        lease_expires_at = greatest(q.lease_expires_at, clock_timestamp() + trueup.review_lease(p_lease)),
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'extended',
        v_item.claimed_by,
        jsonb_build_object('lease_expires_at', v_item.lease_expires_at)
    );

    return v_item;
end;
$$;
