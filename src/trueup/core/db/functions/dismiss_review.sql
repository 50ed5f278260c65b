-- dismiss_review(item, token, notes): it stays as it is, and somebody says why
--
-- The alert of (reason, entity) is accepted without an end, so that no run and no
-- repair brings the matter back until its evidence changes. A violation that has no
-- alert yet gets one, or there would be nothing to accept.

create or replace function trueup.dismiss_review(p_item_id bigint, p_token uuid, p_notes text)
    returns trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token, 'dismissed');
    v_alert trueup.data_consistency_alerts;
    v_alert_id bigint;
begin
    if v_item.status = 'dismissed' then
        return v_item;
    end if;

    if coalesce(btrim(p_notes), '') = '' then
        raise exception 'review item % is not dismissed without a reason', p_item_id
            using errcode = 'TU005', hint = 'Say in the notes why the row may stay as it is.';
    end if;

    select al.id into v_alert_id
    from trueup.data_consistency_alerts as al
    where
        al.alert_type = v_item.reason
        and al.entity_type = v_item.entity_type
        and al.entity_id = v_item.entity_id
        and al.status <> 'resolved';

    if v_alert_id is null then
        select
            trueup.file_alert(
                v_item.reason, v.company_id, v_item.entity_type, v_item.entity_id, v.description, v.evidence
            )
        into v_alert_id
        from trueup.violation_under_review(v_item.reason, v_item.entity_type, v_item.entity_id) as v;

        -- a run that judges the entity before this commits cannot see the alert: the next pass looks again
        insert into trueup.changes (table_name, keys)
        select cp.table_name, array[cp.key_column || '=' || v_item.entity_id]
        from trueup.check_populations as cp
        where v_alert_id is not null and cp.check_name = v_item.reason and cp.entity_type = v_item.entity_type;
    end if;

    if v_alert_id is not null then
        v_alert := trueup.accept_alert(v_alert_id, v_item.claimed_by, p_notes);
    end if;

    -- the token stays: a repeated call is recognised by it; one instant for item and
    -- alert: a reopened item withdraws exactly the acceptance made here
    update trueup.manual_review_queue as q
    set
        status = 'dismissed',
        decided_by = v_item.claimed_by,
        decided_at = coalesce(v_alert.accepted_at, clock_timestamp()),
        resolution_notes = p_notes,
        lease_expires_at = null,
        snoozed_until = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'dismissed',
        v_item.decided_by,
        jsonb_strip_nulls(jsonb_build_object('notes', p_notes, 'alert_id', v_alert_id))
    );

    return v_item;
end;
$$;
