-- guard_mode(name): off, observe or enforce; a guard nobody registered observes

create or replace function trueup.guard_mode(p_guard text)
    returns text
    language sql
    stable
    parallel safe
return coalesce((select g.mode from trueup.guards as g where g.name = p_guard), 'observe');
