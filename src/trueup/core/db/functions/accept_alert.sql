-- accept_alert(id, actor, reason, until): a known fault that may stay
--
-- Acknowledged, with an owner, a reason and, unless until is NULL, an end. What is
-- accepted is the evidence as it stands: other evidence is another fault and opens the
-- alert again. Who wrote the row (written_by, added by a guard) is no part of it.

create or replace function trueup.accept_alert(
    p_alert_id bigint,
    p_actor text,
    p_reason text,
    p_until timestamptz default null
)
    returns trueup.data_consistency_alerts
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert trueup.data_consistency_alerts := trueup.locked_alert(p_alert_id);
    v_actor text := coalesce(p_actor, session_user);
begin
    if coalesce(btrim(p_reason), '') = '' then
        raise exception 'alert % is not accepted without a reason', p_alert_id using errcode = 'TU005';
    end if;

    if p_until is not null then
        perform trueup.refuse_past(p_until);
    end if;

    update trueup.data_consistency_alerts as al
    set
        status = 'acknowledged',
        acknowledged_by = coalesce(al.acknowledged_by, v_actor),
        acknowledged_at = coalesce(al.acknowledged_at, clock_timestamp()),
        accepted_by = v_actor,
        accepted_at = clock_timestamp(),
        accepted_reason = p_reason,
        accepted_until = p_until,
        accepted_evidence = al.metadata - 'written_by'
    where al.id = p_alert_id
    returning al.* into v_alert;

    return v_alert;
end;
$$;
