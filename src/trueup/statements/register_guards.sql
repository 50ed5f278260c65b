-- a new guard observes; the mode of a known one is a decision and is kept
with gone as (
    delete from trueup.guards as g
    where g.name <> all(%(names)s::text[])
)

insert into trueup.guards (name)
select n.name
from unnest(%(names)s::text[]) as n (name)
on conflict (name) do nothing;
