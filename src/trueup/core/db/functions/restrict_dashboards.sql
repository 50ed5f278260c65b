-- restrict_dashboards(table): a dashboard that is bound to a company sees its rows only
--
-- For roles.sql, of the core and of a pack: the table needs a column company_id, and who runs
-- this owns it. Everybody else sees and writes what the grants allow, as before: the first
-- policy lets every row through, the second takes from members of trueup_dashboard what is
-- not their company's. Bound is a login by its row in trueup.dashboard_logins, and any
-- session by its parameter trueup.company; the row comes first, because a session may set a
-- parameter as it likes. Rows of no company are for those who are not bound.
--
-- The company is asked for once in a statement, not once in a row. It is a CASE, because the planner
-- takes `... is null or company_id = ...` for a condition that hardly any row meets.
--
-- ACCESS EXCLUSIVE on a table of ours, for a moment, the first time only.

create or replace function trueup.restrict_dashboards(p_table regclass)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not (select c.relrowsecurity from pg_catalog.pg_class as c where c.oid = p_table) then
        execute format('create policy everybody on %s using (true)', p_table);
        execute format('alter table %s enable row level security', p_table);
    end if;
    if
        not exists (
            select 1
            from pg_catalog.pg_policy as p
            where p.polrelid = p_table and p.polname = 'dashboard_company'
        )
    then
        execute format(
            $policy$
            create policy dashboard_company on %s as restrictive for select to trueup_dashboard
            using (
                case
                    when (
                        select coalesce(
                            (select dl.company_id from trueup.dashboard_logins as dl where dl.login = session_user),
                            nullif(current_setting('trueup.company', true), '')
                        )
                    ) is null then true
                    else company_id::text = (
                        select coalesce(
                            (select dl.company_id from trueup.dashboard_logins as dl where dl.login = session_user),
                            nullif(current_setting('trueup.company', true), '')
                        )
                    )
                end
            )
            $policy$,
            p_table
        );
    end if;
end;
$$;
