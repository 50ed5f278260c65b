-- locked_alert(id): an alert that people may still say something about, locked

create or replace function trueup.locked_alert(p_alert_id bigint)
    returns trueup.data_consistency_alerts
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert trueup.data_consistency_alerts;
begin
    select al.* into v_alert
    from trueup.data_consistency_alerts as al
    where al.id = p_alert_id
    for update;

    if not found then
        raise exception 'alert % does not exist', p_alert_id using errcode = 'TU002';
    elsif v_alert.status = 'resolved' then
        raise exception 'alert % is already resolved: %', p_alert_id, v_alert.resolution
            using
                errcode = 'TU003',
                detail = format('Resolved at %s.', v_alert.resolved_at),
                hint = 'It is reopened by itself when the violation comes back.';
    end if;

    return v_alert;
end;
$$;
