-- exactly what the run could see, and what another cluster wrote before a restore; what this transaction
-- noted itself is for the next pass. A check that rests on it and is not in the pack of the run, which may
-- be older than that of the database, has not judged it, and owes that
with judged as (
    delete from trueup.changes as c
    using trueup.check_runs as cr
    where
        cr.id = %(run_id)s
        and c.xact_id <> pg_current_xact_id()
        and (
            pg_visible_in_snapshot(c.xact_id, cr.snapshot)
            or c.xact_id >= pg_snapshot_xmax(pg_current_snapshot())
        )
    returning c.table_name
)

update trueup.checks as ch
set
    owes_full = coalesce(ch.owes_full, 'a run of a pack without it took the changes for judged'),
    owed_xid = pg_current_xact_id()
where
    ch.is_active
    and ch.name <> all(%(names)s::text[])
    and exists (
        select 1
        from trueup.check_tables as ct
        inner join judged as j on ct.table_name = j.table_name
        where ct.check_name = ch.name
    );
