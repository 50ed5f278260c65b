-- those of the tables whose rows policies hide, or may hide, from the role that asks, each with what mends it
select
    format(
        'row-level security applies to %%I on %%s: rows that a policy hides would be taken for rows that are not there',
        current_user, t.name
    ) as what,
    case
        when pg_has_role(t.relowner, 'usage')
            then format('alter table %%s no force row level security; -- or: ', t.name)
        else ''
    end || format('alter role %%I bypassrls;', current_user) as mend
from (
    select distinct
        c.oid,
        c.relowner,
        format('%%I.%%I', ns.nspname, c.relname) as name
    from unnest(%(names)s::text[]) as n (name)
    inner join pg_catalog.pg_class as c on to_regclass(n.name) = c.oid
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where c.relrowsecurity
) as t
where row_security_active(t.oid)
order by t.name;
