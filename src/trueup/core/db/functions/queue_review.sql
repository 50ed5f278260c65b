-- queue_review(reason, entity, ...): hand something to a person
--
-- One open item per (reason, entity): a second call returns the first item's id and
-- changes nothing. Priority comes from trueup.review_priorities (5 when the reason has
-- no row there), the due time from the severity. Applications may call it; repairs do.
--
-- Under the name of a check it asks about a violation, by entity type and key as the view spells
-- them: the run that judges the entity and does not find it closes the item (trueup.file_violations).
-- What a person is to look at whatever the check says bears another name.

create or replace function trueup.queue_review(
    p_reason text,
    p_entity_type text,
    p_entity_id text,
    p_description text,
    p_company_id text default null,
    p_severity text default 'warning',
    p_metadata jsonb default '{}',
    p_actor text default session_user
)
    returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item_id bigint;
begin
    -- an item that is open at the INSERT may be decided before it is looked up: then this asks anew
    loop
        insert into trueup.manual_review_queue
            (company_id, reason, entity_type, entity_id, description, metadata, severity, priority, due_at)
        values (
            p_company_id,
            p_reason,
            p_entity_type,
            p_entity_id,
            p_description,
            coalesce(p_metadata, '{}'),
            p_severity,
            coalesce((select rp.priority from trueup.review_priorities as rp where rp.reason = p_reason), 5),
            clock_timestamp() + trueup.setting('review_due_' || p_severity)::interval
        )
        on conflict (reason, entity_type, entity_id) where status in ('pending', 'in_progress')
        do nothing
        returning id into v_item_id;

        if v_item_id is not null then
            insert into trueup.manual_review_events (item_id, event, actor, details)
            values (v_item_id, 'queued', p_actor, jsonb_build_object('reason', p_reason));
            return v_item_id;
        end if;

        select q.id into v_item_id
        from trueup.manual_review_queue as q
        where
            q.reason = p_reason
            and q.entity_type = p_entity_type
            and q.entity_id = p_entity_id
            and q.status in ('pending', 'in_progress');

        if v_item_id is not null then
            return v_item_id;
        end if;
    end loop;
end;
$$;
