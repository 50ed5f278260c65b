-- corrections of the period, by check and by what they rest on; undone ones are counted apart.
-- Of the evidence only the names of its facts: the values are in trueup.repairs.
with grouped as (
    select
        r.check_name as name,
        regexp_replace(r.reason, '[0-9]+', '#', 'g') as reason,
        count(*) as repairs,
        count(r.undone_at) as undone,
        count(distinct r.actor) as actors,
        max(r.repaired_at) as last_at,
        (array_agg(r.entity_type || ' ' || r.entity_id order by r.id))[:3] as examples,
        (array_agg(r.id order by r.id))[:3] as example_ids,
        (array_agg(r.evidence order by r.id))[1] as evidence
    from trueup.repairs as r
    where
        r.repaired_at between %(since)s and %(until)s
        and (%(company)s::text is null or r.company_id = %(company)s::text)
    group by r.check_name, regexp_replace(r.reason, '[0-9]+', '#', 'g')
)

select
    g.name,
    g.reason,
    g.repairs,
    g.undone,
    g.actors,
    g.last_at,
    g.examples,
    g.example_ids,
    array(
        select k.name
        from jsonb_object_keys(
            case jsonb_typeof(g.evidence)
                when 'object' then g.evidence
                -- several facts of one kind
                when 'array' then case when jsonb_typeof(g.evidence -> 0) = 'object' then g.evidence -> 0 end
            end
        ) as k (name)
        order by k.name
    ) as evidence
from grouped as g
order by g.repairs desc, g.name, g.reason;
