-- console_audited(action, ...): one line of who did what, when, from where

create or replace function trueup.console_audited(
    p_me trueup.console_me,
    p_action text,
    p_company_id text default null,
    p_item_id bigint default null,
    p_alert_id bigint default null,
    p_details jsonb default '{}'
)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    insert into trueup.console_audit
        (actor, role, address, action, item_id, event_id, alert_id, company_id, details)
    values (
        p_me.name,
        p_me.role,
        coalesce(nullif(current_setting('trueup.console_address', true), '')::inet, p_me.address),
        p_action,
        p_item_id,
        (select max(e.id) from trueup.manual_review_events as e where e.item_id = p_item_id),
        p_alert_id,
        p_company_id,
        jsonb_strip_nulls(p_details)
    );
$$;
