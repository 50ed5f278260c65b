-- triggers on tables outside schema trueup that call a function of ours
select format('%%I.%%I', tn.nspname, tc.relname) as table_name, t.tgname as name
from pg_catalog.pg_trigger as t
inner join pg_catalog.pg_proc as p on t.tgfoid = p.oid
inner join pg_catalog.pg_namespace as pn on p.pronamespace = pn.oid
inner join pg_catalog.pg_class as tc on t.tgrelid = tc.oid
inner join pg_catalog.pg_namespace as tn on tc.relnamespace = tn.oid
where
    pn.nspname = 'trueup'
    and tn.nspname <> 'trueup'
    and not t.tgisinternal
    and t.tgparentid = 0
order by table_name, name;
