select d.table_name, d.reason
from trueup.distant_tables as d
where d.table_id in (select to_regclass(t.name) from unnest(%(names)s::text[]) as t (name))
order by d.table_name;
