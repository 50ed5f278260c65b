-- setting(name): the value of a setting, as text
--
-- For triggers. A view reads trueup.settings in a subquery instead, which the planner
-- evaluates once.

create or replace function trueup.setting(p_name text)
    returns text
    language sql
    stable
    parallel safe
return (select st.value from trueup.settings as st where st.name = p_name);
