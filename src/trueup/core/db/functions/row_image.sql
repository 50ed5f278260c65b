-- row_image(row): a row as the journal of repairs keeps it
--
-- A JSON object of the columns, and under '', as no column can be called, the texts of values that
-- JSON does not give back: JSON null is NULL there, an array has no bounds, json no order, zero no
-- sign. An image without '' is older than these texts.
--
-- For callers that pin the settings by which values are written: undo_repair compares them. How a
-- type that is none of these writes itself in JSON is not known here, so its text is looked at.
-- Generated columns follow from the others; and a virtual one is NULL to a trigger, whatever it is
-- to a query.

create or replace function trueup.row_image(p_row anyelement)
    returns jsonb
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_image jsonb := to_jsonb(p_row);
    v_virtual text[];
    v_values text;
    v_texts jsonb;
begin
    select
        array_agg(att.attname::text) filter (where att.attgenerated = 'v'),
        string_agg(
            -- IS NULL would be true of a composite value whose fields are NULL
            format('(%1$L, case when ($1).%1$I is distinct from null then format(''%%s'', ($1).%1$I) end)', att.attname),
            ', '
        ) filter (where att.attgenerated = '')
    into v_virtual, v_values
    from pg_catalog.pg_type as r
    inner join pg_catalog.pg_attribute as att on r.typrelid = att.attrelid
    inner join pg_catalog.pg_type as ty on att.atttypid = ty.oid
    where
        r.oid = pg_typeof(p_row)
        and att.attnum > 0
        and not att.attisdropped
        and case
            when att.attgenerated <> '' then att.attgenerated = 'v'
            when ty.typtype = 'e' then false
            when ty.oid = 'jsonb'::regtype then v_image -> att.attname = 'null'
            when ty.oid in ('real'::regtype, 'double precision'::regtype) then v_image -> att.attname = '0'
            else
                ty.oid <> all('{
                    boolean, smallint, integer, bigint, numeric, text, varchar, bpchar, uuid, bytea,
                    date, time, timestamp, timestamptz, interval
                }'::regtype[])
        end;

    if v_values is not null then
        execute format(
            'select jsonb_object_agg(k.name, k.text) from (values %s) as k (name, text) '
            'where k.text is distinct from $2 ->> k.name',
            v_values
        )
        into v_texts
        using p_row, v_image;
    end if;
    return v_image - coalesce(v_virtual, '{}') || jsonb_build_object('', coalesce(v_texts, '{}'));
end;
$$;
