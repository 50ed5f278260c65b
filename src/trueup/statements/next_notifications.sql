-- what waits for a channel, in the order in which it is sent
select
    n.id,
    n.kind,
    n.severity,
    n.subject,
    n.body,
    n.content,
    n.created_at
from trueup.notifications as n
where n.channel_id = %(channel_id)s and n.state = 'pending' and n.next_attempt_at <= clock_timestamp()
order by n.id;
