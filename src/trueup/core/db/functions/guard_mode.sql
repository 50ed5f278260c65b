-- guard_mode(name, company): off, observe or enforce; a guard nobody registered observes
--
-- A company may have a mode of its own, but what is off is off for all of them.

create or replace function trueup.guard_mode(p_guard text, p_company_id text)
    returns text
    language sql
    stable
    parallel safe
return coalesce(
    (
        select case when g.mode = 'off' then 'off' else coalesce(gc.mode, g.mode) end
        from trueup.guards as g
        left join trueup.guard_companies as gc on g.name = gc.guard and gc.company_id = p_company_id
        where g.name = p_guard
    ),
    'observe'
);
