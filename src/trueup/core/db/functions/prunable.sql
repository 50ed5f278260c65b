-- prunable(rule): what trueup.prune would delete now, counted and left in place
--
-- NULL counts by every rule. A table of another that goes along with it is a row of its own.

create or replace function trueup.prunable(p_rule text default null)
    returns table (rule text, table_name text, keep interval, row_count bigint)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_rule trueup.retention_rules;
    v_child integer;
begin
    for v_rule in
        select rr.* from trueup.retention_rules as rr where rr.name = p_rule or p_rule is null order by rr.position, rr.name
    loop
        rule := v_rule.name;
        keep := v_rule.keep;
        table_name := v_rule.table_name;
        execute format('select count(*) from %s as t where %s', v_rule.table_name, v_rule.condition) into row_count;
        return next;

        for v_child in 1 .. cardinality(v_rule.child_tables) loop
            table_name := v_rule.child_tables[v_child];
            execute format(
                'select count(*) from %s as child '
                'where child.%s in (select t.%s from %s as t where %s)',
                v_rule.child_tables[v_child],
                v_rule.child_columns[v_child],
                v_rule.key_column,
                v_rule.table_name,
                v_rule.condition
            )
            into row_count;
            return next;
        end loop;
    end loop;
end;
$$;
