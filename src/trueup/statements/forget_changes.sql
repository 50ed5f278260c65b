-- exactly what the run could see, and what another cluster wrote before a restore; what this transaction
-- noted itself is for the next pass
delete from trueup.changes as c
using trueup.check_runs as cr
where
    cr.id = %(run_id)s
    and c.xact_id <> pg_current_xact_id()
    and (
        pg_visible_in_snapshot(c.xact_id, cr.snapshot)
        or c.xact_id >= pg_snapshot_xmax(pg_current_snapshot())
    );
