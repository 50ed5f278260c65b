-- apply_repair(check, entity type, entity id, ...): correct one entity, or say why not
--
-- Returns one of
--     clean      the check no longer lists the entity; nothing was done
--     corrected  done, and proven: the violation is gone and no other is new
--     review     a person decides; queued with the reason (unless the check is info)
--     busy       somebody else holds the row, or an alert of it; try again
--
-- Locks the entity, reads the check again, lets trueup.repair_<check> work inside a
-- savepoint with the journal on, runs the deferred guards, then reads every check of
-- every entity the repair touched (trueup.entities_touched). A violation that is still
-- there, or one that was not there before, undoes all of it. Whether a violation was there
-- before is known for the entity itself; for another touched entity the work is undone
-- once, the question asked, and the work done again. A violation that the evidence names
-- under leaves ('<check> <entity type> <key>') is not the repair's doing: the next run lists it.
--
-- p_correct false: do not try, queue it (a check whose repair is a person's decision).
--
-- p_run_id is the run that found the violation. What a person took back (trueup.undo_repair) no
-- run does again, neither for the check that it was repaired for nor by a repair of another check
-- that would mend it too: review. Without a run the call is a person's own order, as from the
-- queue (trueup.resolve_review), and is carried out.

create or replace function trueup.apply_repair(
    p_check text,
    p_entity_type text,
    p_entity_id text,
    p_actor text default session_user,
    p_run_id bigint default null,
    p_correct boolean default true,
    out outcome text,
    out reason text,
    out repair_id bigint
)
    returns record
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_check trueup.checks;
    v_key trueup.check_populations;
    v_violation record;
    v_answer trueup.repair_outcome;
    v_before text[];
    v_after text[];
    v_seen pg_snapshot;
    v_new text[];
    v_touched jsonb;
    v_is_proven boolean := false;
    v_distant text;
    v_last trueup.repairs;
    v_undone record;
    v_held text := 'a table that a check reads';
    v_refused text := 'a check of it could not be read';
begin
    select ch.* into strict v_check from trueup.checks as ch where ch.name = p_check;
    select cp.* into v_key
    from trueup.check_populations as cp
    where cp.check_name = p_check and cp.entity_type = p_entity_type;
    if p_correct then
        select d.reason into v_distant
        from trueup.distant_tables as d
        where d.table_id = to_regclass(v_key.table_name);
        if v_distant is not null then
            raise exception '% % cannot be repaired here', p_entity_type, p_entity_id
                using
                    errcode = 'TU003',
                    detail = v_distant || '.',
                    hint = 'Repair it in the database that holds the row.';
        end if;
    end if;

    begin
        if p_correct and v_key.table_name is not null then
            execute format(
                'select 1 from %s as t where t.%I = $1::%s for no key update', v_key.table_name, v_key.key_column, v_key.key_type
            ) using p_entity_id;
        end if;
    exception
        when lock_not_available or deadlock_detected then
            outcome := 'busy';
            reason := 'somebody else holds the row';
            return;
    end;

    execute format(
        'select v.company_id::text as company_id, v.description, v.evidence from trueup.%I as v '
        'where v.entity_id = $1::%s and v.entity_type = $2 limit 1',
        p_check, coalesce(v_key.key_type, 'bigint')
    )
    into v_violation
    using p_entity_id, p_entity_type;
    if v_violation.description is null then
        outcome := 'clean';
        reason := 'the check no longer lists it';
        return;
    end if;

    if p_run_id is not null then
        select r.* into v_last
        from trueup.repairs as r
        where r.check_name = p_check and r.entity_type = p_entity_type and r.entity_id = p_entity_id
        order by r.id desc
        limit 1;
    end if;

    if not p_correct then
        outcome := 'review';
        reason := 'a person decides';
    elsif v_last.undone_at is not null then
        outcome := 'review';
        reason := format('its last repair was undone by %s', v_last.undone_by);
    end if;

    -- at most three rounds: correct; ask what was there before; correct again
    while outcome is null loop
        begin
            -- a check that cannot be read proves nothing: this row is for a person, and the repair of others goes on
            if v_before is null then
                v_before := trueup.violations_of(jsonb_build_object(p_entity_type, jsonb_build_array(p_entity_id)));
                v_held := 'a row';
                v_refused := 'the repair was refused';
            end if;

            insert into trueup.repairs (run_id, check_name, company_id, entity_type, entity_id, reason, actor)
            values (p_run_id, p_check, v_violation.company_id, p_entity_type, p_entity_id, '', p_actor)
            returning id into repair_id;

            perform set_config('trueup.repair_id', repair_id::text, true);
            execute format('select (r).* from trueup.%I($1::%s) as r', 'repair_' || p_check, v_key.key_type)
                into v_answer
                using p_entity_id;

            if v_answer.outcome = 'corrected' then
                set constraints all immediate;
                set constraints all deferred;
                perform set_config('trueup.repair_id', '', true);

                update trueup.repairs as r
                set reason = v_answer.reason, evidence = v_answer.evidence
                where r.id = repair_id;

                v_touched := trueup.entities_touched(repair_id);
                v_seen := pg_current_snapshot();
                v_after := trueup.violations_of(v_touched);
                v_new := array(
                    select unnest(v_after)
                    except
                    select unnest(v_before)
                    except
                    select jsonb_array_elements_text(v_answer.evidence -> 'leaves')
                    order by 1
                );

                if concat_ws(' ', p_check, p_entity_type, p_entity_id) = any(v_after) then
                    raise exception 'the repair did not remove the violation' using errcode = 'TU100';
                elsif cardinality(v_new) > 0 and v_is_proven then
                    raise exception 'the repair would cause %', array_to_string(v_new, ', ') using errcode = 'TU100';
                elsif cardinality(v_new) > 0 then
                    raise exception 'what was there before?' using errcode = 'TU101';
                elsif
                    not exists (
                        select 1 from trueup.repair_changes as rc where rc.repair_id = apply_repair.repair_id
                    )
                then
                    raise exception 'the repair changed nothing that the journal saw'
                        using errcode = 'TU100', hint = 'run trueup verify: a trigger journal_repairs may be disabled';
                end if;

                -- one fact may violate several checks: what was taken back for one of them is
                -- not mended for another
                if p_run_id is not null then
                    for v_undone in
                        select l.violation, l.undone_by
                        from (
                            select distinct on (r.check_name, r.entity_type, r.entity_id)
                                concat_ws(' ', r.check_name, r.entity_type, r.entity_id) as violation,
                                r.undone_at,
                                r.undone_by
                            from jsonb_each(v_touched) as t
                            cross join lateral jsonb_array_elements_text(t.value) as i (entity_id)
                            inner join trueup.repairs as r on t.key = r.entity_type and i.entity_id = r.entity_id
                            order by r.check_name, r.entity_type, r.entity_id, r.id desc
                        ) as l
                        where l.undone_at is not null and l.violation <> all(v_after)
                        order by l.violation
                    loop
                        if not v_is_proven then
                            raise exception 'what was there before?' using errcode = 'TU101';
                        elsif v_undone.violation = any(v_before) then
                            raise exception 'the repair would do again what % has undone: %',
                                v_undone.undone_by, v_undone.violation
                                using errcode = 'TU100';
                        end if;
                    end loop;
                end if;

                -- what is resolved below: here all of it can still be given up, and in the order of runs
                perform 1
                from jsonb_each(v_touched) as t
                cross join lateral jsonb_array_elements_text(t.value) as i (entity_id)
                inner join trueup.data_consistency_alerts as al
                    on t.key = al.entity_type and i.entity_id = al.entity_id
                where al.status <> 'resolved'
                order by al.alert_type collate "C"
                for no key update of al;

                outcome := 'corrected';
                reason := v_answer.reason;
            else
                raise exception '%', coalesce(v_answer.reason, 'a person decides') using errcode = 'TU100';
            end if;
        exception
            when sqlstate 'TU101' then
                v_before := v_before || trueup.violations_of(v_touched);
                v_is_proven := true;
            when lock_not_available or deadlock_detected then
                outcome := 'busy';
                reason := 'somebody else holds ' || v_held;
                repair_id := null;
                return;
            when sqlstate 'TU100' then
                outcome := 'review';
                reason := sqlerrm;
            -- of the session or the server, not of this row
            when
                operator_intervention or insufficient_resources or system_error
                or transaction_rollback or insufficient_privilege
            then
                raise;
            when others then
                outcome := 'review';
                reason := format('%s: %s (SQLSTATE %s)', v_refused, sqlerrm, sqlstate);
        end;
    end loop;

    if outcome = 'review' then
        repair_id := null;
        if v_check.severity <> 'info' then
            perform trueup.queue_review(
                p_check,
                p_entity_type,
                p_entity_id,
                v_violation.description || ': ' || reason,
                v_violation.company_id,
                v_check.severity,
                v_violation.evidence || jsonb_strip_nulls(jsonb_build_object('repair', v_answer.evidence)),
                p_actor
            );
        end if;
        return;
    end if;

    -- what the repair mended, also of other checks, is over: alerts and questions; not those
    -- that no check asks, as of a booking that failed: reading the checks says nothing of them
    with touched as (
        select t.key as entity_type, i.entity_id
        from jsonb_each(v_touched) as t
        cross join lateral jsonb_array_elements_text(t.value) as i (entity_id)
    ),

    -- two repairs may have touched one entity through different rows: the locks in one order
    standing as (
        select
            al.id,
            al.alert_type,
            al.entity_type,
            al.entity_id,
            al.touched_xid = pg_current_xact_id()
                or al.touched_xid >= pg_snapshot_xmax(pg_current_snapshot())
                or pg_visible_in_snapshot(al.touched_xid, v_seen)
                -- or a run wrote it that saw no more than this repair
                or exists (
                    select 1
                    from trueup.check_runs as cr
                    where
                        cr.id = al.last_run_id
                        and cr.xmin = al.touched_xid::xid
                        and pg_snapshot_xmax(cr.snapshot) <= pg_snapshot_xmax(v_seen)
                        and not exists (
                            select 1
                            from pg_snapshot_xip(v_seen) as x (xid)
                            where pg_visible_in_snapshot(x.xid, cr.snapshot)
                        )
                ) as is_ours
        from trueup.data_consistency_alerts as al
        inner join touched as t on al.entity_type = t.entity_type and al.entity_id = t.entity_id
        where
            al.status <> 'resolved'
            and concat_ws(' ', al.alert_type, al.entity_type, al.entity_id) <> all(v_after)
            and exists (
                select 1
                from trueup.check_populations as cp
                where cp.check_name = al.alert_type and cp.entity_type = al.entity_type
            )
        order by al.id
        for no key update of al
    ),

    over as (
        update trueup.data_consistency_alerts as al
        set
            status = 'resolved',
            resolution = 'repaired',
            resolution_notes = v_answer.reason,
            resolved_at = clock_timestamp(),
            resolved_run_id = p_run_id,
            auto_corrected = true,
            corrected_at = clock_timestamp()
        from standing as s
        where s.is_ours and al.id = s.id and al.status <> 'resolved'
        returning al.alert_type, al.entity_type, al.entity_id
    ),

    -- somebody wrote the alert while the checks were read, which may not have seen why: the next pass judges it
    deferred as (
        insert into trueup.changes (table_name, keys)
        select cp.table_name, array_agg(cp.key_column || '=' || s.entity_id)
        from standing as s
        inner join trueup.check_populations as cp
            on s.alert_type = cp.check_name and s.entity_type = cp.entity_type
        where not s.is_ours
        group by cp.table_name
    ),

    closed as (
        update trueup.manual_review_queue as q
        set
            status = 'resolved',
            claimed_by = null,
            claim_token = null,
            lease_expires_at = null,
            decided_at = clock_timestamp(),
            decided_by = p_actor,
            resolution_notes = v_answer.reason,
            repair_id = apply_repair.repair_id,
            updated_at = clock_timestamp()
        from over as o
        where
            q.reason = o.alert_type
            and q.entity_type = o.entity_type
            and q.entity_id = o.entity_id
            and (q.status = 'pending' or (q.status = 'in_progress' and q.lease_expires_at < clock_timestamp()))
        returning q.id
    )

    insert into trueup.manual_review_events (item_id, event, actor, details)
    select c.id, 'resolved', p_actor, jsonb_build_object('repair_id', apply_repair.repair_id)
    from closed as c;
end;
$$;
