-- guards with their mode, since when, and the companies that have a mode of their own
select
    g.name,
    g.mode,
    g.changed_at,
    coalesce(
        (
            select jsonb_object_agg(gc.company_id, gc.mode)
            from trueup.guard_companies as gc
            where gc.guard = g.name
        ),
        '{}'
    ) as companies
from trueup.guards as g
order by g.name;
