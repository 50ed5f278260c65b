-- whether anything was noted that a pass with that snapshot did not see; what is left of a pass
-- stays in the table while a full run is under way
select
    pg_current_snapshot()::text as snapshot,
    exists (
        select 1
        from trueup.changes as c
        where %(seen)s::text is null or not pg_visible_in_snapshot(c.xact_id, %(seen)s::pg_snapshot)
    ) as is_any;
