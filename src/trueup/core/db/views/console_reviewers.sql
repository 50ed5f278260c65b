-- console_reviewers: to whom an item can be given, of those who may see it

create or replace view trueup.console_reviewers with (security_barrier) as
select
    q.id as item_id,
    u.name
from trueup.console_queue as q
inner join trueup.console_users as u
    on
        u.role <> 'viewer'
        and u.disabled_at is null
        and (u.companies is null or q.company_id = any(u.companies));
