-- alerts_open
--
-- One row for each alert that is not resolved, with the state that people think in.

create or replace view trueup.alerts_open
with (security_invoker = true) as
select
    al.id as alert_id,
    al.company_id,
    al.alert_type as check_name,
    al.severity,
    case
        when al.accepted_by is not null then 'accepted'
        when al.snoozed_until > now() then 'snoozed'
        else al.status
    end as status,
    al.entity_type,
    al.entity_id,
    al.description,
    coalesce(al.reopened_at, al.detected_at) as open_since,
    al.detected_at,
    al.last_seen_at,
    al.occurrences,
    al.reopened_count,
    coalesce(al.accepted_by, al.acknowledged_by) as owner,
    coalesce(al.accepted_until, al.snoozed_until) as quiet_until
from trueup.data_consistency_alerts as al
where al.status <> 'resolved';

comment on view trueup.alerts_open is 'every alert that is not resolved';
comment on column trueup.alerts_open.alert_id is 'id in trueup.data_consistency_alerts';
comment on column trueup.alerts_open.company_id is 'company of the entity; NULL for one of none';
comment on column trueup.alerts_open.check_name is 'check that found it';
comment on column trueup.alerts_open.severity is 'critical, warning or info';
comment on column trueup.alerts_open.status is 'open, acknowledged, snoozed or accepted';
comment on column trueup.alerts_open.entity_type is 'kind of the row that is wrong';
comment on column trueup.alerts_open.entity_id is 'its key';
comment on column trueup.alerts_open.description is 'what is wrong, without personal data';
comment on column trueup.alerts_open.open_since is 'when it was found, or came back';
comment on column trueup.alerts_open.detected_at is 'when it was found first';
comment on column trueup.alerts_open.last_seen_at is 'when a run saw it last';
comment on column trueup.alerts_open.occurrences is 'how many runs saw it';
comment on column trueup.alerts_open.reopened_count is 'how often it came back';
comment on column trueup.alerts_open.owner is 'who accepted or acknowledged it';
comment on column trueup.alerts_open.quiet_until is 'until when it is accepted or snoozed';
