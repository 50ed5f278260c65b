insert into trueup.notifications as n
    (channel_id, channel, kind, check_name, company_id, severity, subject, body, content, alarm_ids, ended_ids)
values (
    %(channel_id)s, %(channel)s, %(kind)s, %(check)s, %(company)s, %(severity)s, %(subject)s, %(body)s,
    %(content)s::text::jsonb, %(alarm_ids)s::bigint[], %(ended_ids)s::bigint[]
)
returning
    n.id,
    n.kind,
    n.severity,
    n.subject,
    n.body,
    n.content,
    n.created_at;
