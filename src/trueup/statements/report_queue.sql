-- the review queue: what waits and for how long, and how quickly people decided in the period
with waiting as (
    select
        q.*,
        q.snoozed_until > %(taken_at)s as is_snoozed,
        q.due_at < %(taken_at)s and coalesce(q.snoozed_until <= %(taken_at)s, true) as is_overdue,
        %(taken_at)s::timestamptz - q.created_at as age
    from trueup.manual_review_queue as q
    where
        q.status in ('pending', 'in_progress')
        and (%(company)s::text is null or q.company_id = %(company)s::text)
),

decided as (
    select
        q.decided_at - q.created_at as took,
        q.decided_at <= q.due_at as in_time,
        -- runs and repairs close what is right again; only a decision of a person keeps the token of its claim
        q.claim_token is null as by_itself
    from trueup.manual_review_queue as q
    where
        q.status in ('resolved', 'dismissed')
        and q.decided_at between %(since)s and %(until)s
        and (%(company)s::text is null or q.company_id = %(company)s::text)
)

select
    (select count(*) from waiting as w) as open,
    (select count(*) from waiting as w where w.status = 'in_progress' and w.lease_expires_at > %(taken_at)s) as held,
    (select count(*) from waiting as w where w.is_snoozed) as snoozed,
    (select count(*) from waiting as w where w.is_overdue) as overdue,
    (select extract(epoch from max(w.age)) from waiting as w)::double precision as oldest_s,
    (
        select extract(epoch from percentile_disc(0.5) within group (order by w.age))
        from waiting as w
    )::double precision as median_age_s,
    (
        select array[
            count(*) filter (where w.age < interval '4 hours'),
            count(*) filter (where w.age >= interval '4 hours' and w.age < interval '1 day'),
            count(*) filter (where w.age >= interval '1 day' and w.age < interval '3 days'),
            count(*) filter (where w.age >= interval '3 days' and w.age < interval '7 days'),
            count(*) filter (where w.age >= interval '7 days')
        ]
        from waiting as w
    ) as ages,
    (
        select count(*)
        from trueup.manual_review_queue as q
        where
            q.created_at between %(since)s and %(until)s
            and (%(company)s::text is null or q.company_id = %(company)s::text)
    ) as arrived,
    (select count(*) from decided as d where not d.by_itself) as decided,
    (select count(*) from decided as d where not d.by_itself and d.in_time) as decided_in_time,
    (select count(*) from decided as d where d.by_itself) as settled,
    (
        select extract(epoch from percentile_disc(0.5) within group (order by d.took))
        from decided as d
        where not d.by_itself
    )::double precision as median_decision_s;
