-- journaled_row(table, key column): the condition that finds a row t of the journal by its image $1
--
-- NULL when the table does not have all the columns of the key any more. The value is cast, not
-- the column, so that the row is found by its index.

create or replace function trueup.journaled_row(p_table text, p_key_column text)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
select
    case
        when count(att.attname) = count(*)
            then string_agg(
                format('t.%I = ($1 ->> %L)::%s', k.name, k.name, format_type(att.atttypid, att.atttypmod)), ' and '
            )
    end
from unnest(
    case
        when p_key_column like '["%' then array(select jsonb_array_elements_text(p_key_column::jsonb))
        else array[p_key_column]
    end
) as k (name)
left join pg_catalog.pg_attribute as att
    on att.attrelid = p_table::regclass and att.attname = k.name and not att.attisdropped;
$$;
