-- violation_under_review(check, entity): what a check says of one entity now; no row: nothing
--
-- No row either for a name that no active check bears, and for a key that is not of
-- the view's type. The key is cast, not the column, so the view uses its index.

create or replace function trueup.violation_under_review(p_check text, p_entity_type text, p_entity_id text)
    returns table (company_id text, description text, evidence jsonb)
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_key_type text;
begin
    select format_type(att.atttypid, att.atttypmod) into v_key_type
    from trueup.checks as ch
    inner join pg_catalog.pg_attribute as att
        on att.attrelid = to_regclass(format('trueup.%I', ch.name)) and att.attname = 'entity_id'
    where ch.name = p_check and ch.is_active;

    if v_key_type is null then
        return;
    end if;

    begin
        execute format('select $1::%s', v_key_type) using p_entity_id;
    exception
        when data_exception then
            return;
    end;

    return query execute format(
        'select v.company_id::text, v.description, v.evidence from trueup.%I as v '
        'where v.entity_id = $1::%s and v.entity_type = $2 limit 1',
        p_check,
        v_key_type
    )
    using p_entity_id, p_entity_type;
end;
$$;
