-- why each check owes a full evaluation after this run, or NULL; one whose redefinition the run could not see
-- yet owes it anew. Of one judged in full this transaction has written every alert that is not resolved, but for
-- those that somebody wrote meanwhile: where no population names the type of such a one, as with that of a flood,
-- no change could be noted for it, and the check owes it
update trueup.checks as ch
set owes_full = s.reason
from (
    select
        n.name,
        case
            when n.reason is not null then n.reason
            when
                exists (
                    select 1
                    from trueup.data_consistency_alerts as al
                    where
                        al.alert_type = n.name
                        and al.status <> 'resolved'
                        and al.touched_xid <> pg_current_xact_id()
                        and not exists (
                            select 1
                            from trueup.check_populations as cp
                            where cp.check_name = n.name and cp.entity_type = al.entity_type
                        )
                )
                then 'somebody wrote one of its alerts while it was judged'
        end as reason
    from unnest(%(names)s::text[], %(reasons)s::text[]) as n (name, reason)
) as s
where
    ch.name = s.name
    and ch.owes_full is distinct from s.reason
    and (s.reason is not null or ch.definition_changed_at <= %(defined_at)s);
