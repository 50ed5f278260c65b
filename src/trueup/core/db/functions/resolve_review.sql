-- resolve_review(item, token, notes, repair): it is right now
--
-- One transaction: the item, the repair if asked for, the alert, the event log. An
-- item whose reason is a check is resolved only when the check no longer lists the
-- entity; with p_repair the engine corrects it first (trueup.apply_repair: journal,
-- every check of the entity read again). Should the entity go wrong again later, the
-- next run or its guard reopens the alert.

create or replace function trueup.resolve_review(
    p_item_id bigint,
    p_token uuid,
    p_notes text default null,
    p_repair boolean default false
)
    returns trueup.manual_review_queue
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token, 'resolved');
    v_repair record;
    v_violation record;
    v_alert_id bigint;
    v_corrected boolean := false;
    v_details jsonb := jsonb_strip_nulls(jsonb_build_object('notes', p_notes));
begin
    if v_item.status = 'resolved' then
        return v_item;
    end if;

    if p_repair then
        if not exists (select 1 from trueup.checks as ch where ch.name = v_item.reason and ch.is_active) then
            raise exception 'review item % cannot be repaired: % is the name of no check', p_item_id, v_item.reason
                using errcode = 'TU003', hint = 'Mend the row by hand, then resolve the item without repair.';
        end if;

        select r.outcome, r.reason, r.repair_id into v_repair
        from trueup.apply_repair(v_item.reason, v_item.entity_type, v_item.entity_id, v_item.claimed_by) as r;

        if v_repair.outcome is null or v_repair.outcome not in ('corrected', 'clean') then
            raise exception 'the repair of % left % % as it is: %',
                v_item.reason, v_item.entity_type, v_item.entity_id, coalesce(v_repair.reason, 'no reason given')
                using
                    errcode = 'TU004',
                    hint = 'Mend the row by hand and resolve the item without repair, or dismiss it.';
        end if;

        v_corrected := v_repair.outcome = 'corrected';
        v_item.repair_id := v_repair.repair_id;
        v_details := v_details || jsonb_build_object(
            'repair',
            jsonb_build_object(
                'outcome', v_repair.outcome, 'reason', v_repair.reason, 'repair_id', v_repair.repair_id
            )
        );
    else
        select v.* into v_violation
        from trueup.violation_under_review(v_item.reason, v_item.entity_type, v_item.entity_id) as v;

        if found then
            raise exception '% % still violates %', v_item.entity_type, v_item.entity_id, v_item.reason
                using
                    errcode = 'TU004',
                    detail = v_violation.description || '. ' || v_violation.evidence,
                    hint = 'Mend the row first, or dismiss the item: that accepts the row as it is.';
        end if;
    end if;

    update trueup.data_consistency_alerts as al
    set
        status = 'resolved',
        resolved_at = clock_timestamp(),
        resolution = case when v_corrected then 'repaired' else 'fixed elsewhere' end,
        resolution_notes = coalesce(p_notes, format('review item %s', p_item_id)),
        auto_corrected = v_corrected,
        corrected_at = case when v_corrected then clock_timestamp() end,
        snoozed_until = null
    where
        al.alert_type = v_item.reason
        and al.entity_type = v_item.entity_type
        and al.entity_id = v_item.entity_id
        and al.status <> 'resolved'
    returning al.id into v_alert_id;

    -- a run may have judged the entity between the reading of its check and the resolution: the next pass looks again
    if v_alert_id is not null then
        insert into trueup.changes (table_name, keys)
        select cp.table_name, array[cp.key_column || '=' || v_item.entity_id]
        from trueup.check_populations as cp
        where cp.check_name = v_item.reason and cp.entity_type = v_item.entity_type;
    end if;

    -- the token stays: a repeated call is recognised by it
    update trueup.manual_review_queue as q
    set
        status = 'resolved',
        decided_by = v_item.claimed_by,
        decided_at = clock_timestamp(),
        resolution_notes = p_notes,
        repair_id = v_item.repair_id,
        lease_expires_at = null,
        snoozed_until = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'resolved',
        v_item.decided_by,
        v_details || jsonb_strip_nulls(jsonb_build_object('alert_id', v_alert_id))
    );

    return v_item;
end;
$$;
