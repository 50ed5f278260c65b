-- sync_overview
--
-- Synchronisation with the provider that failed and is not mended, counted.

create or replace view trueup.sync_overview
with (security_invoker = true) as
select
    sf.company_id::text as company_id,
    sf.operation,
    sf.status,
    count(*) as failures,
    count(*) filter (where sf.attempt_count >= sf.max_attempts) as exhausted,
    min(sf.created_at) as oldest_at,
    min(sf.next_attempt_at) as next_attempt_at
from trueup.sync_failures as sf
where sf.status <> 'resolved'
group by sf.company_id, sf.operation, sf.status;

comment on view trueup.sync_overview is 'failed synchronisations that wait, counted by company, operation and status';
comment on column trueup.sync_overview.company_id is 'company; NULL where it is not known';
comment on column trueup.sync_overview.operation is 'what was tried';
comment on column trueup.sync_overview.status is 'pending, to be tried again, or manual_review, with a person';
comment on column trueup.sync_overview.failures is 'how many';
comment on column trueup.sync_overview.exhausted is 'those of them that are not tried again';
comment on column trueup.sync_overview.oldest_at is 'when the oldest failed first';
comment on column trueup.sync_overview.next_attempt_at is 'when the next is tried again';
