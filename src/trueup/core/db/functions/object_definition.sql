-- object_definition(kind, identity): what the catalogue holds under a name of ours
--
-- kind is view, function or trigger; identity is a qualified name, for a trigger
-- '<trigger> on <schema>.<table>'. NULL when nothing bears the name. With a fixed
-- search_path, because the server leaves out a schema that the session can see. Options of a
-- view (security_invoker) stand in a comment before its query, which does not know them.

create or replace function trueup.object_definition(p_kind text, p_identity text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_kind = 'view' then
        return (
            select
                coalesce(format(E'-- with (%s)\n', array_to_string(c.reloptions, ', ')), '')
                || pg_catalog.pg_get_viewdef(c.oid)
            from pg_catalog.pg_class as c
            where c.oid = pg_catalog.to_regclass(p_identity)
        );
    elsif p_kind = 'function' then
        return (
            select string_agg(pg_catalog.pg_get_functiondef(p.oid), E'\n' order by p.oid::regprocedure::text)
            from pg_catalog.pg_proc as p
            where
                p.proname = split_part(p_identity, '.', 2)
                and p.pronamespace = pg_catalog.to_regnamespace(split_part(p_identity, '.', 1))
        );
    else
        return (
            select pg_catalog.pg_get_triggerdef(t.oid)
            from pg_catalog.pg_trigger as t
            where
                t.tgrelid = pg_catalog.to_regclass(split_part(p_identity, ' on ', 2))
                and t.tgname = split_part(p_identity, ' on ', 1)
                and not t.tgisinternal
        );
    end if;
end;
$$;
