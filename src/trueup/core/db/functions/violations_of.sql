-- violations_of({"<entity type>": [keys], ...}): what every check says of some entities
--
-- Returns '<check> <entity type> <key>' strings. trueup.violations_of_<entity type> is
-- generated at every deployment from the headers of the checks.

create or replace function trueup.violations_of(p_entities jsonb)
    returns text[]
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_entity record;
    v_found text[];
    v_all text[] := '{}';
begin
    for v_entity in
        select
            e.key as entity_type,
            array(select distinct jsonb_array_elements_text(e.value)) as ids,
            (
                select cp.key_type
                from trueup.check_populations as cp
                where cp.entity_type = e.key
                limit 1
            ) as key_type
        from jsonb_each(p_entities) as e
    loop
        execute format(
            'select array_agg(concat_ws('' '', v.check_name, %L, v.entity_id)) from trueup.%I($1::%s[]) as v',
            v_entity.entity_type, 'violations_of_' || v_entity.entity_type, v_entity.key_type
        )
        into v_found
        using v_entity.ids;
        v_all := v_all || coalesce(v_found, '{}');
    end loop;
    return v_all;
end;
$$;
