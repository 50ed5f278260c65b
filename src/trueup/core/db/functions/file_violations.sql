-- file_violations(run, check, most new alerts, entity type, entities, expected, total): the life of alerts
--
-- Reads pg_temp.trueup_violations, which the run filled from the check's view on its
-- snapshot, and files the difference in one statement:
--     not known           -> an open alert
--     known and open      -> seen again
--     known and resolved  -> the same row reopened
--     open, not seen      -> resolved
-- An accepted alert comes back when its term has ended or its evidence has changed.
--
-- An open question under the check's name ends with the violation, whether or not there was an
-- alert; one that somebody holds is closed by a later run, once it is free, and one that somebody
-- is writing is left to the next pass. Of a flood only
-- those with an alert are: which of the others are gone is not known.
--
-- With p_entity_type and p_entity_ids only those entities were judged, and only their
-- alerts are touched; the other violations of the check are as they were.
--
-- Left alone: an alert whose last writer the run's snapshot cannot see, decided by
-- transaction id (a visible row with an id that this snapshot does not know yet belongs to
-- another cluster, after a restore, and is ours), or that somebody writes while this waits for
-- another; it is noted as a change, for the next pass, under the key of its population. One of a
-- type that has none, such as the alert of a flood, the run itself finds left when it settles which
-- checks owe a full evaluation. A question likewise; its row tells who wrote it last, but that may
-- be a transaction within another, of which no snapshot tells. It was seen when it is older than
-- every transaction that was open then.
-- And everything, when a run with a newer snapshot has already filed this check
-- (superseded). More new violations than p_most are counted in one flood alert instead; of
-- such a flood the run hands over what has an alert already, some others, and how many there are
-- in all, p_total.
--
-- missed counts what was opened, reopened or resolved and is not among p_expected
-- ('<entity type> <key>'): what no recorded change explains. NULL when nobody can tell.
--
-- Filed one run after the other, so two locks to the end of the transaction. For the first a run
-- waits for other runs and for a prune. The second keeps guards from filing alerts of the check meanwhile.
-- A writer whose guard has filed one shares it until COMMIT, which may be long: it is waited for two
-- seconds; somebody who writes an alert, for five. Then, as after a deadlock, this raises
-- lock_not_available: nothing of the check is filed.
--
-- enable_nestloop: neither a CTE nor the caller's temporary table has statistics, and those
-- of the alerts may be from before an incident. A nested loop over both costs their product:
-- minutes for ten thousand alerts. For a few entities it is the right plan, and one for all of them
-- is kept: to make it takes longer than to run it.

create or replace function trueup.file_violations(
    p_run_id bigint,
    p_check text,
    p_most bigint,
    p_entity_type text default null,
    p_entity_ids text[] default null,
    p_expected text[] default null,
    p_total bigint default null,
    out superseded boolean,
    out flooded boolean,
    out violations bigint,
    out opened bigint,
    out reopened bigint,
    out resolved bigint,
    out missed bigint
)
    returns record
    language plpgsql
    set search_path = pg_catalog, pg_temp
    -- a plan made while the alerts were few would be kept for the checks after it
    set plan_cache_mode = 'force_custom_plan'
    set enable_nestloop = off
    -- before 18 a plan that is switched off counts as dear, and dear plans are compiled each time
    set jit = off
as $$
declare
    v_run trueup.check_runs;
    v_check trueup.checks;
    v_new bigint;
    v_unlisted bigint;
    v_age integer;
    v_late_types text[];
    v_late_ids text[];
    v_lock_timeout text := current_setting('lock_timeout');
begin
    if p_entity_type is not null then
        perform set_config('enable_nestloop', 'on', true);
        if cardinality(p_entity_ids) <= 100 then
            perform set_config('plan_cache_mode', 'force_generic_plan', true);
        end if;
    end if;

    select cr.* into v_run from trueup.check_runs as cr where cr.id = p_run_id;
    select ch.* into v_check from trueup.checks as ch where ch.name = p_check;
    v_age := age(pg_snapshot_xmin(v_run.snapshot)::xid);

    -- two runs file one after the other, and the later one sees what the earlier wrote
    perform pg_advisory_xact_lock(hashtext('trueup.file_violations'), v_check.id::integer);

    begin
        perform set_config('lock_timeout', '2s', true);
        perform pg_advisory_xact_lock(hashtext('trueup.guard_tripped'), v_check.id::integer);
        perform set_config('lock_timeout', v_lock_timeout, true);
    exception
        when lock_not_available or deadlock_detected then
            raise exception 'a transaction that tripped its guard stays open%',
                (
                    select ': ' || string_agg(coalesce('pid ' || l.pid, 'a prepared one'), ', ' order by l.pid)
                    from pg_catalog.pg_locks as l
                    inner join pg_catalog.pg_database as d on l.database = d.oid
                    where
                        d.datname = current_database()
                        and l.locktype = 'advisory'
                        and l.classid::bigint::bit(32) = hashtext('trueup.guard_tripped')::bit(32)
                        and l.objid = v_check.id::oid
                        and l.granted
                )
                using errcode = 'lock_not_available';
    end;

    -- later by the clock, which may have been set back since, and by what it saw; one that saw transactions which
    -- are yet to come here was of another cluster, before a restore
    superseded := exists (
        select 1
        from trueup.check_results as r
        inner join trueup.check_runs as newer on r.run_id = newer.id
        where
            r.check_name = p_check
            and r.outcome = 'complete'
            and r.snapshot_at > v_run.snapshot_at
            and pg_snapshot_xmax(newer.snapshot) >= pg_snapshot_xmax(v_run.snapshot)
            and pg_snapshot_xmax(newer.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
    );
    flooded := false;
    select count(*) into violations
    from pg_temp.trueup_violations as f
    where f.check_name = p_check and f.entity_type = coalesce(p_entity_type, f.entity_type);
    v_unlisted := coalesce(p_total, violations) - violations;
    violations := violations + v_unlisted;
    opened := 0;
    reopened := 0;
    resolved := 0;
    if superseded then
        return;
    end if;

    -- most checks find nothing night after night: what follows takes longer to plan than all the rest
    if
        violations = 0
        and not exists (
            select 1
            from trueup.data_consistency_alerts as al
            where al.alert_type = p_check and al.status <> 'resolved'
        )
        and not exists (
            select 1
            from trueup.manual_review_queue as q
            where q.reason = p_check and q.status in ('pending', 'in_progress')
        )
    then
        missed := case when p_expected is not null then 0 end;
        return;
    end if;

    if p_entity_type is null then
        select v_unlisted + count(*) into v_new
        from pg_temp.trueup_violations as f
        where
            f.check_name = p_check
            and not exists (
                select 1
                from trueup.data_consistency_alerts as al
                where
                    al.alert_type = p_check
                    and al.entity_type = f.entity_type
                    and al.entity_id = f.entity_id
                    and al.status <> 'resolved'
            );
        flooded := v_unlisted > 0 or v_new > p_most;
    end if;

    perform set_config('lock_timeout', '5s', true);
    with seen as (
        -- of an entity that the view lists more than once every run takes the same row
        (
            select distinct on (f.entity_type collate "C", f.entity_id collate "C")
                f.company_id, f.entity_type, f.entity_id, f.description, f.evidence, f.related
            from pg_temp.trueup_violations as f
            where f.check_name = p_check and f.entity_type = coalesce(p_entity_type, f.entity_type)
            order by f.entity_type collate "C", f.entity_id collate "C", f.description collate "C", f.evidence
        )
        union all
        select
            null,
            'check',
            v_check.id::text,
            format('%s new violations of %s at once: counted, not listed', v_new, p_check),
            jsonb_build_object('new', v_new, 'most', p_most),
            null
        where flooded
    ),

    -- two branches, so that a plan that is kept reads by the index of each; only one of them is run
    judged as (
        select al.*
        from trueup.data_consistency_alerts as al
        where p_entity_type is null and al.alert_type = p_check
        union all
        select al.*
        from trueup.data_consistency_alerts as al
        where
            p_entity_type is not null
            and al.alert_type = p_check
            and al.entity_type = p_entity_type
            and al.entity_id = any(p_entity_ids)
    ),

    latest as (
        -- the one row per entity that is open, or else was resolved last
        select distinct on (al.entity_type, al.entity_id)
            al.id,
            al.entity_type,
            al.entity_id,
            al.status,
            al.accepted_by,
            al.accepted_until,
            al.accepted_evidence,
            al.touched_xid,
            al.touched_xid >= pg_snapshot_xmax(pg_current_snapshot())
                or pg_visible_in_snapshot(al.touched_xid, v_run.snapshot) as is_ours
        from judged as al
        order by al.entity_type, al.entity_id, al.status = 'resolved', al.id desc
    ),

    known as (
        update trueup.data_consistency_alerts as al
        set
            status = case when ended.is_ended then 'open' else al.status end,
            company_id = s.company_id,
            severity = v_check.severity,
            description = s.description,
            metadata = s.evidence,
            related = s.related,
            last_seen_at = clock_timestamp(),
            occurrences = al.occurrences + 1,
            last_run_id = p_run_id,
            accepted_by = case when not ended.is_ended then al.accepted_by end,
            accepted_at = case when not ended.is_ended then al.accepted_at end,
            accepted_reason = case when not ended.is_ended then al.accepted_reason end,
            accepted_until = case when not ended.is_ended then al.accepted_until end,
            accepted_evidence = case when not ended.is_ended then al.accepted_evidence end
        from seen as s
        inner join latest as l on s.entity_type = l.entity_type and s.entity_id = l.entity_id
        cross join lateral (
            select
                l.accepted_by is not null
                and (
                    coalesce(l.accepted_until < clock_timestamp(), false)
                    or l.accepted_evidence is distinct from s.evidence
                ) as is_ended
        ) as ended
        where
            al.id = l.id
            and al.alert_type = p_check
            and l.is_ours
            and al.status <> 'resolved'
            and al.touched_xid = l.touched_xid
        returning al.id
    ),

    back as (
        update trueup.data_consistency_alerts as al
        set
            status = 'open',
            company_id = s.company_id,
            severity = v_check.severity,
            description = s.description,
            metadata = s.evidence,
            related = s.related,
            last_seen_at = clock_timestamp(),
            occurrences = al.occurrences + 1,
            last_run_id = p_run_id,
            reopened_count = al.reopened_count + 1,
            reopened_at = clock_timestamp(),
            acknowledged_by = null,
            acknowledged_at = null,
            accepted_by = null,
            accepted_at = null,
            accepted_reason = null,
            accepted_until = null,
            accepted_evidence = null,
            auto_corrected = false,
            corrected_at = null,
            resolved_at = null,
            resolution = null,
            resolution_notes = null,
            resolved_run_id = null
        from seen as s
        inner join latest as l on s.entity_type = l.entity_type and s.entity_id = l.entity_id
        where
            al.id = l.id
            and al.alert_type = p_check
            and l.is_ours
            and l.status = 'resolved'
            and al.status = 'resolved'
            and (not flooded or s.entity_type = 'check')
        returning al.id, al.entity_type, al.entity_id
    ),

    fresh as (
        insert into trueup.data_consistency_alerts
            (company_id, alert_type, severity, entity_type, entity_id, description, metadata, related,
             first_run_id, last_run_id)
        select
            s.company_id, p_check, v_check.severity, s.entity_type, s.entity_id, s.description, s.evidence,
            s.related, p_run_id, p_run_id
        from seen as s
        where
            (not flooded or s.entity_type = 'check')
            and not exists (
                select 1
                from latest as l
                where l.entity_type = s.entity_type and l.entity_id = s.entity_id
            )
        on conflict (alert_type, entity_type, entity_id) where status <> 'resolved' do nothing
        returning entity_type, entity_id
    ),

    gone as (
        update trueup.data_consistency_alerts as al
        set
            status = 'resolved',
            resolved_at = clock_timestamp(),
            resolved_run_id = p_run_id,
            last_run_id = p_run_id,
            resolution = case
                when v_check.definition_changed_at > al.last_seen_at then 'definition changed'
                else 'fixed elsewhere'
            end
        from latest as l
        where
            al.id = l.id
            and al.alert_type = p_check
            and l.is_ours
            and al.status <> 'resolved'
            and al.touched_xid = l.touched_xid
            and not exists (
                select 1
                from seen as s
                where s.entity_type = l.entity_type and s.entity_id = l.entity_id
            )
        returning al.id, al.entity_type, al.entity_id
    ),

    -- open questions about what was judged; two branches, as above
    asked as (
        select
            q.entity_type,
            q.entity_id,
            age(q.xmin) > v_age as is_ours,
            q.status = 'pending' or q.lease_expires_at < clock_timestamp() as is_free
        from trueup.manual_review_queue as q
        where
            p_entity_type is null
            and q.reason = p_check
            and q.entity_type = any(regexp_split_to_array(v_check.entity, '\s*,\s*'))
            and q.status in ('pending', 'in_progress')
        union all
        select
            q.entity_type,
            q.entity_id,
            age(q.xmin) > v_age as is_ours,
            q.status = 'pending' or q.lease_expires_at < clock_timestamp() as is_free
        from trueup.manual_review_queue as q
        where
            p_entity_type is not null
            and q.reason = p_check
            and q.entity_type = p_entity_type
            and q.entity_id = any(p_entity_ids)
            and q.status in ('pending', 'in_progress')
    ),

    -- nobody should be asked to decide what is no longer wrong
    answered as (
        select g.entity_type, g.entity_id
        from gone as g
        union
        (
            select a.entity_type, a.entity_id
            from asked as a
            where not flooded
            except
            select s.entity_type, s.entity_id
            from seen as s
            except
            select l.entity_type, l.entity_id
            from latest as l
            where l.status <> 'resolved'
        )
    ),

    -- one that somebody is writing is never waited for: that may be a decision, which waits for the alert
    free as (
        select q.id
        from trueup.manual_review_queue as q
        inner join answered as an on q.entity_type = an.entity_type and q.entity_id = an.entity_id
        where
            q.reason = p_check
            and (q.status = 'pending' or (q.status = 'in_progress' and q.lease_expires_at < clock_timestamp()))
            and age(q.xmin) > v_age
        for no key update of q skip locked
    ),

    closed as (
        update trueup.manual_review_queue as q
        set
            status = 'resolved',
            claimed_by = null,
            claim_token = null,
            lease_expires_at = null,
            decided_at = clock_timestamp(),
            decided_by = 'run ' || p_run_id,
            resolution_notes = 'the violation is gone',
            updated_at = clock_timestamp()
        from free as f
        where q.reason = p_check and q.id = f.id
        returning q.id, q.entity_type, q.entity_id
    ),

    noted as (
        insert into trueup.manual_review_events (item_id, event, actor, details)
        select c.id, 'resolved', 'run ' || p_run_id, jsonb_build_object('notes', 'the violation is gone')
        from closed as c
    ),

    -- somebody wrote the alert, or the question, after the snapshot: the next pass judges the entity again
    deferred as (
        select l.entity_type, l.entity_id
        from latest as l
        left join seen as s on l.entity_type = s.entity_type and l.entity_id = s.entity_id
        where
            (l.status <> 'resolved' or (s.entity_id is not null and not flooded))
            and not exists (select 1 from known as k where k.id = l.id)
            and not exists (select 1 from back as b where b.id = l.id)
            and not exists (select 1 from gone as g where g.id = l.id)
        union
        (
            select a.entity_type, a.entity_id
            from asked as a
            where not a.is_ours or a.is_free
            intersect
            select an.entity_type, an.entity_id
            from answered as an
            except
            select c.entity_type, c.entity_id
            from closed as c
        )
    )

    select
        (select count(*) from fresh),
        (select count(*) from back),
        (select count(*) from gone),
        case
            when p_expected is not null and not flooded
                then (
                    select count(*)
                    from (
                        select f.entity_type, f.entity_id from fresh as f
                        union all
                        select b.entity_type, b.entity_id from back as b
                        union all
                        select g.entity_type, g.entity_id from gone as g
                    ) as d
                    where concat_ws(' ', d.entity_type, d.entity_id) <> all(p_expected)
                )
        end,
        (select array_agg(d.entity_type order by d.entity_type, d.entity_id) from deferred as d),
        (select array_agg(d.entity_id order by d.entity_type, d.entity_id) from deferred as d)
    into opened, reopened, resolved, missed, v_late_types, v_late_ids;
    perform set_config('lock_timeout', v_lock_timeout, true);

    if v_late_ids is not null then
        insert into trueup.changes (table_name, keys)
        select cp.table_name, array_agg(cp.key_column || '=' || late.entity_id)
        from unnest(v_late_types, v_late_ids) as late (entity_type, entity_id)
        inner join trueup.check_populations as cp
            on cp.check_name = p_check and late.entity_type = cp.entity_type
        group by cp.table_name;
    end if;
end;
$$;
