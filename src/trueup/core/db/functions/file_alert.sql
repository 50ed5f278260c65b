-- file_alert(check, ...): one violation, filed by the writer's own transaction
--
-- What a run does for all violations at once (file_violations), a guard in mode
-- observe does for the one it saw: still open -> seen again; resolved -> the same row
-- reopened; unknown -> a new one. Commits or rolls back with the caller.

create or replace function trueup.file_alert(
    p_check text,
    p_company_id text,
    p_entity_type text,
    p_entity_id text,
    p_description text,
    p_evidence jsonb
)
    returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_severity text;
    v_alert_id bigint;
begin
    select ch.severity into v_severity from trueup.checks as ch where ch.name = p_check;

    update trueup.data_consistency_alerts as al
    set
        status = 'open',
        company_id = p_company_id,
        severity = coalesce(v_severity, 'warning'),
        description = p_description,
        metadata = p_evidence,
        last_seen_at = clock_timestamp(),
        occurrences = al.occurrences + 1,
        reopened_count = al.reopened_count + 1,
        reopened_at = clock_timestamp(),
        resolved_at = null,
        resolution = null,
        resolution_notes = null,
        resolved_run_id = null,
        auto_corrected = false,
        corrected_at = null,
        acknowledged_by = null,
        acknowledged_at = null,
        accepted_by = null,
        accepted_at = null,
        accepted_reason = null,
        accepted_until = null,
        accepted_evidence = null
    where
        al.id = (
            select max(old.id)
            from trueup.data_consistency_alerts as old
            where old.alert_type = p_check and old.entity_type = p_entity_type and old.entity_id = p_entity_id
        )
        and al.status = 'resolved'
    returning al.id into v_alert_id;

    if v_alert_id is null then
        insert into trueup.data_consistency_alerts as al
            (company_id, alert_type, severity, entity_type, entity_id, description, metadata)
        values
            (p_company_id, p_check, coalesce(v_severity, 'warning'), p_entity_type, p_entity_id, p_description, p_evidence)
        on conflict (alert_type, entity_type, entity_id) where status <> 'resolved'
        do update set
            last_seen_at = clock_timestamp(),
            occurrences = al.occurrences + 1,
            company_id = excluded.company_id,
            description = excluded.description,
            metadata = excluded.metadata,
            -- accepted was what was known then, for a time; other evidence is another question
            status = case
                when
                    al.accepted_by is not null
                    and (
                        al.accepted_evidence is distinct from excluded.metadata - 'written_by'
                        or coalesce(al.accepted_until < clock_timestamp(), false)
                    )
                    then 'open'
                else al.status
            end,
            accepted_by = case when al.accepted_evidence = excluded.metadata - 'written_by'
                    and coalesce(al.accepted_until >= clock_timestamp(), true) then al.accepted_by end,
            accepted_at = case when al.accepted_evidence = excluded.metadata - 'written_by'
                    and coalesce(al.accepted_until >= clock_timestamp(), true) then al.accepted_at end,
            accepted_reason = case when al.accepted_evidence = excluded.metadata - 'written_by'
                    and coalesce(al.accepted_until >= clock_timestamp(), true) then al.accepted_reason end,
            accepted_until = case when al.accepted_evidence = excluded.metadata - 'written_by'
                    and coalesce(al.accepted_until >= clock_timestamp(), true) then al.accepted_until end,
            accepted_evidence = case when al.accepted_evidence = excluded.metadata - 'written_by'
                    and coalesce(al.accepted_until >= clock_timestamp(), true) then al.accepted_evidence end
        returning al.id into v_alert_id;
    end if;

    return v_alert_id;
end;
$$;
