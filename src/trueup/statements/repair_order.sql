-- checks in the order in which their violations are repaired: entities that others refer
-- to come first (a customer before the call that names it), so that evidence is in place
-- when it is needed. Deferrable references may point both ways and give no order. Then what a
-- CHECK constraint refuses and no fill mends on the way: no other repair can write such a row.
with recursive tables as (
    select distinct to_regclass(cp.table_name)::oid as id
    from trueup.check_populations as cp
),

refers as (
    select distinct con.conrelid as child, con.confrelid as parent
    from pg_catalog.pg_constraint as con
    where
        con.contype = 'f'
        and not con.condeferrable
        and con.conrelid <> con.confrelid
        and con.conrelid in (select t.id from tables as t)
        and con.confrelid in (select t.id from tables as t)
),

depths as (
    select t.id, 0 as depth
    from tables as t
    union
    select r.child, d.depth + 1
    from depths as d
    inner join refers as r on d.id = r.parent
    where d.depth < 20
)

select ch.name
from trueup.checks as ch
left join trueup.check_populations as cp on ch.name = cp.check_name
left join depths as d on to_regclass(cp.table_name)::oid = d.id
where ch.is_active and ch.name = any(%(names)s::text[])
group by ch.id
order by
    max(d.depth) nulls last,
    ch.prevented ~ '\mfill '
    or not exists (
        select 1 from trueup.constraints as ct where ct.check_name = ch.name and ct.kind = 'check'
    ),
    ch.name;
