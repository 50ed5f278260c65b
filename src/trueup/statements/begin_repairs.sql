-- violations that nobody has accepted: what is repaired, and what the budget counts
create or replace temporary view trueup_unaccepted as
select f.check_name, f.entity_type, f.entity_id
from pg_temp.trueup_violations as f
where
    not exists (
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
    );
