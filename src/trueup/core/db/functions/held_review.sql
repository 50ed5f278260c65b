-- held_review(item, token): the item, locked, for whoever may write it
--
-- Every write after a claim goes through here. The token must be that of the last
-- claim; p_free says that an item which nobody holds may be written without one.
--
-- An expired lease whose item nobody has taken since: the holder may extend, release,
-- snooze or hand it on, because that takes nothing from anybody, but not decide
-- (p_decision): whoever looks at the queue sees the item as free. Extend, then decide.
-- A decision repeated with its own token is returned as it stands, so that a client
-- which lost the answer may ask again; any other write to a decided item is refused.

create or replace function trueup.held_review(
    p_item_id bigint,
    p_token uuid,
    p_decision text default null,
    p_free boolean default false
)
    returns trueup.manual_review_queue
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item trueup.manual_review_queue;
    v_state text;
begin
    select q.* into v_item
    from trueup.manual_review_queue as q
    where q.id = p_item_id
    for update;

    if not found then
        raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
    end if;

    v_state := case
        when v_item.status in ('resolved', 'dismissed') then 'decided'
        when v_item.status = 'pending' then 'free'
        when v_item.lease_expires_at > clock_timestamp() then 'held'
        else 'expired'
    end;

    if p_token is null and p_free and v_state = 'held' then
        raise exception 'review item % is claimed by % until %',
            p_item_id, v_item.claimed_by, date_trunc('second', v_item.lease_expires_at)
            using
                errcode = 'TU001',
                hint = 'Present the token of that claim, or wait until its lease ends.';
    elsif (p_token is not null or not p_free) and (p_token = v_item.claim_token) is not true then
        raise exception 'this claim on review item % is stale', p_item_id
            using
                errcode = 'TU001',
                detail = case v_state
                    when 'decided' then format(
                        'The item was %s by %s at %s.', v_item.status, v_item.decided_by, v_item.decided_at
                    )
                    when 'free' then 'Nobody holds the item.'
                    else format('It was claimed by %s at %s.', v_item.claimed_by, v_item.claimed_at)
                end,
                hint = 'Nothing was changed. Claim the item again to get a token that holds.';
    end if;

    if v_state = 'decided' and v_item.status is distinct from p_decision then
        raise exception 'review item % was already % by %', p_item_id, v_item.status, v_item.decided_by
            using
                errcode = 'TU003',
                detail = format('Decided at %s.', v_item.decided_at),
                hint = 'Reopen it first.';
    elsif v_state = 'expired' and p_decision is not null then
        raise exception 'the claim on review item % expired at %',
            p_item_id, date_trunc('second', v_item.lease_expires_at)
            using
                errcode = 'TU001',
                detail = 'Nobody has claimed the item since.',
                hint = 'Extend the lease with the same token, then decide.';
    end if;

    return v_item;
end;
$$;
