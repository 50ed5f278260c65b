-- claim_review(reviewer): take the next queue item, or the one named, for a time
--
-- Without an id the first by priority, due time and id that nobody holds: not snoozed,
-- not assigned to somebody else, and never one that another session is just taking
-- (`skip locked`), so two reviewers who ask at once get two items. NULL when there is
-- nothing to do. With an id that item, snoozed or not, or an error that says why not.
--
-- The lease (setting review_lease) returns an item that its holder forgot. The token
-- tells one claim from the next: whoever lost the item to somebody else cannot write.

create or replace function trueup.claim_review(
    p_reviewer text,
    p_item_id bigint default null,
    p_lease interval default null,
    p_company_id text default null
)
    returns trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_reviewer text := btrim(p_reviewer);
    v_lease interval := trueup.review_lease(p_lease);
    v_item trueup.manual_review_queue;
begin
    if coalesce(v_reviewer, '') = '' then
        raise exception 'a claim needs the name of the reviewer' using errcode = 'TU005';
    end if;

    if p_item_id is null then
        select q.* into v_item
        from trueup.manual_review_queue as q
        where
            q.status in ('pending', 'in_progress')
            and (q.status = 'pending' or q.lease_expires_at <= clock_timestamp())
            and (q.snoozed_until is null or q.snoozed_until <= clock_timestamp())
            and (q.assigned_to is null or q.assigned_to = v_reviewer)
            and (p_company_id is null or q.company_id = p_company_id)
        order by q.priority, q.due_at, q.id
        limit 1
        for update skip locked;

        if not found then
            return null;
        end if;
    else
        select q.* into v_item
        from trueup.manual_review_queue as q
        where q.id = p_item_id and (p_company_id is null or q.company_id = p_company_id)
        for update;

        if not found then
            raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
        elsif v_item.status in ('resolved', 'dismissed') then
            raise exception 'review item % was already % by %', p_item_id, v_item.status, v_item.decided_by
                using
                    errcode = 'TU003',
                    detail = format('Decided at %s.', v_item.decided_at),
                    hint = 'Reopen it first.';
        elsif v_item.status = 'in_progress' and v_item.lease_expires_at > clock_timestamp() then
            raise exception 'review item % is claimed by % until %',
                p_item_id, v_item.claimed_by, date_trunc('second', v_item.lease_expires_at)
                using
                    errcode = 'TU003',
                    hint = 'Take another item, or wait until the lease ends.';
        elsif v_item.assigned_to <> v_reviewer then
            raise exception 'review item % is assigned to %', p_item_id, v_item.assigned_to
                using errcode = 'TU003', hint = 'Reassign it first.';
        end if;
    end if;

    if v_item.status = 'in_progress' then
        insert into trueup.manual_review_events (item_id, event, actor, details)
        values (
            v_item.id,
            'lease_expired',
            'trueup',
            jsonb_build_object('claimed_by', v_item.claimed_by, 'lease_expires_at', v_item.lease_expires_at)
        );
    end if;

    update trueup.manual_review_queue as q
    set
        status = 'in_progress',
        claimed_by = v_reviewer,
        claimed_at = clock_timestamp(),
        claim_token = gen_random_uuid(),
        lease_expires_at = clock_timestamp() + v_lease,
        snoozed_until = null,
        updated_at = clock_timestamp()
    where q.id = v_item.id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        v_item.id, 'claimed', v_reviewer, jsonb_build_object('lease_expires_at', v_item.lease_expires_at)
    );

    return v_item;
end;
$$;
