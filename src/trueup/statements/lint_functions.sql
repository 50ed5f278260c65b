-- functions of these names, with what their bodies may take for granted: arguments, search_path,
-- and for a trigger function the tables it stands on, with its transition tables
select
    'trueup.' || p.proname as identity,
    p.oid::bigint as oid,
    l.lanname as language,
    p.prorettype = 'trigger'::regtype as is_trigger,
    coalesce(
        (
            select array_agg(coalesce(a.name, '') order by a.position)
            from unnest(p.proargnames) with ordinality as a (name, position)
        ),
        '{}'
    ) as argument_names,
    array(
        select format_type(a.type, null)
        from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as a (type, position)
        order by a.position
    ) as argument_types,
    coalesce(
        (
            select split_part(s.setting, '=', 2)
            from unnest(p.proconfig) as s (setting)
            where s.setting like 'search_path=%%'
        ),
        'public'
    ) as search_path,
    coalesce(
        (
            select
                array_agg(
                    array[t.tgrelid::regclass::text, coalesce(t.tgoldtable, ''), coalesce(t.tgnewtable, '')]
                    order by t.tgrelid::regclass::text, t.tgname
                )
            from pg_catalog.pg_trigger as t
            where t.tgfoid = p.oid and t.tgparentid = 0
        ),
        '{}'
    ) as stands_on
from pg_catalog.pg_proc as p
inner join pg_catalog.pg_language as l on p.prolang = l.oid
where
    p.pronamespace = 'trueup'::regnamespace
    and p.prokind in ('f', 'p')
    and 'trueup.' || p.proname = any(%(identities)s::text[])
order by identity, oid;
