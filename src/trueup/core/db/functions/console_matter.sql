-- console_matter(item): what an item is about, as it is now; masked
--
-- invariant is NULL when the reason is no check; evidence when the check lists it no longer.

create or replace function trueup.console_matter(p_item_id bigint)
    returns table (
        invariant text,
        explanation text,
        repair text,
        repairable boolean,
        violated boolean,
        evidence jsonb,
        metadata jsonb,
        alert_id bigint,
        alert_status text
    )
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select
        ch.invariant,
        ch.description,
        ch.repair,
        to_regproc('trueup.repair_' || ch.name) is not null,
        case when ch.id is not null then v.description is not null end,
        trueup.console_masked(v.evidence),
        trueup.console_masked(q.metadata),
        al.id,
        al.status
    from trueup.console_queue as q
    left join trueup.checks as ch on q.reason = ch.name and ch.is_active
    left join lateral trueup.violation_under_review(ch.name, q.entity_type, q.entity_id) as v on true
    left join trueup.data_consistency_alerts as al
        on
            q.reason = al.alert_type
            and q.entity_type = al.entity_type
            and q.entity_id = al.entity_id
            and al.status <> 'resolved'
    where q.id = p_item_id;
$$;
