select
    'PostgreSQL ' || current_setting('server_version') as server,
    current_database()::text as database,
    coalesce(
        (
            select jsonb_object_agg(o.severity, o.alerts)
            from (
                select al.severity, count(*) as alerts
                from trueup.data_consistency_alerts as al
                where al.status <> 'resolved'
                group by al.severity
            ) as o
        ),
        '{}'
    ) as open_alerts,
    (
        select count(*)
        from trueup.manual_review_queue as q
        where q.status in ('pending', 'in_progress')
    ) as open_reviews;
