-- setting(name): the value of a setting, as text
--
-- Of the core's own the default where somebody has deleted the row: a limit that is NULL is
-- none, and what compares with it says nothing, in silence. Other names without a row are NULL.
--
-- A view asks in a subquery, which is evaluated once.

create or replace function trueup.setting(p_name text)
    returns text
    language sql
    stable
    parallel safe
return coalesce(
    (select st.value from trueup.settings as st where st.name = p_name),
    case p_name
        when 'changes_limit' then '100000'
        when 'check_cost_ceiling' then '10000000000'
        when 'check_cost_growth' then '10'
        when 'check_failures_tolerated' then '1'
        when 'check_interval' then '1 day'
        when 'console_attempts_address' then '20'
        when 'console_attempts_name' then '5'
        when 'console_attempts_window' then '15 minutes'
        when 'console_masked' then '(^|_)(name|number|phone|mobile|email|address|notes?|transcript)(_|$)'
        when 'constraint_grace' then '1 day'
        when 'job_failures_tolerated' then '1'
        when 'job_patience' then '10 minutes'
        when 'migrate_lock_budget' then '5 minutes'
        when 'migrate_lock_timeout' then '3 seconds'
        when 'notify_failures_tolerated' then '2'
        when 'review_due_critical' then '4 hours'
        when 'review_due_info' then '7 days'
        when 'review_due_warning' then '1 day'
        when 'review_lease' then '30 minutes'
        when 'review_queue_limit' then '10'
    end
);
