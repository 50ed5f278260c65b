-- set_guard_mode(name, mode, actor): what a violation costs from the next COMMIT on
--
-- Guards read their mode when they fire, so sessions that are open already obey too.

create or replace function trueup.set_guard_mode(p_name text, p_mode text, p_actor text default session_user)
    returns trueup.guards
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    v_guard trueup.guards;
begin
    if (p_mode in ('off', 'observe', 'enforce')) is not true then
        raise exception 'a guard has no mode %', coalesce(format('"%s"', p_mode), 'null')
            using errcode = 'TU005', hint = 'The modes are off, observe and enforce.';
    end if;

    update trueup.guards as g
    set
        mode = p_mode,
        changed_at = clock_timestamp(),
        changed_by = coalesce(p_actor, session_user)
    where g.name = p_name and g.mode <> p_mode;

    select g.* into v_guard from trueup.guards as g where g.name = p_name;
    if not found then
        raise exception 'no guard is called %', p_name using errcode = 'TU002';
    end if;

    return v_guard;
end;
$$;
