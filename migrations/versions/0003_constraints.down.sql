-- Drops the constraints and indexes themselves, then forgets them.
do $$
declare
    r record;
begin
    for r in
        select ct.name, ct.table_name, ct.kind
        from trueup.constraints as ct
        where ct.table_name like 'public.%' and not ct.was_there
        order by ct.kind = 'foreign key' desc, ct.kind like '%index'
    loop
        if r.kind in ('index', 'unique index') then
            execute format('drop index if exists public.%I', r.name);
        else
            execute format('alter table %s drop constraint if exists %I', r.table_name, r.name);
        end if;
    end loop;
end;
$$;

delete from trueup.constraints as ct where ct.table_name like 'public.%';
drop extension if exists btree_gist;
