-- entities_touched(repair): {"<entity type>": [keys], ...} of the entities that a repair concerns
--
-- Its own; those that live in the rows of its journal; and those that these rows name, or named
-- before, in a column of which the header of a check says so (`changes: appointments.call_id`). Not
-- among them are entities that have to be looked up (`via`) or stand in evidence (`with`).
--
-- trueup.followed_columns is generated at every deployment from the headers of the checks.

create or replace function trueup.entities_touched(p_repair_id bigint)
    returns jsonb
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        with touched as (
            select r.entity_type, r.entity_id
            from trueup.repairs as r
            where r.id = p_repair_id
            union
            select f.entity_type, i.image ->> f.column_name
            from trueup.repair_changes as rc
            inner join trueup.followed_columns() as f on to_regclass(rc.table_name) = to_regclass(f.table_name)
            cross join lateral (values (rc.before), (rc.after)) as i (image)
            where rc.repair_id = p_repair_id and trueup.is_key(i.image ->> f.column_name, f.key_type)
        )

        select jsonb_object_agg(e.entity_type, e.ids)
        from (
            select t.entity_type, jsonb_agg(t.entity_id) as ids
            from touched as t
            group by t.entity_type
        ) as e
    );
end;
$$;
