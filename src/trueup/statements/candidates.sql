-- violations of one check that nobody has accepted, a page at a time
select f.entity_type, f.entity_id
from pg_temp.trueup_violations as f
where
    f.check_name = %(name)s
    and (length(f.entity_id), f.entity_id, f.entity_type)
    > (%(after_length)s::integer, %(after_id)s::text, %(after_type)s::text)
    and not exists (
        select 1
        from trueup.data_consistency_alerts as al
        where
            al.alert_type = f.check_name
            and al.entity_type = f.entity_type
            and al.entity_id = f.entity_id
            and al.status = 'acknowledged'
            and al.accepted_by is not null
            and (al.accepted_until is null or al.accepted_until > clock_timestamp())
            and al.accepted_evidence is not distinct from f.evidence
    )
order by length(f.entity_id), f.entity_id, f.entity_type
limit 500;
