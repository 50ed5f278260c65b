-- core 0010, taken back: every dashboard sees every company again

do $$
declare
    r record;
begin
    for r in
        select p.polname as name, p.polrelid::regclass as table_name
        from pg_catalog.pg_policy as p
        inner join pg_catalog.pg_class as c on p.polrelid = c.oid
        where c.relnamespace = 'trueup'::regnamespace and p.polname in ('everybody', 'dashboard_company')
    loop
        execute format('drop policy %I on %s', r.name, r.table_name);
        execute format('alter table %s disable row level security', r.table_name);
    end loop;
end;
$$;

drop index trueup.data_consistency_alerts_reopened_at_idx;
drop table trueup.dashboard_logins;
delete from trueup.tables as t where t.name in ('dashboard_logins');
