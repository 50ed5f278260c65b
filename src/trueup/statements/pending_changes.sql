-- what was noted since the last pass: one row per table, and one per column of those that are followed
with sizes as (
    select
        c.table_name,
        bool_or(c.keys is null) or sum(cardinality(c.keys)) > (select trueup.setting('changes_limit')::bigint) as is_whole
    from trueup.changes as c
    group by c.table_name
)

select
    s.table_name,
    s.is_whole,
    null as column_name,
    null as keys
from sizes as s
union all
select
    k.table_name,
    false,
    split_part(k.key, '=', 1),
    array_agg(substr(k.key, strpos(k.key, '=') + 1))
from (
    -- what the database compares by the rules of a language takes long to sort
    select distinct
        s.table_name,
        k.key collate "C" as key
    from sizes as s
    inner join trueup.changes as c on s.table_name = c.table_name
    cross join lateral unnest(c.keys) as k (key)
    where
        not s.is_whole
        and k.key is not null
) as k
group by k.table_name, split_part(k.key, '=', 1);
