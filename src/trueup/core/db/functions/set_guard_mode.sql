-- set_guard_mode(name, mode, actor, company): what a violation costs from the next COMMIT on
--
-- Guards read their mode when they fire, so sessions that are open already obey too. With a
-- company only its rows are meant; a mode of NULL then takes the company's own mode away.
-- There is no off for one company: what a guard locks it locks before it knows whose row it is.

create or replace function trueup.set_guard_mode(
    p_name text,
    p_mode text,
    p_actor text default session_user,
    p_company_id text default null
)
    returns trueup.guards
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_guard trueup.guards;
begin
    if
        (p_company_id is null and (p_mode in ('off', 'observe', 'enforce')) is not true)
        or (p_company_id is not null and (p_mode in ('observe', 'enforce')) is false)
    then
        raise exception 'a guard has no mode %', coalesce(format('"%s"', p_mode), 'null')
            using
                errcode = 'TU005',
                hint = case
                    when p_company_id is null then 'The modes are off, observe and enforce.'
                    else 'The modes are observe and enforce; off is for all companies.'
                end;
    end if;

    select g.* into v_guard from trueup.guards as g where g.name = p_name for no key update;
    if not found then
        raise exception 'no guard is called %', p_name using errcode = 'TU002';
    end if;

    if p_company_id is null then
        update trueup.guards as g
        set
            mode = p_mode,
            changed_at = clock_timestamp(),
            changed_by = coalesce(p_actor, session_user)
        where g.name = p_name and g.mode <> p_mode;
    elsif p_mode is null then
        delete from trueup.guard_companies as gc
        where gc.guard = p_name and gc.company_id = p_company_id;
    else
        insert into trueup.guard_companies as gc (guard, company_id, mode, changed_by)
        values (p_name, p_company_id, p_mode, coalesce(p_actor, session_user))
        on conflict (guard, company_id) do update
        set
            mode = excluded.mode,
            changed_at = excluded.changed_at,
            changed_by = excluded.changed_by
        where gc.mode <> excluded.mode;
    end if;

    select g.* into v_guard from trueup.guards as g where g.name = p_name;
    return v_guard;
end;
$$;
