-- snooze_alert(id, until, actor): no word about it until then; its status stays

create or replace function trueup.snooze_alert(
    p_alert_id bigint,
    p_until timestamptz,
    p_actor text default session_user
)
    returns trueup.data_consistency_alerts
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert trueup.data_consistency_alerts := trueup.locked_alert(p_alert_id);
begin
    perform trueup.refuse_past(p_until);

    update trueup.data_consistency_alerts as al
    set
        snoozed_until = p_until,
        snoozed_by = coalesce(p_actor, session_user)
    where al.id = p_alert_id
    returning al.* into v_alert;

    return v_alert;
end;
$$;
