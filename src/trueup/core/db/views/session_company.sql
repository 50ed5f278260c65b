-- session_company
--
-- The company that this session is bound to, as the policies of trueup.restrict_dashboards
-- see it; NULL for one that sees all. For dashboards that read tables of the application,
-- where no policy of ours may be.

create or replace view trueup.session_company
with (security_invoker = true) as
select
    coalesce(
        (select dl.company_id from trueup.dashboard_logins as dl where dl.login = session_user),
        nullif(current_setting('trueup.company', true), '')
    ) as company_id;
