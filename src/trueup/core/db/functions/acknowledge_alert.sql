-- acknowledge_alert(id, actor): somebody has seen it
--
-- The first to say so stays on record; saying it twice changes nothing.

create or replace function trueup.acknowledge_alert(p_alert_id bigint, p_actor text default session_user)
    returns trueup.data_consistency_alerts
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert trueup.data_consistency_alerts := trueup.locked_alert(p_alert_id);
begin
    if v_alert.status = 'acknowledged' then
        return v_alert;
    end if;

    update trueup.data_consistency_alerts as al
    set
        status = 'acknowledged',
        acknowledged_by = coalesce(p_actor, session_user),
        acknowledged_at = clock_timestamp()
    where al.id = p_alert_id
    returning al.* into v_alert;

    return v_alert;
end;
$$;
