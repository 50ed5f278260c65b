select
    m.invariant,
    m.explanation,
    m.repair,
    m.repairable,
    m.violated,
    m.evidence,
    m.metadata,
    m.alert_id,
    m.alert_status
from trueup.console_matter(%(item_id)s::bigint) as m;
