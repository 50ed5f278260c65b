-- contract_error(statement, search_path): what the server says against a statement
--
-- No row when the statement fits the schema. The server prepares it, which resolves
-- every name and type and executes, plans and checks the permission for nothing. PREPARE
-- takes one SELECT, INSERT, UPDATE, DELETE, MERGE or VALUES with parameters $1, $2 ...;
-- anything else, a client library's placeholder as well, is a syntax error and is
-- reported as one. A semicolon is refused here too, though no contract can hold one: it
-- is what a second statement would need.
--
-- Leaves nothing behind. A prepared statement outlives a rollback, so it gets a name
-- that the session does not use and is deallocated at once; the block then always ends
-- in an error of its own, because the rollback gives back search_path and the locks
-- that parsing takes on the tables.
--
-- Only what the statement itself is to blame for is returned. That the server could not
-- say (a lock, memory, a timeout, a shutdown) is raised, so that the check counts as
-- not evaluated and not as a broken contract.

create or replace function trueup.contract_error(p_statement text, p_search_path text)
    returns table (sqlstate text, message text)
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    v_fits constant text := 'TU900';
    v_name text;
    v_state text;
    v_message text;
begin
    if p_statement ~ ';' then
        return query select '42601'::text, 'a contract is one statement, without a semicolon'::text;
        return;
    end if;

    select format('trueup_contract_%s', n.n) into v_name
    from generate_series(1, 1000) as n (n)
    where not exists (
        select 1
        from pg_catalog.pg_prepared_statements as ps
        where ps.name = format('trueup_contract_%s', n.n)
    )
    order by n.n
    limit 1;

    begin
        perform set_config('search_path', p_search_path, true);
        execute format('prepare %I as %s', v_name, p_statement);
        execute format('deallocate %I', v_name);
        raise exception using errcode = v_fits;
    exception
        when others then
            get stacked diagnostics v_state = returned_sqlstate, v_message = message_text;
            if v_state ~ '^(08|40|53|55|57|58|XX)' then
                raise;
            end if;
    end;

    if v_state <> v_fits then
        return query select v_state, v_message;
    end if;
end;
$$;
