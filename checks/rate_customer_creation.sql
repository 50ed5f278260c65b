-- rate_customer_creation
--
-- invariant:   of the customers that a company was to get in the last day, hardly any could not be created
-- severity:    warning
-- entity:      company
-- changes:     time
-- population:  none
-- prevented:   none: what fails, fails in the application, for reasons the database does not see
-- repair:      review
-- cost:        rows of rate_window by customers_created_at_idx, calls_link_failed_created_at_idx and
--              manual_review_queue_customer_creation_idx
--
-- Hardly any: the setting rate_customer_creation (2 %), of at least rate_calls (20) in
-- rate_window (24 hours). An insert that failed leaves no row, so two things are taken as
-- evidence: a call whose customer_link_status is failed, and a queue item with the reason
-- customer_creation_failed for the company, decided or not. A call with both is one failure.
-- What was created are the customers of the window, but for backfilled ones, which nobody
-- was waiting for. An item without a company belongs to none and is not counted. The window
-- is asked of trueup.setting, for the reason given in rate_booking_success.

create or replace view trueup.rate_customer_creation as
with attempts as (
    select
        k.company_id,
        false as has_failed
    from public.customers as k
    where
        k.source is distinct from 'backfill'
        and k.created_at > now() - trueup.setting('rate_window')::interval
    union all
    select
        f.company_id,
        true as has_failed
    from (
        select
            c.company_id,
            'call' as entity_type,
            c.id::text as entity_id
        from public.calls as c
        where
            c.customer_link_status = 'failed'
            and c.deleted_at is null
            and c.created_at > now() - trueup.setting('rate_window')::interval
        union
        select
            co.id as company_id,
            q.entity_type,
            q.entity_id
        from trueup.manual_review_queue as q
        inner join public.companies as co on q.company_id = co.id::text
        where
            q.reason = 'customer_creation_failed'
            and q.created_at > now() - trueup.setting('rate_window')::interval
    ) as f
)

select
    r.company_id,
    'company' as entity_type,
    r.company_id as entity_id,
    'too many customers could not be created' as description,
    jsonb_build_object(
        'attempts', r.attempts,
        'failed', r.failed,
        'percent', round(100.0 * r.failed / r.attempts, 1)
    ) as evidence
from (
    select
        t.company_id,
        count(*) as attempts,
        count(*) filter (where t.has_failed) as failed
    from attempts as t
    where t.company_id is not null
    group by t.company_id
) as r
where
    r.attempts >= (select st.value::integer from trueup.settings as st where st.name = 'rate_calls')
    and r.failed > r.attempts * (
        select st.value::numeric
        from trueup.settings as st
        where st.name = 'rate_customer_creation'
    );
