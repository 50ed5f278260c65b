select
    waiting.notes as changes_waiting,
    extract(epoch from waiting.oldest_at) as changes_oldest_timestamp_seconds,
    (select count(*) from trueup.checks as ch where ch.is_active and ch.owes_full is not null) as checks_owing_full
from (
    select
        count(*) as notes,
        min(x.changed_at) as oldest_at
    from trueup.changes as x
) as waiting;
