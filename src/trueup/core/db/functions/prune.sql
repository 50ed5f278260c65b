-- prune(rule, most): delete what is older than trueup.retention keeps it
--
-- One batch: by each rule (NULL: all) the oldest rows, p_most at most, with the rows of
-- other tables that go along. Returns what was deleted, a table a row. Call it again, in a
-- transaction of its own, until a rule deletes fewer than p_most. Rows that somebody has
-- locked are left for another time, so two prunes share the work and wait for nobody.
--
-- Runs with its owner's rights, because nobody else may delete from the history of the
-- review queue. What it executes is from trueup.retention, where others may change how
-- long something is kept and nothing else.

create or replace function trueup.prune(p_rule text default null, p_most integer default 5000)
    returns table (rule text, table_name text, deleted bigint)
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_rule trueup.retention_rules;
    v_prune_id bigint;
    v_keys text[];
    v_child integer;
    v_total jsonb := '{}';
begin
    if coalesce(p_most, 0) < 1 then
        raise exception 'a batch holds at least one row, not %', coalesce(p_most::text, 'NULL') using errcode = 'TU005';
    end if;
    if p_rule is not null and not exists (select 1 from trueup.retention as rt where rt.name = p_rule) then
        raise exception 'no retention rule is called %', p_rule
            using errcode = 'TU002', hint = 'select name from trueup.retention lists them.';
    end if;

    -- open until the end of this function: nobody else can write it, or act in between
    insert into trueup.prunes default values returning id into v_prune_id;

    for v_rule in
        select rr.* from trueup.retention_rules as rr where rr.name = p_rule or p_rule is null order by rr.position, rr.name
    loop
        rule := v_rule.name;
        execute format(
            'select coalesce(array_agg(d.key), ''{}'') from ('
            'select t.%1$s::text as key from %2$s as t where %3$s order by t.%4$s limit $1 for update skip locked'
            ') as d',
            v_rule.key_column, v_rule.table_name, v_rule.condition, v_rule.time_column
        )
        into v_keys
        using p_most;

        -- at once, and before the rows they refer to: a cascade would go row by row
        for v_child in 1 .. cardinality(v_rule.child_tables) loop
            table_name := v_rule.child_tables[v_child];
            execute format(
                'delete from %s as child where child.%s = any($1::%s[])',
                v_rule.child_tables[v_child], v_rule.child_columns[v_child], v_rule.key_type
            ) using v_keys;
            get diagnostics deleted = row_count;
            v_total := v_total || jsonb_build_object(
                table_name, deleted + coalesce((v_total ->> table_name)::bigint, 0)
            );
            return next;
        end loop;

        table_name := v_rule.table_name;
        execute format(
            'delete from %s as t where t.%s = any($1::%s[])', v_rule.table_name, v_rule.key_column, v_rule.key_type
        ) using v_keys;
        get diagnostics deleted = row_count;
        v_total := v_total || jsonb_build_object(
            table_name, deleted + coalesce((v_total ->> table_name)::bigint, 0)
        );
        return next;
    end loop;

    -- one that found nothing to delete leaves no trace
    select jsonb_object_agg(d.key, d.value) into v_total from jsonb_each(v_total) as d where d.value <> '0';
    if v_total is null then
        delete from trueup.prunes as p where p.id = v_prune_id;
    else
        update trueup.prunes as p set finished_at = clock_timestamp(), deleted = v_total where p.id = v_prune_id;
    end if;
end;
$$;
