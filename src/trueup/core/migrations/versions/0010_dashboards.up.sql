-- core 0010: logins of dashboards that see one company only
--
-- The policies themselves name the role trueup_dashboard, which may not be there yet: roles.sql
-- makes them, by trueup.restrict_dashboards. They go with this table, which they read.
-- squawk-ignore-file require-concurrent-index-creation

create table trueup.dashboard_logins (
    login text primary key,
    company_id text not null
);

comment on table trueup.dashboard_logins is 'logins of dashboards that see the rows of one company, whatever they set in their session';

-- whose customer is whose is nobody else's business; who migrates owns the table and sees all
alter table trueup.dashboard_logins enable row level security;
create policy own on trueup.dashboard_logins for select using (login = session_user);

-- alerts of a day: those opened and resolved have an index, those that came back had none
create index data_consistency_alerts_reopened_at_idx
    on trueup.data_consistency_alerts (reopened_at) where reopened_at is not null;
