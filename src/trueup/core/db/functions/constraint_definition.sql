-- constraint_definition(oid), index_definition(oid)
--
-- What the catalogue prints, with a fixed search_path, so that two sessions print the
-- same; NOT VALID is a state and not a part of the definition.

create or replace function trueup.constraint_definition(p_constraint oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return regexp_replace(pg_catalog.pg_get_constraintdef(p_constraint), ' NOT VALID$', '');
end;
$$;

create or replace function trueup.index_definition(p_index oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return pg_catalog.pg_get_indexdef(p_index);
end;
$$;
