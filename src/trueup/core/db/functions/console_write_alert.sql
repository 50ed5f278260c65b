-- console_write_alert(action, alert, ...): what the person signed in says about an alert

create or replace function trueup.console_write_alert(
    p_action text,
    p_alert_id bigint,
    p_note text default null,
    p_until timestamptz default null
)
    returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me := trueup.console_actor();
    v_company_id text;
begin
    select al.company_id into v_company_id
    from trueup.data_consistency_alerts as al
    where al.id = p_alert_id and (v_me.companies is null or al.company_id = any(v_me.companies));
    if not found then
        raise exception 'alert % does not exist', p_alert_id using errcode = 'TU002';
    end if;

    case p_action
        when 'acknowledge' then perform trueup.acknowledge_alert(p_alert_id, v_me.name);
        when 'snooze' then perform trueup.snooze_alert(p_alert_id, p_until, v_me.name);
        when 'accept' then perform trueup.accept_alert(p_alert_id, v_me.name, p_note, p_until);
        else raise exception 'an alert knows no action %', p_action using errcode = 'TU005';
    end case;

    perform trueup.console_audited(
        v_me,
        p_action,
        v_company_id,
        p_alert_id => p_alert_id,
        p_details => jsonb_build_object('until', p_until, 'note', p_note)
    );
    return p_alert_id;
end;
$$;
