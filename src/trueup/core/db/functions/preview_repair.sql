-- preview_repair(check, entity type, entity id): what its repair would change
--
-- Carries the repair out (trueup.apply_repair) and undoes it at once, in one savepoint: the
-- rows it locks are free again when the function returns, and nothing is queued or notified.
-- Returns the outcome and its reason; the journal's images of every row, reduced to the columns
-- that differ, with e-mail addresses and phone numbers masked; and the violations that would be
-- gone, of any check, as '<check> <entity type> <key>'.
--
-- Runs with its owner's rights, as the decision that it precedes does (trueup.resolve_review).

create or replace function trueup.preview_repair(
    p_check text,
    p_entity_type text,
    p_entity_id text,
    out outcome text,
    out reason text,
    out changes jsonb,
    out resolved text[]
)
    returns record
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '3s'
as $$
declare
    v_touched jsonb;
    v_repair_id bigint;
    v_after text[];
begin
    changes := '[]';
    resolved := '{}';
    if not exists (select 1 from trueup.checks as ch where ch.name = p_check and ch.is_active) then
        raise exception '% % has no repair to preview: % is the name of no check', p_entity_type, p_entity_id, p_check
            using errcode = 'TU003';
    end if;

    begin
        select r.outcome, r.reason, r.repair_id into outcome, reason, v_repair_id
        from trueup.apply_repair(
            p_check,
            p_entity_type,
            p_entity_id,
            session_user,
            null,
            (select ch.repair <> 'review' from trueup.checks as ch where ch.name = p_check)
        ) as r;

        if outcome = 'corrected' then
            select
                jsonb_agg(
                    jsonb_build_object(
                        'table_name', rc.table_name,
                        'key_value', rc.key_value,
                        'operation', rc.operation,
                        'before', trueup.changed_columns(rc.before, rc.after),
                        'after', trueup.changed_columns(rc.after, rc.before)
                    )
                    order by rc.id
                )
            into changes
            from trueup.repair_changes as rc
            where rc.repair_id = v_repair_id;

            v_touched := trueup.entities_touched(v_repair_id);
            v_after := trueup.violations_of(v_touched);
        end if;
        -- what is undone here stays known to the variables
        raise exception 'undone' using errcode = 'TU102';
    exception
        when sqlstate 'TU102' then
            null;
    end;

    if outcome = 'corrected' then
        resolved := array(
            select unnest(trueup.violations_of(v_touched)) except select unnest(v_after) order by 1
        );
    end if;
end;
$$;
