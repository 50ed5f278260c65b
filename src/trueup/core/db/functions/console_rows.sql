-- console_rows(item): the row an item is about, and those around it, masked
--
-- Around it are rows that it names (<entity>_id), that its evidence names, and that name it,
-- as far as an index finds them; five of a kind. Which tables hold which entities is known
-- from the headers of the checks. Of a row of a company that is not the reader's, only that
-- there is one.

create or replace function trueup.console_rows(p_item_id bigint)
    returns table (relation text, entity_type text, table_name text, key_value text, content jsonb, columns text[])
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
    v_item record;
    v_kind record;
    v_row jsonb;
    v_self jsonb;
    v_keys text[];
    v_back text;
    v_back_type text;
    v_seen text[] := '{}';
begin
    select q.entity_type, q.entity_id, q.metadata || coalesce(m.evidence, '{}') as evidence into v_item
    from trueup.console_queue as q
    left join lateral trueup.violation_under_review(q.reason, q.entity_type, q.entity_id) as m on true
    where q.id = p_item_id;

    for v_kind in
        select distinct on (cp.entity_type, cp.entity_type = v_item.entity_type)
            cp.entity_type,
            cp.table_name,
            to_regclass(cp.table_name) as table_id,
            cp.key_column,
            cp.key_type,
            cp.company_column
        from trueup.check_populations as cp
        where to_regclass(cp.table_name) is not null
        order by cp.entity_type = v_item.entity_type desc, cp.entity_type, cp.table_name
    loop
        v_keys := case
            when v_kind.entity_type = v_item.entity_type then array[v_item.entity_id]
            else array_remove(array[v_self ->> (v_kind.entity_type || '_id')], null)
        end;
        v_keys := v_keys || coalesce(
            trueup.related(
                v_item.evidence,
                array[v_kind.entity_type || '_id', v_kind.entity_type || '_ids']
            ),
            '{}'
        );
        -- the key is cast to the type of the column, and not the column, which would hide the index
        select att.attname, format_type(att.atttypid, -1) into v_back, v_back_type
        from pg_catalog.pg_index as i
        inner join pg_catalog.pg_attribute as att
            on i.indrelid = att.attrelid and att.attnum = any((i.indkey::smallint[])[0:1])
        where i.indrelid = v_kind.table_id and att.attname = v_item.entity_type || '_id'
        limit 1;
        begin
            execute format('select $1::%s', coalesce(v_back_type, 'text')) using v_item.entity_id;
        exception
            -- what is no key of that column is not named there
            when data_exception then
                v_back := null;
        end;

        columns := array(
            select att.attname::text
            from pg_catalog.pg_attribute as att
            where att.attrelid = v_kind.table_id and att.attnum > 0 and not att.attisdropped
            order by att.attnum
        );

        -- t alone would be a column of that name
        for v_row in execute format(
            'select to_jsonb(t.*) from %1$s as t where t.%2$I = any($1::%3$s[]) %4$s limit 6',
            v_kind.table_name,
            v_kind.key_column,
            v_kind.key_type,
            case when v_back is not null then format('or t.%I = $2::%s', v_back, v_back_type) end
        ) using v_keys, v_item.entity_id
        loop
            entity_type := v_kind.entity_type;
            table_name := v_kind.table_name;
            key_value := v_row ->> v_kind.key_column;
            relation := case
                when entity_type = v_item.entity_type and key_value = v_item.entity_id then 'self'
                when key_value = any(v_keys) then 'named'
                else 'names it'
            end;
            if relation = 'self' then
                v_self := v_row;
            end if;
            content := case
                when v_me.companies is null or v_row ->> v_kind.company_column = any(v_me.companies)
                    then trueup.console_masked(v_row)
            end;
            return next;
        end loop;
    end loop;
exception
    -- an application may queue what is no key of any table
    when data_exception then
        return;
end;
$$;
