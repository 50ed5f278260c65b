select
    o.outcome,
    case
        when o.outcome = 'undone' then (
            select count(*)
            from trueup.repairs as rp
            where rp.undone_at is not null and rp.repaired_at > now() - interval '24 hours'
        )
        else (
            select coalesce(sum((each.counts ->> o.outcome)::bigint), 0)
            from trueup.check_runs as cr
            cross join lateral jsonb_each(cr.repairs -> 'checks') as each (name, counts)
            where
                cr.kind = 'repair'
                and cr.started_at > now() - interval '24 hours'
                and (cr.repairs ->> 'applied')::boolean
        )
    end as repair_entities
from (
    values ('corrected'), ('review'), ('clean'), ('busy'), ('undone')
) as o (outcome);
