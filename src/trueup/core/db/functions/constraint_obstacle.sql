-- constraint_obstacle(kind, table, definition): why the constraint or index cannot be there
--
-- NULL when it can. Asked of the catalogue every time, so that a table that is partitioned
-- later, or no longer, needs no setting. Three reasons: the rows are not in this database
-- (trueup.distant_tables); the table lacks an optional column that the definition names
-- (trueup.application); or the table, or the one a foreign key refers to, is
-- partitioned and the columns do not hold its partition key: PostgreSQL has no index over
-- several partitions.

create or replace function trueup.constraint_obstacle(p_kind text, p_table text, p_definition text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_referenced text := substring(p_definition from '\mreferences\s+([^\s(]+)');
    v_keyed regclass := to_regclass(p_table); -- the table whose columns must be unique
    v_list text := p_definition;
    v_shorter text;
    v_columns text[];
    v_reason text;
    v_key text;
begin
    select d.reason into v_reason
    from trueup.distant_tables as d
    where d.table_id in (to_regclass(p_table), to_regclass(v_referenced))
    order by d.table_id <> to_regclass(p_table)
    limit 1;
    if v_reason is null then
        select format('%s.%s is missing', a.schema_name, m.name) into v_reason
        from trueup.application as a
        cross join unnest(a.missing_columns) as m (name)
        where
            p_table = a.schema_name || '.' || split_part(m.name, '.', 1)
            and p_definition ~ format('\m%s\M', split_part(m.name, '.', 2))
        limit 1;
    end if;
    if v_reason is not null or p_kind not in ('unique index', 'exclude', 'foreign key') then
        return v_reason;
    end if;

    if p_kind = 'foreign key' then
        v_keyed := to_regclass(v_referenced);
        v_list := split_part(p_definition, v_referenced, 2);
    end if;
    if not exists (
        select 1 from pg_catalog.pg_class as c where c.oid = v_keyed and c.relkind = 'p'
    ) then
        return null;
    end if;
    if p_kind = 'exclude' and current_setting('server_version_num')::integer < 170000 then
        return format('%s is partitioned: an exclusion constraint there needs PostgreSQL 17', v_keyed);
    end if;

    -- the first parentheses, without what stands in parentheses inside them
    v_list := substr(v_list, strpos(v_list, '(') + 1);
    loop
        v_shorter := regexp_replace(v_list, '\([^()]*\)', '', 'g');
        exit when v_shorter = v_list;
        v_list := v_shorter;
    end loop;
    select array_agg(split_part(btrim(e.element), ' ', 1)) into v_columns
    from regexp_split_to_table(split_part(v_list, ')', 1), ',') as e (element)
    where p_kind <> 'exclude' or e.element ~ '\mwith\s+=\s*$';

    select pg_catalog.pg_get_partkeydef(pt.partrelid) into v_key
    from pg_catalog.pg_partition_tree(v_keyed) as part
    inner join pg_catalog.pg_partitioned_table as pt on part.relid = pt.partrelid
    cross join lateral unnest(pt.partattrs::smallint[]) as k (attnum)
    left join pg_catalog.pg_attribute as att on pt.partrelid = att.attrelid and att.attnum = k.attnum and k.attnum > 0
    where coalesce(quote_ident(att.attname) <> all(v_columns), true)
    limit 1;
    if v_key is null then
        return null;
    end if;
    return format(
        case p_kind
            when 'foreign key' then '%s is partitioned by %s: what it refers to cannot be a unique key there'
            else '%s is partitioned by %s: what is unique there must hold these columns'
        end,
        v_keyed,
        v_key
    );
end;
$$;
