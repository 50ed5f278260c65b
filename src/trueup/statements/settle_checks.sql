-- why each check owes a full evaluation after this run, or NULL; one that came to owe it, or was redefined, when
-- the run could not see it any more owes it still, but for what another cluster wrote before a restore. Of one
-- judged in full this transaction has written every alert that is not resolved, but for those that somebody wrote
-- meanwhile: where no population names the type of such a one, as with that of a flood, no change could be noted
-- for it, and the check owes it. One that failed owes it from now on, whatever it owed
with settled as (
    select
        ch.name,
        s.reason
    from (
        select
            n.name,
            n.has_failed,
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
        from
            unnest(%(names)s::text[], %(reasons)s::text[], %(failed)s::boolean[]) as n (name, reason, has_failed)
    ) as s
    inner join trueup.checks as ch on s.name = ch.name
    where
        (ch.owes_full is distinct from s.reason or s.has_failed)
        and (
            s.reason is not null
            or (
                ch.definition_changed_at <= %(defined_at)s
                and (
                    ch.owed_xid is null
                    or pg_visible_in_snapshot(ch.owed_xid, %(snapshot)s::pg_snapshot)
                    or ch.owed_xid >= pg_snapshot_xmax(pg_current_snapshot())
                )
            )
        )
    order by ch.name
    for no key update of ch
)

update trueup.checks as ch
set
    owes_full = st.reason,
    owed_xid = case when st.reason is not null then pg_current_xact_id() end
from settled as st
where ch.name = st.name;
