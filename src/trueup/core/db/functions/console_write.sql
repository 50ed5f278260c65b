-- console_write(action, item, token, ...): what the person signed in does with an item
--
-- One transaction: the session, role and companies, the function of the queue that does it,
-- and the line that says who did it from where. Claim without an item takes the next one of
-- the person's companies; NULL when there is none.

create or replace function trueup.console_write(
    p_action text,
    p_item_id bigint default null,
    p_token uuid default null,
    p_note text default null,
    p_until timestamptz default null,
    p_to text default null,
    p_company_id text default null
)
    returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me := trueup.console_actor();
    v_item trueup.manual_review_queue;
    v_note text := nullif(btrim(p_note), '');
    v_to text := nullif(btrim(p_to), '');
begin
    if p_item_id is null and p_action = 'claim' then
        -- as claim_review chooses, among the companies of the person
        select q.* into v_item
        from trueup.manual_review_queue as q
        where
            q.status in ('pending', 'in_progress')
            and (q.status = 'pending' or q.lease_expires_at <= clock_timestamp())
            and (q.snoozed_until is null or q.snoozed_until <= clock_timestamp())
            and (q.assigned_to is null or q.assigned_to = v_me.name)
            and (v_me.companies is null or q.company_id = any(v_me.companies))
            and (p_company_id is null or q.company_id = p_company_id)
        order by q.priority, q.due_at, q.id
        limit 1
        for update skip locked;
        if not found then
            return null;
        end if;
    else
        v_item := trueup.console_item(p_item_id, v_me);
    end if;

    -- a token is its holder's; what is done with it bears the holder's name
    if p_token is not null and p_token = v_item.claim_token and v_item.claimed_by <> v_me.name then
        raise exception 'this claim on review item % is stale', v_item.id using errcode = 'TU001';
    end if;

    if
        p_action = 'reassign'
        and v_to is not null
        and not exists (
            select 1 from trueup.console_reviewers as cr where cr.item_id = v_item.id and cr.name = v_to
        )
    then
        raise exception 'nobody called % can work on review item %', v_to, v_item.id using errcode = 'TU005';
    end if;

    case p_action
        when 'claim' then perform trueup.claim_review(v_me.name, v_item.id);
        when 'extend' then perform trueup.extend_review(v_item.id, p_token);
        when 'release' then perform trueup.release_review(v_item.id, p_token, v_note);
        when 'resolve' then perform trueup.resolve_review(v_item.id, p_token, v_note);
        when 'repair' then perform trueup.resolve_review(v_item.id, p_token, v_note, p_repair => true);
        when 'dismiss' then perform trueup.dismiss_review(v_item.id, p_token, v_note);
        when 'snooze' then perform trueup.snooze_review(v_item.id, p_token, p_until, v_note, v_me.name);
        when 'reassign' then perform trueup.reassign_review(v_item.id, p_token, v_to, v_note, v_me.name);
        when 'reopen' then perform trueup.reopen_review(v_item.id, v_me.name, v_note);
        else raise exception 'an item knows no action %', p_action using errcode = 'TU005';
    end case;

    perform trueup.console_audited(
        v_me,
        p_action,
        v_item.company_id,
        v_item.id,
        p_details => jsonb_build_object('until', p_until, 'to', v_to)
    );
    return v_item.id;
end;
$$;
