-- how long a migration waits for a lock at once, and in all, in seconds
select extract(epoch from st.value::interval)::float as seconds
from (values (1, 'migrate_lock_timeout'), (2, 'migrate_lock_budget')) as n (position, name)
inner join trueup.settings as st on n.name = st.name
order by n.position;
