select
    n.id,
    n.kind,
    n.severity,
    n.subject,
    n.body,
    n.content,
    n.created_at
from trueup.notifications as n
where n.id = %(id)s;
