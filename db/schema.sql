-- A database at head, written by `make schema`; never edited. Grants and owners are left out.

CREATE SCHEMA trueup;

COMMENT ON SCHEMA trueup IS 'trueup: checks, alerts, repairs and the review queue; drop schema trueup cascade removes them';

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA trueup;

COMMENT ON EXTENSION btree_gist IS 'support for indexing common datatypes in GiST';

CREATE TYPE trueup.repair_outcome AS (
	outcome text,
	reason text,
	evidence jsonb
);

CREATE FUNCTION trueup.abandon_job_runs(p_runner_id bigint, p_is_patient boolean) RETURNS TABLE(run_id bigint, job text, slot timestamp with time zone, runner_id bigint, error text)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    r record;
    v_now timestamptz := clock_timestamp();
    v_here_since timestamptz := case
        when p_is_patient
            then (select a.backend_start from pg_catalog.pg_stat_activity as a where a.pid = pg_backend_pid())
        else pg_postmaster_start_time()
    end;
begin
    if v_here_since > v_now + interval '1 minute' then
        v_here_since := '-infinity';
    end if;

    update trueup.runners as ru
    set heartbeat_at = v_now
    where
        ru.id in (
            select ahead.id
            from trueup.runners as ahead
            where ahead.stopped_at is null and ahead.lost_at is null and ahead.heartbeat_at > v_now + interval '1 minute'
            order by ahead.id
            for update skip locked
        );

    update trueup.job_runs as jr
    set
        started_at = least(jr.started_at, v_now),
        heartbeat_at = least(jr.heartbeat_at, v_now),
        deadline_at = least(jr.started_at, v_now) + (jr.deadline_at - jr.started_at)
    where
        jr.id in (
            select ahead.id
            from trueup.job_runs as ahead
            where
                ahead.outcome = 'running'
                and greatest(ahead.started_at, ahead.heartbeat_at) > v_now + interval '1 minute'
            order by ahead.id
            for update skip locked
        );

    for r in
        select
            ru.id,
            ru.host,
            ru.pid,
            ru.heartbeat_at
        from trueup.runners as ru
        where
            ru.stopped_at is null
            and ru.lost_at is null
            and ru.id <> p_runner_id
            and greatest(ru.heartbeat_at, v_here_since) < v_now - ru.silent_after
        order by ru.id
        for update skip locked
    loop
        update trueup.runners as ru set lost_at = v_now where ru.id = r.id;
        perform trueup.end_runner_sessions(r.id, null);
        perform trueup.file_alert(
            'runner_lost', null, 'runner', r.id::text, 'a runner of the schedule ended without a word',
            jsonb_build_object('host', r.host, 'pid', r.pid, 'heartbeat_at', r.heartbeat_at)
        );
    end loop;

    for r in
        select
            jr.id,
            jr.job,
            jr.slot,
            jr.runner_id,
            ru.host,
            ru.pid,
            ru.lost_at is not null as is_lost,
            ru.stopped_at is null and jr.deadline_at >= v_now as is_unknown
        from trueup.job_runs as jr
        inner join trueup.runners as ru on jr.runner_id = ru.id
        where
            jr.outcome = 'running'
            and (
                ru.lost_at is not null
                or ru.stopped_at is not null
                or jr.deadline_at < v_now
                or greatest(jr.heartbeat_at, v_here_since) < v_now - ru.silent_after
            )
        order by jr.id
        for update of jr skip locked
    loop
        run_id := r.id;
        job := r.job;
        slot := r.slot;
        runner_id := r.runner_id;
        error := case
            when r.is_lost then format('runner %s on %s was lost', r.runner_id, r.host)
            when r.is_unknown then format('runner %s on %s does not know of it', r.runner_id, r.host)
            else format('not ended by runner %s on %s within its timeout', r.runner_id, r.host)
        end;
        perform trueup.end_runner_sessions(r.runner_id, r.job);
        update trueup.job_runs as jr
        set outcome = 'abandoned', finished_at = v_now, error = abandon_job_runs.error
        where jr.id = r.id;
        if not (r.is_lost or r.is_unknown) then
            perform trueup.file_alert(
                'runner_lost', null, 'runner', r.runner_id::text, 'a runner of the schedule hangs in a job',
                jsonb_build_object('host', r.host, 'pid', r.pid, 'job', r.job, 'slot', r.slot)
            );
        end if;
        return next;
    end loop;
end;
$$;

CREATE TABLE trueup.data_consistency_alerts (
    id bigint NOT NULL,
    company_id text,
    alert_type text NOT NULL,
    severity text NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    description text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    detected_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    occurrences integer DEFAULT 1 NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    acknowledged_by text,
    acknowledged_at timestamp with time zone,
    snoozed_until timestamp with time zone,
    snoozed_by text,
    accepted_by text,
    accepted_at timestamp with time zone,
    accepted_reason text,
    accepted_until timestamp with time zone,
    accepted_evidence jsonb,
    auto_corrected boolean DEFAULT false NOT NULL,
    corrected_at timestamp with time zone,
    resolved_at timestamp with time zone,
    resolution text,
    resolution_notes text,
    reopened_count integer DEFAULT 0 NOT NULL,
    reopened_at timestamp with time zone,
    first_run_id bigint,
    last_run_id bigint,
    resolved_run_id bigint,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    touched_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    related text[],
    CONSTRAINT data_consistency_alerts_resolution_known CHECK ((resolution = ANY (ARRAY['repaired'::text, 'fixed elsewhere'::text, 'definition changed'::text]))),
    CONSTRAINT data_consistency_alerts_resolved_complete CHECK (((status = 'resolved'::text) = ((resolved_at IS NOT NULL) AND (resolution IS NOT NULL)))),
    CONSTRAINT data_consistency_alerts_severity_known CHECK ((severity = ANY (ARRAY['critical'::text, 'warning'::text, 'info'::text]))),
    CONSTRAINT data_consistency_alerts_status_known CHECK ((status = ANY (ARRAY['open'::text, 'acknowledged'::text, 'resolved'::text])))
)
WITH (fillfactor='80');

CREATE FUNCTION trueup.accept_alert(p_alert_id bigint, p_actor text, p_reason text, p_until timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS trueup.data_consistency_alerts
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_alert trueup.data_consistency_alerts := trueup.locked_alert(p_alert_id);
    v_actor text := coalesce(p_actor, session_user);
begin
    if coalesce(btrim(p_reason), '') = '' then
        raise exception 'alert % is not accepted without a reason', p_alert_id using errcode = 'TU005';
    end if;

    if p_until is not null then
        perform trueup.refuse_past(p_until);
    end if;

    update trueup.data_consistency_alerts as al
    set
        status = 'acknowledged',
        acknowledged_by = coalesce(al.acknowledged_by, v_actor),
        acknowledged_at = coalesce(al.acknowledged_at, clock_timestamp()),
        accepted_by = v_actor,
        accepted_at = clock_timestamp(),
        accepted_reason = p_reason,
        accepted_until = p_until,
        accepted_evidence = al.metadata - 'written_by'
    where al.id = p_alert_id
    returning al.* into v_alert;

    return v_alert;
end;
$$;

CREATE FUNCTION trueup.acknowledge_alert(p_alert_id bigint, p_actor text DEFAULT SESSION_USER) RETURNS trueup.data_consistency_alerts
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_alert trueup.data_consistency_alerts := trueup.locked_alert(p_alert_id);
begin
    if v_alert.status = 'acknowledged' then
        return v_alert;
    end if;

    update trueup.data_consistency_alerts as al
    set
        status = 'acknowledged',
        acknowledged_by = coalesce(p_actor, session_user),
        acknowledged_at = clock_timestamp()
    where al.id = p_alert_id
    returning al.* into v_alert;

    return v_alert;
end;
$$;

CREATE FUNCTION trueup.append_only() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    -- trueup.prune alone can write this row, and it is open only while prune runs
    if
        tg_op = 'DELETE'
        and exists (
            select 1
            from trueup.prunes as p
            where p.xid = pg_current_xact_id() and p.finished_at is null
        )
    then
        return null;
    end if;

    raise exception '%.% is append-only: no %', tg_table_schema, tg_table_name, lower(tg_op)
        using errcode = 'TU003', hint = 'Write a further row that says what was wrong.';
end;
$$;

CREATE FUNCTION trueup.apply_booking_chain(p_company_id bigint, p_uids text[], p_event_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_events trueup.booking_events[];
    v_steps jsonb;
    v_chain text[];
    v_head_uid text;
    v_origin_uid text;
    v_head trueup.booking_events;
    v_origin trueup.booking_events;
    v_appointment public.appointments;
    v_status text;
    v_ids bigint[];
    v_kept_appointment_ids bigint[];
    v_former_appointment_ids bigint[];
    v_own_appointment_ids bigint[];
    v_is_deleted boolean;
    v_call_id bigint;
    v_says text;
    v_cancelled_at timestamptz;
    v_event_type_id bigint;
    v_attendees jsonb;
    v_is_moved boolean;
    v_reason text;
    v_made record;
    v_is_created boolean := false;
    v_told_at timestamptz[];
    v_is_creating boolean;
    v_named_call_id text;
    r record;
begin
    v_events := array(
        select be
        from trueup.booking_events as be
        where
            be.booking_uid = any(p_uids)
            and (be.id = any(p_event_ids) or (be.company_id = p_company_id and be.status = 'processed'))
        order by be.occurred_at nulls first, be.body_hash
    );

    -- the moves, in order; each as often as it was told is one
    with recursive step as (
        select distinct on (ev.booking_uid)
            ev.*
        from unnest(v_events) as ev
        where ev.event_type = 'BOOKING_RESCHEDULED'
        order by ev.booking_uid, ev.occurred_at nulls first, ev.body_hash
    ),

    walk as (
        select
            step.*,
            1 as depth
        from step
        where not exists (select 1 from step as p where p.booking_uid = step.previous_uid)
        union all
        select
            step.*,
            walk.depth + 1
        from walk
        inner join step on walk.booking_uid = step.previous_uid
        where walk.depth < 1000
    )

    select
        jsonb_agg(to_jsonb(walk) order by walk.depth, walk.occurred_at nulls first, walk.body_hash),
        array_agg(walk.booking_uid order by walk.depth, walk.occurred_at nulls first, walk.body_hash)
    into v_steps, v_chain
    from walk;

    v_origin_uid := coalesce(v_steps -> 0 ->> 'previous_uid', v_chain[1], v_events[1].booking_uid);
    v_chain := array[v_origin_uid] || v_chain;
    v_head_uid := v_chain[cardinality(v_chain)];
    if v_steps is null and exists (select 1 from unnest(v_events) as ev where ev.event_type = 'BOOKING_RESCHEDULED') then
        raise exception 'the moves of booking % form a circle', v_head_uid using errcode = 'TU310';
    end if;

    -- uids that only the events of somebody else connect are bookings of their own
    for r in
        select
            ev.booking_uid,
            array_agg(ev.id) as ids
        from unnest(v_events) as ev
        where ev.booking_uid <> all(v_chain) and ev.id = any(p_event_ids)
        group by ev.booking_uid
        order by ev.booking_uid
    loop
        perform trueup.apply_booking_chain(p_company_id, array[r.booking_uid], r.ids);
    end loop;
    v_ids := array(
        select ev.id
        from unnest(v_events) as ev
        where ev.booking_uid = any(v_chain) and ev.id = any(p_event_ids)
    );
    if v_ids = '{}' then
        return;
    end if;

    -- what they say together; a word that is none of these is left to appointment_from_booking
    for r in
        select ev.*
        from unnest(v_events) as ev
        where ev.booking_uid = any(v_chain)
    loop
        v_event_type_id := coalesce(v_event_type_id, r.event_type_id);
        if jsonb_typeof(r.payload -> 'attendees' -> 0) = 'object' then
            v_attendees := coalesce(v_attendees, r.payload -> 'attendees');
        end if;
        v_is_creating := r.event_type not in ('BOOKING_CANCELLED', 'BOOKING_REJECTED');
        if r.booking_uid = v_origin_uid and r.event_type <> 'BOOKING_RESCHEDULED' then
            v_named_call_id := coalesce(v_named_call_id, r.named_call_id);
            if r.event_type in ('BOOKING_CREATED', 'BOOKING_REQUESTED') and v_origin.id is null then
                v_origin := r;
            end if;
        end if;
        if r.booking_uid = v_head_uid then
            if v_is_creating and r.starts_at is not null and v_head.id is null then
                v_head := r;
            end if;
            if r.says in ('cancelled', 'rejected') then
                v_cancelled_at := least(v_cancelled_at, r.occurred_at);
            end if;
            if
                v_says is null
                or array_position(array['pending', 'accepted', 'rejected', 'cancelled'], r.says)
                > coalesce(array_position(array['pending', 'accepted', 'rejected', 'cancelled'], v_says), 0)
            then
                v_says := r.says;
            end if;
        end if;
    end loop;

    select
        array_agg(f.id order by f.id) filter (where f.deleted_at is null),
        bool_or(f.deleted_at is not null)
    into v_kept_appointment_ids, v_is_deleted
    from (
        select
            a.id,
            a.deleted_at
        from public.appointments as a
        where
            a.company_id = p_company_id
            and (
                a.calcom_booking_uid = any(v_chain)
                or a.id = any(
                    array(select ev.appointment_id from unnest(v_events) as ev where ev.booking_uid = any(v_chain))
                )
            )
        order by a.id
        for no key update
    ) as f;

    if v_kept_appointment_ids is null and not coalesce(v_is_deleted, false) then
        v_former_appointment_ids := array(
            select distinct on (fb.booking_uid) fb.appointment_id
            from trueup.former_bookings as fb
            where fb.booking_uid = any(v_chain) and fb.company_id = p_company_id
            order by fb.booking_uid, fb.ended_at desc, fb.id desc
        );
        select array_agg(f.id order by f.id) into v_kept_appointment_ids
        from (
            select a.id
            from public.appointments as a
            where
                a.id = any(v_former_appointment_ids)
                and a.company_id = p_company_id
                and a.deleted_at is null
            order by a.id
            for no key update
        ) as f;
        v_is_deleted := v_former_appointment_ids <> '{}' and v_kept_appointment_ids is null;
    end if;

    if v_named_call_id is not null then
        select c.id into v_call_id
        from public.calls as c
        where c.company_id = p_company_id and c.retell_call_id = v_named_call_id and c.deleted_at is null;
    end if;

    if v_kept_appointment_ids is null and not coalesce(v_is_deleted, false) then
        if v_head.id is null then
            update trueup.webhook_events as e
            set
                status = 'processed',
                company_id = p_company_id,
                processed_at = now(),
                error = 'nothing to cancel or confirm yet; kept for when the booking comes'
            where e.id = any(v_ids);
            return;
        end if;

        v_reason := case
            when v_origin.id is null then 'waits for the event that made the booking'
            when v_named_call_id is not null and v_call_id is null then 'waits for the call that made the booking'
        end;
        if v_reason is not null then
            update trueup.webhook_events as e
            set
                company_id = p_company_id,
                status = 'received',
                next_attempt_at = e.received_at + trueup.setting('event_order_wait')::interval,
                error = v_reason
            where
                e.id = any(v_ids)
                and not exists (
                    select 1
                    from trueup.webhook_events as waiting
                    where
                        waiting.id = any(v_ids)
                        and waiting.received_at + trueup.setting('event_order_wait')::interval <= clock_timestamp()
                );
            if found then
                return;
            end if;
        end if;

        if v_call_id is not null then
            -- whoever books for the call has locked it
            perform 1 from public.calls as c where c.id = v_call_id for no key update;
            v_own_appointment_ids := array(
                select la.id
                from trueup.live_appointments as la
                where
                    la.call_id = v_call_id
                    and la.company_id = p_company_id
                    and la.calcom_booking_uid is null
                    and (la.calcom_booking_id is null or la.calcom_booking_id = v_origin.booking_number)
                    and la.starts_at = coalesce(v_origin.starts_at, v_head.starts_at)
                    and (
                        la.service_id is null
                        or la.service_id in (
                            select s.id
                            from public.services as s
                            where s.company_id = p_company_id and s.calcom_event_type_id = v_event_type_id
                        )
                    )
                order by la.id
            );
        end if;

        if cardinality(v_own_appointment_ids) = 1 then
            update public.appointments as a
            set
                calcom_booking_uid = v_origin_uid,
                calcom_booking_id = v_origin.booking_number,
                calcom_sync_status = 'synced'
            where a.id = v_own_appointment_ids[1];
            v_kept_appointment_ids := v_own_appointment_ids;
        elsif cardinality(v_own_appointment_ids) > 1 then
            v_reason := format(
                'appointments %s of its call may be this booking', array_to_string(v_own_appointment_ids, ', ')
            );
        else
            select ab.* into v_made
            from trueup.appointment_from_booking(
                p_company_id => p_company_id,
                p_booking_uid => v_head_uid,
                p_booking_number => v_head.booking_number,
                p_status => v_says,
                p_starts_at => v_head.starts_at,
                p_ends_at => v_head.ends_at,
                p_event_type_id => v_event_type_id,
                p_attendees => v_attendees,
                p_metadata => coalesce(v_origin.payload, v_head.payload) -> 'metadata',
                p_source => 'calcom',
                p_sync_origin => 'calcom',
                p_call_id => v_call_id,
                p_booked_at => coalesce(v_origin.occurred_at, v_head.occurred_at),
                p_cancelled_at => v_cancelled_at
            ) as ab;
            v_reason := v_made.reason;
            if v_made.outcome <> 'review' then
                v_kept_appointment_ids := array[v_made.appointment_id];
                v_is_created := true;
            end if;
        end if;
    elsif v_kept_appointment_ids is null then
        update trueup.webhook_events as e
        set
            status = 'ignored',
            company_id = p_company_id,
            processed_at = now(),
            error = 'the appointment of this booking was deleted here'
        where e.id = any(v_ids);
        return;
    end if;

    select a.* into v_appointment from public.appointments as a where a.id = v_kept_appointment_ids[1];
    v_status := trueup.vocabulary_value('appointment_status', v_appointment.status);
    v_is_moved := v_appointment.calcom_booking_uid = any(v_chain)
        and v_appointment.calcom_booking_uid <> v_head_uid
        and v_head.id is not null;

    v_reason := case
        when v_kept_appointment_ids is null then v_reason
        when cardinality(v_kept_appointment_ids) > 1
            then format('appointments %s bear bookings of one chain', array_to_string(v_kept_appointment_ids, ', '))
        when v_appointment.calcom_booking_uid is null
            then format('appointment %s bore this booking and bears none now', v_appointment.id)
        when
            v_status is null
            and (
                v_is_moved
                or (v_appointment.calcom_booking_uid = v_head_uid and v_says in ('cancelled', 'rejected'))
            )
            then format('the vocabulary does not know the status of appointment %s', v_appointment.id)
    end;
    if v_reason is not null then
        update trueup.webhook_events as e
        set status = 'parked', company_id = p_company_id, error = v_reason
        where e.id = any(v_ids);
        return;
    end if;

    v_told_at := array(
        select ev.occurred_at
        from unnest(v_events) as ev
        where ev.booking_uid = any(v_chain) and ev.occurred_at is not null and ev.says not in ('cancelled', 'rejected')
        order by ev.occurred_at
    );

    -- an appointment that bears a uid beyond the chain was moved by the application since;
    -- asked here, because an update of no row costs its statement triggers all the same
    if
        v_is_moved
        or (
            v_appointment.calcom_booking_uid = v_head_uid
            and (
                (v_says in ('cancelled', 'rejected') and v_status in ('pending', 'confirmed'))
                or (v_says = 'accepted' and v_status = 'pending')
                or (v_is_created and v_steps is not null)
                -- an earlier word of the same booking has come since
                or (v_appointment.created_at = any(v_told_at) and v_appointment.created_at > v_told_at[1])
            )
        )
    then
        update public.appointments as a
        set
            calcom_booking_uid = v_head_uid,
            calcom_booking_id = case
                when v_is_moved then v_head.booking_number
                else a.calcom_booking_id
            end,
            previous_starts_at = case
                when v_steps is not null then coalesce(
                    (v_steps -> -1 ->> 'old_starts_at')::timestamptz,
                    (v_steps -> -2 ->> 'starts_at')::timestamptz,
                    v_origin.starts_at,
                    a.previous_starts_at
                )
                else a.previous_starts_at
            end,
            starts_at = case when v_is_moved then v_head.starts_at else a.starts_at end,
            ends_at = case when v_is_moved then v_head.ends_at else a.ends_at end,
            status = case
                when v_status in ('completed', 'no_show') then v_status
                when v_says in ('cancelled', 'rejected') then 'cancelled'
                when v_status = 'cancelled' and not v_is_moved then 'cancelled'
                when v_says = 'accepted' then 'confirmed'
                when v_says = 'pending' and v_is_moved then 'pending'
                else coalesce(v_status, a.status)
            end,
            cancelled_at = case
                when v_status in ('completed', 'no_show') then a.cancelled_at
                when v_says in ('cancelled', 'rejected') then coalesce(
                    case when not v_is_moved then a.cancelled_at end, v_cancelled_at, now()
                )
                when v_is_moved and v_says in ('accepted', 'pending') then null
                else a.cancelled_at
            end,
            created_at = case when a.created_at = any(v_told_at) then v_told_at[1] else a.created_at end
        where a.id = v_appointment.id;
    end if;

    if
        not v_is_created
        and (
            (v_appointment.call_id is null and v_call_id is not null)
            or (v_appointment.service_id is null and v_event_type_id is not null)
            or (
                v_appointment.calcom_booking_id is null
                and v_appointment.calcom_booking_uid = v_head_uid
                and v_head.booking_number is not null
            )
        )
    then
        -- what it cannot complete without contradicting the row it leaves, for the checks
        perform trueup.appointment_from_booking(
            p_company_id => p_company_id,
            p_booking_uid => case when v_is_moved then v_head_uid else v_appointment.calcom_booking_uid end,
            p_booking_number => case
                when v_is_moved or v_appointment.calcom_booking_uid = v_head_uid then v_head.booking_number
            end,
            p_status => v_says,
            p_starts_at => v_head.starts_at,
            p_ends_at => v_head.ends_at,
            p_event_type_id => v_event_type_id,
            p_attendees => v_attendees,
            p_metadata => null,
            p_source => 'calcom',
            p_sync_origin => 'calcom',
            p_call_id => case when v_appointment.call_id is null then v_call_id end
        );
    end if;

    if v_steps is not null then
        with told as (
            select
                t.ordinality,
                coalesce(
                    (t.step ->> 'old_starts_at')::timestamptz,
                    (lag(t.step) over (order by t.ordinality) ->> 'starts_at')::timestamptz,
                    v_origin.starts_at
                ) as old_starts_at,
                (t.step ->> 'starts_at')::timestamptz as new_starts_at,
                trueup.string_or_null(t.step #> '{payload,rescheduleReason}') as reason,
                coalesce((t.step ->> 'occurred_at')::timestamptz, now()) as moved_at,
                c.id as call_id
            from jsonb_array_elements(v_steps) with ordinality as t (step, ordinality)
            left join public.calls as c
                on
                    c.company_id = p_company_id
                    and c.retell_call_id = nullif(t.step ->> 'named_call_id', v_named_call_id)
                    and c.deleted_at is null
        ),

        -- from here to there and back again and once more is three moves
        counted as (
            select
                told.*,
                row_number() over (
                    partition by told.old_starts_at, told.new_starts_at order by told.ordinality
                ) as times
            from told
        ),

        -- the call that asked for the move may come later than the move
        completed as (
            update public.appointment_modifications as am
            set call_id = told.call_id
            from told
            where
                am.appointment_id = v_appointment.id
                and am.kind = 'reschedule'
                and am.actor = 'calcom'
                and am.created_at = told.moved_at
                and am.new_starts_at = told.new_starts_at
                and am.call_id is null
                and told.call_id is not null
        )

        insert into public.appointment_modifications (
            company_id, appointment_id, call_id, kind, old_starts_at, new_starts_at, reason, actor, created_at
        )
        select
            p_company_id,
            v_appointment.id,
            counted.call_id,
            'reschedule',
            counted.old_starts_at,
            counted.new_starts_at,
            counted.reason,
            'calcom',
            counted.moved_at
        from counted
        where
            counted.new_starts_at is not null
            and counted.times > (
                select count(*)
                from public.appointment_modifications as am
                where
                    am.appointment_id = v_appointment.id
                    and am.kind = 'reschedule'
                    and am.new_starts_at = counted.new_starts_at
                    and (am.old_starts_at = counted.old_starts_at or am.old_starts_at is null)
            )
        order by counted.ordinality;
    end if;

    -- the cancellation of a booking that it was moved away from here is none of it
    if
        v_appointment.calcom_booking_uid = any(v_chain)
        and exists (select 1 from unnest(v_events) as ev where ev.says in ('cancelled', 'rejected'))
    then
        insert into public.appointment_modifications (company_id, appointment_id, kind, reason, actor, created_at)
        select
            p_company_id,
            v_appointment.id,
            'cancel',
            cancelled.reason,
            'calcom',
            coalesce(cancelled.cancelled_at, now())
        from (
            select
                min(ev.occurred_at) as cancelled_at,
                (array_agg(
                    trueup.string_or_null(ev.payload -> 'cancellationReason') order by ev.occurred_at, ev.body_hash
                ))[1] as reason
            from unnest(v_events) as ev
            where ev.booking_uid = any(v_chain) and ev.says in ('cancelled', 'rejected')
            group by ev.booking_uid
        ) as cancelled
        where
            not exists (
                select 1
                from public.appointment_modifications as am
                where
                    am.appointment_id = v_appointment.id
                    and am.kind = 'cancel'
                    and (
                        am.actor is distinct from 'calcom'
                        or am.created_at = cancelled.cancelled_at
                        or cancelled.cancelled_at is null
                    )
            )
        order by cancelled.cancelled_at;
    end if;

    update trueup.webhook_events as e
    set
        status = 'processed',
        company_id = p_company_id,
        appointment_id = v_appointment.id,
        processed_at = now(),
        error = null
    where
        e.id = any(v_ids)
        or (
            -- kept for when the booking comes: it has come
            e.id = any(array(select ev.id from unnest(v_events) as ev where ev.booking_uid = any(v_chain)))
            and e.appointment_id is null
        );
end;
$$;

CREATE FUNCTION trueup.apply_booking_events(p_uids text[], p_event_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_ids bigint[] := '{}';
    v_company_ids bigint[] := '{}';
    v_found_company_ids bigint[];
    v_uid_company_ids bigint[];
    v_chain_company_ids bigint[];
    v_other_company_ids bigint[];
    v_reason text;
    r record;
begin
    for r in
        select
            be.id,
            be.booking_uid,
            be.booking_number,
            array(
                select distinct s.company_id
                from public.services as s
                where s.calcom_event_type_id = be.event_type_id and s.company_id is not null
            ) as by_service,
            array(
                select distinct c.company_id
                from public.calls as c
                where c.retell_call_id = be.named_call_id and c.company_id is not null
            ) as by_call
        from trueup.booking_events as be
        where be.id = any(p_event_ids)
        -- what has evidence of its own first: the others may borrow it
        order by be.event_type_id is null and be.named_call_id is null, be.id
    loop
        v_found_company_ids := case
            when r.by_service = '{}' then r.by_call
            when r.by_call = '{}' then r.by_service
            else array(select unnest(r.by_service) intersect select unnest(r.by_call))
        end;
        v_reason := case
            when r.by_service <> '{}' and v_found_company_ids = '{}' then 'the event type and the call are of different companies'
        end;

        if v_found_company_ids = '{}' and v_reason is null then
            -- a uid that two companies have is told apart by the number of the booking
            select
                array_agg(distinct other.company_id) filter (where other.is_same and not other.is_another),
                array_agg(distinct other.company_id) filter (where not other.is_same),
                coalesce(array_agg(distinct other.company_id) filter (where other.is_same and other.is_another), '{}')
            into v_uid_company_ids, v_chain_company_ids, v_other_company_ids
            from (
                select
                    coalesce(be.company_id, v_company_ids[array_position(v_ids, be.id)]) as company_id,
                    be.booking_uid = r.booking_uid as is_same,
                    coalesce(be.booking_number <> r.booking_number, false) as is_another
                from trueup.booking_events as be
                where
                    be.booking_uid = any(p_uids)
                    and (be.company_id is not null or be.id = any(v_ids))
                    and be.id <> r.id
            ) as other;
            v_found_company_ids := array(
                select unnest(coalesce(v_uid_company_ids, v_chain_company_ids, '{}')) except select unnest(v_other_company_ids)
            );
            if v_found_company_ids = '{}' then
                v_found_company_ids := array(
                    select co.id
                    from public.companies as co
                    where
                        co.id <> all(v_other_company_ids)
                        and exists (
                            select 1
                            from public.appointments as a
                            where
                                a.company_id = co.id
                                and a.calcom_booking_uid = any(p_uids)
                                and not (
                                    a.calcom_booking_uid = r.booking_uid
                                    and coalesce(a.calcom_booking_id <> r.booking_number, false)
                                )
                        )
                );
            end if;
        end if;

        if cardinality(v_found_company_ids) = 1 and v_reason is null then
            v_ids := v_ids || r.id;
            v_company_ids := v_company_ids || v_found_company_ids[1];
        else
            update trueup.webhook_events as e
            set
                status = 'parked',
                error = coalesce(v_reason, case
                    when v_found_company_ids = '{}' then 'unknown tenant: nothing says which company the booking is of'
                    else 'unknown tenant: several companies may have this booking'
                end)
            where e.id = r.id;
        end if;
    end loop;

    for r in
        select
            whose.company_id,
            array_agg(whose.id) as ids
        from unnest(v_ids, v_company_ids) as whose (id, company_id)
        group by whose.company_id
        order by whose.company_id
    loop
        perform trueup.apply_booking_chain(r.company_id, p_uids, r.ids);
    end loop;
end;
$$;

CREATE FUNCTION trueup.apply_call_events(p_retell_call_id text, p_event_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_ranked constant text[] := array['registered', 'ongoing', 'ended', 'analyzed', 'failed'];
    v_call public.calls;
    v_company_ids bigint[];
    v_company_id bigint;
    v_line public.phone_numbers;
    v_called public.phone_numbers;
    v_calling public.phone_numbers;
    v_said jsonb := '{}';
    v_rank integer := 0;
    v_retell jsonb;
    v_to text;
    v_from text;
    v_direction text;
    v_started_at timestamptz;
    v_ended_at timestamptz;
    v_duration_ms numeric;
    v_longest_ms constant integer := 2147483647;
    v_reason text;
    r record;
begin
    for r in
        select
            case
                when e.body -> 'call' ->> 'call_status' = 'error' then 5
                else array_position(array['', 'call_started', 'call_ended', 'call_analyzed'], e.event_type)
            end as rank,
            e.body -> 'call' as said
        from trueup.webhook_events as e
        where
            e.provider = 'retell'
            and e.object_id = p_retell_call_id
            and (e.id = any(p_event_ids) or e.status = 'processed')
        order by
            array_position(array['call_started', 'call_ended', 'call_analyzed'], e.event_type),
            e.occurred_at nulls first,
            e.body_hash
    loop
        v_rank := greatest(v_rank, r.rank);
        v_said := v_said || jsonb_strip_nulls(jsonb_build_object(
            'from_number', r.said -> 'from_number',
            'to_number', r.said -> 'to_number',
            'agent_id', r.said -> 'agent_id',
            'call_type', r.said -> 'call_type',
            'call_status', r.said -> 'call_status',
            'direction', r.said -> 'direction',
            'start_timestamp', r.said -> 'start_timestamp',
            'end_timestamp', r.said -> 'end_timestamp',
            'duration_ms', r.said -> 'duration_ms',
            'disconnection_reason', r.said -> 'disconnection_reason',
            'call_analysis', r.said -> 'call_analysis'
        ));
    end loop;
    v_from := trueup.string_or_null(v_said -> 'from_number');
    v_to := trueup.string_or_null(v_said -> 'to_number');
    v_direction := trueup.vocabulary_value('direction', trueup.string_or_null(v_said -> 'direction'));
    v_retell := v_said - 'from_number' - 'to_number';

    v_company_ids := array(
        select distinct c.company_id
        from public.calls as c
        where c.retell_call_id = p_retell_call_id and c.company_id is not null
    );
    v_company_id := v_company_ids[1];
    if v_company_id is null then
        select pn.* into v_called
        from public.phone_numbers as pn
        where pn.number in (v_to, trueup.plain_phone(v_to)) and pn.company_id is not null;
        select pn.* into v_calling
        from public.phone_numbers as pn
        where pn.number in (v_from, trueup.plain_phone(v_from)) and pn.company_id is not null;
        v_line := case
            when v_called.id is null or (v_direction = 'outbound' and v_calling.id is not null) then v_calling
            else v_called
        end;
        v_company_id := v_line.company_id;
    end if;
    v_reason := case
        when cardinality(v_company_ids) > 1 then 'several companies have a call with this id'
        when
            cardinality(v_company_ids) = 0
            and exists (select 1 from public.calls as c where c.retell_call_id = p_retell_call_id)
            then 'the call with this id has no company'
        when cardinality(v_company_ids) = 0 and p_retell_call_id !~ '^call_[0-9a-f]{27}$'
            then 'the call id is not of the provider''s form'
        when v_company_id is null then 'unknown tenant: neither number is a line of a company'
        when
            cardinality(v_company_ids) = 0
            and v_direction is null
            and v_called.company_id <> v_calling.company_id
            then 'unknown tenant: the numbers are lines of two companies'
    end;
    if v_reason is not null then
        update trueup.webhook_events as e
        set status = 'parked', error = v_reason
        where e.id = any(p_event_ids);
        return;
    end if;

    select c.* into v_call
    from public.calls as c
    where c.company_id = v_company_id and c.retell_call_id = p_retell_call_id
    for no key update;

    v_started_at := coalesce(trueup.instant_of_ms(v_retell -> 'start_timestamp'), v_call.started_at);
    v_ended_at := coalesce(trueup.instant_of_ms(v_retell -> 'end_timestamp'), v_call.ended_at);
    v_duration_ms := (v_retell ->> 'duration_ms')::numeric;
    v_duration_ms := coalesce(case when abs(v_duration_ms) <= v_longest_ms then v_duration_ms end, v_call.duration_ms);
    if not (isfinite(v_started_at) and isfinite(v_ended_at)) then
        v_duration_ms := null;
    elsif abs(extract(epoch from v_ended_at - v_started_at) * 1000 - coalesce(v_duration_ms, -1)) > 1000 then
        v_duration_ms := round(extract(epoch from v_ended_at - v_started_at) * 1000);
    end if;
    if abs(v_duration_ms) > v_longest_ms then
        v_duration_ms := null;
    end if;

    if v_call.id is null then
        insert into public.calls as c (
            company_id, branch_id, phone_number_id, retell_call_id, from_number, to_number, direction, call_type,
            status, started_at, ended_at, duration_ms, disconnection_reason, metadata
        )
        values (
            v_company_id,
            v_line.branch_id,
            v_line.id,
            p_retell_call_id,
            v_from,
            v_to,
            v_direction,
            trueup.string_or_null(v_retell -> 'call_type'),
            v_ranked[v_rank],
            v_started_at,
            v_ended_at,
            v_duration_ms,
            trueup.string_or_null(v_retell -> 'disconnection_reason'),
            jsonb_build_object('retell', v_retell)
        );
    else
        v_call.metadata := trueup.decoded(v_call.metadata);
        v_retell := case
            when jsonb_typeof(v_call.metadata -> 'retell') = 'object' then v_call.metadata -> 'retell'
            else '{}'
        end || v_retell;
        update public.calls as c
        set
            status = case
                when v_rank > array_position(v_ranked, trueup.vocabulary_value('call_status', c.status))
                    then v_ranked[v_rank]
                else c.status
            end,
            from_number = coalesce(v_from, c.from_number),
            to_number = coalesce(v_to, c.to_number),
            direction = coalesce(v_direction, c.direction),
            call_type = coalesce(trueup.string_or_null(v_retell -> 'call_type'), c.call_type),
            started_at = v_started_at,
            ended_at = v_ended_at,
            duration_ms = v_duration_ms,
            disconnection_reason = coalesce(
                trueup.string_or_null(v_retell -> 'disconnection_reason'), c.disconnection_reason
            ),
            branch_id = coalesce(c.branch_id, v_line.branch_id),
            phone_number_id = coalesce(c.phone_number_id, v_line.id),
            metadata = case
                when jsonb_typeof(v_call.metadata) = 'object'
                    then v_call.metadata || jsonb_build_object('retell', v_retell)
                else c.metadata
            end
        where c.id = v_call.id;
    end if;

    -- whoever waited for this call need not wait longer, and who did not is linked now; one
    -- that has failed and was not applied since keeps its pause
    update trueup.webhook_events as e
    set status = 'received', attempt_count = 0, next_attempt_at = now(), error = null
    where
        e.id in (
            select w.id
            from trueup.webhook_events as w
            where
                w.named_call_id = p_retell_call_id
                and w.provider = 'calcom'
                and (
                    w.status = 'parked'
                    or (w.status = 'received' and w.next_attempt_at > now() and w.attempt_count = 0)
                    or (
                        w.status = 'processed'
                        and exists (
                            select 1
                            from trueup.kept_appointments as ka
                            where
                                ka.id = w.appointment_id
                                and (
                                    ka.call_id is null
                                    or exists (
                                        select 1
                                        from public.appointment_modifications as am
                                        where
                                            am.appointment_id = ka.id
                                            and am.kind = 'reschedule'
                                            and am.actor = 'calcom'
                                            and am.call_id is null
                                    )
                                )
                        )
                    )
                )
            for update skip locked
        );

    update trueup.webhook_events as e
    set status = 'processed', company_id = v_company_id, processed_at = now(), error = null
    where e.id = any(p_event_ids);
end;
$_$;

CREATE FUNCTION trueup.apply_repair(p_check text, p_entity_type text, p_entity_id text, p_actor text DEFAULT SESSION_USER, p_run_id bigint DEFAULT NULL::bigint, p_correct boolean DEFAULT true, OUT outcome text, OUT reason text, OUT repair_id bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION trueup.appointment_from_booking(p_company_id bigint, p_booking_uid text, p_booking_number bigint, p_status text, p_starts_at timestamp with time zone, p_ends_at timestamp with time zone, p_event_type_id bigint, p_attendees jsonb, p_metadata jsonb, p_source text, p_sync_origin text, p_call_id bigint DEFAULT NULL::bigint, p_booked_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_cancelled_at timestamp with time zone DEFAULT NULL::timestamp with time zone, OUT outcome text, OUT appointment_id bigint, OUT customer_id bigint, OUT reason text, OUT evidence jsonb) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_found public.appointments;
    v_uid text := nullif(btrim(p_booking_uid), '');
    v_attendee jsonb := trueup.decoded(p_attendees) -> 0;
    v_metadata jsonb := trueup.decoded(p_metadata);
    v_kept_appointment_ids bigint[];
    v_deleted_appointment_ids bigint[];
    v_service_ids bigint[];
    v_direction text;
    v_status text;
    v_customer_found text;
    v_booked_at timestamptz := least(p_booked_at, now());
begin
    perform pg_advisory_xact_lock(hashtextextended(
        format('trueup.booking %s %s', p_company_id, coalesce(v_uid, p_booking_number::text)), 0
    ));
    if p_call_id is not null then
        select c.* into v_call
        from public.calls as c
        where c.id = p_call_id and c.company_id = p_company_id
        for no key update;
        v_direction := coalesce(
            trueup.vocabulary_value('direction', v_call.direction),
            trueup.direction_by_numbers(v_call.company_id, v_call.from_number, v_call.to_number)
        );
    end if;

    evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_uid', v_uid, 'booking_number', p_booking_number, 'provider_status', lower(p_status)
    ));

    -- its appointment, if there is one; locked, so that nobody links or deletes it meanwhile
    select
        array_agg(f.id order by f.id) filter (where f.deleted_at is null),
        array_agg(f.id order by f.id) filter (where f.deleted_at is not null)
    into v_kept_appointment_ids, v_deleted_appointment_ids
    from (
        select
            a.id,
            a.deleted_at
        from public.appointments as a
        where
            a.company_id = p_company_id
            and (a.calcom_booking_uid = v_uid or a.calcom_booking_id = p_booking_number)
        order by a.id
        for no key update
    ) as f;
    appointment_id := v_kept_appointment_ids[1];

    v_service_ids := array(
        select s.id
        from public.services as s
        where s.company_id = p_company_id and s.calcom_event_type_id = p_event_type_id
        order by s.id
    );

    if v_kept_appointment_ids is not null then
        select a.* into v_found from public.appointments as a where a.id = appointment_id;
        reason := case
            when p_call_id is not null and v_call.id is null then 'the call is not one of the company'
            when cardinality(v_kept_appointment_ids) > 1 then 'several appointments bear the booking'
            when v_found.call_id <> p_call_id then 'the appointment of this booking belongs to another call'
            when v_found.calcom_booking_uid <> v_uid
                then 'the appointment with this booking number bears another booking uid'
            when v_found.call_id = p_call_id then null
            else trueup.not_the_maker(p_call_id, v_found.id)
        end;
        if reason is not null then
            outcome := 'review';
            evidence := evidence || jsonb_strip_nulls(jsonb_build_object(
                'appointment_ids', v_kept_appointment_ids,
                'deleted_appointment_ids', v_deleted_appointment_ids,
                'call_id', v_found.call_id,
                'customer_id', v_found.customer_id
            ));
            return;
        end if;

        -- either side lends the other its customer, unless it was booked for somebody else
        if v_found.call_id is null and v_call.id is not null and v_found.metadata ->> 'booked_for' is null then
            customer_id := coalesce(v_call.customer_id, v_found.customer_id);
            v_customer_found := case when v_call.customer_id is null then 'appointment' else 'call' end;
        end if;
        if not exists (
            select 1
            from public.customers as k
            where k.id = customer_id and k.company_id = p_company_id and k.deleted_at is null
        ) then
            customer_id := null;
        end if;

        update public.appointments as a
        set
            call_id = coalesce(a.call_id, p_call_id),
            customer_id = coalesce(a.customer_id, appointment_from_booking.customer_id),
            service_id = coalesce(a.service_id, case when cardinality(v_service_ids) = 1 then v_service_ids[1] end),
            calcom_booking_uid = coalesce(a.calcom_booking_uid, v_uid),
            calcom_booking_id = coalesce(a.calcom_booking_id, p_booking_number)
        where
            a.id = v_found.id
            and (
                (a.call_id is null and p_call_id is not null)
                or (a.customer_id is null and appointment_from_booking.customer_id is not null)
                or (a.service_id is null and cardinality(v_service_ids) = 1)
                or (a.calcom_booking_uid is null and v_uid is not null)
                or (a.calcom_booking_id is null and p_booking_number is not null)
            );
        outcome := 'found';
    else
        -- how providers say it, in their lists and in their events
        v_status := case lower(p_status)
            when 'accepted' then 'confirmed'
            when 'pending' then 'pending'
            when 'cancelled' then 'cancelled'
            when 'rejected' then 'cancelled'
        end;
        reason := case
            when p_call_id is not null and v_call.id is null then 'the call is not one of the company'
            when v_deleted_appointment_ids is not null then 'the appointment of this booking was deleted'
            when v_uid is null and p_booking_number is null then 'the booking has neither uid nor number'
            when p_starts_at is null or p_ends_at is null then 'the booking has no readable start and end'
            when p_ends_at <= p_starts_at then 'the booking ends before it starts'
            when v_status is null then 'the booking has a status we do not know'
            when v_service_ids = '{}' then 'the event type of the booking is no service of the company'
            when cardinality(v_service_ids) > 1 then 'several services have the event type of the booking'
            when
                v_call.customer_id is not null
                and not exists (
                    select 1
                    from public.customers as k
                    where
                        k.id = v_call.customer_id
                        and k.company_id = p_company_id
                        and k.deleted_at is null
                )
                then 'the customer of the call is deleted, or not one of the company'
        end;
        if reason is null and v_call.customer_id is not null then
            customer_id := v_call.customer_id;
            v_customer_found := 'call';
        elsif reason is null then
            select bc.customer_id, bc.how, bc.reason
            into customer_id, v_customer_found, reason
            from trueup.backfill_customer(
                p_company_id,
                v_call.id,
                case
                    when v_direction = 'outbound' then v_call.to_number
                    when v_call.id is not null then v_call.from_number
                    else trueup.string_or_null(v_attendee -> 'phoneNumber')
                end,
                trueup.string_or_null(v_attendee -> 'email'),
                coalesce(trueup.string_or_null(v_attendee -> 'name'), v_call.customer_name)
            ) as bc;
        end if;
        if reason is not null then
            outcome := 'review';
            evidence := evidence || jsonb_strip_nulls(jsonb_build_object(
                'deleted_appointment_ids', v_deleted_appointment_ids,
                'event_type_id', p_event_type_id,
                'service_ids', nullif(v_service_ids, '{}'),
                'customer_id', v_call.customer_id
            ));
            return;
        end if;

        insert into public.appointments as a (
            company_id, branch_id, customer_id, service_id, call_id, starts_at, ends_at, status, source,
            sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, cancelled_at, metadata,
            created_at
        )
        values (
            p_company_id,
            (
                select b.id
                from public.branches as b
                where b.id = v_call.branch_id and b.company_id = p_company_id
            ),
            customer_id,
            v_service_ids[1],
            v_call.id,
            p_starts_at,
            p_ends_at,
            v_status,
            p_source,
            p_sync_origin,
            p_booking_number,
            v_uid,
            'synced',
            case when v_status = 'cancelled' then coalesce(p_cancelled_at, v_booked_at, now()) end,
            case when jsonb_typeof(v_metadata) = 'object' then v_metadata else '{}' end
            || case
                when v_status = 'cancelled' and p_cancelled_at is null then '{"cancelled_at_estimated": true}'
                else '{}'
            end::jsonb,
            coalesce(v_booked_at, now())
        )
        returning a.* into v_found;
        outcome := 'created';
        appointment_id := v_found.id;
        evidence := evidence || jsonb_build_object('service_id', v_found.service_id);
    end if;

    evidence := evidence || jsonb_strip_nulls(jsonb_build_object(
        'deleted_appointment_ids', v_deleted_appointment_ids,
        'appointment_id', appointment_id,
        'found_by', case
            when outcome = 'found' then case when v_found.calcom_booking_uid = v_uid then 'uid' else 'number' end
        end,
        'customer_id', customer_id,
        'customer_found', case when customer_id is not null then v_customer_found end
    )) || trueup.unreachable_customer(appointment_id);
    if v_call.id is null or (outcome = 'found' and v_found.call_id = v_call.id) then
        return;
    end if;

    -- the provider's word is above what a transcript or an earlier error said
    update public.calls as c
    set
        customer_id = coalesce(c.customer_id, k.id),
        customer_link_status = case
            when c.customer_id is not null or k.id is null then c.customer_link_status
            when meant.customer_link_status = 'pending_review' then 'pending_review'
            else 'linked'
        end,
        customer_link_method = case
            when c.customer_id is not null or k.id is null then c.customer_link_method
            when
                trueup.phone_matches(
                    c.company_id, v_direction, c.from_number, c.to_number, k.company_id, k.phone_normalized
                )
                then 'phone_match'
            else 'appointment_link'
        end,
        customer_link_confidence = case
            when c.customer_id is not null or k.id is null then c.customer_link_confidence
            else 100.00
        end,
        customer_linked_at = case
            when c.customer_id is not null or k.id is null then c.customer_linked_at
            else now()
        end,
        session_outcome = case
            when meant.session_outcome in ('appointment_rescheduled', 'appointment_cancelled')
                then meant.session_outcome
            else 'appointment_booked'
        end,
        booking_failed = false,
        booking_failure_reason = null
    from (values (appointment_from_booking.customer_id)) as whose (id)
    left join public.customers as k on whose.id = k.id
    -- how it is spelled does not matter
    cross join lateral (
        values (
            trueup.vocabulary_value('customer_link_status', v_call.customer_link_status),
            trueup.vocabulary_value('session_outcome', v_call.session_outcome)
        )
    ) as meant (customer_link_status, session_outcome)
    where
        c.id = v_call.id
        and (
            (c.customer_id is null and k.id is not null)
            or c.session_outcome is null
            or c.session_outcome not in ('appointment_booked', 'appointment_rescheduled', 'appointment_cancelled')
            or c.booking_failed
            or c.booking_failure_reason is not null
        );
end;
$$;

CREATE FUNCTION trueup.appointment_notice_position() RETURNS bigint
    LANGUAGE sql STABLE
    RETURN ((pg_snapshot_xmin(pg_current_snapshot()))::text)::bigint;

CREATE FUNCTION trueup.appointment_notices_floor() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update trueup.appointment_notice_floor as f
    set position = gone.position
    from (
        select o.xact_id::text::bigint + 1 as position
        from old_notices as o
        order by o.xact_id desc
        limit 1
    ) as gone
    where gone.position > f.position;
    return null;
end;
$$;

CREATE FUNCTION trueup.appointment_notices_since(p_position bigint, p_company_id bigint DEFAULT NULL::bigint) RETURNS TABLE(company_id bigint, date date)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
    if
        p_position is null
        or p_position < (select f.position from trueup.appointment_notice_floor as f)
        or p_position > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    then
        company_id := null;
        date := null;
        return next;
        return;
    end if;

    return query
    select distinct an.company_id, an.date
    from trueup.appointment_notices as an
    where
        an.xact_id >= p_position::text::xid8
        and (p_company_id is null or an.company_id = p_company_id or an.company_id is null)
    order by 1 nulls first, 2 nulls first;
end;
$$;

CREATE TABLE public.appointments (
    id bigint NOT NULL,
    company_id bigint,
    branch_id bigint,
    customer_id bigint,
    service_id bigint,
    staff_id bigint,
    call_id bigint,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    status text DEFAULT 'confirmed'::text NOT NULL,
    source text,
    sync_origin text,
    calcom_booking_id bigint,
    calcom_booking_uid text,
    calcom_sync_status text,
    idempotency_key uuid,
    webhook_id text,
    sync_attempt_count integer DEFAULT 0 NOT NULL,
    last_sync_attempted_at timestamp with time zone,
    previous_starts_at timestamp with time zone,
    cancelled_at timestamp with time zone,
    notes text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT appointments_calcom_sync_status_vocabulary CHECK ((calcom_sync_status = ANY ('{pending,synced,failed,verification_pending}'::text[]))),
    CONSTRAINT appointments_cancel_agrees CHECK (((status = 'cancelled'::text) = (cancelled_at IS NOT NULL))),
    CONSTRAINT appointments_company_known CHECK ((company_id IS NOT NULL)),
    CONSTRAINT appointments_metadata_decoded CHECK (((jsonb_typeof(metadata) <> 'string'::text) OR ((metadata #>> '{}'::text[]) !~ '^[\s"\\]*[[{]'::text))),
    CONSTRAINT appointments_retell_has_key CHECK (((source IS DISTINCT FROM 'retell'::text) OR (idempotency_key IS NOT NULL))),
    CONSTRAINT appointments_source_vocabulary CHECK ((source = ANY ('{retell,calcom,manual,api,backfill}'::text[]))),
    CONSTRAINT appointments_status_vocabulary CHECK ((status = ANY ('{pending,confirmed,completed,no_show,cancelled}'::text[]))),
    CONSTRAINT appointments_sync_origin_vocabulary CHECK ((sync_origin = ANY ('{retell,calcom,admin,api,system}'::text[]))),
    CONSTRAINT appointments_synced_has_id CHECK (((calcom_sync_status IS DISTINCT FROM 'synced'::text) OR (calcom_booking_uid IS NOT NULL) OR (calcom_booking_id IS NOT NULL))),
    CONSTRAINT appointments_times_ordered CHECK ((ends_at > starts_at))
);

CREATE VIEW trueup.kept_appointments AS
 SELECT id,
    company_id,
    call_id,
    customer_id,
    service_id,
    staff_id,
    starts_at,
    ends_at,
    status,
    source,
    calcom_booking_id,
    calcom_booking_uid,
    sync_origin,
    calcom_sync_status,
    idempotency_key,
    cancelled_at,
    metadata,
    created_at
   FROM public.appointments a
  WHERE (deleted_at IS NULL);

CREATE FUNCTION trueup.appointment_of_booking(p_company_id bigint, p_booking_uid text, OUT appointment_ids bigint[]) RETURNS bigint[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT array_agg(ka.id ORDER BY ka.id) AS array_agg FROM trueup.kept_appointments ka WHERE ((ka.company_id = appointment_of_booking.p_company_id) AND (ka.calcom_booking_uid = appointment_of_booking.p_booking_uid) AND (ka.call_id IS NULL)));

CREATE FUNCTION trueup.appointment_written_since(p_appointment_id bigint, p_since timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return
        exists (
            select 1
            from public.appointments as a
            where a.id = p_appointment_id and greatest(a.created_at, a.updated_at, a.cancelled_at) >= p_since
        )
        or exists (
            select 1
            from public.appointment_modifications as am
            where am.appointment_id = p_appointment_id and am.created_at >= p_since
        );
end;
$$;

CREATE FUNCTION trueup.appointments_fill_decoded() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'UPDATE' then -- whatever the statement names
        perform trueup.note_row('public.appointments', 'id=' || new.id);
    end if;

    new.metadata := trueup.decoded(new.metadata);
    return new;
end;
$$;

CREATE FUNCTION trueup.appointments_fill_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_key uuid;
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'UPDATE' then -- whatever the statement names
        perform trueup.note_row('public.appointments', 'id=' || new.id);
    end if;

    if tg_op = 'INSERT' and new.calcom_booking_uid is not null then
        select ka.idempotency_key into v_key
        from trueup.kept_appointments as ka
        where
            ka.company_id = new.company_id
            and ka.calcom_booking_uid = new.calcom_booking_uid
            and ka.idempotency_key is not null
        limit 1;

        if
            v_key is not null
            and exists (
                select 1
                from pg_catalog.pg_index as ind
                cross join lateral unnest(ind.indkey::smallint[]) with ordinality as key (attnum, position)
                left join pg_catalog.pg_attribute as att
                    on ind.indrelid = att.attrelid and key.attnum = att.attnum
                where
                    ind.indrelid = 'public.appointments'::regclass
                    and ind.indisunique
                    and ind.indisvalid
                    and key.position <= ind.indnkeyatts
                group by ind.indexrelid
                having
                    bool_or(att.attname = 'calcom_booking_uid')
                    -- of an expression there is no name
                    and bool_and(att.attname is not null and att.attname in ('company_id', 'calcom_booking_uid'))
            )
        then
            new.idempotency_key := v_key;
            return new;
        end if;
    end if;

    new.idempotency_key := trueup.unused_idempotency_key(
        new.company_id, new.service_id, new.staff_id, new.customer_id, new.call_id, new.starts_at
    );
    return new;
end;
$$;

CREATE FUNCTION trueup.appointments_fill_status() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_was_cancelled boolean := false;
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_nargs > 0 then -- whatever the statement names
        perform trueup.note_row('public.appointments', 'id=' || new.id);
    end if;

    new.status := coalesce(trueup.vocabulary_value('appointment_status', new.status), new.status);
    if tg_op = 'UPDATE' then
        v_was_cancelled := coalesce(
            trueup.vocabulary_value('appointment_status', old.status) = 'cancelled', false
        );
    end if;

    if new.status = 'cancelled' and new.cancelled_at is null then
        if tg_op = 'INSERT' then
            select a.cancelled_at into new.cancelled_at
            from public.appointments as a
            where
                a.company_id = new.company_id
                and a.calcom_booking_uid = new.calcom_booking_uid
                and a.cancelled_at is not null
                and a.deleted_at is null
            limit 1;
        end if;
        if not v_was_cancelled then
            new.cancelled_at := coalesce(new.cancelled_at, now());
        elsif old.cancelled_at is null then
            new.cancelled_at := trueup.cancellation_time(new.id);
        end if;
    elsif new.status <> 'cancelled' and v_was_cancelled and new.cancelled_at = old.cancelled_at then
        new.cancelled_at := null;
    end if;

    return new;
end;
$$;

CREATE FUNCTION trueup.appointments_note_bookings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.former_bookings (company_id, booking_uid, appointment_id)
    values (old.company_id, old.calcom_booking_uid, old.id);
    return null;
end;
$$;

CREATE FUNCTION trueup.appointments_notify() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_company_ids bigint[];
    v_starts timestamptz[];
    v_ends timestamptz[];
    v_mode text;
    v_horizon bigint;
    v_position text;
    v_zone text;
    v_first date;
    v_last date;
    v_dates date[];
begin
    if tg_op = 'INSERT' then
        select array_agg(n.company_id), array_agg(n.starts_at), array_agg(n.ends_at)
        into v_company_ids, v_starts, v_ends
        from new_appointments as n
        where n.deleted_at is null;
    elsif tg_op = 'DELETE' then
        select array_agg(o.company_id), array_agg(o.starts_at), array_agg(o.ends_at)
        into v_company_ids, v_starts, v_ends
        from old_appointments as o
        where o.deleted_at is null;
    elsif tg_op = 'UPDATE' then
        -- nearly every update ends here, as in appointments_sync_calls: where each row has its like, none is on
        -- one side only
        if
            exists (
                select
                    n.id, n.company_id, n.starts_at, n.ends_at, n.status, n.staff_id, n.service_id, n.branch_id,
                    n.deleted_at is null
                from new_appointments as n
                except all
                select
                    o.id, o.company_id, o.starts_at, o.ends_at, o.status, o.staff_id, o.service_id, o.branch_id,
                    o.deleted_at is null
                from old_appointments as o
            )
        then
            -- the rows that stand on one side more often than on the other, each with the time it was or is at
            select array_agg(t.company_id), array_agg(t.starts_at), array_agg(t.ends_at)
            into v_company_ids, v_starts, v_ends
            from (
                select distinct
                    d.company_id,
                    d.starts_at,
                    d.ends_at
                from (
                    select
                        o.id, o.company_id, o.starts_at, o.ends_at, o.status, o.staff_id, o.service_id, o.branch_id,
                        -1 as side
                    from old_appointments as o
                    where o.deleted_at is null
                    union all
                    select
                        n.id, n.company_id, n.starts_at, n.ends_at, n.status, n.staff_id, n.service_id, n.branch_id,
                        1 as side
                    from new_appointments as n
                    where n.deleted_at is null
                ) as d
                group by
                    d.id, d.company_id, d.starts_at, d.ends_at, d.status, d.staff_id, d.service_id, d.branch_id
                having sum(d.side) <> 0
            ) as t;
        end if;
    end if;
    if tg_op <> 'TRUNCATE' and v_company_ids is null then
        return null;
    end if;

    select st.value into v_mode from trueup.settings as st where st.name = 'appointment_notices';
    if v_mode = 'off' then
        return null;
    end if;

    -- any session may set the parameter: what it says is believed when it asks for more, never for less
    v_horizon := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    v_position := current_setting('trueup.notice_position', true);
    if v_position ~ '^[0-9]{1,18}$' then
        v_horizon := least(v_horizon, v_position::bigint);
    end if;
    if v_position is distinct from v_horizon::text then
        perform set_config('trueup.notice_position', v_horizon::text, true);
    end if;

    if cardinality(v_company_ids) = 1 then
        -- one appointment within one day, as nearly every statement writes it
        select cm.timezone into v_zone from public.companies as cm where cm.id = v_company_ids[1];
        begin
            v_first := (v_starts[1] at time zone coalesce(v_zone, 'Europe/Berlin'))::date;
            v_last := (
                greatest(v_starts[1], v_ends[1] - interval '1 microsecond')
                at time zone coalesce(v_zone, 'Europe/Berlin')
            )::date;
        exception
            when invalid_parameter_value or datetime_field_overflow then
                null; -- trueup.notice_days knows what to make of it
        end;
    end if;
    if v_first = v_last and isfinite(v_first) and v_company_ids[1] is not null then
        v_dates := array[v_first];
    elsif tg_op = 'TRUNCATE' then
        v_company_ids := array[null];
        v_dates := array[null];
    else
        select array_agg(nt.company_id), array_agg(nt.date)
        into v_company_ids, v_dates
        from trueup.notice_days(
            v_company_ids, v_starts, v_ends,
            trueup.setting('notice_days_limit')::integer, trueup.setting('notice_companies_limit')::integer
        ) as nt;
    end if;

    for v_each in 1..coalesce(cardinality(v_dates), 0) loop
        insert into trueup.appointment_notices (company_id, date) values (v_company_ids[v_each], v_dates[v_each]);
        if v_mode <> 'record' then
            perform pg_notify(
                'trueup_appointments',
                format(
                    '{"company_id":%s,"date":%s,"position":%s}',
                    coalesce(v_company_ids[v_each]::text, 'null'),
                    coalesce('"' || to_char(v_dates[v_each], 'YYYY-MM-DD') || '"', 'null'),
                    v_horizon
                )
            );
        end if;
    end loop;
    return null;
end;
$_$;

CREATE FUNCTION trueup.appointments_of_call(p_call_id bigint, p_company_id bigint, p_appointment_id bigint) RETURNS TABLE(appointment_made boolean, appointment_id bigint, is_live boolean)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (count(*) > 0),
     (array_agg(ka.id ORDER BY ((ka.id = appointments_of_call.p_appointment_id) IS TRUE) DESC, (ka.status = 'cancelled'::text), ka.starts_at, ka.id) FILTER (WHERE (NOT (ka.company_id IS DISTINCT FROM appointments_of_call.p_company_id))))[1] AS array_agg,
     COALESCE(bool_or((ka.status <> 'cancelled'::text)), false) AS "coalesce"
    FROM trueup.kept_appointments ka
   WHERE (ka.call_id = appointments_of_call.p_call_id);
END;

CREATE FUNCTION trueup.appointments_sync_calls() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call_ids bigint[];
begin
    if tg_op = 'INSERT' then
        select array_agg(distinct n.call_id) into v_call_ids
        from new_appointments as n
        where n.deleted_at is null and n.call_id is not null;
    elsif tg_op = 'DELETE' then
        select array_agg(distinct o.call_id) into v_call_ids
        from old_appointments as o
        where o.deleted_at is null and o.call_id is not null;
    elsif
        -- nearly every update ends here; no join, whose plan for one row is none for a hundred thousand
        exists (
            select n.id, n.call_id, n.deleted_at is null, n.status = 'cancelled'
            from new_appointments as n
            except all
            select o.id, o.call_id, o.deleted_at is null, o.status = 'cancelled'
            from old_appointments as o
        )
    then
        -- full join: an update of the key leaves an old and a new row without a partner
        select array_agg(distinct concerned.call_id) into v_call_ids
        from old_appointments as o
        full join new_appointments as n on o.id = n.id
        cross join lateral (
            values
            (case when o.deleted_at is null then o.call_id end),
            (case when n.deleted_at is null then n.call_id end)
        ) as concerned (call_id)
        where
            concerned.call_id is not null
            and (
                o.call_id is distinct from n.call_id
                or (o.deleted_at is null) <> (n.deleted_at is null)
                or (o.status = 'cancelled' and n.status <> 'cancelled')
            );
    end if;

    if v_call_ids is not null and not trueup.undoing() then
        perform trueup.sync_calls(v_call_ids);
    end if;
    return null;
end;
$$;

CREATE FUNCTION trueup.backfill_customer(p_company_id bigint, p_call_id bigint, p_number text, p_email text, p_name text, OUT customer_id bigint, OUT how text, OUT reason text) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_phone text := case when trueup.usable_phone(p_number) then trueup.plain_phone(p_number) end;
    v_email text := case when trueup.usable_email(p_email) then lower(btrim(p_email)) end;
    v_customer_ids bigint[];
    v_is_of_others boolean := false;
begin
    -- two sessions at once must not create one caller twice; others need not wait
    perform pg_advisory_xact_lock(locked.key)
    from (
        select hashtextextended(format('trueup.backfill_customer %s %s', p_company_id, contact.value), 0) as key
        from (values (v_phone), (v_email)) as contact (value)
        where contact.value is not null
        order by key
    ) as locked;

    v_customer_ids := array(
        select k.id
        from public.customers as k
        where
            k.company_id = p_company_id
            and k.phone_normalized = v_phone
            and trueup.usable_phone(k.phone)
            and k.deleted_at is null
        order by k.id
    );
    how := 'phone';
    if cardinality(v_customer_ids) = 0 and (p_call_id is null or v_phone is not null) then
        select
            coalesce(array_agg(k.id order by k.id), '{}'),
            p_call_id is not null and coalesce(
                bool_and(
                    (k.source = 'backfill' and trueup.usable_phone(k.phone))
                    or exists (
                        select 1
                        from public.calls as c
                        where
                            c.customer_id = k.id
                            and c.direction is distinct from 'outbound'
                            and trueup.usable_phone(c.from_number)
                            and trueup.plain_phone(c.from_number) <> v_phone
                            and trueup.plain_phone(c.from_number) is distinct from k.phone_normalized
                            and c.deleted_at is null
                    )
                ),
                false
            )
        into v_customer_ids, v_is_of_others
        from public.customers as k
        where k.company_id = p_company_id and lower(k.email) = v_email and k.deleted_at is null;
        how := 'email';
        if v_is_of_others then
            v_customer_ids := '{}';
        end if;
    end if;

    if cardinality(v_customer_ids) > 1 then
        reason := format('several customers have the %s of the booking', how);
        return;
    elsif cardinality(v_customer_ids) = 1 then
        customer_id := v_customer_ids[1];
        return;
    end if;

    insert into public.customers as k (company_id, name, phone, email, source, notes)
    values (
        p_company_id,
        case when trueup.usable_name(p_company_id, p_name) then p_name end,
        case when v_phone is not null then p_number end,
        case
            when v_phone is null and p_call_id is not null then trueup.withheld_email(p_call_id)
            when not v_is_of_others then v_email
        end,
        'backfill',
        case
            when v_is_of_others or (v_phone is null and p_call_id is not null)
                then 'address given with the booking: ' || v_email
        end
    )
    returning k.id into customer_id;

    how := case
        when v_phone is null and p_call_id is not null then 'created for a withheld number'
        when v_is_of_others then 'created for another number'
        else 'created'
    end;
end;
$$;

CREATE FUNCTION trueup.begin_booking_import(p_company_id bigint, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone, p_taken_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_taken_at timestamptz := coalesce(p_taken_at, clock_timestamp());
    v_import_id bigint;
begin
    if not exists (select 1 from public.companies as co where co.id = p_company_id) then
        raise exception 'company % does not exist', coalesce(p_company_id::text, 'NULL') using errcode = 'TU402';
    elsif (p_from is null) <> (p_to is null) or p_to <= p_from then
        raise exception 'a window begins before it ends'
            using
                errcode = 'TU401',
                detail = format('From %s to %s.', coalesce(p_from::text, 'NULL'), coalesce(p_to::text, 'NULL')),
                hint = 'Give both ends, or neither.';
    elsif v_taken_at > clock_timestamp() then
        raise exception 'a list cannot have been taken at %', v_taken_at
            using errcode = 'TU401', detail = format('It is %s.', clock_timestamp());
    end if;

    insert into trueup.booking_imports (company_id, taken_at, window_from, window_to)
    values (p_company_id, v_taken_at, p_from, p_to)
    returning id into v_import_id;

    return v_import_id;
end;
$$;

CREATE FUNCTION trueup.begin_request(p_company_id bigint, p_scope text, p_key uuid, p_parameters_hash text, p_lease interval DEFAULT NULL::interval) RETURNS TABLE(outcome text, token uuid, attempt integer, taken_over boolean, result jsonb, lease_expires_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_lease interval := coalesce(
        p_lease,
        (select rp.lease from trueup.request_policies as rp where rp.scope = p_scope),
        trueup.setting('request_lease')::interval
    );
    v_request trueup.idempotency_keys;
begin
    if p_key is null or coalesce(btrim(p_scope), '') = '' or coalesce(btrim(p_parameters_hash), '') = '' then
        raise exception 'a request needs a scope, a key and a hash of its parameters'
            using errcode = 'TU205', hint = 'trueup.parameters_hash(jsonb) makes the hash.';
    end if;
    if v_lease <= interval '0' or not isfinite(clock_timestamp() + v_lease) then
        raise exception 'a lease of % is none', v_lease using errcode = 'TU205';
    end if;

    loop
        insert into trueup.idempotency_keys as ik
            (company_id, scope, key, parameters_hash, token, lease_expires_at)
        values (
            p_company_id, p_scope, p_key, p_parameters_hash, gen_random_uuid(), clock_timestamp() + v_lease
        )
        on conflict do nothing
        returning ik.* into v_request;
        if found then
            return query select 'new', v_request.token, 1, false, null::jsonb, v_request.lease_expires_at;
            return;
        end if;

        select ik.* into v_request
        from trueup.idempotency_keys as ik
        where ik.key = p_key and ik.scope = p_scope and ik.company_id is not distinct from p_company_id
        for update;
        exit when found; -- else it was pruned between the two statements
    end loop;

    if v_request.parameters_hash <> p_parameters_hash then
        raise exception 'request % of % was made with other parameters', p_key, p_scope
            using
                errcode = 'TU202',
                detail = format('Request %s has had this key since %s.', v_request.id, v_request.created_at),
                hint = 'Send a new key for a new request, and the same parameters with the same key.';
    end if;

    if v_request.status = 'finished' and not v_request.is_retryable then
        return query
        select 'replay', null::uuid, v_request.attempt, false, v_request.result, null::timestamptz;
        return;
    end if;

    if
        v_request.status = 'running'
        and not v_request.is_retryable
        and v_request.lease_expires_at <= clock_timestamp()
        and v_request.was_taken_over
    then
        perform trueup.give_up_request(v_request.id, 'two runners did not say how it ended');
        v_request.status := 'unknown';
    end if;

    if v_request.status = 'unknown' then
        return query
        select 'unknown', null::uuid, v_request.attempt, false, v_request.result, null::timestamptz;
        return;
    end if;

    if
        v_request.status = 'running'
        and not v_request.is_retryable
        and v_request.lease_expires_at > clock_timestamp()
    then
        return query
        select 'running', null::uuid, v_request.attempt, false, null::jsonb, v_request.lease_expires_at;
        return;
    end if;

    -- a failure that may be tried again, or a lease that expired for the first time
    return query
    update trueup.idempotency_keys as ik
    set
        status = 'running',
        token = gen_random_uuid(),
        attempt = ik.attempt + 1,
        was_taken_over = ik.was_taken_over or not ik.is_retryable,
        is_retryable = false,
        result = null,
        finished_at = null,
        lease_expires_at = clock_timestamp() + v_lease
    where ik.id = v_request.id
    returning 'new', ik.token, ik.attempt, not v_request.is_retryable, null::jsonb, ik.lease_expires_at;
end;
$$;

CREATE FUNCTION trueup.bigint_or_null(p_text text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (p_text ~ '^[0-9]{1,18}$'::text) THEN (p_text)::bigint ELSE NULL::bigint END;

CREATE FUNCTION trueup.book_appointment(p_company_id bigint, p_starts_at timestamp with time zone, p_ends_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_service_id bigint DEFAULT NULL::bigint, p_staff_id bigint DEFAULT NULL::bigint, p_customer_id bigint DEFAULT NULL::bigint, p_call_id bigint DEFAULT NULL::bigint, p_branch_id bigint DEFAULT NULL::bigint, p_booking_uid text DEFAULT NULL::text, p_booking_number bigint DEFAULT NULL::bigint, p_booked_for text DEFAULT NULL::text, p_status text DEFAULT 'confirmed'::text, p_source text DEFAULT NULL::text, p_sync_origin text DEFAULT NULL::text, p_notes text DEFAULT NULL::text, p_metadata jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(appointment_id bigint, replayed boolean, idempotency_key uuid, call_id bigint, starts_at timestamp with time zone, ends_at timestamp with time zone, status text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_source text := coalesce(p_source, case when p_call_id is null then 'api' else 'retell' end);
    v_booking_uid text := nullif(btrim(p_booking_uid), '');
    v_metadata jsonb := coalesce(trueup.decoded(p_metadata), '{}');
    v_booked_for text := coalesce(nullif(btrim(p_booked_for), ''), nullif(btrim(v_metadata ->> 'booked_for'), ''));
    v_customer_id bigint := p_customer_id;
    v_call_customer_id bigint;
    v_ends_at timestamptz := p_ends_at;
    v_generation integer := 0;
    v_key uuid;
    v_appointment trueup.live_appointments;
    v_other trueup.kept_appointments;
    v_replayed boolean;
    v_written_appointment_id bigint;
begin
    if p_company_id is null then
        raise exception 'an appointment belongs to a company, and none is given'
            using errcode = 'TU205', hint = 'No company is assumed.';
    end if;
    if p_starts_at is null or not isfinite(p_starts_at) or not isfinite(coalesce(p_ends_at, p_starts_at)) then
        raise exception 'an appointment starts and ends at an instant' using errcode = 'TU205';
    end if;
    if jsonb_typeof(v_metadata) <> 'object' then
        raise exception 'metadata is an object, not %', jsonb_typeof(v_metadata) using errcode = 'TU205';
    end if;

    -- the lock, the customer that the call has by now, the other locks
    if p_call_id is not null then
        perform trueup.lock_participants(p_company_id, p_call_id, null, null);
        select c.customer_id into v_call_customer_id from public.calls as c where c.id = p_call_id;
        v_customer_id := coalesce(p_customer_id, v_call_customer_id);
    end if;
    perform trueup.lock_participants(p_company_id, null, v_customer_id, p_staff_id);

    if v_ends_at is null then
        select p_starts_at + s.duration_minutes * interval '1 minute' into v_ends_at
        from public.services as s
        where s.id = p_service_id and s.company_id = p_company_id;
        if p_service_id is null then
            raise exception 'an appointment has an end, or a service that tells it' using errcode = 'TU205';
        elsif not found then
            perform trueup.refuse_unknown('service', p_service_id, p_company_id);
        end if;
    elsif
        p_service_id is not null
        and not exists (
            select 1 from public.services as s where s.id = p_service_id and s.company_id = p_company_id
        )
    then
        perform trueup.refuse_unknown('service', p_service_id, p_company_id);
    end if;
    if
        p_branch_id is not null
        and not exists (
            select 1 from public.branches as b where b.id = p_branch_id and b.company_id = p_company_id
        )
    then
        perform trueup.refuse_unknown('branch', p_branch_id, p_company_id);
    end if;
    if v_ends_at <= p_starts_at then
        raise exception 'an appointment ends after it starts'
            using errcode = 'TU205', detail = format('From %s to %s.', p_starts_at, v_ends_at);
    end if;

    loop
        v_key := trueup.idempotency_key(
            p_company_id, p_service_id, p_staff_id, v_customer_id, p_call_id, p_starts_at, v_generation
        );
        if v_generation = 0 and coalesce(p_call_id, v_customer_id, p_staff_id) is null then
            -- it names nobody who could be locked
            perform pg_advisory_xact_lock(hashtextextended('trueup.book_appointment ' || v_key, 0));
        end if;

        select la.* into v_appointment
        from trueup.live_appointments as la
        where la.company_id = p_company_id and la.idempotency_key = v_key;
        exit when
            v_appointment.metadata ->> 'booked_for' is not distinct from v_booked_for
            and (v_appointment.starts_at = p_starts_at or v_appointment.call_id = p_call_id);
        exit when
            v_appointment.id is null
            and not exists (
                select 1
                from public.appointments as a
                where
                    a.company_id = p_company_id
                    and a.idempotency_key = v_key
                    and (a.deleted_at is not null or a.status = 'cancelled')
            );
        v_generation := v_generation + 1;
    end loop;

    if v_appointment.id is null and p_call_id is not null then
        select la.* into v_appointment
        from trueup.live_appointments as la
        where
            la.call_id = p_call_id
            and la.company_id = p_company_id
            and la.starts_at = p_starts_at
            and la.service_id is not distinct from p_service_id
            and la.staff_id is not distinct from p_staff_id
            and (la.customer_id = v_customer_id or la.customer_id is null or v_customer_id is null)
            and la.metadata ->> 'booked_for' is not distinct from v_booked_for
        order by la.id
        limit 1;
    end if;

    if v_booking_uid is not null and v_booking_uid is distinct from v_appointment.calcom_booking_uid then
        select ka.* into v_other
        from trueup.kept_appointments as ka
        where ka.company_id = p_company_id and ka.calcom_booking_uid = v_booking_uid;
        if
            v_appointment.id is null
            and v_other.status <> 'cancelled'
            and v_other.starts_at = p_starts_at
            and (v_other.staff_id = p_staff_id or v_other.staff_id is null or p_staff_id is null)
            and (v_other.customer_id = v_customer_id or v_other.customer_id is null or v_customer_id is null)
        then
            select la.* into v_appointment from trueup.live_appointments as la where la.id = v_other.id;
        elsif v_other.id is not null then
            raise exception 'booking % stands for appointment %', v_booking_uid, v_other.id
                using
                    errcode = 'TU202',
                    detail = format(
                        'It is %s, from %s to %s.', v_other.status, v_other.starts_at, v_other.ends_at
                    ),
                    hint = 'One booking of the provider is one appointment. Reschedule that one, or send the uid of this one.';
        end if;
    end if;

    v_replayed := v_appointment.id is not null;
    if v_replayed and v_appointment.starts_at = p_starts_at then
        if v_appointment.ends_at <> p_ends_at or v_appointment.calcom_booking_uid <> v_booking_uid then
            raise exception 'appointment % was booked with other parameters', v_appointment.id
                using
                    errcode = 'TU202',
                    detail = format(
                        'It ends at %s, under booking uid %s.',
                        v_appointment.ends_at, coalesce(v_appointment.calcom_booking_uid, 'NULL')
                    ),
                    hint = 'Send the parameters of the first time, or reschedule it.';
        end if;
        if
            (v_booking_uid is not null and v_appointment.calcom_booking_uid is null)
            or (p_call_id is not null and v_appointment.call_id is null)
        then
            update public.appointments as a
            set
                calcom_booking_uid = coalesce(a.calcom_booking_uid, v_booking_uid),
                calcom_booking_id = coalesce(a.calcom_booking_id, p_booking_number),
                calcom_sync_status = case when v_booking_uid is null then a.calcom_sync_status else 'synced' end,
                call_id = coalesce(a.call_id, p_call_id),
                updated_at = now()
            where a.id = v_appointment.id
            returning a.id into v_written_appointment_id;
        end if;
    end if;

    if not v_replayed then
        if v_call_customer_id <> v_customer_id and v_booked_for is null and v_booking_uid is null then
            raise exception 'call % is of customer %, not %', p_call_id, v_call_customer_id, v_customer_id
                using errcode = 'TU205', hint = 'Say whom the call books for (booked_for), or leave the customer out.';
        end if;
        if v_source = 'retell' and v_booking_uid is null then
            if p_starts_at < now() then
                raise exception 'the phone agent books ahead, and % is past', p_starts_at
                    using errcode = 'TU205', hint = 'Enter what has already taken place with source manual or api.';
            elsif p_starts_at > now() + trueup.setting('booking_horizon')::interval then
                raise exception 'the phone agent books no further ahead than %', trueup.setting('booking_horizon')
                    using errcode = 'TU205', detail = format('The start is %s.', p_starts_at);
            end if;
        end if;
        perform trueup.refuse_conflict(
            p_company_id, null, v_customer_id, p_service_id, p_staff_id, v_booked_for, p_starts_at, v_ends_at
        );

        insert into public.appointments as a (
            company_id, branch_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, status, source,
            sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key, notes, metadata
        )
        values (
            p_company_id, p_branch_id, v_customer_id, p_service_id, p_staff_id, p_call_id, p_starts_at, v_ends_at,
            p_status, v_source, p_sync_origin, p_booking_number, v_booking_uid,
            case when v_booking_uid is not null then 'synced' end, v_key, p_notes,
            case
                when v_booked_for is null then v_metadata - 'booked_for'
                else v_metadata || jsonb_build_object('booked_for', v_booked_for)
            end
        )
        returning a.id into v_written_appointment_id;
    end if;

    if v_written_appointment_id is not null then
        select la.* into v_appointment from trueup.live_appointments as la where la.id = v_written_appointment_id;
        if not found then -- the fill knows every spelling of the word
            raise exception 'an appointment is not booked as cancelled' using errcode = 'TU205';
        end if;
    end if;

    if v_booking_uid is not null and v_appointment.call_id = p_call_id then
        update public.calls as c
        set
            booking_confirmed = true,
            booking_id = case when v_replayed then coalesce(c.booking_id, v_booking_uid) else v_booking_uid end
        where
            c.id = p_call_id
            and (not c.booking_confirmed or c.booking_id is null or not v_replayed);
    end if;

    return query
    select
        v_appointment.id, v_replayed, v_appointment.idempotency_key, v_appointment.call_id,
        v_appointment.starts_at, v_appointment.ends_at, v_appointment.status;
end;
$$;

CREATE FUNCTION trueup.string_or_null(p_value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (jsonb_typeof(p_value) = 'string'::text) THEN NULLIF(btrim((p_value #>> '{}'::text[])), ''::text) ELSE NULL::text END;

CREATE FUNCTION trueup.call_id_named(p_metadata jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT named.call_id FROM (VALUES (1,trueup.string_or_null((call_id_named.p_metadata -> 'call_id'::text))), (2,trueup.string_or_null((call_id_named.p_metadata -> 'retell_call_id'::text)))) named("position", call_id) WHERE (named.call_id ~ '^call_[0-9a-f]{27}$'::text) ORDER BY named."position" LIMIT 1);

CREATE FUNCTION trueup.calls_fill_appointment() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_made boolean;
    v_appointment_id bigint;
begin
    if trueup.undoing() then
        return new;
    end if;

    select own.appointment_made, own.appointment_id into v_made, v_appointment_id
    from trueup.appointments_of_call(
        new.id, new.company_id, coalesce(new.appointment_id, old.appointment_id)
    ) as own;

    if v_made then
        new.appointment_made := true;
        new.appointment_id := coalesce(new.appointment_id, v_appointment_id);
        new.appointment_link_status := 'linked';
        new.appointment_linked_at := coalesce(new.appointment_linked_at, old.appointment_linked_at, now());
    end if;

    return new;
end;
$$;

CREATE FUNCTION trueup.calls_fill_customer_link() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_has_left boolean := tg_op = 'UPDATE'
        and old.customer_id is not null
        and new.customer_id is distinct from old.customer_id;
    v_stored record;
    v_direction text;
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_nargs > 0 then -- whatever the statement names
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    if new.customer_name is not null and not trueup.usable_name(new.company_id, new.customer_name) then
        new.customer_name := null;
    end if;

    if
        new.customer_link_status not in (
            'linked', 'name_only', 'anonymous', 'pending_review', 'unlinked', 'failed'
        )
    then
        new.customer_link_status := coalesce(
            trueup.vocabulary_value('customer_link_status', new.customer_link_status), new.customer_link_status
        );
    end if;

    if new.customer_id is null then
        if v_has_left or new.customer_link_status = 'linked' then
            new.customer_link_method := null;
            new.customer_link_confidence := null;
            new.customer_linked_at := null;
        end if;
        if new.customer_link_status in ('pending_review', 'failed') then
            null; -- somebody set it
        elsif new.customer_name is null and not trueup.is_withheld(new.from_number) then
            new.customer_link_status := 'unlinked'; -- rule K, without asking for unusable names
        else
            new.customer_link_status := trueup.link_status_without_customer(
                new.company_id, new.customer_name, new.from_number
            );
        end if;
        return new;
    end if;

    if tg_op = 'INSERT' and (new.customer_link_method is null or new.customer_linked_at is null) then
        select
            c.customer_id,
            c.customer_link_status,
            c.customer_link_method,
            c.customer_link_confidence,
            c.customer_linked_at
        into v_stored
        from public.calls as c
        where c.company_id = new.company_id and c.retell_call_id = new.retell_call_id
        limit 1;
        if v_stored.customer_id = new.customer_id then
            if new.customer_link_status <> 'linked' and v_stored.customer_link_status = 'pending_review' then
                new.customer_link_status := 'pending_review';
            end if;
            if new.customer_link_method is null then
                new.customer_link_method := v_stored.customer_link_method;
                new.customer_link_confidence := coalesce(
                    new.customer_link_confidence, v_stored.customer_link_confidence
                );
            end if;
            new.customer_linked_at := coalesce(new.customer_linked_at, v_stored.customer_linked_at);
        end if;
    end if;

    if v_has_left and coalesce(new.customer_linked_at = old.customer_linked_at, true) then
        new.customer_link_method := nullif(new.customer_link_method, old.customer_link_method);
        new.customer_link_confidence := nullif(new.customer_link_confidence, old.customer_link_confidence);
        new.customer_linked_at := null;
    elsif v_has_left and new.customer_link_method = 'unknown' then
        -- from EXCLUDED, whose time is that of the upsert
        new.customer_link_confidence := nullif(new.customer_link_confidence, old.customer_link_confidence);
    end if;

    if
        new.customer_link_status = 'pending_review'
        or (
            tg_op = 'UPDATE'
            and new.customer_link_status <> 'linked'
            and (
                new.customer_id, new.from_number, new.customer_link_status,
                new.customer_link_method, new.customer_link_confidence, new.customer_linked_at
            ) is not distinct from (
                old.customer_id, old.from_number, old.customer_link_status,
                old.customer_link_method, old.customer_link_confidence, old.customer_linked_at
            )
        )
    then
        return new;
    end if;

    new.customer_link_status := 'linked';

    -- triggers of one event fire in name order: calls_fill_direction comes after this one
    v_direction := coalesce(
        nullif(new.direction, ''),
        trueup.direction_by_numbers(new.company_id, new.from_number, new.to_number)
    );
    if
        (
            new.customer_link_method is null
            or (new.customer_link_confidence is null and new.customer_link_method in ('unknown', 'phone_match'))
        )
        and exists (
            select 1
            from public.customers as k
            where
                k.id = new.customer_id
                and trueup.phone_matches(
                    new.company_id, v_direction, new.from_number, new.to_number, k.company_id, k.phone_normalized
                )
        )
    then
        new.customer_link_method := 'phone_match';
        new.customer_link_confidence := coalesce(new.customer_link_confidence, 100.00);
    end if;
    new.customer_link_method := coalesce(new.customer_link_method, 'unknown');
    new.customer_linked_at := coalesce(
        new.customer_linked_at,
        case when not v_has_left then old.customer_linked_at end,
        now()
    );

    return new;
end;
$$;

CREATE FUNCTION trueup.calls_fill_decoded() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'UPDATE' then -- whatever the statement names
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    new.booking_details := trueup.decoded(new.booking_details);
    new.metadata := trueup.decoded(new.metadata);
    return new;
end;
$$;

CREATE FUNCTION trueup.calls_fill_direction() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_direction text;
    v_is_default boolean;
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_nargs > 0 then -- whatever the statement names
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    if
        nullif(new.direction, '') is not null
        and old.metadata @> '{"direction_defaulted": true}'
        and new.direction is distinct from old.direction
    then
        new.metadata := new.metadata - 'direction_defaulted';
        return new;
    end if;

    v_direction := trueup.direction_by_numbers(new.company_id, new.from_number, new.to_number);
    if v_direction is not null then
        new.direction := v_direction;
        if new.metadata @> '{"direction_defaulted": true}' then
            new.metadata := new.metadata - 'direction_defaulted';
        end if;
    elsif nullif(new.direction, '') is null then
        if tg_op = 'INSERT' then
            select
                c.direction,
                coalesce(c.metadata @> '{"direction_defaulted": true}', false)
            into v_direction, v_is_default
            from public.calls as c
            where
                c.company_id = new.company_id
                and c.retell_call_id = new.retell_call_id
                and c.direction <> ''
            limit 1;
        end if;
        new.direction := coalesce(v_direction, trueup.default_direction());
        if v_direction is null or v_is_default then
            new.metadata := trueup.direction_defaulted(new.metadata);
        end if;
    end if;

    return new;
end;
$$;

CREATE FUNCTION trueup.calls_fill_duration() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if trueup.undoing() then
        return new;
    end if;

    -- before PostgreSQL 17 the server does not subtract infinite times
    if
        new.duration_ms = old.duration_ms
        and isfinite(new.started_at)
        and new.ended_at >= new.started_at
        and new.ended_at < new.started_at + interval '24 days'
        and abs(extract(epoch from new.ended_at - new.started_at) * 1000 - new.duration_ms) > 1000
    then
        perform trueup.note_row('public.calls', 'id=' || new.id); -- whatever the statement names
        new.duration_ms := round(extract(epoch from new.ended_at - new.started_at) * 1000);
    end if;
    return new;
end;
$$;

CREATE FUNCTION trueup.calls_fill_outcome() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'INSERT' then
        select c.session_outcome into new.session_outcome
        from public.calls as c
        where c.company_id = new.company_id and c.retell_call_id = new.retell_call_id
        limit 1;
    end if;
    new.session_outcome := coalesce(new.session_outcome, 'appointment_booked');
    return new;
end;
$$;

CREATE FUNCTION trueup.calls_fill_status() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_ranked constant text[] := array['registered', 'ongoing', 'ended', 'analyzed', 'failed'];
    v_old_status text;
begin
    -- up, or the same word: the way of nearly every call
    if
        tg_op = 'UPDATE'
        and array_position(v_ranked, new.status) >= array_position(v_ranked, old.status)
    then
        return new;
    end if;

    if trueup.undoing() then
        return new;
    end if;

    if tg_nargs > 0 then -- whatever the statement names
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    new.status := coalesce(trueup.vocabulary_value('call_status', new.status), new.status);

    if tg_op = 'UPDATE' then
        v_old_status := trueup.vocabulary_value('call_status', old.status);
        if
            (
                select after.rank < before.rank
                from trueup.vocabularies as after
                inner join trueup.vocabularies as before on after.vocabulary = before.vocabulary
                where
                    after.vocabulary = 'call_status'
                    and after.value = new.status
                    and before.value = v_old_status
            )
        then
            new.status := v_old_status;
        end if;
    end if;

    return new;
end;
$$;

CREATE FUNCTION trueup.calls_fill_type() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if trueup.undoing() then
        return new;
    end if;

    new.call_type := trueup.provider_call_type(new.metadata);
    return new;
end;
$$;

CREATE FUNCTION trueup.cancel_appointment(p_company_id bigint, p_appointment_id bigint, p_call_id bigint DEFAULT NULL::bigint, p_reason text DEFAULT NULL::text, p_actor text DEFAULT SESSION_USER) RETURNS TABLE(appointment_id bigint, replayed boolean, modification_id bigint, cancelled_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment public.appointments := trueup.changeable_appointment(p_company_id, p_appointment_id, p_call_id);
    v_now timestamptz := clock_timestamp();
    v_modification_id bigint;
begin
    if v_appointment.status = 'cancelled' then
        return query
        select
            p_appointment_id,
            true,
            (
                select m.id
                from public.appointment_modifications as m
                where m.appointment_id = p_appointment_id and m.kind = 'cancel'
                order by m.created_at desc, m.id desc
                limit 1
            ),
            v_appointment.cancelled_at;
        return;
    end if;

    if v_appointment.status not in ('pending', 'confirmed') then
        raise exception 'appointment % is %', p_appointment_id, v_appointment.status
            using errcode = 'TU204', hint = 'What is over cannot be cancelled.';
    end if;

    update public.appointments as a
    set status = 'cancelled', cancelled_at = v_now, updated_at = now()
    where a.id = p_appointment_id;

    insert into public.appointment_modifications as m
        (company_id, appointment_id, call_id, kind, old_starts_at, reason, actor, created_at)
    values (
        p_company_id, p_appointment_id, p_call_id, 'cancel', v_appointment.starts_at, p_reason, p_actor, v_now
    )
    returning m.id into v_modification_id;

    return query select p_appointment_id, false, v_modification_id, v_now;
end;
$$;

CREATE FUNCTION trueup.cancellation_time(p_appointment_id bigint) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (
        select case when trueup.vocabulary_value('modification_kind', m.kind) = 'cancel' then m.created_at end
        from public.appointment_modifications as m
        where m.appointment_id = p_appointment_id
        order by m.created_at desc, m.id desc
        limit 1
    );
end;
$$;

CREATE FUNCTION trueup.changeable_appointment(p_company_id bigint, p_appointment_id bigint, p_call_id bigint) RETURNS public.appointments
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment public.appointments;
    v_customer_id bigint;
    v_staff_id bigint;
begin
    if
        p_call_id is not null
        and not exists (
            select 1
            from public.calls as c
            where c.id = p_call_id and c.company_id = p_company_id and c.deleted_at is null
        )
    then
        perform trueup.refuse_unknown('call', p_call_id, p_company_id);
    end if;

    select a.customer_id, a.staff_id into v_customer_id, v_staff_id
    from public.appointments as a
    where a.id = p_appointment_id and a.company_id = p_company_id;

    loop
        perform 1
        from public.customers as k
        where k.id = v_customer_id and k.company_id = p_company_id
        for no key update;
        perform 1
        from public.staff as s
        where s.id = v_staff_id and s.company_id = p_company_id
        for no key update;

        select a.* into v_appointment
        from public.appointments as a
        where a.id = p_appointment_id and a.company_id = p_company_id and a.deleted_at is null
        for no key update;
        if not found then
            perform trueup.refuse_unknown('appointment', p_appointment_id, p_company_id);
        end if;

        exit when
            v_appointment.customer_id is not distinct from v_customer_id
            and v_appointment.staff_id is not distinct from v_staff_id;
        v_customer_id := v_appointment.customer_id;
        v_staff_id := v_appointment.staff_id;
    end loop;

    v_appointment.status := coalesce(
        trueup.vocabulary_value('appointment_status', v_appointment.status), v_appointment.status
    );
    return v_appointment;
end;
$$;

CREATE FUNCTION trueup.column_differs(p_column text, p_image jsonb, p_other jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((((p_image -> p_column))::text IS DISTINCT FROM ((p_other -> p_column))::text) OR (((p_image -> ''::text) -> p_column) IS DISTINCT FROM ((p_other -> ''::text) -> p_column)));

CREATE FUNCTION trueup.changed_columns(p_image jsonb, p_other jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (regexp_replace(regexp_replace(((SELECT jsonb_object_agg(c.key, CASE WHEN (c.value = (changed_columns.p_other -> c.key)) THEN COALESCE(((changed_columns.p_image -> ''::text) -> c.key), c.value) ELSE c.value END) AS jsonb_object_agg FROM jsonb_each(changed_columns.p_image) c(key, value) WHERE ((c.key <> ''::text) AND CASE WHEN (changed_columns.p_other IS NULL) THEN (c.value <> 'null'::jsonb) ELSE trueup.column_differs(c.key, changed_columns.p_image, changed_columns.p_other) END)))::text, '([^\s"@\\]{1,2})[^\s"@\\]*@[^\s"@\\]+'::text, '\1***'::text, 'g'::text), '(?<![\w+])((?:\+|00?)\d)[\d ()/.-]{3,}(\d\d)(?![\w.:-])|(?<=")(\d\d)\d{5,}(\d\d)(?=")'::text, '\1\3***\2\4'::text, 'g'::text))::jsonb;

CREATE FUNCTION trueup.checks_being_filed() RETURNS SETOF text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select ch.name
    from trueup.checks as ch
    where
        not case
            when pg_try_advisory_xact_lock(hashtext('trueup.file_violations'), ch.id::integer)
                then pg_try_advisory_xact_lock(hashtext('trueup.guard_tripped'), ch.id::integer)
            else false
        end;
$$;

CREATE FUNCTION trueup.circuit_allow(p_key text, OUT allowed boolean, OUT permit text, OUT state text, OUT mode text, OUT epoch bigint, OUT reason text, OUT retry_at timestamp with time zone, OUT retry_after interval) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_circuit trueup.circuit_breaker_states;
    v_locked trueup.circuit_breaker_states;
    v_now timestamptz;
begin
    select s.* into v_circuit
    from trueup.circuit_breaker_states as s
    where s.service_key = p_key;

    if not found then
        if coalesce(btrim(p_key), '') = '' then
            raise exception 'a circuit needs a key'
                using
                    errcode = 'TU501',
                    hint = 'Name what fails together, for example appointment_booking:service:7.';
        end if;
        v_circuit.current_state := 'closed';
        v_circuit.mode := 'automatic';
        v_circuit.epoch := 0;
    end if;

    if v_circuit.current_state <> 'closed' and trueup.circuit_probe_is_free(v_circuit) then
        -- who finds the row locked is refused: somebody takes the probe at this moment
        select s.* into v_locked
        from trueup.circuit_breaker_states as s
        where s.service_key = p_key
        for update skip locked;

        if found then
            v_circuit := v_locked;
            if trueup.circuit_probe_is_free(v_locked) then
                v_now := clock_timestamp();
                update trueup.circuit_breaker_states as s
                set
                    current_state = 'half_open',
                    epoch = s.epoch + (s.current_state = 'open')::integer,
                    success_count = case when s.current_state = 'open' then 0 else s.success_count end,
                    state_changed_at = case when s.current_state = 'open' then v_now else s.state_changed_at end,
                    open_until = null,
                    probe_permit = gen_random_uuid(),
                    probe_expires_at = v_now + coalesce((trueup.circuit_rules(p_key)).probe_time, '1 minute')
                where s.service_key = p_key
                returning s.* into v_circuit;

                if v_locked.current_state = 'open' or v_locked.probe_permit is not null then
                    insert into trueup.circuit_breaker_events
                        (service_key, old_state, new_state, reason, happened_at, epoch)
                    values (
                        p_key,
                        v_locked.current_state,
                        'half_open',
                        case v_locked.current_state
                            when 'open' then 'its time is over: one caller tries'
                            else 'the probe was not reported: another caller tries'
                        end,
                        v_now,
                        v_circuit.epoch
                    );
                end if;
                permit := format('%s.%s.%s', v_circuit.epoch, v_circuit.probe_permit, p_key);
            end if;
        end if;
    end if;

    state := v_circuit.current_state;
    mode := v_circuit.mode;
    epoch := v_circuit.epoch;
    allowed := state = 'closed' or permit is not null;

    if allowed then
        reason := case
            when permit is not null then 'probe'
            when mode = 'force_closed' then 'forced closed'
            else 'closed'
        end;
    else
        v_now := clock_timestamp();
        reason := case
            when mode = 'force_open' then 'forced open'
            when state = 'open' then 'open'
            else 'half open: another caller tries'
        end;
        if mode <> 'force_open' then
            retry_at := greatest(coalesce(v_circuit.open_until, v_circuit.probe_expires_at), v_now);
            retry_after := retry_at - v_now;
        end if;
        insert into trueup.circuit_breaker_metrics (service_key, outcome, happened_at, epoch)
        values (p_key, 'rejected', v_now, epoch);
        allowed := mode = 'shadow';
    end if;

    if allowed then
        permit := coalesce(permit, format('%s..%s', epoch, p_key));
    end if;
end;
$$;

CREATE TABLE trueup.circuit_breaker_states (
    service_key text NOT NULL,
    current_state text DEFAULT 'closed'::text NOT NULL,
    failure_count integer DEFAULT 0 NOT NULL,
    success_count integer DEFAULT 0 NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    last_failure_at timestamp with time zone,
    state_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    open_until timestamp with time zone,
    mode text DEFAULT 'automatic'::text NOT NULL,
    mode_reason text,
    mode_changed_at timestamp with time zone,
    mode_changed_by text,
    open_count integer DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone,
    probe_permit uuid,
    probe_expires_at timestamp with time zone,
    CONSTRAINT circuit_breaker_states_mode_known CHECK ((mode = ANY (ARRAY['automatic'::text, 'shadow'::text, 'force_open'::text, 'force_closed'::text]))),
    CONSTRAINT circuit_breaker_states_opened_complete CHECK (((current_state = 'closed'::text) = (opened_at IS NULL))),
    CONSTRAINT circuit_breaker_states_probe_complete CHECK ((((probe_permit IS NULL) = (probe_expires_at IS NULL)) AND ((probe_permit IS NULL) OR (current_state = 'half_open'::text)))),
    CONSTRAINT circuit_breaker_states_state_known CHECK ((current_state = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text])))
);

CREATE FUNCTION trueup.circuit_probe_is_free(p_circuit trueup.circuit_breaker_states) RETURNS boolean
    LANGUAGE sql
    RETURN (((p_circuit).mode = ANY (ARRAY['automatic'::text, 'shadow'::text])) AND CASE (p_circuit).current_state WHEN 'open'::text THEN COALESCE(((p_circuit).open_until <= clock_timestamp()), true) WHEN 'half_open'::text THEN COALESCE(((p_circuit).probe_expires_at <= clock_timestamp()), true) ELSE false END);

CREATE FUNCTION trueup.circuit_report(p_permit text, p_outcome text, p_duration interval DEFAULT NULL::interval, p_reporter text DEFAULT NULL::text, OUT counted boolean, OUT state text, OUT epoch bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_parts text[] := regexp_match(p_permit, '^(\d{1,18})\.([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})?\.(.*\S.*)$');
    v_key text := v_parts[3];
    v_epoch bigint := v_parts[1];
    v_probe uuid := v_parts[2];
    v_reporter text := coalesce(
        p_reporter, concat_ws(' ', inet_client_addr(), nullif(current_setting('application_name'), ''))
    );
    v_circuit trueup.circuit_breaker_states;
    v_rules trueup.circuit_breaker_settings;
    v_slow boolean;
    v_bad boolean;
    v_window record;
    v_in_a_row integer;
    v_reason text;
    v_next text;
    v_now timestamptz := clock_timestamp();
begin
    if v_key is null then
        raise exception 'this is no permit of a circuit: %', coalesce('"' || p_permit || '"', 'null')
            using errcode = 'TU501', hint = 'Give back the permit that trueup.circuit_allow gave; without one, report nothing.';
    elsif (p_outcome in ('success', 'failure', 'refusal', 'abandoned')) is not true then
        raise exception 'circuit %: a call has no outcome %', v_key, coalesce('"' || p_outcome || '"', 'null')
            using errcode = 'TU501', hint = 'The outcomes are success, failure, refusal and abandoned.';
    elsif p_duration < '0' then
        raise exception 'circuit %: a call cannot last %', v_key, p_duration using errcode = 'TU501';
    end if;

    select s.* into v_circuit
    from trueup.circuit_breaker_states as s
    where s.service_key = v_key;

    v_slow := p_outcome = 'success'
        and p_duration is not null
        and coalesce(
            p_duration > coalesce(
                (select o.slow from trueup.circuit_breaker_settings as o where o.service_key = v_key),
                (select st.value::interval from trueup.settings as st where st.name = 'circuit_slow')
            ),
            false
        );
    v_bad := v_slow or p_outcome = 'failure';

    insert into trueup.circuit_breaker_metrics
        (service_key, outcome, duration_ms, happened_at, epoch, is_slow, reporter)
    values (
        v_key, p_outcome, round(extract(epoch from p_duration) * 1000, 3), v_now, v_epoch, v_slow, v_reporter
    );

    state := coalesce(v_circuit.current_state, 'closed');
    epoch := coalesce(v_circuit.epoch, 0);
    counted := false;

    -- what the row need not be locked for: old news, no news, and a success as usual
    if
        epoch <> v_epoch
        or v_circuit.mode in ('force_open', 'force_closed')
        or (state <> 'closed' and (v_probe = v_circuit.probe_permit) is not true)
        or (state = 'closed' and p_outcome in ('refusal', 'abandoned'))
    then
        return;
    elsif state = 'closed' and not v_bad and coalesce(v_circuit.failure_count, 0) = 0 then
        counted := true;
        return;
    end if;

    if v_circuit.service_key is null then
        insert into trueup.circuit_breaker_states (service_key)
        values (v_key)
        on conflict do nothing;
    end if;

    -- lock first, then read: two reports at once are judged one after the other
    select s.* into v_circuit
    from trueup.circuit_breaker_states as s
    where s.service_key = v_key
    for update;

    state := v_circuit.current_state;
    epoch := v_circuit.epoch;
    if
        epoch <> v_epoch
        or v_circuit.mode in ('force_open', 'force_closed')
        or (state <> 'closed' and (v_probe = v_circuit.probe_permit) is not true)
    then
        return;
    end if;

    counted := p_outcome in ('success', 'failure');
    v_in_a_row := case
        when p_outcome = 'failure' then v_circuit.failure_count + 1
        when state = 'closed' then 0
        else v_circuit.failure_count
    end;
    if state = 'closed' and not v_bad and v_circuit.failure_count = 0 then
        return; -- another success was quicker to end the row
    end if;
    v_now := clock_timestamp();
    v_rules := trueup.circuit_rules(v_key);

    if state = 'closed' then
        if v_bad then
            select
                count(*) as calls,
                count(*) filter (where w.is_bad) as bad,
                case
                    when v_rules.quorum > 1 then cardinality(array(
                        select distinct unnest(array_agg(w.reporter) filter (where w.is_bad))
                    ))
                end as reporters
            into v_window
            from (
                select
                    m.is_slow or m.outcome = 'failure' as is_bad,
                    m.reporter
                from trueup.circuit_breaker_metrics as m
                where
                    m.service_key = v_key
                    and m.happened_at > v_now - v_rules.share_window
                    and m.epoch = v_epoch
                    and m.outcome in ('success', 'failure')
                order by m.happened_at desc
                limit 500
            ) as w;
            v_reason := case
                when v_window.reporters < v_rules.quorum then null
                when v_in_a_row >= v_rules.failures then format('%s failures in a row', v_in_a_row)
                when
                    v_window.calls >= v_rules.share_calls
                    and v_window.bad >= v_rules.failure_share * v_window.calls
                    then format(
                        '%s of %s calls in %s failed or were slow', v_window.bad, v_window.calls, v_rules.share_window
                    )
            end;
            v_next := case when v_reason is not null then 'open' end;
        end if;
    elsif v_bad then
        v_next := 'open';
        v_reason := case when v_slow then 'the probe was slow' else 'the probe failed' end;
    elsif p_outcome = 'success' and coalesce(v_circuit.success_count + 1 >= v_rules.successes, true) then
        v_next := 'closed';
        v_reason := format('%s successful probes', v_circuit.success_count + 1);
    end if;

    -- two updates, because the columns of the second are read by a check, and noted as changed
    update trueup.circuit_breaker_states as s
    set
        failure_count = v_in_a_row,
        success_count = s.success_count + (state = 'half_open' and p_outcome = 'success' and not v_slow)::integer,
        last_failure_at = case when p_outcome = 'failure' then v_now else s.last_failure_at end,
        probe_permit = null,
        probe_expires_at = null
    where s.service_key = v_key;

    if v_next is not null then
        update trueup.circuit_breaker_states as s
        set
            current_state = v_next,
            epoch = s.epoch + 1,
            state_changed_at = v_now,
            failure_count = case v_next when 'closed' then 0 else s.failure_count end,
            success_count = case v_next when 'closed' then 0 else s.success_count end,
            open_count = case v_next when 'closed' then 0 else s.open_count + 1 end,
            opened_at = case v_next when 'closed' then null else coalesce(s.opened_at, v_now) end,
            open_until = case v_next when 'open' then v_now + least(
                v_rules.open_time * power(2, least(s.open_count, 30)), v_rules.open_time_most
            ) end
        where s.service_key = v_key
        returning s.current_state, s.epoch into state, epoch;

        insert into trueup.circuit_breaker_events (service_key, old_state, new_state, reason, happened_at, epoch)
        values (v_key, v_circuit.current_state, v_next, v_reason, v_now, epoch);
    end if;
end;
$_$;

CREATE TABLE trueup.circuit_breaker_settings (
    service_key text NOT NULL,
    failures integer,
    failure_share numeric,
    share_window interval,
    share_calls integer,
    slow interval,
    open_time interval,
    open_time_most interval,
    probe_time interval,
    successes integer,
    quorum integer,
    CONSTRAINT circuit_breaker_settings_counts_positive CHECK (((failures > 0) AND (share_calls > 0) AND (successes > 0) AND (quorum > 0))),
    CONSTRAINT circuit_breaker_settings_share_sensible CHECK (((failure_share > (0)::numeric) AND (failure_share <= (1)::numeric))),
    CONSTRAINT circuit_breaker_settings_times_positive CHECK (((share_window > '00:00:00'::interval) AND (slow > '00:00:00'::interval) AND (open_time > '00:00:00'::interval) AND (open_time_most > '00:00:00'::interval) AND (probe_time > '00:00:00'::interval)))
);

CREATE TABLE trueup.settings (
    name text NOT NULL,
    value text NOT NULL,
    default_value text NOT NULL,
    kind text NOT NULL,
    description text NOT NULL,
    CONSTRAINT settings_kind_known CHECK ((kind = ANY (ARRAY['interval'::text, 'integer'::text, 'numeric'::text, 'text'::text]))),
    CONSTRAINT settings_value_parses CHECK (
CASE kind
    WHEN 'interval'::text THEN ((value)::interval IS NOT NULL)
    WHEN 'integer'::text THEN ((value)::integer IS NOT NULL)
    WHEN 'numeric'::text THEN ((value)::numeric IS NOT NULL)
    ELSE true
END)
);

CREATE FUNCTION trueup.circuit_rules(p_key text) RETURNS trueup.circuit_breaker_settings
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT circuit_rules.p_key AS p_key,
     COALESCE(o.failures, ((d.value ->> 'circuit_failures'::text))::integer) AS "coalesce",
     COALESCE(o.failure_share, ((d.value ->> 'circuit_failure_share'::text))::numeric) AS "coalesce",
     COALESCE(o.share_window, ((d.value ->> 'circuit_share_window'::text))::interval) AS "coalesce",
     COALESCE(o.share_calls, ((d.value ->> 'circuit_share_calls'::text))::integer) AS "coalesce",
     COALESCE(o.slow, ((d.value ->> 'circuit_slow'::text))::interval) AS "coalesce",
     COALESCE(o.open_time, ((d.value ->> 'circuit_open_time'::text))::interval) AS "coalesce",
     COALESCE(o.open_time_most, ((d.value ->> 'circuit_open_time_most'::text))::interval) AS "coalesce",
     COALESCE(o.probe_time, ((d.value ->> 'circuit_probe_time'::text))::interval) AS "coalesce",
     COALESCE(o.successes, ((d.value ->> 'circuit_successes'::text))::integer) AS "coalesce",
     COALESCE(o.quorum, ((d.value ->> 'circuit_quorum'::text))::integer) AS "coalesce"
    FROM (( SELECT jsonb_object_agg(st.name, st.value) AS value
            FROM trueup.settings st
           WHERE (st.name ~~ 'circuit\_%'::text)) d
      LEFT JOIN trueup.circuit_breaker_settings o ON ((o.service_key = circuit_rules.p_key)));
END;

CREATE TABLE trueup.manual_review_queue (
    id bigint NOT NULL,
    company_id text,
    reason text NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    description text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    severity text DEFAULT 'warning'::text NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    snoozed_until timestamp with time zone,
    assigned_to text,
    claimed_by text,
    claimed_at timestamp with time zone,
    claim_token uuid,
    lease_expires_at timestamp with time zone,
    escalated_at timestamp with time zone,
    decided_by text,
    decided_at timestamp with time zone,
    resolution_notes text,
    repair_id bigint,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT manual_review_queue_claim_complete CHECK (((status = 'in_progress'::text) = ((claimed_by IS NOT NULL) AND (claim_token IS NOT NULL) AND (lease_expires_at IS NOT NULL)))),
    CONSTRAINT manual_review_queue_priority_known CHECK (((priority >= 1) AND (priority <= 5))),
    CONSTRAINT manual_review_queue_severity_known CHECK ((severity = ANY (ARRAY['critical'::text, 'warning'::text, 'info'::text]))),
    CONSTRAINT manual_review_queue_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'in_progress'::text, 'resolved'::text, 'dismissed'::text])))
);

CREATE FUNCTION trueup.claim_review(p_reviewer text, p_item_id bigint DEFAULT NULL::bigint, p_lease interval DEFAULT NULL::interval, p_company_id text DEFAULT NULL::text) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_reviewer text := btrim(p_reviewer);
    v_lease interval := trueup.review_lease(p_lease);
    v_item trueup.manual_review_queue;
begin
    if coalesce(v_reviewer, '') = '' then
        raise exception 'a claim needs the name of the reviewer' using errcode = 'TU005';
    end if;

    if p_item_id is null then
        select q.* into v_item
        from trueup.manual_review_queue as q
        where
            q.status in ('pending', 'in_progress')
            and (q.status = 'pending' or q.lease_expires_at <= clock_timestamp())
            and (q.snoozed_until is null or q.snoozed_until <= clock_timestamp())
            and (q.assigned_to is null or q.assigned_to = v_reviewer)
            and (p_company_id is null or q.company_id = p_company_id)
        order by q.priority, q.due_at, q.id
        limit 1
        for update skip locked;

        if not found then
            return null;
        end if;
    else
        select q.* into v_item
        from trueup.manual_review_queue as q
        where q.id = p_item_id and (p_company_id is null or q.company_id = p_company_id)
        for update;

        if not found then
            raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
        elsif v_item.status in ('resolved', 'dismissed') then
            raise exception 'review item % was already % by %', p_item_id, v_item.status, v_item.decided_by
                using
                    errcode = 'TU003',
                    detail = format('Decided at %s.', v_item.decided_at),
                    hint = 'Reopen it first.';
        elsif v_item.status = 'in_progress' and v_item.lease_expires_at > clock_timestamp() then
            raise exception 'review item % is claimed by % until %',
                p_item_id, v_item.claimed_by, date_trunc('second', v_item.lease_expires_at)
                using
                    errcode = 'TU003',
                    hint = 'Take another item, or wait until the lease ends.';
        elsif v_item.assigned_to <> v_reviewer then
            raise exception 'review item % is assigned to %', p_item_id, v_item.assigned_to
                using errcode = 'TU003', hint = 'Reassign it first.';
        end if;
    end if;

    if v_item.status = 'in_progress' then
        insert into trueup.manual_review_events (item_id, event, actor, details)
        values (
            v_item.id,
            'lease_expired',
            'trueup',
            jsonb_build_object('claimed_by', v_item.claimed_by, 'lease_expires_at', v_item.lease_expires_at)
        );
    end if;

    update trueup.manual_review_queue as q
    set
        status = 'in_progress',
        claimed_by = v_reviewer,
        claimed_at = clock_timestamp(),
        claim_token = gen_random_uuid(),
        lease_expires_at = clock_timestamp() + v_lease,
        snoozed_until = null,
        updated_at = clock_timestamp()
    where q.id = v_item.id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        v_item.id, 'claimed', v_reviewer, jsonb_build_object('lease_expires_at', v_item.lease_expires_at)
    );

    return v_item;
end;
$$;

CREATE FUNCTION trueup.claim_sync_failures(p_most integer DEFAULT 10, p_company_id bigint DEFAULT NULL::bigint) RETURNS TABLE(failure_id bigint, company_id bigint, appointment_id bigint, operation text, attempt integer, max_attempts integer, metadata jsonb, token uuid, lease_expires_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_failure trueup.sync_failures;
begin
    for v_failure in
        select f.*
        from trueup.sync_failures as f
        where
            f.status = 'pending'
            and (f.next_attempt_at is null or f.next_attempt_at <= clock_timestamp())
            and (f.lease_expires_at is null or f.lease_expires_at <= clock_timestamp())
            and (p_company_id is null or f.company_id = p_company_id)
        order by f.next_attempt_at nulls first, f.id
        limit greatest(p_most, 0)
        for update skip locked
    loop
        if v_failure.attempt_count >= v_failure.max_attempts then
            perform trueup.hand_over_sync_failure(v_failure.id, 'all tries are used up');
            continue;
        end if;

        update trueup.sync_failures as f
        set
            attempt_count = f.attempt_count + 1,
            claim_token = gen_random_uuid(),
            lease_expires_at = clock_timestamp() + trueup.setting('sync_retry_lease')::interval,
            updated_at = clock_timestamp()
        where f.id = v_failure.id
        returning f.* into v_failure;

        failure_id := v_failure.id;
        company_id := v_failure.company_id;
        appointment_id := v_failure.appointment_id;
        operation := v_failure.operation;
        attempt := v_failure.attempt_count;
        max_attempts := v_failure.max_attempts;
        metadata := v_failure.metadata;
        token := v_failure.claim_token;
        lease_expires_at := v_failure.lease_expires_at;
        return next;
    end loop;
end;
$$;

CREATE FUNCTION trueup.company_fault(p_company_id bigint, p_found_company_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (p_company_id IS NULL) THEN jsonb_build_object('missing', true) WHEN (p_found_company_id IS NULL) THEN jsonb_build_object('id', p_company_id, 'exists', false) ELSE NULL::jsonb END;

CREATE TABLE trueup.console_sessions (
    id bigint NOT NULL,
    token_hash bytea NOT NULL,
    user_id bigint NOT NULL,
    method text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    idle interval NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    address inet,
    agent text,
    CONSTRAINT console_sessions_hash_whole CHECK ((length(token_hash) = 32)),
    CONSTRAINT console_sessions_method_known CHECK ((method = ANY (ARRAY['password'::text, 'proxy'::text])))
);

CREATE TABLE trueup.console_users (
    id bigint NOT NULL,
    name text NOT NULL,
    password_hash text,
    role text NOT NULL,
    companies text[],
    language text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text DEFAULT SESSION_USER NOT NULL,
    password_changed_at timestamp with time zone,
    disabled_at timestamp with time zone,
    CONSTRAINT console_users_companies_known CHECK (((cardinality(companies) > 0) AND (array_position(companies, NULL::text) IS NULL))),
    CONSTRAINT console_users_name_plain CHECK (((name = btrim(name)) AND (name <> ''::text) AND (length(name) <= 100))),
    CONSTRAINT console_users_role_known CHECK ((role = ANY (ARRAY['reviewer'::text, 'admin'::text, 'viewer'::text])))
);

CREATE VIEW trueup.console_me WITH (security_barrier='true') AS
 SELECT u.id,
    u.name,
    u.role,
    u.companies,
    u.language,
    s.id AS session_id,
    s.method,
    s.address
   FROM (trueup.console_sessions s
     JOIN trueup.console_users u ON ((s.user_id = u.id)))
  WHERE ((s.token_hash = decode(NULLIF(current_setting('trueup.console_session'::text, true), ''::text), 'hex'::text)) AND (s.ended_at IS NULL) AND (s.expires_at > clock_timestamp()) AND ((s.last_seen_at + s.idle) > clock_timestamp()) AND (u.disabled_at IS NULL));

CREATE FUNCTION trueup.console_actor(p_writes boolean DEFAULT true) RETURNS trueup.console_me
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_me trueup.console_me;
begin
    select me.* into v_me from trueup.console_me as me;
    if v_me.id is null then
        raise exception 'nobody is signed in, or the session has ended' using errcode = 'TU006';
    elsif p_writes and v_me.role = 'viewer' then
        raise exception 'role viewer changes nothing' using errcode = 'TU006', hint = 'An admin gives roles.';
    end if;
    return v_me;
end;
$$;

CREATE FUNCTION trueup.console_attempt(p_name text, p_address inet, OUT attempt_id bigint, OUT password_hash text, OUT wait interval) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_hash bytea := sha256(convert_to(lower(btrim(p_name)), 'UTF8'));
    v_window interval := trueup.setting('console_attempts_window')::interval;
    v_failures record;
    v_until timestamptz;
begin
    -- one at a time by name, then by address
    perform pg_advisory_xact_lock(hashtextextended('trueup console ' || encode(v_hash, 'hex'), 0));
    perform pg_advisory_xact_lock(hashtextextended('trueup console ' || coalesce(host(p_address), ''), 0));

    for v_failures in
        select
            count(*) - trueup.setting('console_attempts_name')::integer as excess,
            max(ca.happened_at) as last_at
        from trueup.console_attempts as ca
        where
            ca.name_hash = v_hash
            and not ca.succeeded
            and ca.happened_at > clock_timestamp() - v_window
            and ca.id > coalesce(
                (
                    select max(done.id)
                    from trueup.console_attempts as done
                    where done.name_hash = v_hash and done.succeeded
                ),
                0
            )
        union all
        select
            count(*) - trueup.setting('console_attempts_address')::integer,
            max(ca.happened_at)
        from trueup.console_attempts as ca
        where
            ca.address = p_address
            and not ca.succeeded
            and ca.happened_at > clock_timestamp() - v_window
    loop
        if v_failures.excess >= 0 then
            v_until := greatest(
                v_until,
                v_failures.last_at + least(v_window, interval '30 seconds' * power(2, least(v_failures.excess, 16)))
            );
        end if;
    end loop;

    if v_until > clock_timestamp() then
        wait := v_until - clock_timestamp();
        return;
    end if;

    insert into trueup.console_attempts (name_hash, address)
    values (v_hash, p_address)
    returning id into attempt_id;

    select u.password_hash into console_attempt.password_hash
    from trueup.console_users as u
    where lower(u.name) = lower(btrim(p_name)) and u.disabled_at is null;
end;
$$;

CREATE FUNCTION trueup.console_audited(p_me trueup.console_me, p_action text, p_company_id text DEFAULT NULL::text, p_item_id bigint DEFAULT NULL::bigint, p_alert_id bigint DEFAULT NULL::bigint, p_details jsonb DEFAULT '{}'::jsonb) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    insert into trueup.console_audit
        (actor, role, address, action, item_id, event_id, alert_id, company_id, details)
    values (
        p_me.name,
        p_me.role,
        coalesce(nullif(current_setting('trueup.console_address', true), '')::inet, p_me.address),
        p_action,
        p_item_id,
        (select max(e.id) from trueup.manual_review_events as e where e.item_id = p_item_id),
        p_alert_id,
        p_company_id,
        jsonb_strip_nulls(p_details)
    );
$$;

CREATE FUNCTION trueup.console_begin_session(p_name text, p_token_hash bytea, p_method text, p_idle interval, p_lasts interval, p_address inet, p_agent text, p_attempt_id bigint DEFAULT NULL::bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_user trueup.console_users;
    v_me trueup.console_me;
begin
    -- a password that is being changed, or a user that is being disabled, is waited for
    select u.* into v_user
    from trueup.console_users as u
    where lower(u.name) = lower(btrim(p_name)) and u.disabled_at is null
    for share;
    if not found then
        return false;
    end if;

    update trueup.console_attempts as ca set succeeded = true where ca.id = p_attempt_id;

    insert into trueup.console_sessions (token_hash, user_id, method, idle, expires_at, address, agent)
    values (
        p_token_hash, v_user.id, p_method, p_idle, clock_timestamp() + p_lasts, p_address, left(p_agent, 200)
    );

    perform set_config('trueup.console_session', encode(p_token_hash, 'hex'), true);
    v_me := trueup.console_actor(p_writes => false);
    perform trueup.console_audited(v_me, 'signed in', p_details => jsonb_build_object('method', p_method));
    return true;
end;
$$;

CREATE FUNCTION trueup.console_enter(p_token_hash bytea, p_address inet DEFAULT NULL::inet, p_touch boolean DEFAULT true) RETURNS SETOF trueup.console_me
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform set_config('trueup.console_session', encode(p_token_hash, 'hex'), true);
    perform set_config('trueup.console_address', coalesce(host(p_address), ''), true);

    -- not at every request, or each would write
    update trueup.console_sessions as s
    set last_seen_at = clock_timestamp()
    from trueup.console_me as me
    where
        p_touch
        and s.id = me.session_id
        and s.last_seen_at < clock_timestamp() - least(interval '1 minute', s.idle / 4);

    return query select me.* from trueup.console_me as me;
end;
$$;

CREATE FUNCTION trueup.console_item(p_item_id bigint, p_me trueup.console_me) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue;
begin
    select q.* into v_item
    from trueup.manual_review_queue as q
    where q.id = p_item_id and (p_me.companies is null or q.company_id = any(p_me.companies))
    for update;
    if not found then
        raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
    end if;
    return v_item;
end;
$$;

CREATE FUNCTION trueup.console_key() RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select ck.key from trueup.console_keys as ck order by ck.id desc limit 1;
$$;

CREATE FUNCTION trueup.console_leave() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
begin
    perform trueup.console_audited(v_me, 'signed out');
    update trueup.console_sessions as s set ended_at = clock_timestamp() where s.id = v_me.session_id;
end;
$$;

CREATE FUNCTION trueup.console_masked(p_value jsonb, p_key text DEFAULT ''::text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_text text := p_value #>> '{}';
begin
    case jsonb_typeof(p_value)
        when 'object' then
            return (
                select coalesce(jsonb_object_agg(e.key, trueup.console_masked(e.value, e.key)), '{}')
                from jsonb_each(p_value) as e
            );
        when 'array' then
            return (
                select coalesce(jsonb_agg(trueup.console_masked(e.value, p_key) order by e.place), '[]')
                from jsonb_array_elements(p_value) with ordinality as e (value, place)
            );
        when 'string' then
            if
                (v_text ~ '^\+?[0-9(][0-9 ()/.-]{5,}$' and v_text !~ '^\d{4}-\d\d-\d\d')
                or v_text ~ '[^@\s]@[^@\s]'
                or p_key ~* trueup.setting('console_masked')
            then
                return to_jsonb(trueup.masked(v_text));
            end if;
            return p_value;
        else
            return p_value;
    end case;
end;
$_$;

CREATE FUNCTION trueup.console_matter(p_item_id bigint) RETURNS TABLE(invariant text, explanation text, repair text, repairable boolean, violated boolean, evidence jsonb, metadata jsonb, alert_id bigint, alert_status text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select
        ch.invariant,
        ch.description,
        ch.repair,
        to_regproc('trueup.repair_' || ch.name) is not null,
        case when ch.id is not null then v.description is not null end,
        trueup.console_masked(v.evidence),
        trueup.console_masked(q.metadata),
        al.id,
        al.status
    from trueup.console_queue as q
    left join trueup.checks as ch on q.reason = ch.name and ch.is_active
    left join lateral trueup.violation_under_review(ch.name, q.entity_type, q.entity_id) as v on true
    left join trueup.data_consistency_alerts as al
        on
            q.reason = al.alert_type
            and q.entity_type = al.entity_type
            and q.entity_id = al.entity_id
            and al.status <> 'resolved'
    where q.id = p_item_id;
$$;

CREATE FUNCTION trueup.console_own_hash() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select u.password_hash from trueup.console_users as u inner join trueup.console_me as me on u.id = me.id;
$$;

CREATE FUNCTION trueup.console_preview(p_item_id bigint, p_token uuid, OUT outcome text, OUT reason text, OUT changes jsonb, OUT ends text[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_me trueup.console_me := trueup.console_actor();
    v_item trueup.manual_review_queue := trueup.console_item(p_item_id, v_me);
begin
    if p_token is distinct from v_item.claim_token or v_item.claimed_by is distinct from v_me.name then
        raise exception 'this claim on review item % is stale', p_item_id using errcode = 'TU001';
    end if;

    select
        p.outcome,
        p.reason,
        p.resolved,
        (
            select jsonb_agg(
                jsonb_build_object(
                    'table', c.change -> 'table_name',
                    'key', c.change -> 'key_value',
                    'operation', c.change -> 'operation',
                    'columns', (
                        select jsonb_agg(
                            jsonb_build_object(
                                'name', k.name,
                                'before', trueup.console_masked(c.change -> 'before' -> k.name, k.name),
                                'after', trueup.console_masked(c.change -> 'after' -> k.name, k.name)
                            )
                            order by k.place
                        )
                        from jsonb_object_keys(
                            coalesce(nullif(c.change -> 'after', 'null'), c.change -> 'before')
                        ) with ordinality as k (name, place)
                    )
                )
                order by c.place
            )
            from jsonb_array_elements(p.changes) with ordinality as c (change, place)
        )
    into outcome, reason, ends, changes
    from trueup.preview_repair(v_item.reason, v_item.entity_type, v_item.entity_id) as p;
end;
$$;

CREATE FUNCTION trueup.console_rows(p_item_id bigint) RETURNS TABLE(relation text, entity_type text, table_name text, key_value text, content jsonb, columns text[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
    v_item record;
    v_kind record;
    v_row jsonb;
    v_self jsonb;
    v_keys text[];
    v_back text;
    v_back_type text;
    v_seen text[] := '{}';
begin
    select q.entity_type, q.entity_id, q.metadata || coalesce(m.evidence, '{}') as evidence into v_item
    from trueup.console_queue as q
    left join lateral trueup.violation_under_review(q.reason, q.entity_type, q.entity_id) as m on true
    where q.id = p_item_id;

    for v_kind in
        select distinct on (cp.entity_type, cp.entity_type = v_item.entity_type)
            cp.entity_type,
            cp.table_name,
            to_regclass(cp.table_name) as table_id,
            cp.key_column,
            cp.key_type,
            cp.company_column
        from trueup.check_populations as cp
        where to_regclass(cp.table_name) is not null
        order by cp.entity_type = v_item.entity_type desc, cp.entity_type, cp.table_name
    loop
        v_keys := case
            when v_kind.entity_type = v_item.entity_type then array[v_item.entity_id]
            else array_remove(array[v_self ->> (v_kind.entity_type || '_id')], null)
        end;
        v_keys := v_keys || coalesce(
            trueup.related(
                v_item.evidence,
                array[v_kind.entity_type || '_id', v_kind.entity_type || '_ids']
            ),
            '{}'
        );
        -- the key is cast to the type of the column, and not the column, which would hide the index
        select att.attname, format_type(att.atttypid, -1) into v_back, v_back_type
        from pg_catalog.pg_index as i
        inner join pg_catalog.pg_attribute as att
            on i.indrelid = att.attrelid and att.attnum = any((i.indkey::smallint[])[0:1])
        where i.indrelid = v_kind.table_id and att.attname = v_item.entity_type || '_id'
        limit 1;
        begin
            execute format('select $1::%s', coalesce(v_back_type, 'text')) using v_item.entity_id;
        exception
            -- what is no key of that column is not named there
            when data_exception then
                v_back := null;
        end;

        columns := array(
            select att.attname::text
            from pg_catalog.pg_attribute as att
            where att.attrelid = v_kind.table_id and att.attnum > 0 and not att.attisdropped
            order by att.attnum
        );

        -- t alone would be a column of that name
        for v_row in execute format(
            'select to_jsonb(t.*) from %1$s as t where t.%2$I = any($1::%3$s[]) %4$s limit 6',
            v_kind.table_name,
            v_kind.key_column,
            v_kind.key_type,
            case when v_back is not null then format('or t.%I = $2::%s', v_back, v_back_type) end
        ) using v_keys, v_item.entity_id
        loop
            entity_type := v_kind.entity_type;
            table_name := v_kind.table_name;
            key_value := v_row ->> v_kind.key_column;
            relation := case
                when entity_type = v_item.entity_type and key_value = v_item.entity_id then 'self'
                when key_value = any(v_keys) then 'named'
                else 'names it'
            end;
            if relation = 'self' then
                v_self := v_row;
            end if;
            content := case
                when v_me.companies is null or v_row ->> v_kind.company_column = any(v_me.companies)
                    then trueup.console_masked(v_row)
            end;
            return next;
        end loop;
    end loop;
exception
    -- an application may queue what is no key of any table
    when data_exception then
        return;
end;
$_$;

CREATE FUNCTION trueup.console_set_password(p_hash text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
begin
    perform trueup.console_audited(v_me, 'password changed');
    update trueup.console_users as u
    set password_hash = p_hash, password_changed_at = clock_timestamp()
    where u.id = v_me.id;
    update trueup.console_sessions as s
    set ended_at = clock_timestamp()
    where s.user_id = v_me.id and s.ended_at is null;
end;
$$;

CREATE FUNCTION trueup.console_speak(p_language text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
begin
    update trueup.console_users as u set language = p_language where u.id = v_me.id;
end;
$$;

CREATE FUNCTION trueup.console_write(p_action text, p_item_id bigint DEFAULT NULL::bigint, p_token uuid DEFAULT NULL::uuid, p_note text DEFAULT NULL::text, p_until timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to text DEFAULT NULL::text, p_company_id text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_me trueup.console_me := trueup.console_actor();
    v_item trueup.manual_review_queue;
    v_note text := nullif(btrim(p_note), '');
    v_to text := nullif(btrim(p_to), '');
begin
    if p_item_id is null and p_action = 'claim' then
        -- as claim_review chooses, among the companies of the person
        select q.* into v_item
        from trueup.manual_review_queue as q
        where
            q.status in ('pending', 'in_progress')
            and (q.status = 'pending' or q.lease_expires_at <= clock_timestamp())
            and (q.snoozed_until is null or q.snoozed_until <= clock_timestamp())
            and (q.assigned_to is null or q.assigned_to = v_me.name)
            and (v_me.companies is null or q.company_id = any(v_me.companies))
            and (p_company_id is null or q.company_id = p_company_id)
        order by q.priority, q.due_at, q.id
        limit 1
        for update skip locked;
        if not found then
            return null;
        end if;
    else
        v_item := trueup.console_item(p_item_id, v_me);
    end if;

    -- a token is its holder's; what is done with it bears the holder's name
    if p_token is not null and p_token = v_item.claim_token and v_item.claimed_by <> v_me.name then
        raise exception 'this claim on review item % is stale', v_item.id using errcode = 'TU001';
    end if;

    if
        p_action = 'reassign'
        and v_to is not null
        and not exists (
            select 1 from trueup.console_reviewers as cr where cr.item_id = v_item.id and cr.name = v_to
        )
    then
        raise exception 'nobody called % can work on review item %', v_to, v_item.id using errcode = 'TU005';
    end if;

    case p_action
        when 'claim' then perform trueup.claim_review(v_me.name, v_item.id);
        when 'extend' then perform trueup.extend_review(v_item.id, p_token);
        when 'release' then perform trueup.release_review(v_item.id, p_token, v_note);
        when 'resolve' then perform trueup.resolve_review(v_item.id, p_token, v_note);
        when 'repair' then perform trueup.resolve_review(v_item.id, p_token, v_note, p_repair => true);
        when 'dismiss' then perform trueup.dismiss_review(v_item.id, p_token, v_note);
        when 'snooze' then perform trueup.snooze_review(v_item.id, p_token, p_until, v_note, v_me.name);
        when 'reassign' then perform trueup.reassign_review(v_item.id, p_token, v_to, v_note, v_me.name);
        when 'reopen' then perform trueup.reopen_review(v_item.id, v_me.name, v_note);
        else raise exception 'an item knows no action %', p_action using errcode = 'TU005';
    end case;

    perform trueup.console_audited(
        v_me,
        p_action,
        v_item.company_id,
        v_item.id,
        p_details => jsonb_build_object('until', p_until, 'to', v_to)
    );
    return v_item.id;
end;
$$;

CREATE FUNCTION trueup.console_write_alert(p_action text, p_alert_id bigint, p_note text DEFAULT NULL::text, p_until timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_me trueup.console_me := trueup.console_actor();
    v_company_id text;
begin
    select al.company_id into v_company_id
    from trueup.data_consistency_alerts as al
    where al.id = p_alert_id and (v_me.companies is null or al.company_id = any(v_me.companies));
    if not found then
        raise exception 'alert % does not exist', p_alert_id using errcode = 'TU002';
    end if;

    case p_action
        when 'acknowledge' then perform trueup.acknowledge_alert(p_alert_id, v_me.name);
        when 'snooze' then perform trueup.snooze_alert(p_alert_id, p_until, v_me.name);
        when 'accept' then perform trueup.accept_alert(p_alert_id, v_me.name, p_note, p_until);
        else raise exception 'an alert knows no action %', p_action using errcode = 'TU005';
    end case;

    perform trueup.console_audited(
        v_me,
        p_action,
        v_company_id,
        p_alert_id => p_alert_id,
        p_details => jsonb_build_object('until', p_until, 'note', p_note)
    );
    return p_alert_id;
end;
$$;

CREATE FUNCTION trueup.constraint_definition(p_constraint oid) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    return regexp_replace(pg_catalog.pg_get_constraintdef(p_constraint), ' NOT VALID$', '');
end;
$_$;

CREATE FUNCTION trueup.constraint_obstacle(p_kind text, p_table text, p_definition text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_referenced text := substring(p_definition from '\mreferences\s+([^\s(]+)');
    v_keyed regclass := to_regclass(p_table); -- the table whose columns must be unique
    v_list text := p_definition;
    v_shorter text;
    v_columns text[];
    v_reason text;
    v_key text;
begin
    select d.reason into v_reason
    from trueup.distant_tables as d
    where d.table_id in (to_regclass(p_table), to_regclass(v_referenced))
    order by d.table_id <> to_regclass(p_table)
    limit 1;
    if v_reason is null then
        select format('%s.%s is missing', a.schema_name, m.name) into v_reason
        from trueup.application as a
        cross join unnest(a.missing_columns) as m (name)
        where
            p_table = a.schema_name || '.' || split_part(m.name, '.', 1)
            and p_definition ~ format('\m%s\M', split_part(m.name, '.', 2))
        limit 1;
    end if;
    if v_reason is not null or p_kind not in ('unique index', 'exclude', 'foreign key') then
        return v_reason;
    end if;

    if p_kind = 'foreign key' then
        v_keyed := to_regclass(v_referenced);
        v_list := split_part(p_definition, v_referenced, 2);
    end if;
    if not exists (
        select 1 from pg_catalog.pg_class as c where c.oid = v_keyed and c.relkind = 'p'
    ) then
        return null;
    end if;
    if p_kind = 'exclude' and current_setting('server_version_num')::integer < 170000 then
        return format('%s is partitioned: an exclusion constraint there needs PostgreSQL 17', v_keyed);
    end if;

    -- the first parentheses, without what stands in parentheses inside them
    v_list := substr(v_list, strpos(v_list, '(') + 1);
    loop
        v_shorter := regexp_replace(v_list, '\([^()]*\)', '', 'g');
        exit when v_shorter = v_list;
        v_list := v_shorter;
    end loop;
    select array_agg(split_part(btrim(e.element), ' ', 1)) into v_columns
    from regexp_split_to_table(split_part(v_list, ')', 1), ',') as e (element)
    where p_kind <> 'exclude' or e.element ~ '\mwith\s+=\s*$';

    select pg_catalog.pg_get_partkeydef(pt.partrelid) into v_key
    from pg_catalog.pg_partition_tree(v_keyed) as part
    inner join pg_catalog.pg_partitioned_table as pt on part.relid = pt.partrelid
    cross join lateral unnest(pt.partattrs::smallint[]) as k (attnum)
    left join pg_catalog.pg_attribute as att on pt.partrelid = att.attrelid and att.attnum = k.attnum and k.attnum > 0
    where coalesce(quote_ident(att.attname) <> all(v_columns), true)
    limit 1;
    if v_key is null then
        return null;
    end if;
    return format(
        case p_kind
            when 'foreign key' then '%s is partitioned by %s: what it refers to cannot be a unique key there'
            else '%s is partitioned by %s: what is unique there must hold these columns'
        end,
        v_keyed,
        v_key
    );
end;
$_$;

CREATE FUNCTION trueup.contract_error(p_statement text, p_search_path text) RETURNS TABLE(sqlstate text, message text)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
declare
    v_fits constant text := 'TU900';
    v_name text;
    v_state text;
    v_message text;
begin
    if p_statement ~ ';' then
        return query select '42601'::text, 'a contract is one statement, without a semicolon'::text;
        return;
    end if;

    select format('trueup_contract_%s', n.n) into v_name
    from generate_series(1, 1000) as n (n)
    where not exists (
        select 1
        from pg_catalog.pg_prepared_statements as ps
        where ps.name = format('trueup_contract_%s', n.n)
    )
    order by n.n
    limit 1;

    begin
        perform set_config('search_path', p_search_path, true);
        execute format('prepare %I as %s', v_name, p_statement);
        execute format('deallocate %I', v_name);
        raise exception using errcode = v_fits;
    exception
        when others then
            get stacked diagnostics v_state = returned_sqlstate, v_message = message_text;
            if v_state ~ '^(08|40|53|55|57|58|XX)' then
                raise;
            end if;
    end;

    if v_state <> v_fits then
        return query select v_state, v_message;
    end if;
end;
$$;

CREATE FUNCTION trueup.decoded(p_value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_value jsonb := p_value;
begin
    if jsonb_typeof(p_value) <> 'string' then
        return p_value;
    end if;

    begin
        -- nobody encodes more often than this; a bound keeps a hostile value cheap
        for v_round in 1..5 loop
            v_value := (v_value #>> '{}')::jsonb;
            exit when jsonb_typeof(v_value) <> 'string';
        end loop;
    exception
        -- no JSON; or JSON deeper or larger than the server reads
        when data_exception or program_limit_exceeded then
            return p_value;
    end;

    if jsonb_typeof(v_value) in ('object', 'array') then
        return v_value;
    end if;

    return p_value;
end;
$$;

CREATE FUNCTION trueup.creation_failed(p_booking_details jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN COALESCE((lower((trueup.decoded(p_booking_details) ->> 'appointment_creation_failed'::text)) = 'true'::text), false);

CREATE FUNCTION trueup.setting(p_name text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((SELECT st.value FROM trueup.settings st WHERE (st.name = setting.p_name)), CASE p_name WHEN 'changes_limit'::text THEN '100000'::text WHEN 'check_cost_ceiling'::text THEN '10000000000'::text WHEN 'check_cost_growth'::text THEN '10'::text WHEN 'check_failures_tolerated'::text THEN '1'::text WHEN 'check_interval'::text THEN '1 day'::text WHEN 'console_attempts_address'::text THEN '20'::text WHEN 'console_attempts_name'::text THEN '5'::text WHEN 'console_attempts_window'::text THEN '15 minutes'::text WHEN 'console_masked'::text THEN '(^|_)(name|number|phone|mobile|email|address|notes?|transcript)(_|$)'::text WHEN 'constraint_grace'::text THEN '1 day'::text WHEN 'job_failures_tolerated'::text THEN '1'::text WHEN 'job_patience'::text THEN '10 minutes'::text WHEN 'migrate_lock_budget'::text THEN '5 minutes'::text WHEN 'migrate_lock_timeout'::text THEN '3 seconds'::text WHEN 'notify_failures_tolerated'::text THEN '2'::text WHEN 'review_due_critical'::text THEN '4 hours'::text WHEN 'review_due_info'::text THEN '7 days'::text WHEN 'review_due_warning'::text THEN '1 day'::text WHEN 'review_lease'::text THEN '30 minutes'::text WHEN 'review_queue_limit'::text THEN '10'::text ELSE NULL::text END);

CREATE TABLE trueup.vocabularies (
    vocabulary text NOT NULL,
    value text NOT NULL,
    means text NOT NULL,
    rank smallint
);

CREATE FUNCTION trueup.vocabulary_value(p_vocabulary text, p_value text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT vo.means FROM trueup.vocabularies vo WHERE ((vo.vocabulary = vocabulary_value.p_vocabulary) AND (vo.value = lower(regexp_replace(vocabulary_value.p_value, '\s'::text, ''::text, 'g'::text)))));

CREATE FUNCTION trueup.default_direction() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE(trueup.vocabulary_value('direction'::text, trueup.setting('default_direction'::text)), 'inbound'::text);

CREATE FUNCTION trueup.is_withheld(p_number text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (COALESCE(lower(regexp_replace(p_number, '\s'::text, ''::text, 'g'::text)), ''::text) = ANY (ARRAY[''::text, 'anonymous'::text, 'unknown'::text, 'unavailable'::text, 'blocked'::text, 'private'::text, 'withheld'::text, 'restricted'::text]));

CREATE FUNCTION trueup.plain_phone(p_number text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (NOT trueup.is_withheld(p_number)) THEN NULLIF(regexp_replace(regexp_replace(p_number, '[^0-9+]'::text, ''::text, 'g'::text), '^00'::text, '+'::text), ''::text) ELSE NULL::text END;

CREATE TABLE public.phone_numbers (
    id bigint NOT NULL,
    company_id bigint,
    branch_id bigint,
    number text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT phone_numbers_company_known CHECK ((company_id IS NOT NULL))
);

CREATE FUNCTION trueup.direction_by_numbers(p_company_id bigint, p_from_number text, p_to_number text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (EXISTS (SELECT 1 FROM public.phone_numbers pn WHERE ((pn.company_id = direction_by_numbers.p_company_id) AND (pn.number = ANY (ARRAY[direction_by_numbers.p_to_number, trueup.plain_phone(direction_by_numbers.p_to_number)]))))) THEN 'inbound'::text WHEN (EXISTS (SELECT 1 FROM public.phone_numbers pn WHERE ((pn.company_id = direction_by_numbers.p_company_id) AND (pn.number = ANY (ARRAY[direction_by_numbers.p_from_number, trueup.plain_phone(direction_by_numbers.p_from_number)]))))) THEN 'outbound'::text ELSE NULL::text END;

CREATE FUNCTION trueup.direction_defaulted(p_metadata jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (jsonb_typeof(trueup.decoded(p_metadata)) = 'object'::text) THEN (trueup.decoded(p_metadata) || '{"direction_defaulted": true}'::jsonb) ELSE p_metadata END;

CREATE FUNCTION trueup.dismiss_review(p_item_id bigint, p_token uuid, p_notes text) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token, 'dismissed');
    v_alert trueup.data_consistency_alerts;
    v_alert_id bigint;
begin
    if v_item.status = 'dismissed' then
        return v_item;
    end if;

    if coalesce(btrim(p_notes), '') = '' then
        raise exception 'review item % is not dismissed without a reason', p_item_id
            using errcode = 'TU005', hint = 'Say in the notes why the row may stay as it is.';
    end if;

    select al.id into v_alert_id
    from trueup.data_consistency_alerts as al
    where
        al.alert_type = v_item.reason
        and al.entity_type = v_item.entity_type
        and al.entity_id = v_item.entity_id
        and al.status <> 'resolved';

    if v_alert_id is null then
        select
            trueup.file_alert(
                v_item.reason, v.company_id, v_item.entity_type, v_item.entity_id, v.description, v.evidence
            )
        into v_alert_id
        from trueup.violation_under_review(v_item.reason, v_item.entity_type, v_item.entity_id) as v;

        -- a run that judges the entity before this commits cannot see the alert: the next pass looks again
        insert into trueup.changes (table_name, keys)
        select cp.table_name, array[cp.key_column || '=' || v_item.entity_id]
        from trueup.check_populations as cp
        where v_alert_id is not null and cp.check_name = v_item.reason and cp.entity_type = v_item.entity_type;
    end if;

    if v_alert_id is not null then
        v_alert := trueup.accept_alert(v_alert_id, v_item.claimed_by, p_notes);
    end if;

    -- the token stays: a repeated call is recognised by it; one instant for item and
    -- alert: a reopened item withdraws exactly the acceptance made here
    update trueup.manual_review_queue as q
    set
        status = 'dismissed',
        decided_by = v_item.claimed_by,
        decided_at = coalesce(v_alert.accepted_at, clock_timestamp()),
        resolution_notes = p_notes,
        lease_expires_at = null,
        snoozed_until = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'dismissed',
        v_item.decided_by,
        jsonb_strip_nulls(jsonb_build_object('notes', p_notes, 'alert_id', v_alert_id))
    );

    return v_item;
end;
$$;

CREATE FUNCTION trueup.double_encoded(p_value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((jsonb_typeof(p_value) = 'string'::text) AND ((p_value #>> '{}'::text[]) ~ '^[\s"\\]*[[{]'::text));

CREATE FUNCTION trueup.end_runner_sessions(p_runner_id bigint, p_job text) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select count(*) filter (where pg_terminate_backend(a.pid))
    from pg_catalog.pg_stat_activity as a
    where
        a.datname = current_database()
        and a.usename = current_user
        and a.pid <> pg_backend_pid()
        and case
            when p_job is null
                then
                    a.application_name = format('trueup run %s', p_runner_id)
                    or starts_with(a.application_name, format('trueup run %s ', p_runner_id))
            -- the server keeps 63 bytes of a name
            else a.application_name = left(format('trueup run %s %s', p_runner_id, p_job), 63)
        end;
$$;

CREATE FUNCTION trueup.entities_touched(p_repair_id bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (
        with touched as (
            select r.entity_type, r.entity_id
            from trueup.repairs as r
            where r.id = p_repair_id
            union
            select f.entity_type, i.image ->> f.column_name
            from trueup.repair_changes as rc
            inner join trueup.followed_columns() as f on to_regclass(rc.table_name) = to_regclass(f.table_name)
            cross join lateral (values (rc.before), (rc.after)) as i (image)
            where rc.repair_id = p_repair_id and trueup.is_key(i.image ->> f.column_name, f.key_type)
        )

        select jsonb_object_agg(e.entity_type, e.ids)
        from (
            select t.entity_type, jsonb_agg(t.entity_id) as ids
            from touched as t
            group by t.entity_type
        ) as e
    );
end;
$$;

CREATE FUNCTION trueup.escalate_reviews(p_actor text DEFAULT SESSION_USER) RETURNS SETOF trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query
    with overdue as (
        select q.id, q.priority as old_priority
        from trueup.manual_review_queue as q
        where
            q.status in ('pending', 'in_progress')
            and q.escalated_at is null
            and q.due_at < clock_timestamp()
            and (q.snoozed_until is null or q.snoozed_until <= clock_timestamp())
        order by q.id
        for update skip locked
    ),

    escalated as (
        update trueup.manual_review_queue as q
        set
            priority = greatest(q.priority - 1, 1),
            escalated_at = clock_timestamp(),
            updated_at = clock_timestamp()
        from overdue as o
        where q.id = o.id
        returning q.*
    ),

    logged as (
        insert into trueup.manual_review_events (item_id, event, actor, details)
        select
            e.id,
            'escalated',
            coalesce(p_actor, session_user),
            jsonb_build_object('due_at', e.due_at, 'priority', e.priority, 'old_priority', o.old_priority)
        from escalated as e
        inner join overdue as o on e.id = o.id
        order by e.id
    )

    select e.*
    from escalated as e
    order by e.priority, e.due_at, e.id;
end;
$$;

CREATE FUNCTION trueup.extend_review(p_item_id bigint, p_token uuid, p_lease interval DEFAULT NULL::interval) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token);
begin
    update trueup.manual_review_queue as q
    set
        lease_expires_at = greatest(q.lease_expires_at, clock_timestamp() + trueup.review_lease(p_lease)),
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'extended',
        v_item.claimed_by,
        jsonb_build_object('lease_expires_at', v_item.lease_expires_at)
    );

    return v_item;
end;
$$;

CREATE FUNCTION trueup.fail_booking(p_company_id bigint, p_call_id bigint, p_reason text, p_actor text DEFAULT SESSION_USER) RETURNS TABLE(call_id bigint, replayed boolean, alert_id bigint, queue_item_id bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_alert constant text := 'provider_booking_failed';
    v_call public.calls;
    v_live_appointment_ids bigint[];
    v_is_made boolean;
    v_evidence jsonb;
    v_alert_id bigint;
    v_item_id bigint;
begin
    if coalesce(btrim(p_reason), '') = '' then
        raise exception 'the booking of call % did not fail without a reason', p_call_id using errcode = 'TU205';
    end if;

    perform trueup.lock_participants(p_company_id, p_call_id, null, null);
    select c.* into v_call from public.calls as c where c.id = p_call_id and c.company_id = p_company_id;
    if not found then
        perform trueup.refuse_unknown('call', p_call_id, p_company_id);
    end if;

    select array_agg(ka.id order by ka.id) filter (where ka.status <> 'cancelled'), count(*) > 0
    into v_live_appointment_ids, v_is_made
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id;

    if v_live_appointment_ids is not null then
        raise exception 'the booking of call % has not failed: it has appointment %',
            p_call_id, array_to_string(v_live_appointment_ids, ', ')
            using errcode = 'TU204', hint = 'Cancel the appointment first if it is not to take place.';
    end if;

    select al.id into v_alert_id
    from trueup.data_consistency_alerts as al
    where
        al.alert_type = v_alert
        and al.entity_type = 'call'
        and al.entity_id = p_call_id::text
        and al.status <> 'resolved';
    select q.id into v_item_id
    from trueup.manual_review_queue as q
    where
        q.reason = v_alert
        and q.entity_type = 'call'
        and q.entity_id = p_call_id::text
        and q.status in ('pending', 'in_progress');
    if
        v_call.booking_failed
        and v_call.booking_failure_reason = p_reason
        and (v_is_made or not v_call.booking_confirmed)
        and v_call.requires_manual_processing
        and (v_is_made or (v_call.appointment_link_status, v_call.session_outcome) = ('creation_failed', 'creation_failed'))
        and v_alert_id is not null
        and v_item_id is not null
    then
        return query select p_call_id, true, v_alert_id, v_item_id;
        return;
    end if;

    update public.calls as c
    set
        appointment_made = v_is_made,
        appointment_id = case when v_is_made then c.appointment_id end,
        appointment_link_status = case when v_is_made then c.appointment_link_status else 'creation_failed' end,
        appointment_linked_at = case when v_is_made then c.appointment_linked_at end,
        session_outcome = case when v_is_made then c.session_outcome else 'creation_failed' end,
        booking_confirmed = c.booking_confirmed and v_is_made,
        booking_failed = true,
        booking_failure_reason = p_reason,
        requires_manual_processing = true,
        updated_at = now()
    where c.id = p_call_id;

    -- not the reason: it is free text of the provider and may quote the caller
    v_evidence := jsonb_build_object('booking_id', v_call.booking_id, 'was_confirmed', v_call.booking_confirmed);
    v_alert_id := trueup.file_alert(
        v_alert, p_company_id::text, 'call', p_call_id::text, 'the booking of this call did not come about', v_evidence
    );
    v_item_id := trueup.queue_review(
        v_alert, 'call', p_call_id::text, 'the booking of this call did not come about', p_company_id::text,
        'critical', v_evidence, p_actor
    );

    return query select p_call_id, false, v_alert_id, v_item_id;
end;
$$;

CREATE FUNCTION trueup.fail_event(p_event_id bigint, p_sqlstate text, p_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_event trueup.webhook_events;
begin
    if p_sqlstate like '40%' then
        update trueup.webhook_events as e
        set status = 'received', next_attempt_at = clock_timestamp() + interval '1 second'
        where e.id = p_event_id;
        return;
    elsif p_sqlstate in ('55P03', '55006') then
        update trueup.webhook_events as e
        set
            status = 'received',
            next_attempt_at = clock_timestamp() + interval '30 seconds',
            error = 'somebody else holds a row it needs'
        where e.id = p_event_id;
        return;
    end if;

    update trueup.webhook_events as e
    set
        attempt_count = e.attempt_count + 1,
        error = format('%s (SQLSTATE %s)', left(p_message, 1000), p_sqlstate),
        status = case
            when e.attempt_count + 1 >= trueup.setting('event_max_attempts')::integer then 'dead'
            else 'received'
        end,
        next_attempt_at = clock_timestamp()
            + trueup.setting('event_retry_delay')::interval * 2 ^ least(e.attempt_count, 20)
    where e.id = p_event_id
    returning e.* into v_event;

    if v_event.status = 'dead' then
        perform trueup.queue_review(
            'event_dead',
            'webhook_event',
            p_event_id::text,
            format('%s could not be applied after %s attempts', v_event.event_type, v_event.attempt_count),
            v_event.company_id::text,
            'critical',
            jsonb_strip_nulls(jsonb_build_object(
                'provider', v_event.provider,
                'event_type', v_event.event_type,
                'object_id', v_event.object_id,
                'sqlstate', p_sqlstate
            ))
        );
    end if;
end;
$$;

CREATE FUNCTION trueup.file_alert(p_check text, p_company_id text, p_entity_type text, p_entity_id text, p_description text, p_evidence jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION trueup.file_violations(p_run_id bigint, p_check text, p_most bigint, p_entity_type text DEFAULT NULL::text, p_entity_ids text[] DEFAULT NULL::text[], p_expected text[] DEFAULT NULL::text[], p_total bigint DEFAULT NULL::bigint, OUT superseded boolean, OUT flooded boolean, OUT violations bigint, OUT opened bigint, OUT reopened bigint, OUT resolved bigint, OUT missed bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
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

CREATE FUNCTION trueup.finish_request(p_company_id bigint, p_scope text, p_key uuid, p_token uuid, p_outcome text DEFAULT 'success'::text, p_result jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_request trueup.idempotency_keys;
    v_policy text := coalesce(
        (select rp.policy from trueup.request_policies as rp where rp.scope = p_scope), 'replay'
    );
begin
    if p_outcome is null or p_outcome not in ('success', 'failure', 'transient', 'unknown') then
        raise exception 'a request ends with success, failure, transient or unknown, not with %',
            coalesce(p_outcome, 'NULL')
            using errcode = 'TU205';
    end if;

    select ik.* into v_request
    from trueup.idempotency_keys as ik
    where ik.key = p_key and ik.scope = p_scope and ik.company_id is not distinct from p_company_id
    for update;

    if not found then
        raise exception 'request % of % was not begun', p_key, p_scope using errcode = 'TU200';
    end if;

    if (v_request.token = p_token) is not true then
        raise exception 'another runner has taken over request % of %', p_key, p_scope
            using
                errcode = 'TU201',
                detail = format('It is in attempt %s, %s.', v_request.attempt, v_request.status),
                hint = 'Nothing was changed. If you did it all the same, tell a person: it may have been done twice.';
    end if;

    if v_request.is_retryable then
        return 'retry';
    elsif
        v_request.status = 'finished'
        or (v_request.status = 'unknown' and p_outcome in ('transient', 'unknown'))
    then
        return v_request.status;
    end if;

    if p_outcome = 'unknown' or (p_outcome = 'failure' and v_policy = 'complete') then
        update trueup.idempotency_keys as ik set result = p_result where ik.id = v_request.id;
        perform trueup.give_up_request(
            v_request.id,
            case p_outcome when 'unknown' then 'nobody knows how it ended' else 'it must be done and was refused' end
        );
        return 'unknown';
    end if;

    update trueup.idempotency_keys as ik
    set
        -- to be completed, it is not over: past its lease the check idempotency_key_stuck says so
        status = case when p_outcome = 'transient' and v_policy = 'complete' then 'running' else 'finished' end,
        finished_at = case when p_outcome = 'transient' and v_policy = 'complete' then null else clock_timestamp() end,
        is_retryable = p_outcome = 'transient' and v_policy <> 'replay',
        result = p_result
    where ik.id = v_request.id;

    return case when p_outcome = 'transient' and v_policy <> 'replay' then 'retry' else 'finished' end;
end;
$$;

CREATE FUNCTION trueup.finish_sync_failure(p_company_id bigint, p_failure_id bigint, p_token uuid, p_outcome text, p_error text DEFAULT NULL::text, p_booking_uid text DEFAULT NULL::text, p_booking_number bigint DEFAULT NULL::bigint) RETURNS TABLE(failure_id bigint, status text, attempt_count integer, next_attempt_at timestamp with time zone, review_item_id bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_failure trueup.sync_failures;
    v_appointment_id bigint;
begin
    if (p_outcome in ('done', 'failed', 'refused', 'unknown')) is not true then
        raise exception 'a synchronisation has no outcome %', quote_nullable(p_outcome)
            using errcode = 'TU401', hint = 'The outcomes are done, failed, refused and unknown.';
    end if;

    -- the appointment first, as record_sync_failure locks them
    select f.appointment_id into v_appointment_id
    from trueup.sync_failures as f
    where f.id = p_failure_id and f.company_id = p_company_id;
    perform 1 from public.appointments as a where a.id = v_appointment_id for no key update;

    select f.* into v_failure
    from trueup.sync_failures as f
    where f.id = p_failure_id and f.company_id = p_company_id
    for update;
    if not found then
        raise exception 'company % has no failed synchronisation %',
            coalesce(p_company_id::text, 'NULL'), coalesce(p_failure_id::text, 'NULL')
            using errcode = 'TU402';
    elsif
        v_failure.claim_token is distinct from p_token
        or (p_token is null and (v_failure.status <> 'manual_review' or p_outcome <> 'done'))
    then
        raise exception 'the claim of failed synchronisation % is not this one', p_failure_id
            using
                errcode = 'TU403',
                detail = format('It is %s, after %s tries.', v_failure.status, v_failure.attempt_count),
                hint = 'Claim it again; what was done at the provider stays done.';
    end if;

    if p_outcome = 'done' then
        if
            p_booking_uid is null
            and p_booking_number is null
            and exists (
                select 1
                from public.appointments as a
                where a.id = v_failure.appointment_id and a.calcom_booking_uid is null and a.calcom_booking_id is null
            )
        then
            raise exception 'appointment % is not synced without its booking', v_failure.appointment_id
                using
                    errcode = 'TU401',
                    hint = 'Give the provider''s uid or number; if nobody knows it, the outcome is unknown.';
        end if;

        update public.appointments as a
        set
            calcom_booking_uid = coalesce(a.calcom_booking_uid, p_booking_uid),
            calcom_booking_id = coalesce(a.calcom_booking_id, p_booking_number),
            calcom_sync_status = 'synced',
            last_sync_attempted_at = clock_timestamp()
        where a.id = v_failure.appointment_id and v_failure.status <> 'resolved';

        update trueup.sync_failures as f
        set
            status = 'resolved',
            -- the token stays, so that the same worker may say it twice
            lease_expires_at = null,
            next_attempt_at = null,
            updated_at = clock_timestamp()
        where f.id = p_failure_id
        returning f.* into v_failure;
    elsif v_failure.status = 'pending' then
        update public.appointments as a
        set
            calcom_sync_status = case p_outcome when 'unknown' then 'verification_pending' else 'failed' end,
            sync_attempt_count = a.sync_attempt_count + 1,
            last_sync_attempted_at = clock_timestamp()
        where a.id = v_failure.appointment_id;

        if p_outcome = 'failed' and v_failure.attempt_count < v_failure.max_attempts then
            update trueup.sync_failures as f
            set
                error = p_error,
                claim_token = null,
                lease_expires_at = null,
                next_attempt_at = trueup.sync_retry_at(f.attempt_count),
                updated_at = clock_timestamp()
            where f.id = p_failure_id
            returning f.* into v_failure;
        else
            update trueup.sync_failures as f set error = p_error where f.id = p_failure_id;
            review_item_id := trueup.hand_over_sync_failure(
                p_failure_id,
                case p_outcome
                    when 'refused' then 'the provider refused it'
                    when 'unknown' then 'nobody knows whether the provider did it'
                    else 'all tries are used up'
                end
            );
            select f.* into v_failure from trueup.sync_failures as f where f.id = p_failure_id;
        end if;
    end if;

    failure_id := v_failure.id;
    status := v_failure.status;
    attempt_count := v_failure.attempt_count;
    next_attempt_at := v_failure.next_attempt_at;
    return next;
end;
$$;

CREATE FUNCTION trueup.followed_columns() RETURNS TABLE(table_name text, column_name text, entity_type text, key_type text)
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
values
    ('public.appointment_modifications', 'appointment_id', 'appointment', 'bigint'),
    ('public.appointment_modifications', 'id', 'modification', 'bigint'),
    ('public.appointments', 'call_id', 'call', 'bigint'),
    ('public.appointments', 'customer_id', 'customer', 'bigint'),
    ('public.appointments', 'id', 'appointment', 'bigint'),
    ('public.branches', 'id', 'branch', 'bigint'),
    ('public.calls', 'customer_id', 'customer', 'bigint'),
    ('public.calls', 'id', 'call', 'bigint'),
    ('public.customers', 'id', 'customer', 'bigint'),
    ('public.phone_numbers', 'id', 'phone_number', 'bigint'),
    ('public.services', 'id', 'service', 'bigint'),
    ('public.staff', 'id', 'staff', 'bigint'),
    ('trueup.booking_snapshots', 'id', 'booking', 'bigint'),
    ('trueup.idempotency_keys', 'id', 'request', 'bigint'),
    ('trueup.manual_review_queue', 'entity_id', 'call', 'bigint'),
    ('trueup.sync_failures', 'id', 'sync_failure', 'bigint'),
    ('trueup.webhook_events', 'id', 'webhook_event', 'bigint');
$$;

CREATE FUNCTION trueup.give_up_request(p_request_id bigint, p_why text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_request trueup.idempotency_keys;
begin
    update trueup.idempotency_keys as ik
    set status = 'unknown', is_retryable = false, lease_expires_at = least(ik.lease_expires_at, clock_timestamp())
    where ik.id = p_request_id
    returning ik.* into v_request;

    perform trueup.queue_review(
        'idempotency_key_stuck',
        'request',
        p_request_id::text,
        p_why,
        v_request.company_id::text,
        'critical',
        jsonb_build_object('scope', v_request.scope, 'key', v_request.key, 'attempt', v_request.attempt)
    );
end;
$$;

CREATE FUNCTION trueup.guard_appointment_without_call() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    -- one statement for the mode and the lock: what is off must lock nothing
    perform 1
    from public.appointments as a
    where
        a.id = new.id
        and not exists (
            select 1 from trueup.guards as g where g.name = 'appointment_without_call' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.appointment_without_call as v where v.entity_id = new.id
        )
    then
        perform trueup.guard_tripped('appointment_without_call', new.id);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.guard_call_backlink_broken() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call_id bigint;
begin
    if tg_argv[0] = 'calls' then -- tg_table_name may be that of a partition
        v_call_id := new.id;
    elsif tg_op = 'UPDATE' and new.call_id = old.call_id and new.deleted_at is null then
        return null; -- nothing was taken from the call
    else
        v_call_id := old.call_id;
    end if;

    -- one statement for the mode and the lock: what is off must lock nothing
    perform 1
    from public.calls as c
    where
        c.id = v_call_id
        and not exists (
            select 1 from trueup.guards as g where g.name = 'call_backlink_broken' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.call_backlink_broken as v where v.entity_id = v_call_id
        )
    then
        perform trueup.guard_tripped('call_backlink_broken', v_call_id);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.guard_call_booked_without_appointment() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call_id bigint;
begin
    if tg_argv[0] = 'calls' then -- tg_table_name may be that of a partition
        v_call_id := new.id;
    elsif tg_op = 'UPDATE' and new.call_id = old.call_id and new.deleted_at is null then
        return null; -- nothing was taken from the call
    else
        v_call_id := old.call_id;
    end if;

    -- one statement for the mode and the lock: what is off must lock nothing
    perform 1
    from public.calls as c
    where
        c.id = v_call_id
        and not exists (
            select 1 from trueup.guards as g where g.name = 'call_booked_without_appointment' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.call_booked_without_appointment as v where v.entity_id = v_call_id
        )
    then
        perform trueup.guard_tripped('call_booked_without_appointment', v_call_id);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.guard_call_made_without_appointment() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call_id bigint;
begin
    if tg_argv[0] = 'calls' then -- tg_table_name may be that of a partition
        v_call_id := new.id;
    elsif tg_op = 'UPDATE' and new.call_id = old.call_id and new.deleted_at is null then
        return null; -- nothing was taken from the call
    else
        v_call_id := old.call_id;
    end if;

    -- one statement for the mode and the lock: what is off must lock nothing
    perform 1
    from public.calls as c
    where
        c.id = v_call_id
        and not exists (
            select 1 from trueup.guards as g where g.name = 'call_made_without_appointment' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.call_made_without_appointment as v where v.entity_id = v_call_id
        )
    then
        perform trueup.guard_tripped('call_made_without_appointment', v_call_id);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.guard_call_outcome_without_appointment() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call_id bigint;
begin
    if tg_argv[0] = 'calls' then -- tg_table_name may be that of a partition
        v_call_id := new.id;
    elsif tg_op = 'UPDATE' and new.call_id = old.call_id and new.deleted_at is null then
        return null; -- nothing was taken from the call
    else
        v_call_id := old.call_id;
    end if;

    -- one statement for the mode and the lock: what is off must lock nothing
    perform 1
    from public.calls as c
    where
        c.id = v_call_id
        and not exists (
            select 1 from trueup.guards as g where g.name = 'call_outcome_without_appointment' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.call_outcome_without_appointment as v where v.entity_id = v_call_id
        )
    then
        perform trueup.guard_tripped('call_outcome_without_appointment', v_call_id);
    end if;

    return null;
end;
$$;

CREATE TABLE trueup.guard_companies (
    guard text NOT NULL,
    company_id text NOT NULL,
    mode text NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    changed_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT guard_companies_mode_known CHECK ((mode = ANY (ARRAY['observe'::text, 'enforce'::text])))
);

COMMENT ON TABLE trueup.guard_companies IS 'companies for which a guard has a mode of its own';

CREATE TABLE trueup.guards (
    name text NOT NULL,
    mode text DEFAULT 'observe'::text NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT guards_mode_known CHECK ((mode = ANY (ARRAY['off'::text, 'observe'::text, 'enforce'::text])))
);

CREATE FUNCTION trueup.guard_mode(p_guard text, p_company_id text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((SELECT CASE WHEN (g.mode = 'off'::text) THEN 'off'::text ELSE COALESCE(gc.mode, g.mode) END AS "coalesce" FROM (trueup.guards g LEFT JOIN trueup.guard_companies gc ON (((g.name = gc.guard) AND (gc.company_id = guard_mode.p_company_id)))) WHERE (g.name = guard_mode.p_guard)), 'observe'::text);

CREATE FUNCTION trueup.guard_tripped(p_guard text, p_entity_id anyelement) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
declare
    v_mode text;
    v_role text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    v record;
begin
    execute format(
        'select v.company_id::text as company_id, v.entity_type, v.entity_id::text as entity_id, v.description, v.evidence '
        'from trueup.%I as v where v.entity_id = $1 limit 1',
        p_guard
    )
    into v
    using p_entity_id;

    v_mode := trueup.guard_mode(p_guard, v.company_id);
    if v.entity_id is null or v_mode = 'off' then
        return;
    end if;

    if v_mode = 'enforce' and not trueup.undoing() then
        raise exception '% % violates guard "%"', v.entity_type, v.entity_id, p_guard
            using
                errcode = 'check_violation',
                constraint = p_guard,
                schema = 'trueup',
                detail = v.description || '. ' || v.evidence,
                hint = (
                    select format('What must hold at commit: %s.', ch.invariant)
                    from trueup.checks as ch
                    where ch.name = p_guard
                );
    end if;

    if not trueup.undoing() then
        insert into trueup.guard_trips (guard, company_id, entity_type, entity_id, role_name, application)
        values (
            p_guard, v.company_id, v.entity_type, v.entity_id, v_role, current_setting('application_name')
        );
    end if;

    -- the lock of trueup.file_violations, tried and never waited for; writers share it
    if coalesce(current_setting('trueup.repair_id', true), '') = '' and pg_try_advisory_xact_lock_shared(
        hashtext('trueup.guard_tripped'),
        (select ch.id::integer from trueup.checks as ch where ch.name = p_guard)
    ) then
        begin
            perform trueup.file_alert(
                p_guard,
                v.company_id,
                v.entity_type,
                v.entity_id,
                v.description,
                v.evidence || jsonb_build_object(
                    'written_by', jsonb_build_object(
                        'transaction', pg_current_xact_id()::text,
                        'role', v_role,
                        'application', current_setting('application_name')
                    )
                )
            );
            return;
        exception
            when serialization_failure then
                null; -- noted below
        end;
    end if;

    insert into trueup.changes (table_name, keys)
    select cp.table_name, array[cp.key_column || '=' || v.entity_id]
    from trueup.check_populations as cp
    where cp.check_name = p_guard and cp.entity_type = v.entity_type;
end;
$_$;

CREATE FUNCTION trueup.hand_over_sync_failure(p_failure_id bigint, p_reason text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_failure trueup.sync_failures;
begin
    update trueup.sync_failures as f
    set
        status = 'manual_review',
        claim_token = null,
        lease_expires_at = null,
        next_attempt_at = null,
        updated_at = clock_timestamp()
    where f.id = p_failure_id
    returning f.* into v_failure;

    return trueup.queue_review(
        'sync_failed',
        'sync_failure',
        p_failure_id::text,
        'a synchronisation failed for good: ' || p_reason,
        v_failure.company_id::text,
        'warning',
        jsonb_strip_nulls(jsonb_build_object(
            'operation', v_failure.operation,
            'appointment_id', v_failure.appointment_id,
            'attempt_count', v_failure.attempt_count
        ))
    );
end;
$$;

CREATE FUNCTION trueup.hand_over_sync_failures() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select count(trueup.hand_over_sync_failure(f.id, 'all tries are used up'))
    from (
        select exhausted.id
        from trueup.sync_failures as exhausted
        where
            exhausted.status = 'pending'
            and exhausted.attempt_count >= exhausted.max_attempts
            and (exhausted.next_attempt_at is null or exhausted.next_attempt_at <= clock_timestamp())
            and (exhausted.lease_expires_at is null or exhausted.lease_expires_at <= clock_timestamp())
        order by exhausted.id
        for update skip locked
    ) as f;
$$;

CREATE FUNCTION trueup.held_review(p_item_id bigint, p_token uuid, p_decision text DEFAULT NULL::text, p_free boolean DEFAULT false) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue;
    v_state text;
begin
    select q.* into v_item
    from trueup.manual_review_queue as q
    where q.id = p_item_id
    for update;

    if not found then
        raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
    end if;

    v_state := case
        when v_item.status in ('resolved', 'dismissed') then 'decided'
        when v_item.status = 'pending' then 'free'
        when v_item.lease_expires_at > clock_timestamp() then 'held'
        else 'expired'
    end;

    if p_token is null and p_free and v_state = 'held' then
        raise exception 'review item % is claimed by % until %',
            p_item_id, v_item.claimed_by, date_trunc('second', v_item.lease_expires_at)
            using
                errcode = 'TU001',
                hint = 'Present the token of that claim, or wait until its lease ends.';
    elsif (p_token is not null or not p_free) and (p_token = v_item.claim_token) is not true then
        raise exception 'this claim on review item % is stale', p_item_id
            using
                errcode = 'TU001',
                detail = case v_state
                    when 'decided' then format(
                        'The item was %s by %s at %s.', v_item.status, v_item.decided_by, v_item.decided_at
                    )
                    when 'free' then 'Nobody holds the item.'
                    else format('It was claimed by %s at %s.', v_item.claimed_by, v_item.claimed_at)
                end,
                hint = 'Nothing was changed. Claim the item again to get a token that holds.';
    end if;

    if v_state = 'decided' and v_item.status is distinct from p_decision then
        raise exception 'review item % was already % by %', p_item_id, v_item.status, v_item.decided_by
            using
                errcode = 'TU003',
                detail = format('Decided at %s.', v_item.decided_at),
                hint = 'Reopen it first.';
    elsif v_state = 'expired' and p_decision is not null then
        raise exception 'the claim on review item % expired at %',
            p_item_id, date_trunc('second', v_item.lease_expires_at)
            using
                errcode = 'TU001',
                detail = 'Nobody has claimed the item since.',
                hint = 'Extend the lease with the same token, then decide.';
    end if;

    return v_item;
end;
$$;

CREATE FUNCTION trueup.uuid_v5(p_namespace uuid, p_name text) RETURNS uuid
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_hash constant bytea := trueup.sha1(uuid_send(p_namespace) || convert_to(p_name, 'UTF8'));
begin
    -- version 5 in the high half of byte 6, the RFC's variant in the high bits of byte 8
    return encode(
        set_byte(
            set_byte(substr(v_hash, 1, 16), 6, (get_byte(v_hash, 6) & 15) | 80),
            8,
            (get_byte(v_hash, 8) & 63) | 128
        ),
        'hex'
    )::uuid;
end;
$$;

CREATE FUNCTION trueup.idempotency_key(p_company_id bigint, p_service_id bigint, p_staff_id bigint, p_customer_id bigint, p_call_id bigint, p_starts_at timestamp with time zone, p_generation integer DEFAULT 0) RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN trueup.uuid_v5('ebdb8652-201e-4078-b9e7-abdd19bc8326'::uuid, ((((((((((('v1|booking|'::text || COALESCE((p_company_id)::text, '-'::text)) || '|'::text) || COALESCE((p_service_id)::text, '-'::text)) || '|'::text) || COALESCE((p_staff_id)::text, '-'::text)) || '|'::text) || COALESCE(('customer:'::text || p_customer_id), ('call:'::text || p_call_id), '-'::text)) || '|'::text) || trim_scale(EXTRACT(epoch FROM p_starts_at))) || '|'::text) || p_generation));

CREATE FUNCTION trueup.import_bookings(p_company_id bigint, p_page jsonb, p_import_id bigint DEFAULT NULL::bigint, p_is_last boolean DEFAULT false) RETURNS TABLE(import_id bigint, status text, page_bookings integer, page_added integer, bookings integer, expected integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_page jsonb := trueup.decoded(p_page);
    v_import_id bigint := p_import_id;
    v_import trueup.booking_imports;
    v_total integer;
    v_fault record;
begin
    if jsonb_typeof(v_page) is distinct from 'object' or jsonb_typeof(v_page -> 'data') is distinct from 'array' then
        raise exception 'this is no page of the provider''s list'
            using
                errcode = 'TU401',
                detail = 'It is no object with an array data.',
                hint = 'A page is {"status": "success", "data": [...], "pagination": {...}}.';
    elsif v_page ->> 'status' <> 'success' then
        raise exception 'the provider did not answer with a list'
            using errcode = 'TU401', detail = format('Its status is "%s".', left(v_page ->> 'status', 40));
    elsif p_is_last and v_page @> '{"pagination": {"hasNextPage": true}}' then
        raise exception 'the last page says that there are more'
            using errcode = 'TU401', detail = 'pagination.hasNextPage is true.';
    end if;

    select l.item, l.fault into v_fault
    from trueup.listed_bookings(v_page -> 'data') as l
    where l.fault is not null
    order by l.item
    limit 1;
    if found then
        raise exception 'item % of the page is no booking', v_fault.item
            using
                errcode = 'TU401',
                detail = format('Item %s: %s.', v_fault.item, v_fault.fault),
                hint = 'Nothing of this page was stored.';
    end if;

    if v_import_id is null then
        v_import_id := trueup.begin_booking_import(p_company_id);
    end if;

    select i.* into v_import
    from trueup.booking_imports as i
    where i.id = v_import_id and i.company_id = p_company_id
    for update;
    if not found then
        raise exception 'company % has no import %', coalesce(p_company_id::text, 'NULL'), p_import_id
            using errcode = 'TU402', hint = 'trueup.begin_booking_import begins one.';
    end if;

    with stored as (
        insert into trueup.booking_snapshots as s (
            company_id, booking_uid, booking_number, status, starts_at, ends_at, event_type_id, attendee_name,
            attendee_email, attendee_phone, rescheduled_from_uid, booked_at, import_id, seen_at
        )
        select
            p_company_id,
            l.booking_uid,
            l.booking_number,
            l.status,
            l.starts_at,
            l.ends_at,
            l.event_type_id,
            case when n.is_needed then l.attendee_name end,
            case when n.is_needed then l.attendee_email end,
            case when n.is_needed then l.attendee_phone end,
            l.rescheduled_from_uid,
            l.booked_at,
            v_import.id,
            v_import.taken_at
        from trueup.listed_bookings(v_page -> 'data') as l
        -- who attends matters only to who has to create the appointment
        cross join lateral (
            select
                l.status in ('accepted', 'pending')
                and not exists (
                    select 1
                    from public.appointments as a
                    where a.company_id = p_company_id and a.calcom_booking_uid = l.booking_uid
                ) as is_needed
        ) as n
        order by l.booking_uid
        on conflict (booking_uid, company_id) do update set
            booking_number = excluded.booking_number,
            status = excluded.status,
            starts_at = excluded.starts_at,
            ends_at = excluded.ends_at,
            event_type_id = excluded.event_type_id,
            attendee_name = excluded.attendee_name,
            attendee_email = excluded.attendee_email,
            attendee_phone = excluded.attendee_phone,
            rescheduled_from_uid = excluded.rescheduled_from_uid,
            booked_at = excluded.booked_at,
            import_id = excluded.import_id,
            seen_at = excluded.seen_at
        where s.seen_at <= excluded.seen_at
        returning s.xmax = 0 as is_new
    )

    select count(*) filter (where st.is_new) into page_added from stored as st;

    v_total := trueup.bigint_or_null(v_page #>> '{pagination,totalItems}');
    update trueup.booking_imports as i
    set
        pages = i.pages + 1,
        bookings = (select count(*) from trueup.booking_snapshots as s where s.import_id = v_import.id),
        expected = greatest(v_total, i.expected)
    where i.id = v_import.id
    returning i.* into v_import;

    if p_is_last then
        update trueup.booking_imports as i
        set
            status = case when i.bookings < i.expected then 'incomplete' else 'complete' end,
            finished_at = clock_timestamp()
        where i.id = v_import.id
        returning i.* into v_import;
    end if;

    import_id := v_import.id;
    status := v_import.status;
    page_bookings := jsonb_array_length(v_page -> 'data');
    bookings := v_import.bookings;
    expected := v_import.expected;
    return next;
end;
$$;

CREATE FUNCTION trueup.index_definition(p_index oid) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return pg_catalog.pg_get_indexdef(p_index);
end;
$$;

CREATE FUNCTION trueup.instant_of_ms(p_value jsonb) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((jsonb_typeof(p_value) = 'number'::text) AND (p_value > '0'::jsonb) AND (p_value < '4102444800000'::jsonb)) THEN ('1970-01-01 00:00:00+00'::timestamp with time zone + ((((p_value #>> '{}'::text[]))::numeric)::double precision * '00:00:00.001'::interval)) ELSE NULL::timestamp with time zone END;

CREATE FUNCTION trueup.instant_or_null(p_text text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    if p_text !~ (
        '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
        '[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?'
        '(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)$'
    ) then
        return null;
    end if;

    if right(left(p_text, 10), 2)::integer > extract(
        day from make_date(left(p_text, 4)::integer, right(left(p_text, 7), 2)::integer, 1)
            + interval '1 month' - interval '1 day'
    ) then
        return null;
    end if;

    return p_text::timestamptz;
end;
$_$;

CREATE FUNCTION trueup.is_key(p_value text, p_type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (p_value IS NULL) THEN false WHEN (p_type = ANY (ARRAY['smallint'::text, 'integer'::text, 'bigint'::text])) THEN CASE WHEN (p_value ~ '^-?[0-9]{1,19}$'::text) THEN CASE p_type WHEN 'smallint'::text THEN (((p_value)::numeric >= ('-32768'::integer)::numeric) AND ((p_value)::numeric <= (32767)::numeric)) WHEN 'integer'::text THEN (((p_value)::numeric >= ('-2147483648'::integer)::numeric) AND ((p_value)::numeric <= (2147483647)::numeric)) ELSE (((p_value)::numeric >= ('-9223372036854775808'::bigint)::numeric) AND ((p_value)::numeric <= ('9223372036854775807'::bigint)::numeric)) END ELSE false END WHEN (p_type = 'uuid'::text) THEN (p_value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'::text) ELSE true END;

CREATE FUNCTION trueup.is_placeholder(p_contact text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (trueup.is_withheld(p_contact) OR (lower(btrim(p_contact)) ~ '[@.]invalid$|^(anonymous|unknown|withheld)[^a-z]|^(no|do-?not)[-._]?reply@'::text));

CREATE FUNCTION trueup.journal_row_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    AS $$
declare
    v_before jsonb := case when tg_op <> 'INSERT' then trueup.row_image(old) end;
    v_after jsonb := case when tg_op <> 'DELETE' then trueup.row_image(new) end;
    v_row jsonb := coalesce(v_after, v_before);
    v_repair_id bigint;
    v_table text;
    v_key_column text := case when tg_nargs = 1 then tg_argv[0] else to_jsonb(tg_argv)::text end;
    v_key_value text;
    v_later_id bigint;
    v_current jsonb;
begin
    -- to jsonb 1.50 equals 1.5
    if v_before::text is not distinct from v_after::text then
        return null;
    end if;

    -- the parameter alone proves nothing: the repair it names must be under way in this
    -- transaction, which nobody else sees while its reason is still empty
    select r.id into v_repair_id
    from trueup.repairs as r
    where r.id = current_setting('trueup.repair_id')::bigint and r.reason = '';
    if v_repair_id is null then
        return null;
    end if;

    select format('%I.%I', n.nspname, c.relname) into v_table
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    where c.oid = coalesce(pg_partition_root(tg_relid), tg_relid);

    if tg_nargs = 1 then
        v_key_value := v_row ->> tg_argv[0];
    else
        select jsonb_agg(v_row -> k.name order by k.place)::text into v_key_value
        from unnest(tg_argv) with ordinality as k (name, place);
    end if;

    -- an AFTER trigger of the application that fired before this one may have written the row again,
    -- and what it wrote is in the journal already: one entry for both
    if v_after is not null then
        -- t alone would be a column of that name
        execute format(
            'select trueup.row_image(t.*) from %s as t where %s', v_table, trueup.journaled_row(v_table, v_key_column)
        )
        into v_current
        using v_after;
    end if;
    if v_current::text is distinct from v_after::text then
        select max(l.id) into v_later_id
        from (
            select rc.id, rc.before, lag(rc.after) over (order by rc.id) as left_as
            from trueup.repair_changes as rc
            where rc.repair_id = v_repair_id and rc.table_name = v_table and rc.key_value = v_key_value
        ) as l
        where l.before::text = v_after::text and l.left_as::text is distinct from l.before::text;
    end if;

    if v_later_id is null then
        insert into trueup.repair_changes
            (repair_id, table_name, key_column, key_value, operation, before, after)
        values (v_repair_id, v_table, v_key_column, v_key_value, lower(tg_op), v_before, v_after);
        return null;
    end if;

    delete from trueup.repair_changes as rc
    where rc.id = v_later_id and rc.after::text is not distinct from v_before::text;
    update trueup.repair_changes as rc
    set
        before = v_before,
        operation = case when v_before is null then 'insert' when rc.after is null then 'delete' else 'update' end
    where rc.id = v_later_id;
    return null;
end;
$$;

CREATE FUNCTION trueup.journaled_row(p_table text, p_key_column text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
select
    case
        when count(att.attname) = count(*)
            then string_agg(
                format('t.%I = ($1 ->> %L)::%s', k.name, k.name, format_type(att.atttypid, att.atttypmod)), ' and '
            )
    end
from unnest(
    case
        when p_key_column like '["%' then array(select jsonb_array_elements_text(p_key_column::jsonb))
        else array[p_key_column]
    end
) as k (name)
left join pg_catalog.pg_attribute as att
    on att.attrelid = p_table::regclass and att.attname = k.name and not att.attisdropped;
$_$;

CREATE FUNCTION trueup.link_booking(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_proof trueup.booking_proofs;
    v_booking_uid text;
    v_appointment_ids bigint[];
    v_evidence jsonb;
    v_reason text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;
    select bp.* into v_proof from trueup.booking_proofs as bp where bp.call_id = p_call_id;

    -- booking_id may hold the provider's number of the booking instead of its uid
    v_booking_uid := nullif(btrim(v_call.booking_id), '');
    if v_booking_uid is null or v_booking_uid = v_proof.booking_number::text then
        v_booking_uid := coalesce(v_proof.booking_uid, v_booking_uid);
    end if;

    v_appointment_ids := trueup.appointment_of_booking(v_call.company_id, v_booking_uid);
    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_uid', v_booking_uid,
        'proven_uid', v_proof.booking_uid,
        'appointment_ids', v_appointment_ids
    ));

    v_reason := case
        when v_booking_uid is null then 'the call bears no booking uid'
        when v_booking_uid <> v_proof.booking_uid
            then 'booking_id and booking_details name different bookings'
        when v_appointment_ids is null then 'no appointment without a call bears the booking uid'
        when cardinality(v_appointment_ids) > 1 then 'several appointments bear the booking uid'
        else trueup.not_the_maker(p_call_id, v_appointment_ids[1])
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    -- the condition once more: the row may have been taken since it was read
    update public.appointments as a
    set call_id = p_call_id
    where a.id = v_appointment_ids[1] and a.call_id is null and a.deleted_at is null;

    if not found then
        return ('review', 'the appointment was taken meanwhile', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id and c.session_outcome <> trueup.proven_outcome(c.session_outcome);

    return ('corrected', 'linked by booking uid', v_evidence)::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.plain_name(p_name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN NULLIF(btrim(regexp_replace(regexp_replace(lower(p_name), '[[:punct:]]'::text, ''::text, 'g'::text), '\s+'::text, ' '::text, 'g'::text)), ''::text);

CREATE TABLE trueup.unusable_names (
    id bigint NOT NULL,
    company_id bigint,
    phrase text NOT NULL,
    CONSTRAINT unusable_names_plain CHECK (((phrase = lower(phrase)) AND (phrase !~ '[[:punct:]]'::text) AND (phrase = btrim(phrase)) AND (phrase <> ''::text)))
);

CREATE FUNCTION trueup.usable_name(p_company_id bigint, p_name text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((trueup.plain_name(p_name) IS NOT NULL) AND (NOT (EXISTS (SELECT 1 FROM trueup.unusable_names un WHERE ((un.phrase = trueup.plain_name(usable_name.p_name)) AND ((un.company_id IS NULL) OR (un.company_id = usable_name.p_company_id)))))));

CREATE FUNCTION trueup.link_status_without_customer(p_company_id bigint, p_customer_name text, p_from_number text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN trueup.usable_name(p_company_id, p_customer_name) THEN 'name_only'::text WHEN trueup.is_withheld(p_from_number) THEN 'anonymous'::text ELSE 'unlinked'::text END;

CREATE FUNCTION trueup.listed_bookings(p_data jsonb) RETURNS TABLE(item integer, booking_uid text, booking_number bigint, status text, starts_at timestamp with time zone, ends_at timestamp with time zone, event_type_id bigint, attendee_name text, attendee_email text, attendee_phone text, rescheduled_from_uid text, booked_at timestamp with time zone, fault text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
select
    l.position::integer - 1,
    b.booking_uid,
    trueup.bigint_or_null(l.booking ->> 'id'),
    b.status,
    b.starts_at,
    b.ends_at,
    trueup.bigint_or_null(l.booking ->> 'eventTypeId'),
    trueup.string_or_null(l.booking #> '{attendees,0,name}'),
    trueup.string_or_null(l.booking #> '{attendees,0,email}'),
    trueup.string_or_null(l.booking #> '{attendees,0,phoneNumber}'),
    trueup.string_or_null(l.booking -> 'rescheduledFromUid'),
    trueup.instant_or_null(l.booking ->> 'createdAt'),
    case
        when jsonb_typeof(l.booking) <> 'object' then 'it is no object'
        when b.booking_uid is null then 'it has no uid'
        when b.status is null then 'it has no status'
        when b.starts_at is null or b.ends_at is null then 'it has no readable start and end'
        when b.ends_at <= b.starts_at then 'it ends before it starts'
        when count(*) over (partition by b.booking_uid) > 1 then 'its uid stands twice on the page'
    end
from jsonb_array_elements(p_data) with ordinality as l (booking, position)
cross join lateral (
    select
        trueup.string_or_null(l.booking -> 'uid') as booking_uid,
        lower(trueup.string_or_null(l.booking -> 'status')) as status,
        trueup.instant_or_null(l.booking ->> 'start') as starts_at,
        trueup.instant_or_null(l.booking ->> 'end') as ends_at
    limit 1
) as b;
$$;

CREATE FUNCTION trueup.lock_participants(p_company_id bigint, p_call_id bigint, p_customer_id bigint, p_staff_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if p_call_id is not null then
        perform 1
        from public.calls as c
        where c.id = p_call_id and c.company_id = p_company_id and c.deleted_at is null
        for no key update;
        if not found then
            perform trueup.refuse_unknown('call', p_call_id, p_company_id);
        end if;
    end if;

    if p_customer_id is not null then
        perform 1
        from public.customers as k
        where k.id = p_customer_id and k.company_id = p_company_id and k.deleted_at is null
        for no key update;
        if not found then
            perform trueup.refuse_unknown('customer', p_customer_id, p_company_id);
        end if;
    end if;

    if p_staff_id is not null then
        perform 1
        from public.staff as s
        where s.id = p_staff_id and s.company_id = p_company_id
        for no key update;
        if not found then
            perform trueup.refuse_unknown('staff', p_staff_id, p_company_id);
        end if;
    end if;
end;
$$;

CREATE FUNCTION trueup.locked_alert(p_alert_id bigint) RETURNS trueup.data_consistency_alerts
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_alert trueup.data_consistency_alerts;
begin
    select al.* into v_alert
    from trueup.data_consistency_alerts as al
    where al.id = p_alert_id
    for update;

    if not found then
        raise exception 'alert % does not exist', p_alert_id using errcode = 'TU002';
    elsif v_alert.status = 'resolved' then
        raise exception 'alert % is already resolved: %', p_alert_id, v_alert.resolution
            using
                errcode = 'TU003',
                detail = format('Resolved at %s.', v_alert.resolved_at),
                hint = 'It is reopened by itself when the violation comes back.';
    end if;

    return v_alert;
end;
$$;

CREATE FUNCTION trueup.loosen_constraint(p_name text, p_away boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_constraint trueup.constraints;
begin
    if not trueup.undoing() then
        raise exception 'constraint % is loosened by an undo only', p_name using errcode = 'TU003';
    end if;

    select ct.* into strict v_constraint
    from trueup.constraints as ct
    where ct.name = p_name and ct.kind in ('check', 'foreign key');

    if p_away then
        execute format('alter table %s drop constraint %I', v_constraint.table_name, p_name);
    elsif not (select cs.must_be_built from trueup.constraint_states as cs where cs.name = p_name) then
        execute format(
            'alter table %s add constraint %I %s %s not valid',
            v_constraint.table_name, p_name, v_constraint.kind, v_constraint.definition
        );
    end if;
end;
$$;

CREATE FUNCTION trueup.lost_runners() RETURNS TABLE(runner_id bigint, host text, pid integer, heartbeat_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select
        ru.id,
        ru.host,
        ru.pid,
        ru.heartbeat_at
    from trueup.runners as ru
    where
        ru.stopped_at is null
        and greatest(
            ru.heartbeat_at,
            case when pg_postmaster_start_time() <= now() + interval '1 minute' then pg_postmaster_start_time() end
        ) < now() - ru.silent_after
        and not exists (
            select 1
            from trueup.runners as newer
            where newer.started_at > ru.heartbeat_at and newer.application = ru.application
        );
$$;

CREATE FUNCTION trueup.masked(p_value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (length(p_value) > 6) THEN (("left"(p_value, 2) || '***'::text) || "right"(p_value, 2)) WHEN (p_value IS NOT NULL) THEN '***'::text ELSE NULL::text END;

CREATE TABLE public.appointment_modifications (
    id bigint NOT NULL,
    company_id bigint,
    appointment_id bigint NOT NULL,
    call_id bigint,
    kind text NOT NULL,
    old_starts_at timestamp with time zone,
    new_starts_at timestamp with time zone,
    reason text,
    actor text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT appointment_modifications_company_known CHECK ((company_id IS NOT NULL)),
    CONSTRAINT appointment_modifications_kind_vocabulary CHECK ((kind = ANY ('{reschedule,cancel}'::text[])))
);

CREATE TABLE public.calls (
    id bigint NOT NULL,
    company_id bigint,
    branch_id bigint,
    phone_number_id bigint,
    retell_call_id text NOT NULL,
    from_number text,
    to_number text,
    direction text,
    call_type text,
    status text DEFAULT 'registered'::text NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    duration_ms integer,
    disconnection_reason text,
    customer_id bigint,
    customer_name text,
    customer_link_status text DEFAULT 'unlinked'::text NOT NULL,
    customer_link_method text,
    customer_link_confidence numeric(5,2),
    customer_linked_at timestamp with time zone,
    session_outcome text,
    appointment_made boolean DEFAULT false NOT NULL,
    appointment_id bigint,
    appointment_link_status text DEFAULT 'unlinked'::text NOT NULL,
    appointment_linked_at timestamp with time zone,
    booking_confirmed boolean DEFAULT false NOT NULL,
    booking_id text,
    booking_details jsonb,
    booking_failed boolean DEFAULT false NOT NULL,
    booking_failure_reason text,
    requires_manual_processing boolean DEFAULT false NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT calls_appointment_link_status_vocabulary CHECK ((appointment_link_status = ANY ('{linked,unlinked,not_applicable,pending_creation,creation_failed}'::text[]))),
    CONSTRAINT calls_booking_details_decoded CHECK (((jsonb_typeof(booking_details) <> 'string'::text) OR ((booking_details #>> '{}'::text[]) !~ '^[\s"\\]*[[{]'::text))),
    CONSTRAINT calls_company_known CHECK ((company_id IS NOT NULL)),
    CONSTRAINT calls_customer_link_method_vocabulary CHECK ((customer_link_method = ANY ('{phone_match,name_match,email_match,manual_link,ai_match,appointment_link,auto_created,unknown}'::text[]))),
    CONSTRAINT calls_customer_link_status_vocabulary CHECK ((customer_link_status = ANY ('{linked,name_only,anonymous,pending_review,unlinked,failed}'::text[]))),
    CONSTRAINT calls_direction_known CHECK (((direction IS NOT NULL) AND (direction <> ''::text))),
    CONSTRAINT calls_direction_vocabulary CHECK ((NULLIF(direction, ''::text) = ANY ('{inbound,outbound}'::text[]))),
    CONSTRAINT calls_link_confidence_bounded CHECK (((customer_link_confidence >= (0)::numeric) AND (customer_link_confidence <= (100)::numeric))),
    CONSTRAINT calls_link_has_provenance CHECK (((customer_link_status <> 'linked'::text) OR ((customer_link_method IS NOT NULL) AND (customer_linked_at IS NOT NULL)))),
    CONSTRAINT calls_linked_has_customer CHECK (((customer_link_status <> 'linked'::text) OR (customer_id IS NOT NULL))),
    CONSTRAINT calls_metadata_decoded CHECK (((jsonb_typeof(metadata) <> 'string'::text) OR ((metadata #>> '{}'::text[]) !~ '^[\s"\\]*[[{]'::text))),
    CONSTRAINT calls_session_outcome_vocabulary CHECK ((session_outcome = ANY ('{appointment_booked,appointment_rescheduled,appointment_cancelled,information_only,callback_requested,transferred,voicemail,abandoned,technical_issue,spam,creation_failed,other}'::text[]))),
    CONSTRAINT calls_status_vocabulary CHECK ((status = ANY ('{registered,ongoing,ended,analyzed,failed}'::text[]))),
    CONSTRAINT calls_times_agree CHECK (((ended_at >= started_at) AND
CASE
    WHEN (isfinite(started_at) AND isfinite(ended_at)) THEN (abs(((EXTRACT(epoch FROM (ended_at - started_at)) * (1000)::numeric) - (duration_ms)::numeric)) <= (1000)::numeric)
    ELSE (num_nulls(started_at, ended_at, duration_ms) > 0)
END))
);

CREATE FUNCTION trueup.not_the_maker(p_call_id bigint, p_appointment_id bigint) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((EXISTS ( SELECT 1
                FROM public.appointment_modifications am
               WHERE ((am.call_id = c.id) AND (am.appointment_id = a.id)))) OR ((trueup.vocabulary_value('session_outcome'::text, c.session_outcome) = ANY (ARRAY['appointment_rescheduled'::text, 'appointment_cancelled'::text])) AND (a.created_at < c.started_at))) THEN 'the call changed the appointment and did not make it'::text
             WHEN ((a.customer_id <> c.customer_id) AND ((a.metadata ->> 'booked_for'::text) IS NULL)) THEN 'the appointment is for another customer than the call'::text
             ELSE NULL::text
         END AS "case"
    FROM (public.calls c
      CROSS JOIN public.appointments a)
   WHERE ((c.id = not_the_maker.p_call_id) AND (a.id = not_the_maker.p_appointment_id));
END;

CREATE FUNCTION trueup.note_appointment_modifications() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."appointment_id" is not distinct from new."appointment_id"
            and old."call_id" is not distinct from new."call_id"
            and old."old_starts_at" is not distinct from new."old_starts_at"
            and old."new_starts_at" is not distinct from new."new_starts_at"
            and old."created_at" is not distinct from new."created_at"
            and old."updated_at" is not distinct from new."updated_at"
            and old."kind" is not distinct from new."kind"
            and old."reason" is not distinct from new."reason"
            and old."actor" is not distinct from new."actor" then
            return null;
        end if;
        v_keys := array[
            'appointment_id=' || new."appointment_id"::text,
            'id=' || new."id"::text,
            case when old."appointment_id"::text is distinct from new."appointment_id"::text then 'appointment_id=' || old."appointment_id"::text end,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.appointment_modifications', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.appointment_modifications', case when count(*) <= 100000 then array_agg(array['appointment_id=' || n."appointment_id"::text, 'id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.appointment_modifications', case when count(*) <= 100000 then array_agg(array['appointment_id=' || o."appointment_id"::text, 'id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.appointment_modifications');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_appointments() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."branch_id" is not distinct from new."branch_id"
            and old."customer_id" is not distinct from new."customer_id"
            and old."service_id" is not distinct from new."service_id"
            and old."staff_id" is not distinct from new."staff_id"
            and old."call_id" is not distinct from new."call_id"
            and old."starts_at" is not distinct from new."starts_at"
            and old."ends_at" is not distinct from new."ends_at"
            and old."calcom_booking_id" is not distinct from new."calcom_booking_id"
            and old."idempotency_key" is not distinct from new."idempotency_key"
            and old."cancelled_at" is not distinct from new."cancelled_at"
            and old."deleted_at" is not distinct from new."deleted_at"
            and old."created_at" is not distinct from new."created_at"
            and old."status" is not distinct from new."status"
            and old."source" is not distinct from new."source"
            and old."sync_origin" is not distinct from new."sync_origin"
            and old."calcom_booking_uid" is not distinct from new."calcom_booking_uid"
            and old."calcom_sync_status" is not distinct from new."calcom_sync_status"
            and row(old."metadata")::record operator(pg_catalog.*=) row(new."metadata")::record then
            return null;
        end if;
        v_keys := array[
            'calcom_booking_id=' || new."calcom_booking_id"::text,
            'calcom_booking_uid=' || new."calcom_booking_uid"::text,
            'call_id=' || new."call_id"::text,
            'customer_id=' || new."customer_id"::text,
            'id=' || new."id"::text,
            case when old."calcom_booking_id"::text is distinct from new."calcom_booking_id"::text then 'calcom_booking_id=' || old."calcom_booking_id"::text end,
            case when old."calcom_booking_uid"::text is distinct from new."calcom_booking_uid"::text then 'calcom_booking_uid=' || old."calcom_booking_uid"::text end,
            case when old."call_id"::text is distinct from new."call_id"::text then 'call_id=' || old."call_id"::text end,
            case when old."customer_id"::text is distinct from new."customer_id"::text then 'customer_id=' || old."customer_id"::text end,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.appointments', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.appointments', case when count(*) <= 100000 then array_agg(array['calcom_booking_id=' || n."calcom_booking_id"::text, 'calcom_booking_uid=' || n."calcom_booking_uid"::text, 'call_id=' || n."call_id"::text, 'customer_id=' || n."customer_id"::text, 'id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.appointments', case when count(*) <= 100000 then array_agg(array['calcom_booking_id=' || o."calcom_booking_id"::text, 'calcom_booking_uid=' || o."calcom_booking_uid"::text, 'call_id=' || o."call_id"::text, 'customer_id=' || o."customer_id"::text, 'id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.appointments');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_branches() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id" then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.branches', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.branches', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.branches', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.branches');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_calls() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."branch_id" is not distinct from new."branch_id"
            and old."phone_number_id" is not distinct from new."phone_number_id"
            and old."started_at" is not distinct from new."started_at"
            and old."ended_at" is not distinct from new."ended_at"
            and old."duration_ms" is not distinct from new."duration_ms"
            and old."customer_id" is not distinct from new."customer_id"
            and old."customer_linked_at" is not distinct from new."customer_linked_at"
            and old."appointment_made" is not distinct from new."appointment_made"
            and old."appointment_id" is not distinct from new."appointment_id"
            and old."appointment_linked_at" is not distinct from new."appointment_linked_at"
            and old."booking_confirmed" is not distinct from new."booking_confirmed"
            and old."booking_failed" is not distinct from new."booking_failed"
            and old."requires_manual_processing" is not distinct from new."requires_manual_processing"
            and old."deleted_at" is not distinct from new."deleted_at"
            and old."created_at" is not distinct from new."created_at"
            and old."retell_call_id" is not distinct from new."retell_call_id"
            and old."from_number" is not distinct from new."from_number"
            and old."to_number" is not distinct from new."to_number"
            and old."direction" is not distinct from new."direction"
            and old."call_type" is not distinct from new."call_type"
            and old."status" is not distinct from new."status"
            and old."customer_name" is not distinct from new."customer_name"
            and old."customer_link_status" is not distinct from new."customer_link_status"
            and old."customer_link_method" is not distinct from new."customer_link_method"
            and old."session_outcome" is not distinct from new."session_outcome"
            and old."appointment_link_status" is not distinct from new."appointment_link_status"
            and old."booking_id" is not distinct from new."booking_id"
            and row(old."customer_link_confidence", old."booking_details", old."metadata")::record operator(pg_catalog.*=) row(new."customer_link_confidence", new."booking_details", new."metadata")::record then
            return null;
        end if;
        v_keys := array[
            'customer_id=' || new."customer_id"::text,
            'id=' || new."id"::text,
            case when old."customer_id"::text is distinct from new."customer_id"::text then 'customer_id=' || old."customer_id"::text end,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.calls', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.calls', case when count(*) <= 100000 then array_agg(array['customer_id=' || n."customer_id"::text, 'id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.calls', case when count(*) <= 100000 then array_agg(array['customer_id=' || o."customer_id"::text, 'id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.calls');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_companies() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.changes (table_name) values ('public.companies');

    if current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, false);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_customers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."deleted_at" is not distinct from new."deleted_at"
            and old."created_at" is not distinct from new."created_at"
            and old."phone" is not distinct from new."phone"
            and old."phone_normalized" is not distinct from new."phone_normalized"
            and old."email" is not distinct from new."email"
            and old."source" is not distinct from new."source" then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.customers', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.customers', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.customers', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.customers');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_phone_numbers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."branch_id" is not distinct from new."branch_id"
            and old."number" is not distinct from new."number" then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.phone_numbers', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.phone_numbers', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.phone_numbers', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.phone_numbers');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_row(p_table text, p_key text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
insert into trueup.changes (table_name, keys) values (p_table, array[p_key]);
$$;

CREATE FUNCTION trueup.note_services() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id" then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.services', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.services', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.services', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.services');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_staff() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."branch_id" is not distinct from new."branch_id" then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('public.staff', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'public.staff', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'public.staff', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('public.staff');
    end if;

    if found and current_setting('trueup.repair_id', true) <> '' then
        perform trueup.require_journal(tg_relid, tg_op, true);
    end if;

    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_booking_imports() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.changes (table_name) values ('trueup.booking_imports');
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_booking_snapshots() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.changes (table_name) values ('trueup.booking_snapshots');
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_circuit_breaker_states() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.changes (table_name) values ('trueup.circuit_breaker_states');
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_former_bookings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."company_id" is not distinct from new."company_id"
            and old."ended_at" is not distinct from new."ended_at"
            and old."booking_uid" is not distinct from new."booking_uid" then
            return null;
        end if;
        v_keys := array[
            'booking_uid=' || new."booking_uid"::text,
            case when old."booking_uid"::text is distinct from new."booking_uid"::text then 'booking_uid=' || old."booking_uid"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('trueup.former_bookings', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.former_bookings', case when count(*) <= 100000 then array_agg(array['booking_uid=' || n."booking_uid"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.former_bookings', case when count(*) <= 100000 then array_agg(array['booking_uid=' || o."booking_uid"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('trueup.former_bookings');
    end if;
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_idempotency_keys() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."key" is not distinct from new."key"
            and old."company_id" is not distinct from new."company_id"
            and old."lease_expires_at" is not distinct from new."lease_expires_at"
            and old."id" is not distinct from new."id"
            and old."attempt" is not distinct from new."attempt"
            and old."scope" is not distinct from new."scope"
            and old."status" is not distinct from new."status" then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('trueup.idempotency_keys', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.idempotency_keys', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.idempotency_keys', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('trueup.idempotency_keys');
    end if;
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_manual_review_queue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."created_at" is not distinct from new."created_at"
            and old."company_id" is not distinct from new."company_id"
            and old."reason" is not distinct from new."reason"
            and old."entity_type" is not distinct from new."entity_type"
            and old."entity_id" is not distinct from new."entity_id"
            and old."status" is not distinct from new."status" then
            return null;
        end if;
        v_keys := array[
            'entity_id=' || new."entity_id"::text,
            case when old."entity_id"::text is distinct from new."entity_id"::text then 'entity_id=' || old."entity_id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('trueup.manual_review_queue', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.manual_review_queue', case when count(*) <= 100000 then array_agg(array['entity_id=' || n."entity_id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.manual_review_queue', case when count(*) <= 100000 then array_agg(array['entity_id=' || o."entity_id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('trueup.manual_review_queue');
    end if;
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_settings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.changes (table_name) values ('trueup.settings');
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_sync_failures() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."appointment_id" is not distinct from new."appointment_id"
            and old."attempt_count" is not distinct from new."attempt_count"
            and old."max_attempts" is not distinct from new."max_attempts"
            and old."lease_expires_at" is not distinct from new."lease_expires_at"
            and old."operation" is not distinct from new."operation"
            and old."status" is not distinct from new."status" then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('trueup.sync_failures', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.sync_failures', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.sync_failures', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('trueup.sync_failures');
    end if;
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_unusable_names() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.changes (table_name) values ('trueup.unusable_names');
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_vocabularies() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into trueup.changes (table_name) values ('trueup.vocabularies');
    return null;
end;
$$;

CREATE FUNCTION trueup.note_trueup_webhook_events() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_keys text[];
begin
    if tg_op = 'UPDATE' then
        if old."id" is not distinct from new."id"
            and old."company_id" is not distinct from new."company_id"
            and old."received_at" is not distinct from new."received_at"
            and old."provider" is not distinct from new."provider"
            and old."event_type" is not distinct from new."event_type"
            and old."object_id" is not distinct from new."object_id"
            and old."status" is not distinct from new."status"
            and old."error" is not distinct from new."error"
            and row(old."body")::record operator(pg_catalog.*=) row(new."body")::record then
            return null;
        end if;
        v_keys := array[
            'id=' || new."id"::text,
            'object_id=' || new."object_id"::text,
            case when old."id"::text is distinct from new."id"::text then 'id=' || old."id"::text end,
            case when old."object_id"::text is distinct from new."object_id"::text then 'object_id=' || old."object_id"::text end
        ];
        insert into trueup.changes (table_name, keys)
        values ('trueup.webhook_events', v_keys);
    elsif tg_op = 'INSERT' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.webhook_events', case when count(*) <= 100000 then array_agg(array['id=' || n."id"::text, 'object_id=' || n."object_id"::text]) end
        from (select * from new_rows limit 100001) as n
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        insert into trueup.changes (table_name, keys)
        select 'trueup.webhook_events', case when count(*) <= 100000 then array_agg(array['id=' || o."id"::text, 'object_id=' || o."object_id"::text]) end
        from (select * from old_rows limit 100001) as o
        having count(*) > 0;
    else
        insert into trueup.changes (table_name) values ('trueup.webhook_events');
    end if;
    return null;
end;
$$;

CREATE FUNCTION trueup.notice_days(p_company_ids bigint[], p_starts timestamp with time zone[], p_ends timestamp with time zone[], p_days_limit integer, p_companies_limit integer) RETURNS TABLE(company_id bigint, date date)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
begin
    return query
    with spans as (
        select distinct
            t.company_id,
            (t.starts_at at time zone coalesce(cm.timezone, 'Europe/Berlin'))::date as first_date,
            (
                greatest(t.starts_at, t.ends_at - interval '1 microsecond')
                at time zone coalesce(cm.timezone, 'Europe/Berlin')
            )::date as last_date
        from unnest(p_company_ids, p_starts, p_ends) as t (company_id, starts_at, ends_at)
        left join public.companies as cm on t.company_id = cm.id
        where t.company_id is not null
    ),

    days as (
        select distinct
            sp.company_id,
            sp.first_date + d.further as date
        from spans as sp
        cross join lateral generate_series(
            0,
            case
                when not isfinite(sp.first_date) or not isfinite(sp.last_date) then p_days_limit
                else least(sp.last_date - sp.first_date, p_days_limit)
            end
        ) as d (further)
    ),

    sizes as (
        select
            d.company_id,
            count(*) > p_days_limit or not bool_and(isfinite(d.date)) as is_many
        from days as d
        group by d.company_id
    )

    select null, null::date
    from sizes as s
    having count(*) > p_companies_limit
    union all
    select distinct
        d.company_id,
        case when not s.is_many then d.date end
    from days as d
    inner join sizes as s on d.company_id = s.company_id
    where (select count(*) from sizes) <= p_companies_limit;
exception
    when invalid_parameter_value or datetime_field_overflow then
        return query
        select distinct t.company_id, null::date
        from unnest(p_company_ids) as t (company_id)
        where t.company_id is not null;
end;
$$;

CREATE FUNCTION trueup.notified_examples(p_alert_ids bigint[], OUT entity_type text, OUT examples text[], OUT uncounted bigint) RETURNS record
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select
        min(al.entity_type),
        (
            select array_agg(x.entity_type || ' ' || coalesce(ch.name, nc.name, x.entity_id) order by x.id)
            from trueup.data_consistency_alerts as x
            left join trueup.checks as ch on x.entity_type = 'check' and x.entity_id = ch.id::text
            left join trueup.notification_channels as nc
                on x.entity_type = 'notification_channel' and x.entity_id = nc.id::text
            where x.id = any(p_alert_ids[1:5])
        ),
        sum((al.metadata ->> 'new')::bigint) filter (where al.entity_type = 'check' and al.metadata ? 'most')
    from trueup.data_consistency_alerts as al
    where al.id = any(p_alert_ids)
$$;

CREATE FUNCTION trueup.object_definition(p_kind text, p_identity text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if p_kind = 'view' then
        return (
            select
                coalesce(format(E'-- with (%s)\n', array_to_string(c.reloptions, ', ')), '')
                || pg_catalog.pg_get_viewdef(c.oid)
            from pg_catalog.pg_class as c
            where c.oid = pg_catalog.to_regclass(p_identity)
        );
    elsif p_kind = 'function' then
        return (
            select string_agg(pg_catalog.pg_get_functiondef(p.oid), E'\n' order by p.oid::regprocedure::text)
            from pg_catalog.pg_proc as p
            where
                p.proname = split_part(p_identity, '.', 2)
                and p.pronamespace = pg_catalog.to_regnamespace(split_part(p_identity, '.', 1))
        );
    else
        return (
            select pg_catalog.pg_get_triggerdef(t.oid)
            from pg_catalog.pg_trigger as t
            where
                t.tgrelid = pg_catalog.to_regclass(split_part(p_identity, ' on ', 2))
                and t.tgname = split_part(p_identity, ' on ', 1)
                and not t.tgisinternal
        );
    end if;
end;
$$;

CREATE FUNCTION trueup.overdue_jobs() RETURNS TABLE(job_id bigint, description text, evidence jsonb)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select
        j.id,
        'job ' || j.name
        || case
            when written.at > now() + interval '1 hour'
                then format(
                    ' %s at %s, later than now: the clock of the server was ahead, and whether the job is late cannot be told',
                    case when j.done_at = written.at then 'was done' else 'was put on the schedule' end, written.at
                )
            when j.due_at < now() - may.be_missing and j.done_at is null then ' has never been done'
            when j.due_at < now() - may.be_missing then ' has not been done since ' || j.done_at
            else ' failed ' || latest.failures || ' times in a row'
        end
        || coalesce('; last error: ' || latest.error, ''),
        jsonb_build_object(
            'job', j.name,
            'schedule', j.schedule,
            'done_at', j.done_at,
            'due_at', j.due_at,
            'error', latest.error
        )
    from trueup.jobs as j
    cross join lateral (
        select
            trueup.setting('job_patience')::interval as be_missing,
            trueup.setting('job_failures_tolerated')::integer + 1 as enough
    ) as may
    cross join lateral (select greatest(j.done_at, j.since, j.updated_at) as at) as written
    cross join lateral (
        select
            count(*) filter (where r.outcome <> 'done') as failures,
            (array_agg(r.error order by r.id desc) filter (where r.outcome <> 'done'))[1] as error
        from (
            select
                jr.id,
                jr.outcome,
                jr.error
            from trueup.job_runs as jr
            where
                jr.job = j.name
                and jr.outcome <> 'running'
                and not jr.is_released
            order by jr.id desc
            limit may.enough
        ) as r
    ) as latest
    where
        j.is_enabled
        and (
            j.due_at < now() - may.be_missing
            or latest.failures >= may.enough
            or written.at > now() + interval '1 hour'
        );
$$;

CREATE FUNCTION trueup.parameters_hash(p_parameters jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN encode(sha256(convert_to((p_parameters)::text, 'UTF8'::name)), 'hex'::text);

CREATE FUNCTION trueup.phone_matches(p_company_id bigint, p_direction text, p_from_number text, p_to_number text, p_customer_company_id bigint, p_phone_normalized text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE((((trueup.plain_phone(p_from_number) = p_phone_normalized) OR ((p_direction = 'outbound'::text) AND (trueup.plain_phone(p_to_number) = p_phone_normalized))) AND COALESCE((p_customer_company_id = p_company_id), true)), false);

CREATE FUNCTION trueup.planned_cost(p_check text) RETURNS numeric
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '100ms'
    SET max_parallel_workers_per_gather TO '0'
    AS $$
declare
    v_plan jsonb;
begin
    execute format(
        'explain (format json) select v.* from trueup.%I as v',
        coalesce(
            (
                select c.relname
                from pg_catalog.pg_class as c
                where c.relnamespace = 'trueup'::regnamespace and c.relname = p_check || '_candidates'
            ),
            p_check
        )
    )
    into v_plan;
    return v_plan #>> '{0,Plan,Total Cost}';
exception
    when others then
        return null;
end;
$$;

CREATE FUNCTION trueup.preview_repair(p_check text, p_entity_type text, p_entity_id text, OUT outcome text, OUT reason text, OUT changes jsonb, OUT resolved text[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '3s'
    AS $$
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

CREATE FUNCTION trueup.process_events(p_limit integer DEFAULT 50) RETURNS TABLE(objects integer, events integer, processed integer, parked integer, waiting integer, failed integer, dead integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET lock_timeout TO '3s'
    AS $$
#variable_conflict use_column
declare
    v_head_ids bigint[];
    v_taken_ids bigint[];
    v_event_ids bigint[] := '{}';
    r record;
begin
    if p_limit is null or p_limit not between 1 and 500 then
        raise exception 'limit % is not between 1 and 500', coalesce(p_limit::text, 'NULL')
            using
                errcode = 'TU311',
                hint = 'Locks of all objects are held until the transaction ends: call it more often instead.';
    end if;

    v_head_ids := array(
        select e.id
        from trueup.webhook_events as e
        where
            e.status = 'received'
            and e.object_id is not null
            and e.next_attempt_at <= clock_timestamp()
            and not exists (
                select 1
                from trueup.webhook_events as older
                where
                    older.provider = e.provider
                    and older.object_id = e.object_id
                    and older.status = 'received'
                    and older.next_attempt_at <= clock_timestamp()
                    and older.id < e.id
            )
        order by e.next_attempt_at, e.id
        limit p_limit
        for update of e skip locked
    );

    objects := 0;
    for r in
        select
            e.provider,
            e.object_id
        from trueup.webhook_events as e
        where e.id = any(v_head_ids)
        order by e.next_attempt_at, e.id
    loop
        v_taken_ids := trueup.process_object(r.provider, r.object_id);
        if v_taken_ids <> '{}' then
            objects := objects + 1;
            v_event_ids := v_event_ids || v_taken_ids;
        end if;
    end loop;

    select
        count(*),
        count(*) filter (where e.status in ('processed', 'ignored')),
        count(*) filter (where e.status = 'parked'),
        count(*) filter (where e.status = 'received' and e.attempt_count = 0),
        count(*) filter (where e.status = 'received' and e.attempt_count > 0),
        count(*) filter (where e.status = 'dead')
    into events, processed, parked, waiting, failed, dead
    from trueup.webhook_events as e
    where e.id = any(v_event_ids);
    return next;
end;
$$;

CREATE FUNCTION trueup.process_object(p_provider text, p_object_id text) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_uids text[] := array[p_object_id];
    v_call_ids text[];
    v_locked text[] := '{}';
    v_wanted text[];
    v_event_ids bigint[];
    v_event_id bigint;
    v_key text;
begin
    if p_object_id is null then
        return '{}';
    end if;

    -- what was read before the lock may have grown before it was got
    loop
        if p_provider = 'retell' then
            v_wanted := array['call ' || p_object_id];
        else
            with recursive chain as (
                select p_object_id as uid
                union
                select linked.uid
                from chain
                cross join lateral (
                    select e.previous_object_id as uid
                    from trueup.webhook_events as e
                    where
                        e.provider = 'calcom'
                        and e.object_id = chain.uid
                        and e.previous_object_id is not null
                    union all
                    select e.object_id
                    from trueup.webhook_events as e
                    where e.previous_object_id = chain.uid and e.provider = 'calcom'
                ) as linked
            )

            select array_agg(chain.uid order by chain.uid) into v_uids from chain;
            v_call_ids := array(
                select distinct e.named_call_id
                from trueup.webhook_events as e
                where e.provider = 'calcom' and e.object_id = any(v_uids) and e.named_call_id is not null
            );
            v_wanted := array(
                select 'call ' || named.call_id
                from unnest(v_call_ids) as named (call_id)
                union all
                select 'booking ' || bk.uid
                from unnest(v_uids) as bk (uid)
            );
        end if;
        exit when v_wanted <@ v_locked;

        foreach v_key in array v_wanted loop
            if v_key <> all(v_locked) and not pg_try_advisory_xact_lock(hashtextextended('trueup.event ' || v_key, 0)) then
                return null;
            end if;
        end loop;
        v_locked := v_wanted;
    end loop;

    v_event_ids := array(
        select e.id
        from trueup.webhook_events as e
        where
            e.provider = p_provider
            and e.object_id = any(v_uids)
            and (
                e.status = 'parked'
                -- one that waits for another has failed at nothing
                or (e.status = 'received' and (e.next_attempt_at <= clock_timestamp() or e.attempt_count = 0))
            )
        order by e.occurred_at nulls first, e.id
        for update skip locked
    );
    if v_event_ids = '{}' then
        return '{}';
    end if;

    begin
        if p_provider = 'retell' then
            perform trueup.apply_call_events(p_object_id, v_event_ids);
        else
            perform trueup.apply_booking_events(v_uids, v_event_ids);
        end if;
        set constraints all immediate;
        set constraints all deferred;
        return v_event_ids;
    exception
        when query_canceled or admin_shutdown or crash_shutdown or out_of_memory or disk_full then
            raise;
        when lock_not_available or object_in_use then
            foreach v_event_id in array v_event_ids loop
                perform trueup.fail_event(v_event_id, sqlstate, sqlerrm);
            end loop;
            return v_event_ids;
        when others then
            if cardinality(v_event_ids) = 1 then
                perform trueup.fail_event(v_event_ids[1], sqlstate, sqlerrm);
                return v_event_ids;
            end if;
    end;

    foreach v_event_id in array v_event_ids loop
        begin
            if p_provider = 'retell' then
                perform trueup.apply_call_events(p_object_id, array[v_event_id]);
            else
                perform trueup.apply_booking_events(v_uids, array[v_event_id]);
            end if;
            set constraints all immediate;
            set constraints all deferred;
        exception
            when query_canceled or admin_shutdown or crash_shutdown or out_of_memory or disk_full then
                raise;
            when others then
                perform trueup.fail_event(v_event_id, sqlstate, sqlerrm);
        end;
    end loop;

    return v_event_ids;
end;
$$;

CREATE FUNCTION trueup.proven_outcome(p_outcome text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (trueup.vocabulary_value('session_outcome'::text, p_outcome) <> ALL (ARRAY['appointment_booked'::text, 'appointment_rescheduled'::text, 'appointment_cancelled'::text])) THEN 'appointment_booked'::text ELSE COALESCE(trueup.vocabulary_value('session_outcome'::text, p_outcome), p_outcome) END;

CREATE TABLE trueup.webhook_events (
    id bigint NOT NULL,
    company_id bigint,
    provider text NOT NULL,
    event_type text NOT NULL,
    object_id text,
    occurred_at timestamp with time zone,
    body jsonb NOT NULL,
    body_hash text NOT NULL,
    status text DEFAULT 'received'::text NOT NULL,
    attempt_count integer DEFAULT 0 NOT NULL,
    error text,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    processed_at timestamp with time zone,
    previous_object_id text,
    named_call_id text,
    appointment_id bigint,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT webhook_events_provider_known CHECK ((provider = ANY (ARRAY['retell'::text, 'calcom'::text]))),
    CONSTRAINT webhook_events_status_known CHECK ((status = ANY (ARRAY['received'::text, 'processed'::text, 'parked'::text, 'ignored'::text, 'dead'::text])))
);

CREATE FUNCTION trueup.provider_call_end(p_company_id bigint, p_retell_call_id text, p_metadata jsonb) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    RETURN COALESCE((SELECT to_timestamp((((b.end_ms)::numeric / 1000.0))::double precision) AS to_timestamp FROM (VALUES (trueup.bigint_or_null(((provider_call_end.p_metadata -> 'retell'::text) ->> 'end_timestamp'::text)))) b(end_ms) WHERE ((b.end_ms > 0) AND (b.end_ms < '4102444800000'::bigint))), (SELECT CASE WHEN (min(b.end_ms) = max(b.end_ms)) THEN to_timestamp((((min(b.end_ms))::numeric / 1000.0))::double precision) ELSE NULL::timestamp with time zone END AS "case" FROM (trueup.webhook_events e CROSS JOIN LATERAL (SELECT trueup.bigint_or_null(((trueup.decoded(e.body) -> 'call'::text) ->> 'end_timestamp'::text)) AS end_ms) b) WHERE ((e.provider = 'retell'::text) AND (e.event_type = ANY (ARRAY['call_ended'::text, 'call_analyzed'::text])) AND (e.object_id = provider_call_end.p_retell_call_id) AND (e.company_id = provider_call_end.p_company_id) AND (b.end_ms > 0) AND (b.end_ms < '4102444800000'::bigint))));

CREATE FUNCTION trueup.provider_call_type(p_metadata jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN trueup.string_or_null(((p_metadata -> 'retell'::text) -> 'call_type'::text));

CREATE FUNCTION trueup.prunable(p_rule text DEFAULT NULL::text) RETURNS TABLE(rule text, table_name text, keep interval, row_count bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_rule trueup.retention_rules;
    v_child integer;
begin
    for v_rule in
        select rr.* from trueup.retention_rules as rr where rr.name = p_rule or p_rule is null order by rr.position, rr.name
    loop
        rule := v_rule.name;
        keep := v_rule.keep;
        table_name := v_rule.table_name;
        execute format('select count(*) from %s as t where %s', v_rule.table_name, v_rule.condition) into row_count;
        return next;

        for v_child in 1 .. cardinality(v_rule.child_tables) loop
            table_name := v_rule.child_tables[v_child];
            execute format(
                'select count(*) from %s as child '
                'where child.%s in (select t.%s from %s as t where %s)',
                v_rule.child_tables[v_child],
                v_rule.child_columns[v_child],
                v_rule.key_column,
                v_rule.table_name,
                v_rule.condition
            )
            into row_count;
            return next;
        end loop;
    end loop;
end;
$$;

CREATE FUNCTION trueup.prune(p_rule text DEFAULT NULL::text, p_most integer DEFAULT 5000) RETURNS TABLE(rule text, table_name text, deleted bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_rule trueup.retention_rules;
    v_prune_id bigint;
    v_keys text[];
    v_child integer;
    v_total jsonb := '{}';
begin
    if coalesce(p_most, 0) < 1 then
        raise exception 'a batch holds at least one row, not %', coalesce(p_most::text, 'NULL') using errcode = 'TU005';
    end if;
    if p_rule is not null and not exists (select 1 from trueup.retention as rt where rt.name = p_rule) then
        raise exception 'no retention rule is called %', p_rule
            using errcode = 'TU002', hint = 'select name from trueup.retention lists them.';
    end if;

    -- open until the end of this function: nobody else can write it, or act in between
    insert into trueup.prunes default values returning id into v_prune_id;

    for v_rule in
        select rr.* from trueup.retention_rules as rr where rr.name = p_rule or p_rule is null order by rr.position, rr.name
    loop
        rule := v_rule.name;
        execute format(
            'select coalesce(array_agg(d.key), ''{}'') from ('
            'select t.%1$s::text as key from %2$s as t where %3$s order by t.%4$s limit $1 for update skip locked'
            ') as d',
            v_rule.key_column, v_rule.table_name, v_rule.condition, v_rule.time_column
        )
        into v_keys
        using p_most;

        -- at once, and before the rows they refer to: a cascade would go row by row
        for v_child in 1 .. cardinality(v_rule.child_tables) loop
            table_name := v_rule.child_tables[v_child];
            execute format(
                'delete from %s as child where child.%s = any($1::%s[])',
                v_rule.child_tables[v_child], v_rule.child_columns[v_child], v_rule.key_type
            ) using v_keys;
            get diagnostics deleted = row_count;
            v_total := v_total || jsonb_build_object(
                table_name, deleted + coalesce((v_total ->> table_name)::bigint, 0)
            );
            return next;
        end loop;

        table_name := v_rule.table_name;
        execute format(
            'delete from %s as t where t.%s = any($1::%s[])', v_rule.table_name, v_rule.key_column, v_rule.key_type
        ) using v_keys;
        get diagnostics deleted = row_count;
        v_total := v_total || jsonb_build_object(
            table_name, deleted + coalesce((v_total ->> table_name)::bigint, 0)
        );
        return next;
    end loop;

    -- one that found nothing to delete leaves no trace
    select jsonb_object_agg(d.key, d.value) into v_total from jsonb_each(v_total) as d where d.value <> '0';
    if v_total is null then
        delete from trueup.prunes as p where p.id = v_prune_id;
    else
        update trueup.prunes as p set finished_at = clock_timestamp(), deleted = v_total where p.id = v_prune_id;
    end if;
end;
$_$;

CREATE FUNCTION trueup.queue_review(p_reason text, p_entity_type text, p_entity_id text, p_description text, p_company_id text DEFAULT NULL::text, p_severity text DEFAULT 'warning'::text, p_metadata jsonb DEFAULT '{}'::jsonb, p_actor text DEFAULT SESSION_USER) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item_id bigint;
begin
    -- an item that is open at the INSERT may be decided before it is looked up: then this asks anew
    loop
        insert into trueup.manual_review_queue
            (company_id, reason, entity_type, entity_id, description, metadata, severity, priority, due_at)
        values (
            p_company_id,
            p_reason,
            p_entity_type,
            p_entity_id,
            p_description,
            coalesce(p_metadata, '{}'),
            p_severity,
            coalesce((select rp.priority from trueup.review_priorities as rp where rp.reason = p_reason), 5),
            clock_timestamp() + trueup.setting('review_due_' || p_severity)::interval
        )
        on conflict (reason, entity_type, entity_id) where status in ('pending', 'in_progress')
        do nothing
        returning id into v_item_id;

        if v_item_id is not null then
            insert into trueup.manual_review_events (item_id, event, actor, details)
            values (v_item_id, 'queued', p_actor, jsonb_build_object('reason', p_reason));
            return v_item_id;
        end if;

        select q.id into v_item_id
        from trueup.manual_review_queue as q
        where
            q.reason = p_reason
            and q.entity_type = p_entity_type
            and q.entity_id = p_entity_id
            and q.status in ('pending', 'in_progress');

        if v_item_id is not null then
            return v_item_id;
        end if;
    end loop;
end;
$$;

CREATE FUNCTION trueup.reassign_review(p_item_id bigint, p_token uuid, p_to text, p_note text DEFAULT NULL::text, p_actor text DEFAULT SESSION_USER) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token, p_free => true);
    v_actor text := coalesce(case when p_token is not null then v_item.claimed_by end, p_actor);
begin
    if btrim(p_to) = '' then
        raise exception 'an item is reassigned to a reviewer with a name'
            using errcode = 'TU005', hint = 'NULL takes the assignment away.';
    end if;

    update trueup.manual_review_queue as q
    set
        status = 'pending',
        assigned_to = btrim(p_to),
        claimed_by = null,
        claimed_at = null,
        claim_token = null,
        lease_expires_at = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'reassigned',
        v_actor,
        jsonb_strip_nulls(jsonb_build_object('to', v_item.assigned_to, 'note', p_note))
    );

    return v_item;
end;
$$;

CREATE FUNCTION trueup.receive_event(p_provider text, p_event jsonb) RETURNS TABLE(event_id bigint, duplicate boolean, status text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_limit constant integer := trueup.setting('event_max_bytes')::integer;
    v_body jsonb;
    v_text text;
    v_payload_key text;
    v_payload jsonb;
    v_type text;
    v_object_id text;
    v_previous_id text;
    v_named_call_id text;
    v_occurred_at timestamptz;
    v_ignored text;
    v_is_known boolean;
begin
    if p_provider is null or p_provider not in ('retell', 'calcom') then
        raise exception 'unknown provider %', coalesce(quote_literal(p_provider), 'NULL')
            using errcode = 'TU301', hint = 'Give retell or calcom.';
    end if;
    if pg_column_size(p_event) > 4 * v_limit or octet_length(p_event::text) > v_limit then
        raise exception 'event of % is larger than % bytes', p_provider, v_limit
            using
                errcode = 'TU304',
                detail = format('It has %s bytes.', octet_length(p_event::text)),
                hint = 'The setting event_max_bytes says how large an event may be.';
    end if;

    v_body := trueup.decoded(p_event);
    if v_body is null or jsonb_typeof(v_body) <> 'object' then
        raise exception 'event of % is no JSON object', p_provider
            using errcode = 'TU302', detail = format('It is of type %s.', coalesce(jsonb_typeof(v_body), 'NULL'));
    end if;

    v_payload_key := case p_provider when 'calcom' then 'payload' else 'call' end;
    v_type := trueup.string_or_null(v_body -> case p_provider when 'calcom' then 'triggerEvent' else 'event' end);
    if v_type is null or length(v_type) > 200 then
        raise exception 'event of % has no type', p_provider
            using
                errcode = 'TU302',
                hint = case p_provider
                    when 'calcom' then 'A webhook of Cal.com names it in triggerEvent.'
                    else 'A webhook of Retell names it in event.'
                end;
    end if;

    v_is_known := v_type in (
        'call_started', 'call_ended', 'call_analyzed',
        'BOOKING_CREATED', 'BOOKING_RESCHEDULED', 'BOOKING_CANCELLED', 'BOOKING_CONFIRMED',
        'BOOKING_REJECTED', 'BOOKING_REQUESTED'
    ) and (p_provider = 'calcom') = (v_type like 'BOOKING%');
    v_payload := trueup.decoded(v_body -> v_payload_key);
    if jsonb_typeof(v_payload -> 'metadata') = 'string' then
        v_payload := jsonb_set(v_payload, '{metadata}', trueup.decoded(v_payload -> 'metadata'));
    end if;

    if not v_is_known then
        v_ignored := case
            when v_type = 'PING' then 'a test of the connection'
            else 'no event of this type concerns a call or a booking'
        end;
    elsif jsonb_typeof(v_payload) is distinct from 'object' then
        raise exception 'event % of % has no %', v_type, p_provider, v_payload_key using errcode = 'TU302';
    end if;
    if v_payload is distinct from v_body -> v_payload_key then
        v_body := jsonb_set(v_body, array[v_payload_key], v_payload);
    end if;

    if p_provider = 'calcom' then
        v_object_id := trueup.string_or_null(v_payload -> 'uid');
        v_occurred_at := trueup.instant_or_null(v_body ->> 'createdAt');
        v_named_call_id := trueup.call_id_named(v_payload -> 'metadata');
        if v_type = 'BOOKING_RESCHEDULED' then
            v_previous_id := nullif(trueup.string_or_null(v_payload -> 'rescheduleUid'), v_object_id);
        end if;
    else
        v_object_id := trueup.string_or_null(v_payload -> 'call_id');
        v_occurred_at := trueup.instant_of_ms(
            v_payload -> case v_type when 'call_started' then 'start_timestamp' else 'end_timestamp' end
        );
    end if;
    if length(v_object_id) > 200 or length(v_previous_id) > 200 then
        v_object_id := null; -- longer than any id, and than an index can hold
        v_previous_id := null;
    end if;
    if v_is_known and v_object_id is null then
        raise exception 'event % of % does not say which object it is about', v_type, p_provider
            using
                errcode = 'TU303',
                detail = format('%s.%s is missing, blank, too long or no string.', v_payload_key,
                    case p_provider when 'calcom' then 'uid' else 'call_id' end),
                hint = 'Nothing can be done with it; nothing was stored.';
    end if;

    v_text := v_body::text;
    insert into trueup.webhook_events as e (
        provider, event_type, object_id, previous_object_id, named_call_id, occurred_at, body, body_hash,
        status, error, processed_at
    )
    values (
        p_provider,
        v_type,
        v_object_id,
        v_previous_id,
        v_named_call_id,
        v_occurred_at,
        v_body,
        encode(sha256(convert_to(v_text, 'UTF8')), 'hex'),
        case when v_ignored is null then 'received' else 'ignored' end,
        v_ignored,
        case when v_ignored is not null then now() end
    )
    on conflict on constraint webhook_events_identity_key do nothing
    returning e.id, false, e.status into event_id, duplicate, status;

    if event_id is null then
        select e.id, true, e.status
        into event_id, duplicate, status
        from trueup.webhook_events as e
        where
            e.provider = p_provider
            and e.object_id is not distinct from v_object_id
            and e.event_type = v_type
            and e.occurred_at is not distinct from v_occurred_at
            and e.body_hash = encode(sha256(convert_to(v_text, 'UTF8')), 'hex');
    end if;
    return next;
end;
$$;

CREATE FUNCTION trueup.receive_event_body(p_provider text, p_body text) RETURNS TABLE(event_id bigint, duplicate boolean, status text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_limit constant integer := trueup.setting('event_max_bytes')::integer;
    v_event jsonb;
begin
    if octet_length(p_body) > v_limit then
        raise exception 'event of % is larger than % bytes', p_provider, v_limit
            using
                errcode = 'TU304',
                detail = format('It has %s bytes.', octet_length(p_body)),
                hint = 'The setting event_max_bytes says how large an event may be.';
    end if;

    begin
        v_event := p_body::jsonb;
    exception
        when data_exception or program_limit_exceeded then
            raise exception 'event of % is no JSON', p_provider
                using errcode = 'TU302', detail = sqlerrm || '.', hint = 'Nothing was stored.';
    end;

    return query select * from trueup.receive_event(p_provider, v_event);
end;
$$;

CREATE FUNCTION trueup.record_sync_failure(p_company_id bigint, p_appointment_id bigint, p_operation text, p_error text DEFAULT NULL::text, p_outcome text DEFAULT 'failed'::text, p_metadata jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(failure_id bigint, status text, attempt_count integer, next_attempt_at timestamp with time zone, review_item_id bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_failure trueup.sync_failures;
begin
    if nullif(btrim(p_operation), '') is null or (p_outcome in ('failed', 'refused', 'unknown')) is not true then
        raise exception 'a failed synchronisation has an operation and an outcome'
            using
                errcode = 'TU401',
                detail = format('Operation %s, outcome %s.', quote_nullable(p_operation), quote_nullable(p_outcome)),
                hint = 'The outcomes are failed, refused and unknown.';
    end if;

    perform 1
    from public.appointments as a
    where a.id = p_appointment_id and a.company_id = p_company_id
    for no key update;
    if not found then
        raise exception 'company % has no appointment %',
            coalesce(p_company_id::text, 'NULL'), coalesce(p_appointment_id::text, 'NULL')
            using errcode = 'TU402';
    end if;

    update public.appointments as a
    set
        calcom_sync_status = case p_outcome when 'unknown' then 'verification_pending' else 'failed' end,
        sync_attempt_count = a.sync_attempt_count + 1,
        last_sync_attempted_at = clock_timestamp()
    where a.id = p_appointment_id;

    insert into trueup.sync_failures as f (
        company_id, appointment_id, operation, error, attempt_count, max_attempts, next_attempt_at, metadata
    )
    values (
        p_company_id,
        p_appointment_id,
        p_operation,
        p_error,
        1,
        trueup.setting('sync_retry_attempts')::integer,
        trueup.sync_retry_at(1),
        coalesce(p_metadata, '{}')
    )
    on conflict (appointment_id, operation) where status <> 'resolved' and appointment_id is not null
    do update set
        error = excluded.error,
        attempt_count = f.attempt_count + 1,
        next_attempt_at = case when f.status = 'pending' then trueup.sync_retry_at(f.attempt_count + 1) end,
        claim_token = null,
        lease_expires_at = null,
        metadata = f.metadata || excluded.metadata,
        updated_at = clock_timestamp()
    returning f.* into v_failure;

    if
        v_failure.status = 'manual_review'
        or p_outcome <> 'failed'
        or v_failure.attempt_count >= v_failure.max_attempts
    then
        review_item_id := trueup.hand_over_sync_failure(
            v_failure.id,
            case p_outcome
                when 'refused' then 'the provider refused it'
                when 'unknown' then 'nobody knows whether the provider did it'
                else 'all tries are used up'
            end
        );
        select f.* into v_failure from trueup.sync_failures as f where f.id = v_failure.id;
    end if;

    failure_id := v_failure.id;
    status := v_failure.status;
    attempt_count := v_failure.attempt_count;
    next_attempt_at := v_failure.next_attempt_at;
    return next;
end;
$$;

CREATE FUNCTION trueup.reference_fault(p_company_id bigint, p_reference_id bigint, p_found_reference_id bigint, p_found_company_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (p_reference_id IS NULL) THEN NULL::jsonb WHEN (p_found_reference_id IS NULL) THEN jsonb_build_object('id', p_reference_id, 'exists', false) WHEN (p_found_company_id <> p_company_id) THEN jsonb_build_object('id', p_reference_id, 'company_id', p_found_company_id) ELSE NULL::jsonb END;

CREATE FUNCTION trueup.refuse_conflict(p_company_id bigint, p_appointment_id bigint, p_customer_id bigint, p_service_id bigint, p_staff_id bigint, p_booked_for text, p_starts_at timestamp with time zone, p_ends_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_window interval := trueup.setting('duplicate_appointment_window')::interval;
    v_duplicate_appointment_ids bigint[];
    v_overlapping_appointment_ids bigint[];
begin
    if p_customer_id is not null then
        select array_agg(la.id order by la.id) into v_duplicate_appointment_ids
        from trueup.live_appointments as la
        where
            la.company_id = p_company_id
            and la.customer_id = p_customer_id
            and la.starts_at >= p_starts_at - v_window
            and la.starts_at <= p_starts_at + v_window
            and la.service_id is not distinct from p_service_id
            and la.metadata ->> 'booked_for' is not distinct from p_booked_for
            and la.id is distinct from p_appointment_id;
    end if;

    if p_staff_id is not null then
        select array_agg(o.id order by o.id) into v_overlapping_appointment_ids
        from (
            select la.id
            from trueup.live_appointments as la
            where
                la.staff_id = p_staff_id
                and la.starts_at >= p_starts_at - interval '4 hours'
                and la.starts_at < p_ends_at
                and la.ends_at > p_starts_at
                and la.ends_at > la.starts_at
            union
            select la.id
            from trueup.live_appointments as la
            where
                la.staff_id = p_staff_id
                and la.is_long
                and la.starts_at < p_ends_at
                and la.ends_at > p_starts_at
        ) as o
        where o.id is distinct from p_appointment_id;
    end if;

    if v_duplicate_appointment_ids is not null then
        raise exception 'customer % has this service at nearly the same time', p_customer_id
            using
                errcode = 'TU203',
                constraint = 'appointment_duplicate',
                schema = 'trueup',
                detail = format('Near-duplicate of appointment %s.', array_to_string(v_duplicate_appointment_ids, ', '))
                    || case
                        when v_overlapping_appointment_ids is null then ''
                        else format(
                            ' Staff %s is booked for appointment %s.',
                            p_staff_id, array_to_string(v_overlapping_appointment_ids, ', ')
                        )
                    end,
                hint = 'Reschedule that one, or say whom the second one is for (booked_for).';
    elsif v_overlapping_appointment_ids is not null then
        raise exception 'conflicting key value violates exclusion constraint "appointments_staff_id_excl"'
            using
                errcode = 'exclusion_violation',
                constraint = 'appointments_staff_id_excl',
                schema = split_part('public.appointments', '.', 1),
                table = 'appointments',
                detail = format(
                    'Staff %s is booked for appointment %s at that time.',
                    p_staff_id, array_to_string(v_overlapping_appointment_ids, ', ')
                ),
                hint = 'Choose another time, or somebody else.';
    end if;
end;
$$;

CREATE FUNCTION trueup.refuse_past(p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if p_until is null or not isfinite(p_until) or p_until <= clock_timestamp() then
        raise exception '% is no time to come', coalesce(p_until::text, 'null')
            using errcode = 'TU005', hint = 'Say until when, for example tomorrow at nine.';
    end if;
end;
$$;

CREATE FUNCTION trueup.refuse_unknown(p_what text, p_reference_id bigint, p_company_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception '% % does not exist in company %',
        p_what, coalesce(p_reference_id::text, 'NULL'), coalesce(p_company_id::text, 'NULL')
        using
            errcode = 'TU200',
            hint = 'Nothing was changed. Ids are looked up in the company given and in no other.';
end;
$$;

CREATE FUNCTION trueup.related(p_evidence jsonb, p_keys text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT array_agg(DISTINCT (e.id #>> '{}'::text[])) AS array_agg
    FROM (unnest(related.p_keys) k(key)
      CROSS JOIN LATERAL jsonb_path_query((related.p_evidence -> k.key), '$[*]'::jsonpath) e(id));
END;

CREATE FUNCTION trueup.release_review(p_item_id bigint, p_token uuid, p_note text DEFAULT NULL::text) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token);
begin
    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (p_item_id, 'released', v_item.claimed_by, jsonb_strip_nulls(jsonb_build_object('note', p_note)));

    update trueup.manual_review_queue as q
    set
        status = 'pending',
        claimed_by = null,
        claimed_at = null,
        claim_token = null,
        lease_expires_at = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    return v_item;
end;
$$;

CREATE FUNCTION trueup.reopen_review(p_item_id bigint, p_actor text DEFAULT SESSION_USER, p_note text DEFAULT NULL::text) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_old trueup.manual_review_queue;
    v_item trueup.manual_review_queue;
    v_other_id bigint;
begin
    select q.* into v_old
    from trueup.manual_review_queue as q
    where q.id = p_item_id
    for update;

    if not found then
        raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
    elsif v_old.status in ('pending', 'in_progress') then
        raise exception 'review item % is not decided, it is %', p_item_id, v_old.status
            using errcode = 'TU003';
    end if;

    begin
        update trueup.manual_review_queue as q
        set
            status = 'pending',
            due_at = clock_timestamp() + trueup.setting('review_due_' || q.severity)::interval,
            escalated_at = null,
            claimed_by = null,
            claimed_at = null,
            claim_token = null,
            decided_by = null,
            decided_at = null,
            resolution_notes = null,
            repair_id = null,
            updated_at = clock_timestamp()
        where q.id = p_item_id
        returning q.* into v_item;
    exception
        when unique_violation then
            select q.id into v_other_id
            from trueup.manual_review_queue as q
            where
                q.reason = v_old.reason
                and q.entity_type = v_old.entity_type
                and q.entity_id = v_old.entity_id
                and q.status in ('pending', 'in_progress');
            raise exception 'review item % cannot be reopened: item % is open for the same matter',
                p_item_id, v_other_id
                using errcode = 'TU003', hint = 'Work on that one.';
    end;

    update trueup.data_consistency_alerts as al
    set
        status = 'open',
        acknowledged_by = null,
        acknowledged_at = null,
        accepted_by = null,
        accepted_at = null,
        accepted_reason = null,
        accepted_until = null,
        accepted_evidence = null
    where
        v_old.status = 'dismissed'
        and al.alert_type = v_old.reason
        and al.entity_type = v_old.entity_type
        and al.entity_id = v_old.entity_id
        and al.status = 'acknowledged'
        and al.accepted_at = v_old.decided_at;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'reopened',
        coalesce(p_actor, session_user),
        jsonb_strip_nulls(
            jsonb_build_object(
                'note', p_note,
                'decision', v_old.status,
                'decided_by', v_old.decided_by,
                'decided_at', v_old.decided_at,
                'repair_id', v_old.repair_id
            )
        )
    );

    return v_item;
end;
$$;

CREATE FUNCTION trueup.repair_appointment_cancel_contradicts(p_appointment_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment public.appointments;
    v_cancelled_at timestamptz;
begin
    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id
    for no key update;

    if v_appointment.cancelled_at is null then
        v_cancelled_at := trueup.cancellation_time(p_appointment_id);
        if v_cancelled_at is null then
            return ('review', 'no modification says when it was cancelled', null)::trueup.repair_outcome;
        end if;

        update public.appointments as a
        set cancelled_at = v_cancelled_at
        where a.id = p_appointment_id;

        return (
            'corrected',
            'cancelled_at is the time of the last modification, a cancel',
            jsonb_build_object('cancelled_at', v_cancelled_at)
        )::trueup.repair_outcome;
    end if;

    if trueup.vocabulary_value('appointment_status', v_appointment.status) = 'cancelled' then
        update public.appointments as a
        set status = 'cancelled'
        where a.id = p_appointment_id;

        return (
            'corrected',
            'the status is another spelling of cancelled',
            jsonb_build_object('status', v_appointment.status)
        )::trueup.repair_outcome;
    end if;

    return (
        'review',
        'cancelled and forgotten, or taken up again: the row does not tell',
        jsonb_build_object('last_modification_cancelled_at', trueup.cancellation_time(p_appointment_id))
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_appointment_key_missing(p_appointment_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_key uuid;
begin
    update public.appointments as a
    set
        idempotency_key = trueup.unused_idempotency_key(
            a.company_id, a.service_id, a.staff_id, a.customer_id, a.call_id, a.starts_at
        )
    where a.id = p_appointment_id
    returning a.idempotency_key into v_key;

    return (
        'corrected', 'computed from the booking', jsonb_build_object('idempotency_key', v_key)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_appointment_value_unknown(p_appointment_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment public.appointments;
    v_status text;
    v_source text;
    v_sync_origin text;
    v_calcom_sync_status text;
    v_cancelled_at timestamptz;
begin
    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id
    for no key update;

    v_status := trueup.vocabulary_value('appointment_status', v_appointment.status);
    v_source := trueup.vocabulary_value('source', v_appointment.source);
    v_sync_origin := trueup.vocabulary_value('sync_origin', v_appointment.sync_origin);
    v_calcom_sync_status := trueup.vocabulary_value('calcom_sync_status', v_appointment.calcom_sync_status);

    if
        v_status is null
        or (v_source is null) <> (v_appointment.source is null)
        or (v_sync_origin is null) <> (v_appointment.sync_origin is null)
        or (v_calcom_sync_status is null) <> (v_appointment.calcom_sync_status is null)
    then
        return ('review', 'a value is no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    v_cancelled_at := trueup.cancellation_time(p_appointment_id);
    if v_status in ('pending', 'confirmed') and v_status <> v_appointment.status and v_cancelled_at is not null then
        return (
            'review',
            'it means ' || v_status || ', and its last modification is a cancel',
            jsonb_build_object('last_modification_cancelled_at', v_cancelled_at)
        )::trueup.repair_outcome;
    end if;

    v_cancelled_at := v_appointment.cancelled_at;
    if v_status = 'cancelled' and v_cancelled_at is null then
        v_cancelled_at := trueup.cancellation_time(p_appointment_id);
        if v_cancelled_at is null then
            return (
                'review', 'it means cancelled, and no modification says when it was', null
            )::trueup.repair_outcome;
        end if;
    end if;

    update public.appointments as a
    set
        status = v_status,
        source = v_source,
        sync_origin = v_sync_origin,
        calcom_sync_status = v_calcom_sync_status,
        cancelled_at = v_cancelled_at
    where a.id = p_appointment_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_strip_nulls(jsonb_build_object(
            'status', nullif(v_appointment.status, v_status),
            'source', nullif(v_appointment.source, v_source),
            'sync_origin', nullif(v_appointment.sync_origin, v_sync_origin),
            'calcom_sync_status', nullif(v_appointment.calcom_sync_status, v_calcom_sync_status)
        ))
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_appointment_without_call(p_appointment_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment public.appointments;
    v_named_call_id bigint;
    v_call_ids bigint[];
    v_found_by text := 'linked by metadata.call_id or booking_id';
    v_reason text;
begin
    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id
    for no key update;

    begin
        v_named_call_id := btrim(v_appointment.metadata ->> 'call_id');
    exception
        when invalid_text_representation or numeric_value_out_of_range then
            null; -- no id of ours
    end;

    v_call_ids := array(
        select c.id
        from public.calls as c
        where
            c.company_id = v_appointment.company_id
            and c.deleted_at is null
            and (
                c.retell_call_id = trueup.call_id_named(v_appointment.metadata)
                or (
                    c.id = v_named_call_id
                    and v_appointment.created_at >= c.started_at
                    and v_appointment.created_at <= coalesce(c.ended_at, c.started_at) + interval '1 hour'
                )
                or c.booking_id = nullif(btrim(v_appointment.calcom_booking_uid), '')
            )
        order by c.id
    );

    if cardinality(v_call_ids) = 0 then
        v_found_by := 'linked by the booking in booking_details';
        v_call_ids := array(
            select bp.call_id
            from trueup.booking_proofs as bp
            where
                bp.company_id = v_appointment.company_id
                and (
                    bp.booking_uid = v_appointment.calcom_booking_uid
                    or (bp.booking_uid is null or v_appointment.calcom_booking_uid is null)
                    and bp.booking_number = v_appointment.calcom_booking_id
                )
            order by bp.call_id
        );
    end if;

    if cardinality(v_call_ids) = 0 then
        return (
            'review',
            'no call of the company is named by metadata.call_id or bears the booking',
            null
        )::trueup.repair_outcome;
    elsif cardinality(v_call_ids) > 1 then
        return (
            'review',
            'the evidence names several calls',
            jsonb_build_object('call_ids', v_call_ids)
        )::trueup.repair_outcome;
    end if;

    v_reason := trueup.not_the_maker(v_call_ids[1], p_appointment_id);
    if v_reason is not null then
        return ('review', v_reason, jsonb_build_object('call_ids', v_call_ids))::trueup.repair_outcome;
    end if;

    update public.appointments as a
    set call_id = v_call_ids[1]
    where a.id = p_appointment_id;

    update public.calls as c
    set session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = v_call_ids[1] and c.session_outcome <> trueup.proven_outcome(c.session_outcome);

    return ('corrected', v_found_by, jsonb_build_object('call_id', v_call_ids[1]))::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_booking_missing_locally(p_booking_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_booking trueup.booking_snapshots;
    v_moved public.appointments;
    v_former_uids text[];
    v_appointment_ids bigint[];
    v_call_ids bigint[];
    v_made record;
    v_evidence jsonb;
begin
    select s.* into v_booking from trueup.booking_snapshots as s where s.id = p_booking_id for no key update;

    -- the bookings it came from, the nearest first
    with recursive came_from as (
        select array[v_booking.rescheduled_from_uid] as uids
        where v_booking.rescheduled_from_uid <> v_booking.booking_uid
        union all
        select came_from.uids || s.rescheduled_from_uid
        from came_from
        inner join trueup.booking_snapshots as s
            on
                came_from.uids[cardinality(came_from.uids)] = s.booking_uid
                and s.company_id = v_booking.company_id
        where s.rescheduled_from_uid <> all(came_from.uids || v_booking.booking_uid)
    )

    select cf.uids into v_former_uids
    from came_from as cf
    order by cardinality(cf.uids) desc
    limit 1;

    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_uid', v_booking.booking_uid,
        'rescheduled_from_uid', v_booking.rescheduled_from_uid,
        'former_uids', v_former_uids,
        'seen_at', v_booking.seen_at
    ));

    select array_agg(f.id order by f.id) filter (where f.deleted_at is null) into v_appointment_ids
    from (
        select
            a.id,
            a.deleted_at
        from public.appointments as a
        where a.company_id = v_booking.company_id and a.calcom_booking_uid = any(v_former_uids)
        order by a.id
        for no key update
    ) as f;
    if cardinality(v_appointment_ids) > 1 then
        return (
            'review',
            'the booking was moved, and several appointments bear bookings it came from',
            v_evidence || jsonb_build_object('appointment_ids', v_appointment_ids)
        )::trueup.repair_outcome;
    end if;

    select a.* into v_moved
    from public.appointments as a
    where a.company_id = v_booking.company_id and a.calcom_booking_uid = any(v_former_uids)
    order by a.deleted_at is null desc, array_position(v_former_uids, a.calcom_booking_uid), a.id desc
    limit 1;

    if found then
        v_evidence := v_evidence || jsonb_build_object(
            'appointment_id', v_moved.id, 'old_starts_at', v_moved.starts_at, 'old_status', v_moved.status
        );
        if
            v_moved.deleted_at is not null
            or coalesce(
                trueup.vocabulary_value('appointment_status', v_moved.status) not in ('pending', 'confirmed'), true
            )
        then
            return (
                'review', 'the booking was moved, and its appointment is over here', v_evidence
            )::trueup.repair_outcome;
        end if;

        update public.appointments as a
        set
            calcom_booking_uid = v_booking.booking_uid,
            calcom_booking_id = v_booking.booking_number,
            previous_starts_at = a.starts_at,
            starts_at = v_booking.starts_at,
            ends_at = v_booking.ends_at,
            status = case v_booking.status when 'accepted' then 'confirmed' else 'pending' end
        where a.id = v_moved.id;

        insert into public.appointment_modifications
            (company_id, appointment_id, kind, old_starts_at, new_starts_at, reason, actor)
        values (
            v_moved.company_id, v_moved.id, 'reschedule', v_moved.starts_at, v_booking.starts_at,
            'moved at the provider', 'trueup'
        );
        return ('corrected', 'moved as the provider did', v_evidence)::trueup.repair_outcome;
    end if;

    if
        exists (
            select 1
            from trueup.former_bookings as fb
            where
                fb.booking_uid = any(v_former_uids || v_booking.booking_uid)
                and fb.company_id = v_booking.company_id
        )
    then
        return (
            'review',
            'its appointment was moved to another booking or deleted here, and the provider still holds it',
            v_evidence || jsonb_build_object('appointment_ids', array(
                select distinct fb.appointment_id
                from trueup.former_bookings as fb
                where
                    fb.booking_uid = any(v_former_uids || v_booking.booking_uid)
                    and fb.company_id = v_booking.company_id
                order by 1
            ))
        )::trueup.repair_outcome;
    end if;

    v_call_ids := array(
        select c.id
        from public.calls as c
        where
            c.company_id = v_booking.company_id
            and c.booking_id in (v_booking.booking_uid, v_booking.booking_number::text)
            and c.deleted_at is null
        order by c.id
    );
    if cardinality(v_call_ids) > 1 then
        return (
            'review', 'several calls name the booking', v_evidence || jsonb_build_object('call_ids', v_call_ids)
        )::trueup.repair_outcome;
    end if;

    select m.* into v_made
    from trueup.appointment_from_booking(
        v_booking.company_id,
        v_booking.booking_uid,
        v_booking.booking_number,
        v_booking.status,
        v_booking.starts_at,
        v_booking.ends_at,
        v_booking.event_type_id,
        jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
            'name', v_booking.attendee_name,
            'email', v_booking.attendee_email,
            'phoneNumber', v_booking.attendee_phone
        ))),
        null,
        'backfill',
        'system',
        p_call_id => v_call_ids[1],
        p_booked_at => v_booking.booked_at
    ) as m;

    v_evidence := v_evidence || v_made.evidence;
    if v_made.outcome = 'review' then
        return ('review', v_made.reason, v_evidence)::trueup.repair_outcome;
    end if;

    -- nobody needs the attendee any more
    update trueup.booking_snapshots as s
    set attendee_name = null, attendee_email = null, attendee_phone = null
    where s.id = p_booking_id;

    return (
        'corrected',
        case v_made.outcome when 'found' then 'linked by booking number' else 'created from the provider booking' end,
        v_evidence
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_appointment_not_flagged(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment_ids bigint[];
begin
    select array_agg(ka.id order by ka.id) into v_appointment_ids
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id;

    if v_appointment_ids is null then
        return ('review', 'the call has no appointment', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        appointment_made = true,
        appointment_link_status = 'linked',
        appointment_linked_at = coalesce(c.appointment_linked_at, now()),
        session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id;

    return (
        'corrected', 'flagged by its appointment', jsonb_build_object('appointment_ids', v_appointment_ids)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_backlink_broken(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_own_appointment_ids bigint[];
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    select array_agg(ka.id order by ka.id) into v_own_appointment_ids
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id and ka.company_id is not distinct from v_call.company_id;

    v_evidence := jsonb_build_object(
        'appointment_id', v_call.appointment_id, 'own_appointment_ids', v_own_appointment_ids
    );

    if v_own_appointment_ids is null then
        return ('review', 'the call has no appointment of its own', v_evidence)::trueup.repair_outcome;
    elsif cardinality(v_own_appointment_ids) > 1 then
        return ('review', 'the call has several appointments of its own', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set appointment_id = v_own_appointment_ids[1], session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id;

    return ('corrected', 'points at its only appointment', v_evidence)::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_backlink_missing(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment_id bigint;
begin
    select own.appointment_id into v_appointment_id
    from public.calls as c
    cross join lateral trueup.appointments_of_call(c.id, c.company_id, c.appointment_id) as own
    where c.id = p_call_id;

    if v_appointment_id is null then
        return ('review', 'the call has no appointment in its company', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set appointment_id = v_appointment_id, session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id;

    return (
        'corrected', 'points back at its appointment', jsonb_build_object('appointment_id', v_appointment_id)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_booked_without_appointment(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_proof trueup.booking_proofs;
    v_made record;
    v_number bigint;
    v_reason text;
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;
    if not exists (
        select 1 from trueup.call_booked_without_appointment as v where v.entity_id = p_call_id
    ) then
        return ('review', 'the call has its appointment', null)::trueup.repair_outcome;
    end if;

    -- which booking: what the call says and what the payload proves must be one
    select bp.* into v_proof from trueup.booking_proofs as bp where bp.call_id = p_call_id;
    v_call.booking_id := nullif(btrim(v_call.booking_id), '');
    v_number := coalesce(v_proof.booking_number, trueup.bigint_or_null(v_call.booking_id));
    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_id', v_call.booking_id,
        'booking_uid', v_proof.booking_uid,
        'booking_number', v_proof.booking_number,
        'provider_status', v_proof.provider_status
    ));

    v_reason := case
        when v_call.company_id is null then 'the call has no company'
        when v_proof.call_id is null and v_call.booking_id is null then 'nothing proves a booking'
        when
            v_proof.call_id is not null
            and v_call.booking_id is distinct from v_proof.booking_uid
            and v_call.booking_id is distinct from v_proof.booking_number::text
            and v_call.booking_id is not null
            then 'booking_id and booking_details name different bookings'
        when
            trueup.vocabulary_value('session_outcome', v_call.session_outcome)
            in ('appointment_rescheduled', 'appointment_cancelled')
            and not exists (
                select 1
                from public.appointments as a
                where
                    a.company_id = v_call.company_id
                    and (
                        a.calcom_booking_uid = coalesce(v_proof.booking_uid, v_call.booking_id)
                        or a.calcom_booking_id = v_number
                    )
            )
            then 'no appointment bears the booking, and the call moved or cancelled one'
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    select ab.* into v_made
    from trueup.appointment_from_booking(
        p_company_id => v_call.company_id,
        p_booking_uid => coalesce(v_proof.booking_uid, nullif(v_call.booking_id, v_number::text)),
        p_booking_number => v_number,
        p_status => v_proof.provider_status,
        p_starts_at => v_proof.starts_at,
        p_ends_at => v_proof.ends_at,
        p_event_type_id => v_proof.event_type_id,
        p_attendees => jsonb_build_array(jsonb_build_object(
            'name', v_proof.attendee_name, 'email', v_proof.attendee_email
        )),
        p_metadata => null,
        p_source => 'backfill',
        p_sync_origin => 'system',
        p_call_id => p_call_id,
        p_booked_at => coalesce(v_proof.confirmed_at, v_call.ended_at, v_call.started_at, v_call.created_at)
    ) as ab;
    v_evidence := v_evidence || v_made.evidence;

    if v_made.outcome = 'review' then
        return (
            'review',
            case
                when
                    v_proof.call_id is null
                    and v_made.appointment_id is null
                    and not v_evidence ? 'deleted_appointment_ids'
                    then 'no appointment bears the booking, and booking_details proves none'
                else v_made.reason
            end,
            v_evidence
        )::trueup.repair_outcome;
    end if;

    return (
        'corrected',
        case
            when v_made.outcome = 'created' then 'created from the provider booking'
            else 'linked by booking ' || (v_evidence ->> 'found_by')
        end,
        v_evidence - 'found_by'
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_creation_failed_unqueued(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_evidence jsonb;
begin
    -- updated_at too: the change is to be seen where the flag was already up
    update public.calls as c
    set requires_manual_processing = true, updated_at = clock_timestamp()
    where c.id = p_call_id
    returning c.* into v_call;

    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_id', v_call.booking_id,
        'booking_uid', (select bp.booking_uid from trueup.booking_proofs as bp where bp.call_id = p_call_id)
    ));
    v_evidence := v_evidence || jsonb_build_object('queue_item_id', trueup.queue_review(
        'provider_booking_failed',
        'call',
        p_call_id::text,
        'the appointment of a booking could not be created',
        v_call.company_id::text,
        'critical',
        v_evidence
    ));

    return ('corrected', 'handed to a person', v_evidence)::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_customer_not_linked(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_is_phone_match boolean;
    v_is_given boolean;
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_is_phone_match := exists (
        select 1
        from public.customers as k
        where
            k.id = v_call.customer_id
            and trueup.phone_matches(
                v_call.company_id,
                v_call.direction,
                v_call.from_number,
                v_call.to_number,
                k.company_id,
                k.phone_normalized
            )
    );
    v_is_given := coalesce(
        (v_call.customer_link_method <> 'phone_match' or v_is_phone_match)
        and v_call.customer_link_confidence between 0 and 100,
        false
    );
    v_evidence := jsonb_build_object('customer_id', v_call.customer_id, 'number_matches', v_is_phone_match);

    if not v_is_given and not v_is_phone_match then
        return ('review', 'nothing proves the link to the customer', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        customer_link_status = 'linked',
        customer_link_method = case when v_is_given then c.customer_link_method else 'phone_match' end,
        customer_link_confidence = case when v_is_given then c.customer_link_confidence else 100.00 end,
        customer_linked_at = coalesce(c.customer_linked_at, now())
    where c.id = p_call_id;

    return (
        'corrected',
        case
            when v_is_given then 'linked by the method that is recorded'
            else 'linked: the number is the customer''s'
        end,
        v_evidence
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_direction_missing(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_direction text;
    v_metadata jsonb;
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_direction := trueup.direction_by_numbers(v_call.company_id, v_call.from_number, v_call.to_number);
    v_metadata := case
        when v_direction is null then trueup.direction_defaulted(v_call.metadata)
        else v_call.metadata
    end;
    v_evidence := jsonb_build_object(
        'direction', coalesce(v_direction, trueup.default_direction()),
        'defaulted', v_direction is null,
        'from_number', trueup.masked(v_call.from_number),
        'to_number', trueup.masked(v_call.to_number)
    );

    if v_direction is null and not v_metadata @> '{"direction_defaulted": true}' then
        return ('review', 'neither number is ours, and metadata is no object', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set direction = coalesce(v_direction, trueup.default_direction()), metadata = v_metadata
    where c.id = p_call_id;

    return (
        'corrected',
        case
            when v_direction is null then 'neither number is ours: the default, and marked as one'
            when v_direction = 'inbound' then 'the number called is ours'
            else 'the caller''s number is ours'
        end,
        v_evidence
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_failed_but_booked(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_appointment_ids bigint[];
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    select array_agg(la.id order by la.id) into v_appointment_ids
    from trueup.live_appointments as la
    where
        la.call_id = p_call_id
        and trueup.vocabulary_value('appointment_status', la.status) is not null;

    if v_appointment_ids is null then
        return ('review', 'no appointment of the call is known to be live', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        booking_failed = false,
        booking_failure_reason = null,
        session_outcome = trueup.proven_outcome(c.session_outcome),
        appointment_link_status = case c.appointment_link_status
            when 'creation_failed' then 'linked'
            else c.appointment_link_status
        end
    where c.id = p_call_id;

    return (
        'corrected',
        'a live appointment outranks the failure',
        jsonb_build_object('appointment_ids', v_appointment_ids)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_link_status_wrong(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
select (
    'corrected', 'the status follows name and number', trueup.restate_customer_link(p_call_id)
)::trueup.repair_outcome;
$$;

CREATE FUNCTION trueup.repair_call_link_unproven(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_phone text;
    v_is_phone_match boolean;
    v_evidence jsonb;
    v_reason text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    select
        k.phone,
        trueup.phone_matches(
            v_call.company_id,
            v_call.direction,
            v_call.from_number,
            v_call.to_number,
            k.company_id,
            k.phone_normalized
        )
    into v_phone, v_is_phone_match
    from public.customers as k
    where k.id = v_call.customer_id;

    v_evidence := jsonb_build_object(
        'customer_id', v_call.customer_id,
        'direction', v_call.direction,
        'from_number', trueup.masked(v_call.from_number),
        'to_number', trueup.masked(v_call.to_number),
        'customer_phone', trueup.masked(v_phone)
    );
    v_reason := case
        when v_call.customer_link_status <> 'linked' then 'a confidence outside 0 to 100, and the call is not linked'
        when not coalesce(v_is_phone_match, false) then 'no number of the call is the customer''s'
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        customer_link_method = 'phone_match',
        customer_link_confidence = 100.00,
        customer_linked_at = coalesce(c.customer_linked_at, now())
    where c.id = p_call_id;

    return ('corrected', 'the number is the customer''s', v_evidence)::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_linked_without_appointment(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return trueup.link_booking(p_call_id);
end;
$$;

CREATE FUNCTION trueup.repair_call_linked_without_customer(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
select (
    'corrected', 'no customer: the status follows name and number', trueup.restate_customer_link(p_call_id)
)::trueup.repair_outcome;
$$;

CREATE FUNCTION trueup.repair_call_made_without_appointment(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return trueup.link_booking(p_call_id);
end;
$$;

CREATE FUNCTION trueup.repair_call_outcome_contradicts_flag(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_outcome text;
    v_appointment_ids bigint[];
    v_evidence jsonb;
begin
    select c.session_outcome into v_outcome from public.calls as c where c.id = p_call_id for no key update;

    select array_agg(ka.id order by ka.id) into v_appointment_ids
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id;

    v_evidence := jsonb_build_object('session_outcome', v_outcome, 'appointment_ids', v_appointment_ids);

    if v_appointment_ids is null then
        return ('review', 'no appointment proves the flag', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set session_outcome = 'appointment_booked'
    where c.id = p_call_id;

    return ('corrected', 'the appointment outranks the outcome', v_evidence)::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_outcome_unknown(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_value text;
    v_meant text;
begin
    select c.session_outcome into v_value from public.calls as c where c.id = p_call_id for no key update;
    v_meant := trueup.vocabulary_value('session_outcome', v_value);
    if v_meant is null then
        return ('review', 'no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        session_outcome = v_meant,
        direction = coalesce(trueup.vocabulary_value('direction', c.direction), c.direction),
        customer_link_status = coalesce(
            trueup.vocabulary_value('customer_link_status', c.customer_link_status), c.customer_link_status
        ),
        customer_link_method = coalesce(
            trueup.vocabulary_value('customer_link_method', c.customer_link_method), c.customer_link_method
        )
    where c.id = p_call_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_build_object('session_outcome', v_value, 'means', v_meant)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_outcome_without_appointment(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return trueup.link_booking(p_call_id);
end;
$$;

CREATE FUNCTION trueup.repair_call_status_unknown(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_value text;
    v_meant text;
begin
    select c.status into v_value from public.calls as c where c.id = p_call_id for no key update;
    v_meant := trueup.vocabulary_value('call_status', v_value);
    if v_meant is null then
        return ('review', 'no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set status = v_meant
    where c.id = p_call_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_build_object('status', v_value, 'means', v_meant)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_stuck_ongoing(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_ended_at timestamptz;
    v_duration_ms numeric;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_ended_at := trueup.provider_call_end(v_call.company_id, v_call.retell_call_id, v_call.metadata);
    v_duration_ms := case
        when isfinite(v_call.started_at) then round(extract(epoch from v_ended_at - v_call.started_at) * 1000)
    end;

    if v_ended_at is null then
        return ('review', 'neither payload nor event tells when it ended', null)::trueup.repair_outcome;
    elsif v_duration_ms < 0 or v_duration_ms > 2147483647 or v_ended_at > now() then
        return (
            'review', 'the provider tells an end that cannot be', jsonb_build_object('provider_end', v_ended_at)
        )::trueup.repair_outcome;
    elsif
        isfinite(v_call.ended_at)
        and v_ended_at not between v_call.ended_at - interval '1 second' and v_call.ended_at + interval '1 second'
    then
        return (
            'review',
            'it has an end already, and the provider tells another',
            jsonb_build_object('provider_end', v_ended_at, 'ended_at', v_call.ended_at)
        )::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        status = 'ended',
        ended_at = v_ended_at,
        duration_ms = coalesce(v_duration_ms, v_call.duration_ms)
    where c.id = p_call_id;

    return (
        'corrected',
        'ended when the provider says',
        jsonb_build_object(
            'provider_end', v_ended_at, 'stored_end', v_call.ended_at, 'stored_duration_ms', v_call.duration_ms
        )
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_times_contradict(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_duration_ms numeric;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    if v_call.ended_at < v_call.started_at then
        return ('review', 'it ended before it started: one instant is wrong', null)::trueup.repair_outcome;
    elsif not (isfinite(v_call.started_at) and isfinite(v_call.ended_at)) then
        return ('review', 'it has a duration, but no start or no end', null)::trueup.repair_outcome;
    end if;

    v_duration_ms := round(extract(epoch from v_call.ended_at - v_call.started_at) * 1000);
    if v_duration_ms > 2147483647 then
        return ('review', 'it lasted for weeks: one instant is wrong', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set duration_ms = v_duration_ms
    where c.id = p_call_id;

    return (
        'corrected',
        'computed from start and end',
        jsonb_build_object('duration_ms', v_call.duration_ms, 'computed_ms', v_duration_ms)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_transcript_name(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_phrase text;
begin
    select trueup.plain_name(c.customer_name) into v_phrase from public.calls as c where c.id = p_call_id;

    return (
        'corrected',
        'cleared, being a phrase of the stop list',
        trueup.restate_customer_link(p_call_id) || jsonb_build_object('phrase', v_phrase)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_type_missing(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call_type text;
begin
    select trueup.provider_call_type(c.metadata) into v_call_type
    from public.calls as c
    where c.id = p_call_id
    for no key update;

    if v_call_type is null then
        return ('review', 'the stored payload does not tell the call_type', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set call_type = v_call_type
    where c.id = p_call_id;

    return (
        'corrected', 'from the stored provider payload', jsonb_build_object('metadata.retell.call_type', v_call_type)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_call_value_unknown(p_call_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_direction text;
    v_customer_link_status text;
    v_customer_link_method text;
    v_appointment_link_status text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    -- a direction that is empty is another check's
    v_direction := coalesce(trueup.vocabulary_value('direction', v_call.direction), v_call.direction);
    v_customer_link_status := trueup.vocabulary_value('customer_link_status', v_call.customer_link_status);
    v_customer_link_method := trueup.vocabulary_value('customer_link_method', v_call.customer_link_method);
    v_appointment_link_status := trueup.vocabulary_value('appointment_link_status', v_call.appointment_link_status);

    if
        nullif(v_direction, '') <> all(trueup.vocabulary_values('direction'))
        or v_customer_link_status is null
        or (v_customer_link_method is null) <> (v_call.customer_link_method is null)
        or v_appointment_link_status is null
    then
        return ('review', 'a value is no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        direction = v_direction,
        customer_link_status = v_customer_link_status,
        customer_link_method = v_customer_link_method,
        appointment_link_status = v_appointment_link_status,
        session_outcome = case
            when exists (select 1 from trueup.kept_appointments as ka where ka.call_id = c.id)
                then trueup.proven_outcome(c.session_outcome)
            else coalesce(trueup.vocabulary_value('session_outcome', c.session_outcome), c.session_outcome)
        end
    where c.id = p_call_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_strip_nulls(jsonb_build_object(
            'direction', nullif(v_call.direction, v_direction),
            'customer_link_status', nullif(v_call.customer_link_status, v_customer_link_status),
            'customer_link_method', nullif(v_call.customer_link_method, v_customer_link_method),
            'appointment_link_status', nullif(v_call.appointment_link_status, v_appointment_link_status)
        ))
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_customer_company_missing(p_customer_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_company_ids bigint[];
    v_reason text;
    v_evidence jsonb;
begin
    perform 1 from public.customers as k where k.id = p_customer_id for no key update;

    select array_agg(kc.company_id), jsonb_agg(to_jsonb(kc) - 'customer_id' order by kc.company_id)
    into v_company_ids, v_evidence
    from trueup.customer_companies as kc
    where kc.customer_id = p_customer_id;

    v_reason := case
        when v_company_ids is null then 'no call and no appointment tells the company'
        when cardinality(v_company_ids) > 1 then 'calls and appointments belong to several companies'
        when not exists (select 1 from public.companies as co where co.id = v_company_ids[1])
            then 'calls and appointments belong to no company either'
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    update public.customers as k
    set company_id = v_company_ids[1]
    where k.id = p_customer_id and k.company_id is null;

    return ('corrected', 'the company of all its calls and appointments', v_evidence)::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_event_double_encoded(p_entity_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_type text;
begin
    select r.entity_type into strict v_type
    from trueup.repairs as r
    where r.id = current_setting('trueup.repair_id')::bigint;

    case v_type
        when 'call' then
            update public.calls as c
            set booking_details = trueup.decoded(c.booking_details), metadata = trueup.decoded(c.metadata)
            where c.id = p_entity_id;
        when 'appointment' then
            update public.appointments as a
            set metadata = trueup.decoded(a.metadata)
            where a.id = p_entity_id;
        when 'webhook_event' then
            update trueup.webhook_events as e
            set body = trueup.decoded(e.body)
            where e.id = p_entity_id;
    end case;

    if exists (
        select 1
        from trueup.event_double_encoded as v
        where v.entity_id = p_entity_id and v.entity_type = v_type
    ) then
        return ('review', 'the text begins like JSON and cannot be read', null)::trueup.repair_outcome;
    end if;

    return ('corrected', 'decoded', '{"rule": "a string that holds JSON means that JSON"}')::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_event_unprocessed(p_event_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_event trueup.webhook_events;
    v_left text[];
begin
    select e.* into v_event from trueup.webhook_events as e where e.id = p_event_id;
    if trueup.process_object(v_event.provider, v_event.object_id) is null then
        raise exception 'event % is being processed', p_event_id using errcode = 'lock_not_available';
    end if;

    select e.* into v_event from trueup.webhook_events as e where e.id = p_event_id;
    if v_event.status not in ('processed', 'ignored') then
        return (
            'review',
            coalesce(
                v_event.error,
                case
                    when v_event.object_id is null then 'the event does not say which object it is about'
                    else 'the event could not be processed'
                end
            ),
            jsonb_build_object('status', v_event.status, 'attempt_count', v_event.attempt_count)
        )::trueup.repair_outcome;
    end if;

    v_left := trueup.violations_of(
        trueup.entities_touched(nullif(current_setting('trueup.repair_id', true), '')::bigint)
    );
    return (
        'corrected',
        'processed',
        jsonb_strip_nulls(jsonb_build_object(
            'event_type', v_event.event_type,
            'object_id', v_event.object_id,
            'company_id', v_event.company_id,
            'appointment_id', v_event.appointment_id
        )) || case when v_left <> '{}' then jsonb_build_object('leaves', v_left) else '{}' end
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_modification_kind_unknown(p_modification_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_kind text;
    v_means text;
begin
    select m.kind into v_kind
    from public.appointment_modifications as m
    where m.id = p_modification_id
    for no key update;

    v_means := trueup.vocabulary_value('modification_kind', v_kind);
    if v_means is null then
        return ('review', 'the kind is no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.appointment_modifications as m
    set kind = v_means
    where m.id = p_modification_id;

    return (
        'corrected', 'replaced by what the vocabulary says it means', jsonb_build_object('kind', v_kind)
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.repair_sync_failure_exhausted(p_sync_failure_id bigint) RETURNS trueup.repair_outcome
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (
        'corrected',
        'handed to a person',
        jsonb_build_object(
            'queue_item_id', trueup.hand_over_sync_failure(p_sync_failure_id, 'all tries are used up')
        )
    )::trueup.repair_outcome;
end;
$$;

CREATE FUNCTION trueup.require_journal(p_table oid, p_operation text, p_is_known boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if
        p_operation <> 'TRUNCATE'
        and exists (
            select 1
            from pg_catalog.pg_trigger as tg
            where
                tg.tgrelid = p_table
                and tg.tgfoid = 'trueup.journal_row_change()'::regprocedure
                and tg.tgenabled in ('O', 'A')
                -- each row: insert, delete and update
                and tg.tgtype & 29 = 29
        )
    then
        return;
    end if;

    if
        not p_is_known
        and p_operation <> 'TRUNCATE'
        and not exists (
            select 1
            from (
                select p_table as relid
                union all
                select pt.relid::oid
                from pg_catalog.pg_partition_tree(p_table) as pt
            ) as t
            where
                pg_stat_get_xact_tuples_inserted(t.relid) > 0
                or pg_stat_get_xact_tuples_updated(t.relid) > 0
                or pg_stat_get_xact_tuples_deleted(t.relid) > 0
        )
    then
        return;
    end if;

    -- to trueup.apply_repair TU100 is the reason why a person decides
    if p_operation = 'TRUNCATE' then
        raise exception 'the repair truncates %, which no journal sees', p_table::regclass using errcode = 'TU100';
    end if;
    raise exception 'the repair changes %, which has no journal: give it its trigger in triggers/journal_repairs.sql',
        p_table::regclass
        using errcode = 'TU100';
end;
$$;

CREATE FUNCTION trueup.reschedule_appointment(p_company_id bigint, p_appointment_id bigint, p_starts_at timestamp with time zone, p_ends_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_call_id bigint DEFAULT NULL::bigint, p_reason text DEFAULT NULL::text, p_actor text DEFAULT SESSION_USER, p_booking_uid text DEFAULT NULL::text, p_previous_starts_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_booking_number bigint DEFAULT NULL::bigint) RETURNS TABLE(appointment_id bigint, replayed boolean, modification_id bigint, previous_starts_at timestamp with time zone, starts_at timestamp with time zone, ends_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_appointment public.appointments := trueup.changeable_appointment(p_company_id, p_appointment_id, p_call_id);
    v_ends_at timestamptz := case
        when p_ends_at is not null then p_ends_at
        when not isfinite(v_appointment.starts_at) or not isfinite(v_appointment.ends_at) then 'infinity'
        else p_starts_at + (v_appointment.ends_at - v_appointment.starts_at)
    end;
    v_booking_uid text := coalesce(nullif(btrim(p_booking_uid), ''), v_appointment.calcom_booking_uid);
    v_modification_id bigint;
begin
    if p_starts_at is null or not isfinite(p_starts_at) or not isfinite(v_ends_at) or v_ends_at <= p_starts_at then
        raise exception 'appointment % cannot be moved there: it starts, and ends after that', p_appointment_id
            using errcode = 'TU205', detail = format('From %s to %s.', p_starts_at, v_ends_at);
    end if;

    if v_appointment.status not in ('pending', 'confirmed') then
        raise exception 'appointment % is %', p_appointment_id, v_appointment.status
            using errcode = 'TU204', hint = 'Book a new one.';
    end if;

    if
        v_appointment.starts_at = p_starts_at
        and v_appointment.ends_at = v_ends_at
        and v_appointment.calcom_booking_uid is not distinct from v_booking_uid
    then
        return query
        select
            p_appointment_id, true, moved.id, moved.old_starts_at, v_appointment.starts_at, v_appointment.ends_at
        from (values (1)) as one (row)
        left join lateral (
            select m.id, m.old_starts_at
            from public.appointment_modifications as m
            where m.appointment_id = p_appointment_id and m.kind = 'reschedule'
            order by m.created_at desc, m.id desc
            limit 1
        ) as moved on true;
        return;
    end if;

    if p_previous_starts_at <> v_appointment.starts_at then
        raise exception 'appointment % starts at % by now', p_appointment_id, v_appointment.starts_at
            using
                errcode = 'TU204',
                detail = format('It was to be moved from %s.', p_previous_starts_at),
                hint = 'Ask the customer again which time is meant.';
    end if;

    if
        v_appointment.source = 'retell'
        and nullif(btrim(p_booking_uid), '') is null
        and p_starts_at <> v_appointment.starts_at
    then
        if p_starts_at < now() then
            raise exception 'the phone agent books ahead, and % is past', p_starts_at using errcode = 'TU205';
        elsif p_starts_at > now() + trueup.setting('booking_horizon')::interval then
            raise exception 'the phone agent books no further ahead than %', trueup.setting('booking_horizon')
                using errcode = 'TU205', detail = format('The start is %s.', p_starts_at);
        end if;
    end if;

    perform trueup.refuse_conflict(
        p_company_id, p_appointment_id, v_appointment.customer_id, v_appointment.service_id, v_appointment.staff_id,
        v_appointment.metadata ->> 'booked_for', p_starts_at, v_ends_at
    );

    update public.appointments as a
    set
        starts_at = p_starts_at,
        ends_at = v_ends_at,
        previous_starts_at = v_appointment.starts_at,
        calcom_booking_uid = v_booking_uid,
        calcom_booking_id = case
            when a.calcom_booking_uid is not distinct from v_booking_uid
                then coalesce(a.calcom_booking_id, p_booking_number)
            else p_booking_number
        end,
        updated_at = now()
    where a.id = p_appointment_id;

    insert into public.appointment_modifications as m
        (company_id, appointment_id, call_id, kind, old_starts_at, new_starts_at, reason, actor, created_at)
    values (
        p_company_id, p_appointment_id, p_call_id, 'reschedule', v_appointment.starts_at, p_starts_at, p_reason,
        p_actor, clock_timestamp()
    )
    returning m.id into v_modification_id;

    return query
    select p_appointment_id, false, v_modification_id, v_appointment.starts_at, p_starts_at, v_ends_at;
end;
$$;

CREATE FUNCTION trueup.resolve_review(p_item_id bigint, p_token uuid, p_notes text DEFAULT NULL::text, p_repair boolean DEFAULT false) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token, 'resolved');
    v_repair record;
    v_violation record;
    v_alert_id bigint;
    v_corrected boolean := false;
    v_details jsonb := jsonb_strip_nulls(jsonb_build_object('notes', p_notes));
begin
    if v_item.status = 'resolved' then
        return v_item;
    end if;

    if p_repair then
        if not exists (select 1 from trueup.checks as ch where ch.name = v_item.reason and ch.is_active) then
            raise exception 'review item % cannot be repaired: % is the name of no check', p_item_id, v_item.reason
                using errcode = 'TU003', hint = 'Mend the row by hand, then resolve the item without repair.';
        end if;

        select r.outcome, r.reason, r.repair_id into v_repair
        from trueup.apply_repair(v_item.reason, v_item.entity_type, v_item.entity_id, v_item.claimed_by) as r;

        if v_repair.outcome is null or v_repair.outcome not in ('corrected', 'clean') then
            raise exception 'the repair of % left % % as it is: %',
                v_item.reason, v_item.entity_type, v_item.entity_id, coalesce(v_repair.reason, 'no reason given')
                using
                    errcode = 'TU004',
                    hint = 'Mend the row by hand and resolve the item without repair, or dismiss it.';
        end if;

        v_corrected := v_repair.outcome = 'corrected';
        v_item.repair_id := v_repair.repair_id;
        v_details := v_details || jsonb_build_object(
            'repair',
            jsonb_build_object(
                'outcome', v_repair.outcome, 'reason', v_repair.reason, 'repair_id', v_repair.repair_id
            )
        );
    else
        select v.* into v_violation
        from trueup.violation_under_review(v_item.reason, v_item.entity_type, v_item.entity_id) as v;

        if found then
            raise exception '% % still violates %', v_item.entity_type, v_item.entity_id, v_item.reason
                using
                    errcode = 'TU004',
                    detail = v_violation.description || '. ' || v_violation.evidence,
                    hint = 'Mend the row first, or dismiss the item: that accepts the row as it is.';
        end if;
    end if;

    update trueup.data_consistency_alerts as al
    set
        status = 'resolved',
        resolved_at = clock_timestamp(),
        resolution = case when v_corrected then 'repaired' else 'fixed elsewhere' end,
        resolution_notes = coalesce(p_notes, format('review item %s', p_item_id)),
        auto_corrected = v_corrected,
        corrected_at = case when v_corrected then clock_timestamp() end,
        snoozed_until = null
    where
        al.alert_type = v_item.reason
        and al.entity_type = v_item.entity_type
        and al.entity_id = v_item.entity_id
        and al.status <> 'resolved'
    returning al.id into v_alert_id;

    -- a run may have judged the entity between the reading of its check and the resolution: the next pass looks again
    if v_alert_id is not null then
        insert into trueup.changes (table_name, keys)
        select cp.table_name, array[cp.key_column || '=' || v_item.entity_id]
        from trueup.check_populations as cp
        where cp.check_name = v_item.reason and cp.entity_type = v_item.entity_type;
    end if;

    -- the token stays: a repeated call is recognised by it
    update trueup.manual_review_queue as q
    set
        status = 'resolved',
        decided_by = v_item.claimed_by,
        decided_at = clock_timestamp(),
        resolution_notes = p_notes,
        repair_id = v_item.repair_id,
        lease_expires_at = null,
        snoozed_until = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'resolved',
        v_item.decided_by,
        v_details || jsonb_strip_nulls(jsonb_build_object('alert_id', v_alert_id))
    );

    return v_item;
end;
$$;

CREATE FUNCTION trueup.restate_customer_link(p_call_id bigint) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_meant text;
    v_status text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_meant := coalesce(
        trueup.vocabulary_value('customer_link_status', v_call.customer_link_status), v_call.customer_link_status
    );
    v_status := case
        when v_call.customer_id is not null or v_meant in ('pending_review', 'failed') then v_meant
        else trueup.link_status_without_customer(v_call.company_id, v_call.customer_name, v_call.from_number)
    end;

    update public.calls as c
    set
        customer_name = case when trueup.usable_name(c.company_id, c.customer_name) then c.customer_name end,
        customer_link_status = v_status,
        customer_link_method = case when is_kept then c.customer_link_method end,
        customer_link_confidence = case when is_kept then c.customer_link_confidence end,
        customer_linked_at = case when is_kept then c.customer_linked_at end
    from (
        values (v_call.customer_id is not null or v_meant <> 'linked')
    ) as provenance (is_kept)
    where c.id = p_call_id;

    return jsonb_build_object(
        'customer_id', v_call.customer_id,
        'from_number', trueup.masked(v_call.from_number),
        'has_usable_name', trueup.usable_name(v_call.company_id, v_call.customer_name),
        'old_status', v_call.customer_link_status,
        'new_status', v_status
    );
end;
$$;

CREATE FUNCTION trueup.restrict_dashboards(p_table regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    if not (select c.relrowsecurity from pg_catalog.pg_class as c where c.oid = p_table) then
        execute format('create policy everybody on %s using (true)', p_table);
        execute format('alter table %s enable row level security', p_table);
    end if;
    if
        not exists (
            select 1
            from pg_catalog.pg_policy as p
            where p.polrelid = p_table and p.polname = 'dashboard_company'
        )
    then
        execute format(
            $policy$
            create policy dashboard_company on %s as restrictive for select to trueup_dashboard
            using (
                case
                    when (
                        select coalesce(
                            (select dl.company_id from trueup.dashboard_logins as dl where dl.login = session_user),
                            nullif(current_setting('trueup.company', true), '')
                        )
                    ) is null then true
                    else company_id::text = (
                        select coalesce(
                            (select dl.company_id from trueup.dashboard_logins as dl where dl.login = session_user),
                            nullif(current_setting('trueup.company', true), '')
                        )
                    )
                end
            )
            $policy$,
            p_table
        );
    end if;
end;
$_$;

CREATE FUNCTION trueup.retry_events(p_event_ids bigint[] DEFAULT NULL::bigint[], p_status text DEFAULT NULL::text) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if p_status is not null and p_status not in ('parked', 'dead') or p_event_ids is null and p_status is null then
        raise exception 'only parked and dead events can be tried again'
            using errcode = 'TU312', hint = 'Give the ids of events, or the status parked or dead, or both.';
    end if;

    return query
    update trueup.webhook_events as e
    set status = 'received', attempt_count = 0, next_attempt_at = now()
    where
        e.status in ('parked', 'dead')
        and (p_status is null or e.status = p_status)
        and (p_event_ids is null or e.id = any(p_event_ids))
    returning e.id;
end;
$$;

CREATE FUNCTION trueup.review_lease(p_lease interval) RETURNS interval
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_lease interval := coalesce(p_lease, trueup.setting('review_lease')::interval);
begin
    if v_lease <= interval '0' or not isfinite(v_lease) then
        raise exception 'a lease lasts longer than nothing and not for ever, not %', v_lease
            using errcode = 'TU005';
    end if;
    return v_lease;
end;
$$;

CREATE FUNCTION trueup.row_image(p_row anyelement) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_image jsonb := to_jsonb(p_row);
    v_virtual text[];
    v_values text;
    v_texts jsonb;
begin
    select
        array_agg(att.attname::text) filter (where att.attgenerated = 'v'),
        string_agg(
            -- IS NULL would be true of a composite value whose fields are NULL
            format('(%1$L, case when ($1).%1$I is distinct from null then format(''%%s'', ($1).%1$I) end)', att.attname),
            ', '
        ) filter (where att.attgenerated = '')
    into v_virtual, v_values
    from pg_catalog.pg_type as r
    inner join pg_catalog.pg_attribute as att on r.typrelid = att.attrelid
    inner join pg_catalog.pg_type as ty on att.atttypid = ty.oid
    where
        r.oid = pg_typeof(p_row)
        and att.attnum > 0
        and not att.attisdropped
        and case
            when att.attgenerated <> '' then att.attgenerated = 'v'
            when ty.typtype = 'e' then false
            when ty.oid = 'jsonb'::regtype then v_image -> att.attname = 'null'
            when ty.oid in ('real'::regtype, 'double precision'::regtype) then v_image -> att.attname = '0'
            else
                ty.oid <> all('{
                    boolean, smallint, integer, bigint, numeric, text, varchar, bpchar, uuid, bytea,
                    date, time, timestamp, timestamptz, interval
                }'::regtype[])
        end;

    if v_values is not null then
        execute format(
            'select jsonb_object_agg(k.name, k.text) from (values %s) as k (name, text) '
            'where k.text is distinct from $2 ->> k.name',
            v_values
        )
        into v_texts
        using p_row, v_image;
    end if;
    return v_image - coalesce(v_virtual, '{}') || jsonb_build_object('', coalesce(v_texts, '{}'));
end;
$_$;

CREATE FUNCTION trueup.set_circuit_mode(p_key text, p_mode text, p_reason text DEFAULT NULL::text, p_actor text DEFAULT SESSION_USER) RETURNS trueup.circuit_breaker_states
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_circuit trueup.circuit_breaker_states;
    v_old trueup.circuit_breaker_states;
    v_forced boolean;
    v_next text;
    v_now timestamptz;
begin
    if coalesce(btrim(p_key), '') = '' then
        raise exception 'a circuit needs a key' using errcode = 'TU501';
    elsif (p_mode in ('automatic', 'shadow', 'force_open', 'force_closed')) is not true then
        raise exception 'a circuit has no mode %', coalesce('"' || p_mode || '"', 'null')
            using errcode = 'TU501', hint = 'The modes are automatic, shadow, force_open and force_closed.';
    end if;

    insert into trueup.circuit_breaker_states (service_key)
    values (p_key)
    on conflict do nothing;

    select s.* into v_old
    from trueup.circuit_breaker_states as s
    where s.service_key = p_key
    for update;

    if v_old.mode = p_mode then
        return v_old;
    end if;

    v_now := clock_timestamp();
    v_forced := p_mode in ('force_open', 'force_closed') or v_old.mode in ('force_open', 'force_closed');
    v_next := case
        when p_mode = 'force_open' then 'open'
        when v_forced then 'closed'
        else v_old.current_state
    end;

    update trueup.circuit_breaker_states as s
    set
        mode = p_mode,
        mode_reason = p_reason,
        mode_changed_at = v_now,
        mode_changed_by = coalesce(p_actor, session_user),
        current_state = v_next,
        epoch = s.epoch + v_forced::integer,
        state_changed_at = case when v_next <> s.current_state then v_now else s.state_changed_at end,
        opened_at = case when v_next <> 'closed' then coalesce(s.opened_at, v_now) end,
        failure_count = case when v_forced then 0 else s.failure_count end,
        success_count = case when v_forced then 0 else s.success_count end,
        open_count = case when v_forced then 0 else s.open_count end,
        open_until = case when not v_forced then s.open_until end,
        probe_permit = case when not v_forced then s.probe_permit end,
        probe_expires_at = case when not v_forced then s.probe_expires_at end
    where s.service_key = p_key
    returning s.* into v_circuit;

    insert into trueup.circuit_breaker_events
        (service_key, old_state, new_state, reason, happened_at, epoch, actor)
    values (
        p_key,
        v_old.current_state,
        v_next,
        concat_ws(': ', format('mode %s, not %s', p_mode, v_old.mode), p_reason),
        v_now,
        v_circuit.epoch,
        v_circuit.mode_changed_by
    );

    return v_circuit;
end;
$$;

CREATE FUNCTION trueup.set_guard_mode(p_name text, p_mode text, p_actor text DEFAULT SESSION_USER, p_company_id text DEFAULT NULL::text) RETURNS trueup.guards
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_guard trueup.guards;
begin
    if
        (p_company_id is null and (p_mode in ('off', 'observe', 'enforce')) is not true)
        or (p_company_id is not null and (p_mode in ('observe', 'enforce')) is false)
    then
        raise exception 'a guard has no mode %', coalesce(format('"%s"', p_mode), 'null')
            using
                errcode = 'TU005',
                hint = case
                    when p_company_id is null then 'The modes are off, observe and enforce.'
                    else 'The modes are observe and enforce; off is for all companies.'
                end;
    end if;

    select g.* into v_guard from trueup.guards as g where g.name = p_name for no key update;
    if not found then
        raise exception 'no guard is called %', p_name using errcode = 'TU002';
    end if;

    if p_company_id is null then
        update trueup.guards as g
        set
            mode = p_mode,
            changed_at = clock_timestamp(),
            changed_by = coalesce(p_actor, session_user)
        where g.name = p_name and g.mode <> p_mode;
    elsif p_mode is null then
        delete from trueup.guard_companies as gc
        where gc.guard = p_name and gc.company_id = p_company_id;
    else
        insert into trueup.guard_companies as gc (guard, company_id, mode, changed_by)
        values (p_name, p_company_id, p_mode, coalesce(p_actor, session_user))
        on conflict (guard, company_id) do update
        set
            mode = excluded.mode,
            changed_at = excluded.changed_at,
            changed_by = excluded.changed_by
        where gc.mode <> excluded.mode;
    end if;

    select g.* into v_guard from trueup.guards as g where g.name = p_name;
    return v_guard;
end;
$$;

CREATE FUNCTION trueup.settle_request(p_request_id bigint, p_outcome text, p_result jsonb DEFAULT NULL::jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_request trueup.idempotency_keys;
begin
    if p_outcome is null or p_outcome not in ('success', 'failure', 'retry') then
        raise exception 'a request is settled with success, failure or retry, not with %', coalesce(p_outcome, 'NULL')
            using errcode = 'TU205';
    end if;

    select ik.* into v_request from trueup.idempotency_keys as ik where ik.id = p_request_id for update;

    if not found then
        raise exception 'request % does not exist', p_request_id using errcode = 'TU200';
    elsif v_request.status = 'finished' and v_request.is_retryable = (p_outcome = 'retry') then
        return;
    elsif
        v_request.status = 'finished'
        or (v_request.status = 'running' and v_request.lease_expires_at > clock_timestamp())
    then
        raise exception 'request % is %', p_request_id, v_request.status
            using errcode = 'TU204', hint = 'Only a request that is unfinished past its lease is settled by hand.';
    end if;

    -- the token goes: a runner that still lives must not say otherwise
    update trueup.idempotency_keys as ik
    set
        status = 'finished',
        finished_at = clock_timestamp(),
        is_retryable = p_outcome = 'retry',
        result = p_result,
        token = null
    where ik.id = p_request_id;
end;
$$;

CREATE FUNCTION trueup.sha1(p_message bytea) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_length constant integer := length(p_message);
    -- a one bit, zeros up to eight bytes short of a block, the length in bits
    v_padded constant bytea := p_message
        || decode('80' || repeat('00', (119 - v_length % 64) % 64), 'hex')
        || int8send(v_length::bigint * 8);
    v_block text;
    w bigint[];
    x bigint;
    a bigint;
    b bigint;
    c bigint;
    d bigint;
    e bigint;
    h0 bigint := 1732584193;
    h1 bigint := 4023233417;
    h2 bigint := 2562383102;
    h3 bigint := 271733878;
    h4 bigint := 3285377520;
begin
    for v_at in 1 .. length(v_padded) by 64 loop
        v_block := encode(substr(v_padded, v_at, 64), 'hex');
        w := array[
            ('x' || substr(v_block, 1, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 17, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 33, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 49, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 65, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 81, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 97, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 113, 16))::bit(64)::bigint
        ];
        -- both halves rotate left by one; the masks are every bit but the lowest of each
        -- half, and the lowest of each half
        for i in 9 .. 40 loop
            x := w[i - 4] # w[i - 7] # w[i - 8] # ((w[i - 2] << 32) | ((w[i - 1] >> 32) & 4294967295));
            w[i] := ((x << 1) & -4294967298) | ((x >> 31) & 4294967297);
        end loop;

        a := h0;
        b := h1;
        c := h2;
        d := h3;
        e := h4;

        for i in 1 .. 10 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + (d # (b & (c # d))) + 1518500249 + (x >> 32)) & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + (c # (a & (b # c))) + 1518500249 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        for i in 11 .. 20 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + (b # c # d) + 1859775393 + (x >> 32)) & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + (a # b # c) + 1859775393 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        for i in 21 .. 30 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + ((b & c) | (d & (b | c))) + 2400959708 + (x >> 32))
                & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + ((a & b) | (c & (a | b))) + 2400959708 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        for i in 31 .. 40 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + (b # c # d) + 3395469782 + (x >> 32)) & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + (a # b # c) + 3395469782 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        h0 := (h0 + a) & 4294967295;
        h1 := (h1 + b) & 4294967295;
        h2 := (h2 + c) & 4294967295;
        h3 := (h3 + d) & 4294967295;
        h4 := (h4 + e) & 4294967295;
    end loop;

    return decode(
        lpad(to_hex(h0), 8, '0') || lpad(to_hex(h1), 8, '0') || lpad(to_hex(h2), 8, '0')
            || lpad(to_hex(h3), 8, '0') || lpad(to_hex(h4), 8, '0'),
        'hex'
    );
end;
$$;

CREATE FUNCTION trueup.snooze_alert(p_alert_id bigint, p_until timestamp with time zone, p_actor text DEFAULT SESSION_USER) RETURNS trueup.data_consistency_alerts
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_alert trueup.data_consistency_alerts := trueup.locked_alert(p_alert_id);
begin
    perform trueup.refuse_past(p_until);

    update trueup.data_consistency_alerts as al
    set
        snoozed_until = p_until,
        snoozed_by = coalesce(p_actor, session_user)
    where al.id = p_alert_id
    returning al.* into v_alert;

    return v_alert;
end;
$$;

CREATE FUNCTION trueup.snooze_review(p_item_id bigint, p_token uuid, p_until timestamp with time zone, p_note text DEFAULT NULL::text, p_actor text DEFAULT SESSION_USER) RETURNS trueup.manual_review_queue
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_item trueup.manual_review_queue := trueup.held_review(p_item_id, p_token, p_free => true);
    v_actor text := coalesce(case when p_token is not null then v_item.claimed_by end, p_actor);
begin
    perform trueup.refuse_past(p_until);

    update trueup.manual_review_queue as q
    set
        status = 'pending',
        snoozed_until = p_until,
        claimed_by = null,
        claimed_at = null,
        claim_token = null,
        lease_expires_at = null,
        updated_at = clock_timestamp()
    where q.id = p_item_id
    returning q.* into v_item;

    insert into trueup.manual_review_events (item_id, event, actor, details)
    values (
        p_item_id,
        'snoozed',
        v_actor,
        jsonb_strip_nulls(jsonb_build_object('until', p_until, 'note', p_note))
    );

    return v_item;
end;
$$;

CREATE FUNCTION trueup.sync_calls(p_call_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    AS $$
begin
    perform 1
    from public.calls as c
    where c.id = any(p_call_ids)
    order by c.id
    for no key update;

    -- the depth, so that a trigger of the application which writes other calls is not taken for this one
    perform set_config('trueup.syncing', pg_trigger_depth()::text, true);

    update public.calls as c
    set
        appointment_made = d.appointment_made,
        appointment_id = d.appointment_id,
        appointment_link_status = d.appointment_link_status,
        appointment_linked_at = d.appointment_linked_at,
        session_outcome = d.session_outcome,
        booking_failed = d.booking_failed,
        booking_failure_reason = d.booking_failure_reason
    from (
        select
            was.id,
            own.appointment_made,
            own.appointment_id,
            case
                when own.appointment_made then 'linked'
                when was.appointment_link_status = 'linked' then 'unlinked'
                else was.appointment_link_status
            end as appointment_link_status,
            case
                when not own.appointment_made then null
                when was.appointment_link_status = 'linked' then coalesce(was.appointment_linked_at, now())
                else now()
            end as appointment_linked_at,
            case
                when own.is_live and was.session_outcome = 'creation_failed' then 'appointment_booked'
                -- what calls_fill_outcome would write, without a call of it for every row
                when own.appointment_made and not was.appointment_made and was.session_outcome is null
                    then 'appointment_booked'
                when not own.appointment_made and was.session_outcome = 'appointment_booked' then null
                else was.session_outcome
            end as session_outcome,
            was.booking_failed and not own.is_live as booking_failed,
            case
                when not (was.booking_failed and own.is_live) then was.booking_failure_reason
            end as booking_failure_reason
        from public.calls as was
        cross join lateral trueup.appointments_of_call(was.id, was.company_id, was.appointment_id) as own
        where was.id = any(p_call_ids)
    ) as d
    where
        c.id = d.id
        and (
            c.appointment_made, c.appointment_id, c.appointment_link_status, c.appointment_linked_at,
            c.session_outcome, c.booking_failed, c.booking_failure_reason
        ) is distinct from (
            d.appointment_made, d.appointment_id, d.appointment_link_status, d.appointment_linked_at,
            d.session_outcome, d.booking_failed, d.booking_failure_reason
        );

    perform set_config('trueup.syncing', '', true);
end;
$$;

CREATE FUNCTION trueup.sync_retry_at(p_attempts integer) RETURNS timestamp with time zone
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
select clock_timestamp() + (1 + random() / 10) * least(
    trueup.setting('sync_retry_cap')::interval,
    trueup.setting('sync_retry_first')::interval * 2 ^ least(greatest(p_attempts, 1) - 1, 20)
);
$$;

CREATE FUNCTION trueup.touch_alert() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    new.updated_at := clock_timestamp();
    new.touched_xid := pg_current_xact_id();
    return new;
end;
$$;

CREATE FUNCTION trueup.undo_proven(p_repair_id text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    if p_repair_id !~ '^[0-9]{1,18}$' then
        return false;
    end if;
    return exists (
        select 1
        from trueup.repairs as r
        where r.id = p_repair_id::bigint and r.undone_at = now()
    );
end;
$_$;

CREATE FUNCTION trueup.undo_repair(p_repair_id bigint, p_actor text DEFAULT SESSION_USER, OUT rows_restored integer, OUT constraints_loosened text[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    AS $_$
declare
    v_repair trueup.repairs;
    v_row record;
    v_change trueup.repair_changes;
    v_condition text;
    v_rows bigint;
    v_current jsonb;
    v_written_by text;
    v_undone jsonb;
    v_difference text;
    v_gone text;
    v_columns text;
    v_values text;
    v_constraint text;
    v_registered trueup.constraints;
    v_reference record;
    v_is_referred_to boolean;
begin
    rows_restored := 0;
    constraints_loosened := '{}';

    select r.* into v_repair from trueup.repairs as r where r.id = p_repair_id for update;
    if v_repair.id is null then
        raise exception 'no repair has id %', p_repair_id using errcode = 'TU002';
    end if;
    if v_repair.undone_at is not null then
        raise exception 'repair % was already undone', p_repair_id
            using errcode = 'TU003', detail = format('By %s at %s.', v_repair.undone_by, v_repair.undone_at);
    end if;

    -- trueup.undoing() believes the setting only together with this row, which nobody else can write
    update trueup.repairs as r
    set undone_at = now(), undone_by = p_actor
    where r.id = p_repair_id;
    perform set_config('trueup.undo', p_repair_id::text, true);

    -- every row as the repair left it, before any is written: a trigger of the application may
    -- write to one when another is put back
    for v_row in
        with moved as (
            select
                m.id,
                m.table_name,
                m.was
            from (
                select
                    rc.*,
                    case
                        when rc.key_column like '["%'
                            then (
                                select jsonb_agg(rc.before -> k.name order by k.place)::text
                                from jsonb_array_elements_text(rc.key_column::jsonb) with ordinality as k (name, place)
                            )
                        else rc.before ->> rc.key_column
                    end as was
                from trueup.repair_changes as rc
                where rc.repair_id = p_repair_id and rc.operation = 'update'
            ) as m
            where m.was <> m.key_value
        ),

        latest as (
            select distinct on (rc.table_name, rc.key_value)
                rc.*,
                bool_or(rc.operation = 'insert') over (partition by rc.table_name, rc.key_value) as is_made
            from trueup.repair_changes as rc
            where rc.repair_id = p_repair_id
            order by rc.table_name, rc.key_value, rc.id desc
        )

        select l.*
        from latest as l
        -- a row that got another key later stands under that
        where not exists (
            select 1
            from moved as m
            where m.table_name = l.table_name and m.was = l.key_value and m.id > l.id
        )
        order by l.table_name, l.key_value
    loop
        v_condition := trueup.journaled_row(v_row.table_name, v_row.key_column);
        if v_condition is null then
            raise exception 'repair % cannot be undone: % has no column % any more',
                p_repair_id, v_row.table_name, v_row.key_column
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;

        -- t alone would be a column of that name
        execute format(
            'select (array_agg(l.image))[1], min(l.written_by), count(*) '
            'from (select trueup.row_image(t.*) as image, t.xmin::text as written_by from %s as t where %s for update) as l',
            v_row.table_name, v_condition
        )
        into v_current, v_written_by, v_rows
        using coalesce(v_row.after, v_row.before);
        if v_rows > 1 then
            raise exception 'repair % cannot be undone: % rows of % have the key % (%)',
                p_repair_id, v_rows, v_row.table_name, v_row.key_value, v_row.key_column
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;

        -- nobody has written since a later repair was undone: the row stands for what it was
        -- before that repair, whatever a trigger of the application put into it meanwhile. Where one
        -- transaction wrote the journal of this repair, too, it was a restore, and says nothing
        if v_current is distinct from v_row.after then
            select v_current || rc.before into v_undone
            from trueup.repair_changes as rc
            inner join trueup.repairs as r on rc.repair_id = r.id
            where
                rc.table_name = v_row.table_name
                and rc.key_value = v_row.key_value
                and rc.id > v_row.id
                and rc.xmin::text = v_written_by
                and r.undone_at is not null
                and not exists (
                    select 1
                    from trueup.repair_changes as own
                    where own.id = v_row.id and own.xmin::text = v_written_by
                );
            v_current := coalesce(v_undone, v_current);
        end if;

        -- a column that came later is no change of the row; but it goes with one that is deleted
        v_difference := case
            when v_current is null and v_row.after is not null then 'it is gone'
            when v_current is not null and v_row.after is null then 'it is there again'
            else (
                select string_agg(k.key, ', ' order by k.key)
                from jsonb_each(v_current) as k
                where
                    k.key <> ''
                    and case
                        when v_row.after ? k.key
                            then
                                k.value <> v_row.after -> k.key
                                or (
                                    v_row.after ? ''
                                    and v_current -> '' -> k.key is distinct from v_row.after -> '' -> k.key
                                )
                        else
                            v_row.is_made
                            and k.value <> 'null'
                            and k.value is distinct from (
                                select to_jsonb(att.attmissingval) -> 0
                                from pg_catalog.pg_attribute as att
                                where att.attrelid = v_row.table_name::regclass and att.attname = k.key
                            )
                    end
            )
        end;
        if v_difference is not null then
            raise exception 'repair % cannot be undone: % % has changed since: %',
                p_repair_id, v_row.table_name, v_row.key_value, v_difference
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;
    end loop;

    for v_change in
        select rc.* from trueup.repair_changes as rc where rc.repair_id = p_repair_id order by rc.id desc
    loop
        v_condition := trueup.journaled_row(v_change.table_name, v_change.key_column);

        select string_agg(k.key, ', ' order by k.key) into v_gone
        from jsonb_each(v_change.before) as k
        where
            k.key <> ''
            and case v_change.operation
                when 'update' then trueup.column_differs(k.key, v_change.before, v_change.after)
                else k.value <> 'null'
            end
            and not exists (
                select 1
                from pg_catalog.pg_attribute as att
                where att.attrelid = v_change.table_name::regclass and att.attname = k.key
            );
        if v_gone is not null then
            raise exception 'repair % cannot be undone: % has no column % any more',
                p_repair_id, v_change.table_name, v_gone
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;

        -- what the repair made itself is gone by now
        for v_reference in
            select
                ct.conname,
                ct.conrelid::regclass as referring,
                ct.confrelid::regclass as referred,
                case ct.confdeltype when 'c' then 'deleted' else 'changed' end as fate,
                (
                    select string_agg(format('r.%I = t.%I', ra.attname, ta.attname), ' and ')
                    from unnest(ct.conkey, ct.confkey) as k (referring, referred)
                    inner join pg_catalog.pg_attribute as ra on ra.attrelid = ct.conrelid and ra.attnum = k.referring
                    inner join pg_catalog.pg_attribute as ta on ta.attrelid = ct.confrelid and ta.attnum = k.referred
                ) as condition
            from pg_catalog.pg_constraint as ct
            where
                v_change.operation = 'insert'
                and ct.contype = 'f'
                and ct.confdeltype in ('c', 'n', 'd')
                and ct.conparentid = 0
                and (
                    ct.confrelid = v_change.table_name::regclass
                    or ct.confrelid in (select pt.relid from pg_partition_tree(v_change.table_name::regclass) as pt)
                )
            order by ct.conrelid::regclass::text, ct.conname
        loop
            execute format(
                'select exists (select 1 from %s as r inner join %s as t on %s '
                'where %s and (r.tableoid, r.ctid) <> (t.tableoid, t.ctid))',
                v_reference.referring, v_reference.referred, v_reference.condition, v_condition
            )
            into v_is_referred_to
            using v_change.after;
            if v_is_referred_to then
                raise exception 'repair % cannot be undone: rows of % refer to % % and would be % (%)',
                    p_repair_id, v_reference.referring, v_change.table_name, v_change.key_value,
                    v_reference.fate, v_reference.conname
                    using errcode = 'TU003', hint = 'Decide by hand what becomes of them, then undo again.';
            end if;
        end loop;

        -- generated columns follow from the others; an identity column is the key itself; what the
        -- repair left alone is not written; and what has a text beside the image is read from that
        select
            string_agg(format('%I', att.attname), ', ' order by att.attnum),
            'select '
            || string_agg(
                case
                    when v_change.before -> '' ? att.attname then format('($2 -> '''' ->> %L)::%s', att.attname, ty.name)
                    else format('i.%I', att.attname)
                end,
                ', ' order by att.attnum
            )
            || coalesce(
                ' from jsonb_to_record($2) as i ('
                || string_agg(format('%I %s', att.attname, ty.name), ', ')
                filter (where v_change.before -> '' ? att.attname is not true)
                || ')',
                ''
            )
        into v_columns, v_values
        from pg_catalog.pg_attribute as att
        cross join lateral format_type(att.atttypid, att.atttypmod) as ty (name)
        where
            att.attrelid = v_change.table_name::regclass
            and att.attnum > 0
            and not att.attisdropped
            and att.attgenerated = ''
            and (att.attidentity = '' or v_change.operation = 'delete')
            and v_change.before ? att.attname
            and (
                v_change.operation <> 'update'
                or trueup.column_differs(att.attname, v_change.before, v_change.after)
            );

        loop
            begin
                if v_change.operation = 'insert' then
                    execute format('delete from %s as t where %s', v_change.table_name, v_condition)
                        using v_change.after;
                elsif v_change.operation = 'update' then
                    execute format(
                        'update %s as t set (%s) = (%s) where %s',
                        v_change.table_name, v_columns, v_values, v_condition
                    ) using v_change.after, v_change.before;
                else
                    execute format(
                        'insert into %s (%s) overriding system value %s', v_change.table_name, v_columns, v_values
                    ) using v_change.after, v_change.before;
                end if;
                get diagnostics v_rows = row_count;
                if v_rows <> 1 then
                    raise exception 'repair % cannot be undone: the % of % % concerns % rows',
                        p_repair_id, v_change.operation, v_change.table_name, v_change.key_value, v_rows
                        using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
                end if;
                -- written by the same (sub)transaction as the row, which is how the undo of an earlier
                -- repair knows that nobody has written to the row since
                update trueup.repair_changes as rc
                set before = rc.before
                where rc.id = v_change.id;
                exit;
            exception
                when check_violation or foreign_key_violation then
                    get stacked diagnostics v_constraint = constraint_name;
                    -- a key that others refer to may go back to what it was; a row may not go away
                    select ct.* into v_registered
                    from trueup.constraints as ct
                    where
                        ct.name = v_constraint
                        and (
                            (ct.kind = 'check' and ct.table_name = v_change.table_name)
                            or (ct.kind = 'foreign key' and v_change.operation = 'update')
                        );
                    if v_registered.name is null then
                        raise;
                    end if;
            end;
            -- the row is written while the constraint is away; NOT VALID does not look at it
            -- again. ALTER TABLE is refused while deferred checks of rows are waiting.
            set constraints all immediate;
            set constraints all deferred;
            perform trueup.loosen_constraint(v_constraint, true);
            constraints_loosened := constraints_loosened || v_constraint;
        end loop;
        rows_restored := rows_restored + 1;
    end loop;

    set constraints all immediate;
    set constraints all deferred;
    perform trueup.loosen_constraint(l.name, false) from unnest(constraints_loosened) as l (name);
    perform set_config('trueup.undo', '', true);
end;
$_$;

CREATE FUNCTION trueup.undoing() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN CASE WHEN (current_setting('trueup.undo'::text, true) <> ''::text) THEN trueup.undo_proven(current_setting('trueup.undo'::text, true)) ELSE false END;

CREATE FUNCTION trueup.usable_email(p_email text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((NOT trueup.is_placeholder(p_email)) AND (btrim(p_email) ~ '^[^@\s]+@[^@\s]+\.[^@\s]+$'::text));

CREATE FUNCTION trueup.usable_phone(p_number text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((NOT trueup.is_placeholder(p_number)) AND (COALESCE(trueup.plain_phone(p_number), ''::text) ~ '[0-9]{6}'::text));

CREATE TABLE public.customers (
    id bigint NOT NULL,
    company_id bigint,
    name text,
    phone text,
    phone_normalized text GENERATED ALWAYS AS (NULLIF(regexp_replace(regexp_replace(phone, '[^0-9+]'::text, ''::text, 'g'::text), '^00'::text, '+'::text), ''::text)) STORED,
    email text,
    source text,
    notes text,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT customers_company_known CHECK ((company_id IS NOT NULL))
);

CREATE VIEW trueup.live_appointments AS
 SELECT id,
    company_id,
    call_id,
    customer_id,
    service_id,
    staff_id,
    starts_at,
    ends_at,
    status,
    source,
    calcom_booking_id,
    calcom_booking_uid,
    sync_origin,
    calcom_sync_status,
    idempotency_key,
    cancelled_at,
    metadata,
    created_at,
        CASE
            WHEN (isfinite(starts_at) AND isfinite(ends_at)) THEN ((ends_at - starts_at) > '04:00:00'::interval)
            ELSE true
        END AS is_long
   FROM trueup.kept_appointments ka
  WHERE ((status <> 'cancelled'::text) AND ((status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'completed'::text, 'no_show'::text])) OR (trueup.vocabulary_value('appointment_status'::text, status) IS DISTINCT FROM 'cancelled'::text)));

CREATE FUNCTION trueup.unreachable_customer(p_appointment_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN COALESCE((SELECT jsonb_build_object('leaves', jsonb_build_array(('customer_unreachable customer '::text || k.id))) AS jsonb_build_object FROM (trueup.live_appointments la JOIN public.customers k ON ((la.customer_id = k.id))) WHERE ((la.id = unreachable_customer.p_appointment_id) AND (la.starts_at > now()) AND (NOT trueup.usable_phone(k.phone)) AND (NOT trueup.usable_email(k.email)))), '{}'::jsonb);

CREATE FUNCTION trueup.unused_idempotency_key(p_company_id bigint, p_service_id bigint, p_staff_id bigint, p_customer_id bigint, p_call_id bigint, p_starts_at timestamp with time zone) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_generation integer := 0;
    v_key uuid;
begin
    loop
        v_key := trueup.idempotency_key(
            p_company_id, p_service_id, p_staff_id, p_customer_id, p_call_id, p_starts_at, v_generation
        );
        exit when not exists (
            select 1
            from trueup.live_appointments as la
            where la.company_id = p_company_id and la.idempotency_key = v_key
        );
        v_generation := v_generation + 1;
    end loop;
    return v_key;
end;
$$;

CREATE FUNCTION trueup.validate_booking(p_company_id bigint, p_call_id bigint, p_appointment_id bigint, p_booking_uid text DEFAULT NULL::text) RETURNS TABLE(reason text, detail text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_call public.calls;
    v_appointment public.appointments;
    v_booking_uid text;
begin
    select c.* into v_call
    from public.calls as c
    where c.id = p_call_id and c.company_id = p_company_id and c.deleted_at is null;
    if not found then
        perform trueup.refuse_unknown('call', p_call_id, p_company_id);
    end if;

    select a.* into v_appointment
    from public.appointments as a
    where a.id = p_appointment_id and a.company_id = p_company_id and a.deleted_at is null;
    if not found then
        return query
        select
            'appointment_not_found',
            format('company %s has no appointment %s', p_company_id, coalesce(p_appointment_id::text, 'NULL'));
        return;
    end if;
    v_booking_uid := coalesce(nullif(btrim(p_booking_uid), ''), v_call.booking_id);

    return query
    select r.reason, r.detail
    from (
        values
        (
            1,
            v_appointment.call_id is null,
            'appointment_not_linked',
            format('appointment %s names no call', p_appointment_id)
        ),
        (
            2,
            v_appointment.call_id <> p_call_id,
            'appointment_wrong_call',
            format('appointment %s names call %s', p_appointment_id, v_appointment.call_id)
        ),
        (
            3,
            -- the call may hold the provider's number of the booking instead of its uid
            v_booking_uid is not null
            and v_appointment.calcom_booking_uid is distinct from v_booking_uid
            and v_appointment.calcom_booking_id::text is distinct from v_booking_uid,
            'booking_id_mismatch',
            format(
                'appointment %s stands for booking %s, not %s',
                p_appointment_id, coalesce(v_appointment.calcom_booking_uid, 'NULL'), v_booking_uid
            )
        ),
        (
            4,
            v_appointment.created_at
            < clock_timestamp() - trueup.setting('booking_validation_window')::interval,
            'appointment_too_old',
            format('appointment %s was made at %s', p_appointment_id, v_appointment.created_at)
        ),
        (
            5,
            not v_call.appointment_made
            or v_call.appointment_id is null
            or v_call.appointment_link_status <> 'linked'
            or v_call.appointment_linked_at is null
            or v_call.booking_failed
            or coalesce(v_call.session_outcome = 'creation_failed', false),
            'call_flags_inconsistent',
            format(
                'call %s: made %s, appointment %s, link status %s, failed %s, outcome %s',
                p_call_id, v_call.appointment_made, coalesce(v_call.appointment_id::text, 'NULL'),
                v_call.appointment_link_status, v_call.booking_failed, coalesce(v_call.session_outcome, 'NULL')
            )
        )
    ) as r (position, is_wrong, reason, detail)
    where r.is_wrong
    order by r.position;
end;
$$;

CREATE FUNCTION trueup.violation_under_review(p_check text, p_entity_type text, p_entity_id text) RETURNS TABLE(company_id text, description text, evidence jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_key_type text;
begin
    select format_type(att.atttypid, att.atttypmod) into v_key_type
    from trueup.checks as ch
    inner join pg_catalog.pg_attribute as att
        on att.attrelid = to_regclass(format('trueup.%I', ch.name)) and att.attname = 'entity_id'
    where ch.name = p_check and ch.is_active;

    if v_key_type is null then
        return;
    end if;

    begin
        execute format('select $1::%s', v_key_type) using p_entity_id;
    exception
        when data_exception then
            return;
    end;

    return query execute format(
        'select v.company_id::text, v.description, v.evidence from trueup.%I as v '
        'where v.entity_id = $1::%s and v.entity_type = $2 limit 1',
        p_check,
        v_key_type
    )
    using p_entity_id, p_entity_type;
end;
$_$;

CREATE FUNCTION trueup.violations_in_time(p_checks text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['appointment_past_open', 'call_creation_pending_stale', 'call_stuck_ongoing', 'circuit_open_long', 'event_unprocessed', 'idempotency_key_stuck', 'job_overdue', 'rate_booking_success', 'rate_customer_creation', 'runner_lost', 'sync_failed_stale', 'sync_failure_exhausted', 'sync_pending_stale']::text[] then
        raise exception 'trueup.violations_in_time was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'appointment_past_open'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_past_open" as v
    where (p_checks is null or 'appointment_past_open' = any(p_checks))
    union all
    select 'call_creation_pending_stale'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_creation_pending_stale" as v
    where (p_checks is null or 'call_creation_pending_stale' = any(p_checks))
    union all
    select 'call_stuck_ongoing'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_stuck_ongoing" as v
    where (p_checks is null or 'call_stuck_ongoing' = any(p_checks))
    union all
    select 'circuit_open_long'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."circuit_open_long" as v
    where (p_checks is null or 'circuit_open_long' = any(p_checks))
    union all
    select 'event_unprocessed'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."event_unprocessed" as v
    where (p_checks is null or 'event_unprocessed' = any(p_checks))
    union all
    select 'idempotency_key_stuck'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."idempotency_key_stuck" as v
    where (p_checks is null or 'idempotency_key_stuck' = any(p_checks))
    union all
    select 'job_overdue'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."job_overdue" as v
    where (p_checks is null or 'job_overdue' = any(p_checks))
    union all
    select 'rate_booking_success'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."rate_booking_success" as v
    where (p_checks is null or 'rate_booking_success' = any(p_checks))
    union all
    select 'rate_customer_creation'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."rate_customer_creation" as v
    where (p_checks is null or 'rate_customer_creation' = any(p_checks))
    union all
    select 'runner_lost'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."runner_lost" as v
    where (p_checks is null or 'runner_lost' = any(p_checks))
    union all
    select 'sync_failed_stale'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."sync_failed_stale" as v
    where (p_checks is null or 'sync_failed_stale' = any(p_checks))
    union all
    select 'sync_failure_exhausted'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."sync_failure_exhausted" as v
    where (p_checks is null or 'sync_failure_exhausted' = any(p_checks))
    union all
    select 'sync_pending_stale'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."sync_pending_stale" as v
    where (p_checks is null or 'sync_pending_stale' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of(p_entities jsonb) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_entity record;
    v_found text[];
    v_all text[] := '{}';
begin
    for v_entity in
        select
            e.key as entity_type,
            array(select distinct jsonb_array_elements_text(e.value)) as ids,
            (
                select cp.key_type
                from trueup.check_populations as cp
                where cp.entity_type = e.key
                limit 1
            ) as key_type
        from jsonb_each(p_entities) as e
    loop
        execute format(
            'select array_agg(concat_ws('' '', v.check_name, %L, v.entity_id)) from trueup.%I($1::%s[]) as v',
            v_entity.entity_type, 'violations_of_' || v_entity.entity_type, v_entity.key_type
        )
        into v_found
        using v_entity.ids;
        v_all := v_all || coalesce(v_found, '{}');
    end loop;
    return v_all;
end;
$_$;

CREATE FUNCTION trueup.violations_of_appointment(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['appointment_booking_shared', 'appointment_call_mismatch', 'appointment_cancel_contradicts', 'appointment_duplicate', 'appointment_key_missing', 'appointment_modification_mismatch', 'appointment_past_open', 'appointment_staff_overlap', 'appointment_times_invalid', 'appointment_value_unknown', 'appointment_without_call', 'booking_differs', 'booking_missing_remotely', 'event_double_encoded', 'sync_failed_stale', 'sync_pending_stale', 'sync_synced_without_id', 'tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_appointment was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'appointment_booking_shared'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, trueup.related(v.evidence, array['sharing_ids'])
    from "trueup"."appointment_booking_shared" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_booking_shared' = any(p_checks))
    union all
    select 'appointment_call_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_call_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_call_mismatch' = any(p_checks))
    union all
    select 'appointment_cancel_contradicts'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_cancel_contradicts" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_cancel_contradicts' = any(p_checks))
    union all
    select 'appointment_duplicate'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, trueup.related(v.evidence, array['duplicate_ids'])
    from "trueup"."appointment_duplicate" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_duplicate' = any(p_checks))
    union all
    select 'appointment_key_missing'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_key_missing" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_key_missing' = any(p_checks))
    union all
    select 'appointment_modification_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_modification_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_modification_mismatch' = any(p_checks))
    union all
    select 'appointment_past_open'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_past_open" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_past_open' = any(p_checks))
    union all
    select 'appointment_staff_overlap'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, trueup.related(v.evidence, array['overlapping_ids'])
    from "trueup"."appointment_staff_overlap" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_staff_overlap' = any(p_checks))
    union all
    select 'appointment_times_invalid'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_times_invalid" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_times_invalid' = any(p_checks))
    union all
    select 'appointment_value_unknown'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_value_unknown" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_value_unknown' = any(p_checks))
    union all
    select 'appointment_without_call'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."appointment_without_call" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'appointment_without_call' = any(p_checks))
    union all
    select 'booking_differs'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."booking_differs" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'booking_differs' = any(p_checks))
    union all
    select 'booking_missing_remotely'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."booking_missing_remotely" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'booking_missing_remotely' = any(p_checks))
    union all
    select 'event_double_encoded'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."event_double_encoded" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'event_double_encoded' = any(p_checks))
    union all
    select 'sync_failed_stale'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."sync_failed_stale" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'sync_failed_stale' = any(p_checks))
    union all
    select 'sync_pending_stale'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."sync_pending_stale" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'sync_pending_stale' = any(p_checks))
    union all
    select 'sync_synced_without_id'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."sync_synced_without_id" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'sync_synced_without_id' = any(p_checks))
    union all
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'appointment' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_booking(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['booking_missing_locally']::text[] then
        raise exception 'trueup.violations_of_booking was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'booking_missing_locally'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."booking_missing_locally" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'booking' and (p_checks is null or 'booking_missing_locally' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_branch(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_branch was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'branch' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_call(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['call_appointment_not_flagged', 'call_backlink_broken', 'call_backlink_missing', 'call_booked_without_appointment', 'call_creation_failed_unqueued', 'call_creation_pending_stale', 'call_customer_not_linked', 'call_direction_missing', 'call_duplicate', 'call_failed_but_booked', 'call_id_malformed', 'call_link_status_wrong', 'call_link_unproven', 'call_linked_without_appointment', 'call_linked_without_customer', 'call_made_without_appointment', 'call_outcome_contradicts_flag', 'call_outcome_unknown', 'call_outcome_without_appointment', 'call_status_unknown', 'call_stuck_ongoing', 'call_times_contradict', 'call_transcript_name', 'call_type_missing', 'call_unknown_number', 'call_value_unknown', 'event_double_encoded', 'tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_call was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'call_appointment_not_flagged'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_appointment_not_flagged" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_appointment_not_flagged' = any(p_checks))
    union all
    select 'call_backlink_broken'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_backlink_broken" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_backlink_broken' = any(p_checks))
    union all
    select 'call_backlink_missing'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_backlink_missing" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_backlink_missing' = any(p_checks))
    union all
    select 'call_booked_without_appointment'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_booked_without_appointment" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_booked_without_appointment' = any(p_checks))
    union all
    select 'call_creation_failed_unqueued'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_creation_failed_unqueued" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_creation_failed_unqueued' = any(p_checks))
    union all
    select 'call_creation_pending_stale'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_creation_pending_stale" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_creation_pending_stale' = any(p_checks))
    union all
    select 'call_customer_not_linked'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_customer_not_linked" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_customer_not_linked' = any(p_checks))
    union all
    select 'call_direction_missing'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_direction_missing" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_direction_missing' = any(p_checks))
    union all
    select 'call_duplicate'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, trueup.related(v.evidence, array['other_call_ids'])
    from "trueup"."call_duplicate" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_duplicate' = any(p_checks))
    union all
    select 'call_failed_but_booked'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_failed_but_booked" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_failed_but_booked' = any(p_checks))
    union all
    select 'call_id_malformed'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_id_malformed" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_id_malformed' = any(p_checks))
    union all
    select 'call_link_status_wrong'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_link_status_wrong" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_link_status_wrong' = any(p_checks))
    union all
    select 'call_link_unproven'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_link_unproven" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_link_unproven' = any(p_checks))
    union all
    select 'call_linked_without_appointment'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_linked_without_appointment" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_linked_without_appointment' = any(p_checks))
    union all
    select 'call_linked_without_customer'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_linked_without_customer" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_linked_without_customer' = any(p_checks))
    union all
    select 'call_made_without_appointment'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_made_without_appointment" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_made_without_appointment' = any(p_checks))
    union all
    select 'call_outcome_contradicts_flag'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_outcome_contradicts_flag" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_outcome_contradicts_flag' = any(p_checks))
    union all
    select 'call_outcome_unknown'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_outcome_unknown" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_outcome_unknown' = any(p_checks))
    union all
    select 'call_outcome_without_appointment'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_outcome_without_appointment" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_outcome_without_appointment' = any(p_checks))
    union all
    select 'call_status_unknown'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_status_unknown" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_status_unknown' = any(p_checks))
    union all
    select 'call_stuck_ongoing'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_stuck_ongoing" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_stuck_ongoing' = any(p_checks))
    union all
    select 'call_times_contradict'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_times_contradict" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_times_contradict' = any(p_checks))
    union all
    select 'call_transcript_name'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_transcript_name" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_transcript_name' = any(p_checks))
    union all
    select 'call_type_missing'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_type_missing" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_type_missing' = any(p_checks))
    union all
    select 'call_unknown_number'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_unknown_number" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_unknown_number' = any(p_checks))
    union all
    select 'call_value_unknown'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."call_value_unknown" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'call_value_unknown' = any(p_checks))
    union all
    select 'event_double_encoded'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."event_double_encoded" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'event_double_encoded' = any(p_checks))
    union all
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'call' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_customer(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['customer_company_missing', 'customer_deleted_but_linked', 'customer_duplicate', 'customer_unreachable', 'tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_customer was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'customer_company_missing'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."customer_company_missing" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'customer' and (p_checks is null or 'customer_company_missing' = any(p_checks))
    union all
    select 'customer_deleted_but_linked'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."customer_deleted_but_linked" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'customer' and (p_checks is null or 'customer_deleted_but_linked' = any(p_checks))
    union all
    select 'customer_duplicate'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, trueup.related(v.evidence, array['same_phone_ids', 'same_email_ids'])
    from "trueup"."customer_duplicate" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'customer' and (p_checks is null or 'customer_duplicate' = any(p_checks))
    union all
    select 'customer_unreachable'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."customer_unreachable" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'customer' and (p_checks is null or 'customer_unreachable' = any(p_checks))
    union all
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'customer' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_modification(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['modification_kind_unknown', 'tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_modification was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'modification_kind_unknown'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."modification_kind_unknown" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'modification' and (p_checks is null or 'modification_kind_unknown' = any(p_checks))
    union all
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'modification' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_phone_number(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_phone_number was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'phone_number' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_request(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['idempotency_key_stuck']::text[] then
        raise exception 'trueup.violations_of_request was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'idempotency_key_stuck'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."idempotency_key_stuck" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'request' and (p_checks is null or 'idempotency_key_stuck' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_service(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_service was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'service' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_staff(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['tenant_mismatch']::text[] then
        raise exception 'trueup.violations_of_staff was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'tenant_mismatch'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."tenant_mismatch" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'staff' and (p_checks is null or 'tenant_mismatch' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_sync_failure(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['sync_failure_exhausted']::text[] then
        raise exception 'trueup.violations_of_sync_failure was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'sync_failure_exhausted'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."sync_failure_exhausted" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'sync_failure' and (p_checks is null or 'sync_failure_exhausted' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.violations_of_webhook_event(p_ids bigint[], p_checks text[] DEFAULT NULL::text[]) RETURNS TABLE(check_name text, company_id text, entity_type text, entity_id text, description text, evidence jsonb, related text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET row_security TO 'off'
    AS $$
begin
    if not p_checks <@ array['event_double_encoded', 'event_unprocessed']::text[] then
        raise exception 'trueup.violations_of_webhook_event was made for other checks; run `trueup migrate`';
    end if;

    return query
    select 'event_double_encoded'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."event_double_encoded" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'webhook_event' and (p_checks is null or 'event_double_encoded' = any(p_checks))
    union all
    select 'event_unprocessed'::text, v.company_id::text, v.entity_type, v.entity_id::text, v.description, v.evidence, null::text[]
    from "trueup"."event_unprocessed" as v
    where v.entity_id = any(p_ids) and v.entity_type = 'webhook_event' and (p_checks is null or 'event_unprocessed' = any(p_checks));
end;
$$;

CREATE FUNCTION trueup.vocabulary_values(p_vocabulary text) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ARRAY(SELECT vo.value FROM trueup.vocabularies vo WHERE ((vo.vocabulary = vocabulary_values.p_vocabulary) AND (vo.means = vo.value)));

CREATE FUNCTION trueup.withheld_email(p_call_id bigint) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (('call-'::text || p_call_id) || '@withheld.invalid'::text);

ALTER TABLE public.appointment_modifications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.appointment_modifications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.appointments ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.appointments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.branches (
    id bigint NOT NULL,
    company_id bigint,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT branches_company_known CHECK ((company_id IS NOT NULL))
);

ALTER TABLE public.branches ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.branches_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.calls ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.calls_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.companies (
    id bigint NOT NULL,
    name text NOT NULL,
    timezone text DEFAULT 'Europe/Berlin'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.companies ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.companies_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.customers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.phone_numbers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.phone_numbers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.services (
    id bigint NOT NULL,
    company_id bigint,
    name text NOT NULL,
    duration_minutes integer NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    calcom_event_type_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT services_company_known CHECK ((company_id IS NOT NULL)),
    CONSTRAINT services_duration_positive CHECK ((duration_minutes > 0))
);

ALTER TABLE public.services ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.services_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.staff (
    id bigint NOT NULL,
    company_id bigint,
    branch_id bigint,
    name text NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT staff_company_known CHECK ((company_id IS NOT NULL))
);

ALTER TABLE public.staff ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.staff_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE VIEW trueup.alerts_open WITH (security_invoker='true') AS
 SELECT id AS alert_id,
    company_id,
    alert_type AS check_name,
    severity,
        CASE
            WHEN (accepted_by IS NOT NULL) THEN 'accepted'::text
            WHEN (snoozed_until > now()) THEN 'snoozed'::text
            ELSE status
        END AS status,
    entity_type,
    entity_id,
    description,
    COALESCE(reopened_at, detected_at) AS open_since,
    detected_at,
    last_seen_at,
    occurrences,
    reopened_count,
    COALESCE(accepted_by, acknowledged_by) AS owner,
    COALESCE(accepted_until, snoozed_until) AS quiet_until
   FROM trueup.data_consistency_alerts al
  WHERE (status <> 'resolved'::text);

COMMENT ON VIEW trueup.alerts_open IS 'every alert that is not resolved';

COMMENT ON COLUMN trueup.alerts_open.alert_id IS 'id in trueup.data_consistency_alerts';

COMMENT ON COLUMN trueup.alerts_open.company_id IS 'company of the entity; NULL for one of none';

COMMENT ON COLUMN trueup.alerts_open.check_name IS 'check that found it';

COMMENT ON COLUMN trueup.alerts_open.severity IS 'critical, warning or info';

COMMENT ON COLUMN trueup.alerts_open.status IS 'open, acknowledged, snoozed or accepted';

COMMENT ON COLUMN trueup.alerts_open.entity_type IS 'kind of the row that is wrong';

COMMENT ON COLUMN trueup.alerts_open.entity_id IS 'its key';

COMMENT ON COLUMN trueup.alerts_open.description IS 'what is wrong, without personal data';

COMMENT ON COLUMN trueup.alerts_open.open_since IS 'when it was found, or came back';

COMMENT ON COLUMN trueup.alerts_open.detected_at IS 'when it was found first';

COMMENT ON COLUMN trueup.alerts_open.last_seen_at IS 'when a run saw it last';

COMMENT ON COLUMN trueup.alerts_open.occurrences IS 'how many runs saw it';

COMMENT ON COLUMN trueup.alerts_open.reopened_count IS 'how often it came back';

COMMENT ON COLUMN trueup.alerts_open.owner IS 'who accepted or acknowledged it';

COMMENT ON COLUMN trueup.alerts_open.quiet_until IS 'until when it is accepted or snoozed';

CREATE VIEW trueup.alerts_by_check WITH (security_invoker='true') AS
 SELECT company_id,
    check_name,
    severity,
    status,
    count(*) AS alerts,
    min(open_since) AS oldest_since
   FROM trueup.alerts_open o
  GROUP BY company_id, check_name, severity, status;

COMMENT ON VIEW trueup.alerts_by_check IS 'open alerts counted by company, check, severity and status';

COMMENT ON COLUMN trueup.alerts_by_check.company_id IS 'company of the entities; NULL for those of none';

COMMENT ON COLUMN trueup.alerts_by_check.check_name IS 'check that found them';

COMMENT ON COLUMN trueup.alerts_by_check.severity IS 'critical, warning or info';

COMMENT ON COLUMN trueup.alerts_by_check.status IS 'open, acknowledged, snoozed or accepted';

COMMENT ON COLUMN trueup.alerts_by_check.alerts IS 'how many';

COMMENT ON COLUMN trueup.alerts_by_check.oldest_since IS 'since when the oldest of them is open';

CREATE VIEW trueup.alerts_by_day WITH (security_invoker='true') AS
 SELECT (happened_at)::date AS day,
    company_id,
    check_name,
    severity,
    count(*) FILTER (WHERE (event = 'opened'::text)) AS opened,
    count(*) FILTER (WHERE (event = 'reopened'::text)) AS reopened,
    count(*) FILTER (WHERE (event = 'resolved'::text)) AS resolved
   FROM ( SELECT 'opened'::text AS event,
            al.detected_at AS happened_at,
            al.company_id,
            al.alert_type AS check_name,
            al.severity
           FROM trueup.data_consistency_alerts al
          WHERE (al.detected_at > (now() - '30 days'::interval))
        UNION ALL
         SELECT 'reopened'::text AS event,
            al.reopened_at,
            al.company_id,
            al.alert_type,
            al.severity
           FROM trueup.data_consistency_alerts al
          WHERE (al.reopened_at > (now() - '30 days'::interval))
        UNION ALL
         SELECT 'resolved'::text AS event,
            al.resolved_at,
            al.company_id,
            al.alert_type,
            al.severity
           FROM trueup.data_consistency_alerts al
          WHERE ((al.status = 'resolved'::text) AND (al.resolved_at > (now() - '30 days'::interval)))) e
  GROUP BY ((happened_at)::date), company_id, check_name, severity;

COMMENT ON VIEW trueup.alerts_by_day IS 'alerts opened, reopened and resolved on each of the last 30 days';

COMMENT ON COLUMN trueup.alerts_by_day.day IS 'day, in the time zone of the session';

COMMENT ON COLUMN trueup.alerts_by_day.company_id IS 'company of the entities; NULL for those of none';

COMMENT ON COLUMN trueup.alerts_by_day.check_name IS 'check that found them';

COMMENT ON COLUMN trueup.alerts_by_day.severity IS 'critical, warning or info';

COMMENT ON COLUMN trueup.alerts_by_day.opened IS 'found for the first time';

COMMENT ON COLUMN trueup.alerts_by_day.reopened IS 'came back, for the last time';

COMMENT ON COLUMN trueup.alerts_by_day.resolved IS 'were gone, or repaired, for the last time';

CREATE TABLE trueup.application (
    schema_name text DEFAULT 'public'::text NOT NULL,
    key_type text DEFAULT 'bigint'::text NOT NULL,
    missing_columns text[] DEFAULT '{}'::text[] NOT NULL,
    is_one boolean DEFAULT true NOT NULL,
    CONSTRAINT application_key_type_known CHECK ((key_type = ANY (ARRAY['bigint'::text, 'uuid'::text]))),
    CONSTRAINT application_one CHECK (is_one)
);

COMMENT ON TABLE trueup.application IS 'where the application keeps its tables, and which optional columns it has not';

CREATE VIEW trueup.appointment_booking_shared AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'another appointment stands for the same provider booking'::text AS description,
    jsonb_build_object('calcom_booking_uid', calcom_booking_uid, 'status', status, 'call_id', call_id, 'sharing_ids', ARRAY( SELECT other.id
           FROM trueup.kept_appointments other
          WHERE ((other.company_id = ka.company_id) AND (other.calcom_booking_uid = ka.calcom_booking_uid) AND (other.id <> ka.id))
          ORDER BY other.id)) AS evidence
   FROM trueup.kept_appointments ka
  WHERE (EXISTS ( SELECT 1
           FROM trueup.kept_appointments other
          WHERE ((other.company_id = ka.company_id) AND (other.calcom_booking_uid = ka.calcom_booking_uid) AND (other.id <> ka.id))));

CREATE VIEW trueup.appointment_booking_shared_candidates AS
 SELECT 'appointment_booking_shared'::text AS check_name,
    'appointment'::text AS entity_type,
    s.id AS entity_id
   FROM (( SELECT a.company_id,
            a.calcom_booking_uid
           FROM public.appointments a
          WHERE (a.calcom_booking_uid IS NOT NULL)
          GROUP BY a.company_id, a.calcom_booking_uid
         HAVING (count(*) > 1)) d
     CROSS JOIN LATERAL unnest(ARRAY( SELECT a.id
           FROM public.appointments a
          WHERE ((a.company_id = d.company_id) AND (a.calcom_booking_uid = d.calcom_booking_uid)))) s(id));

CREATE VIEW trueup.appointment_call_mismatch AS
 SELECT ka.company_id,
    'appointment'::text AS entity_type,
    doubtful.appointment_id AS entity_id,
    'the customer is not the one of the call that made the appointment'::text AS description,
    jsonb_build_object('call_id', ka.call_id, 'customer_id', ka.customer_id, 'call_customer_id', c.customer_id) AS evidence
   FROM ((( SELECT own.id AS appointment_id
           FROM (trueup.kept_appointments own
             LEFT JOIN public.calls f ON (((own.call_id = f.id) AND f.appointment_made)))
          WHERE ((own.call_id IS NOT NULL) AND (
                CASE
                    WHEN ((f.id IS NULL) OR (f.customer_id <> own.customer_id)) THEN 1
                    ELSE NULL::integer
                END = 1))
          GROUP BY own.id) doubtful
     JOIN trueup.kept_appointments ka ON ((doubtful.appointment_id = ka.id)))
     JOIN public.calls c ON ((ka.call_id = c.id)))
  WHERE ((c.customer_id <> ka.customer_id) AND (c.deleted_at IS NULL) AND ((ka.metadata ->> 'booked_for'::text) IS NULL));

CREATE VIEW trueup.suspect_appointments AS
 SELECT id,
    company_id,
    call_id,
    starts_at,
    ends_at,
    status,
    source,
    sync_origin,
    calcom_booking_uid,
    calcom_sync_status,
    idempotency_key,
    cancelled_at,
    metadata,
    created_at
   FROM public.appointments a
  WHERE ((deleted_at IS NULL) AND (
        CASE
            WHEN ((status <> ALL (ARRAY['pending'::text, 'confirmed'::text, 'completed'::text, 'no_show'::text, 'cancelled'::text])) OR (source <> ALL (ARRAY['retell'::text, 'calcom'::text, 'manual'::text, 'api'::text, 'backfill'::text])) OR (sync_origin <> ALL (ARRAY['retell'::text, 'calcom'::text, 'admin'::text, 'api'::text, 'system'::text])) OR (calcom_sync_status <> ALL (ARRAY['pending'::text, 'synced'::text, 'failed'::text, 'verification_pending'::text])) OR ((status = 'cancelled'::text) <> (cancelled_at IS NOT NULL)) OR ((source = 'retell'::text) AND ((idempotency_key IS NULL) OR (call_id IS NULL)))) THEN 1
            ELSE NULL::integer
        END = 1));

CREATE VIEW trueup.appointment_cancel_contradicts AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
        CASE
            WHEN (cancelled_at IS NULL) THEN 'cancelled, but cancelled_at is empty'::text
            ELSE 'has cancelled_at, but is not cancelled'::text
        END AS description,
    jsonb_build_object('status', status, 'cancelled_at', cancelled_at) AS evidence
   FROM trueup.suspect_appointments ka
  WHERE ((status = 'cancelled'::text) <> (cancelled_at IS NOT NULL));

CREATE VIEW trueup.appointment_duplicate AS
 SELECT la.company_id,
    'appointment'::text AS entity_type,
    la.id AS entity_id,
    'the customer has another live appointment for the same service at nearly the same time'::text AS description,
    jsonb_build_object('customer_id', la.customer_id, 'service_id', la.service_id, 'starts_at', la.starts_at, 'source', la.source, 'duplicate_ids', o.ids) AS evidence
   FROM (trueup.live_appointments la
     CROSS JOIN LATERAL ( SELECT array_agg(other.id ORDER BY other.id) AS ids
           FROM trueup.live_appointments other
          WHERE ((other.company_id = la.company_id) AND (other.customer_id = la.customer_id) AND (NOT (other.service_id IS DISTINCT FROM la.service_id)) AND (NOT ((other.metadata ->> 'booked_for'::text) IS DISTINCT FROM (la.metadata ->> 'booked_for'::text))) AND (other.id <> la.id) AND (other.starts_at >= (la.starts_at - ( SELECT (st.value)::interval AS value
                   FROM trueup.settings st
                  WHERE (st.name = 'duplicate_appointment_window'::text)))) AND (other.starts_at <= (la.starts_at + ( SELECT (st.value)::interval AS value
                   FROM trueup.settings st
                  WHERE (st.name = 'duplicate_appointment_window'::text)))))) o)
  WHERE ((la.customer_id IS NOT NULL) AND (o.ids IS NOT NULL));

CREATE VIEW trueup.appointment_duplicate_candidates AS
 SELECT 'appointment_duplicate'::text AS check_name,
    'appointment'::text AS entity_type,
    id AS entity_id
   FROM ( SELECT la.id,
            la.starts_at,
            lag(la.starts_at) OVER by_start AS last_starts_at,
            lead(la.starts_at) OVER by_start AS next_starts_at
           FROM trueup.live_appointments la
          WHERE (la.customer_id IS NOT NULL)
          WINDOW by_start AS (PARTITION BY la.customer_id, la.company_id, la.service_id ORDER BY la.starts_at)) n
  WHERE ((last_starts_at >= (starts_at - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_appointment_window'::text)))) OR (next_starts_at <= (starts_at + ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_appointment_window'::text)))));

CREATE VIEW trueup.appointment_key_missing AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'made by the phone agent, but has no idempotency key'::text AS description,
    jsonb_build_object('status', status, 'starts_at', starts_at) AS evidence
   FROM trueup.suspect_appointments ka
  WHERE ((source = 'retell'::text) AND (idempotency_key IS NULL));

CREATE VIEW trueup.appointment_modification_mismatch AS
 SELECT ka.company_id,
    'appointment'::text AS entity_type,
    chain.appointment_id AS entity_id,
        CASE
            WHEN (chain.broken_ids IS NULL) THEN 'the last reschedule went to another start than the appointment has'::text
            ELSE 'a reschedule began elsewhere than the one before it ended'::text
        END AS description,
    jsonb_build_object('starts_at', ka.starts_at, 'last_modification_id', chain.last_id, 'last_new_starts_at', chain.last_new_starts_at, 'broken_modification_ids', COALESCE(chain.broken_ids, '{}'::bigint[])) AS evidence
   FROM (( SELECT step.appointment_id,
            (array_agg(step.id ORDER BY step.created_at DESC, step.id DESC))[1] AS last_id,
            (array_agg(step.new_starts_at ORDER BY step.created_at DESC, step.id DESC))[1] AS last_new_starts_at,
            array_agg(step.id ORDER BY step.id) FILTER (WHERE (step.old_starts_at <> step.previous_new_starts_at)) AS broken_ids
           FROM ( SELECT m.id,
                    m.appointment_id,
                    m.created_at,
                    m.old_starts_at,
                    m.new_starts_at,
                    lag(m.new_starts_at) OVER (PARTITION BY m.appointment_id ORDER BY m.created_at, m.id) AS previous_new_starts_at
                   FROM public.appointment_modifications m
                  WHERE (m.kind = 'reschedule'::text)) step
          GROUP BY step.appointment_id) chain
     JOIN trueup.kept_appointments ka ON ((chain.appointment_id = ka.id)))
  WHERE ((chain.last_new_starts_at <> ka.starts_at) OR (chain.broken_ids IS NOT NULL));

CREATE TABLE trueup.appointment_notice_floor (
    is_only boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    CONSTRAINT appointment_notice_floor_one_row CHECK (is_only)
);

CREATE TABLE trueup.appointment_notices (
    id bigint NOT NULL,
    xact_id xid8 DEFAULT pg_current_xact_id() NOT NULL,
    company_id bigint,
    date date,
    noted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE trueup.appointment_notices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.appointment_notices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.appointment_past_open AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'long over, but still pending or confirmed'::text AS description,
    jsonb_build_object('status', status, 'ends_at', ends_at) AS evidence
   FROM trueup.kept_appointments ka
  WHERE ((status <> ALL (ARRAY['completed'::text, 'no_show'::text, 'cancelled'::text])) AND ((status = ANY (ARRAY['pending'::text, 'confirmed'::text])) OR (trueup.vocabulary_value('appointment_status'::text, status) = ANY (ARRAY['pending'::text, 'confirmed'::text]))) AND (source IS DISTINCT FROM 'backfill'::text) AND (ends_at < (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'open_past_limit'::text)))));

CREATE VIEW trueup.appointment_staff_overlap AS
 SELECT la.company_id,
    'appointment'::text AS entity_type,
    doubtful.appointment_id AS entity_id,
    'overlaps another appointment of the same member of staff'::text AS description,
    jsonb_build_object('staff_id', la.staff_id, 'starts_at', la.starts_at, 'ends_at', la.ends_at, 'overlapping_ids', o.ids) AS evidence
   FROM ((( SELECT x.id AS appointment_id
           FROM trueup.live_appointments x
          WHERE ((x.staff_id IS NOT NULL) AND (x.ends_at > x.starts_at) AND (
                CASE
                    WHEN (EXISTS ( SELECT 1
                       FROM trueup.live_appointments other
                      WHERE ((other.staff_id = x.staff_id) AND (other.id <> x.id) AND (other.starts_at < x.ends_at) AND (other.ends_at > x.starts_at) AND (other.ends_at > other.starts_at) AND (other.starts_at >= (x.starts_at - '04:00:00'::interval))))) THEN 1
                    WHEN (EXISTS ( SELECT 1
                       FROM trueup.live_appointments other
                      WHERE ((other.staff_id = x.staff_id) AND (other.id <> x.id) AND (other.starts_at < x.ends_at) AND (other.ends_at > x.starts_at) AND (other.ends_at > other.starts_at) AND other.is_long))) THEN 1
                    ELSE NULL::integer
                END = 1))
          GROUP BY x.id) doubtful
     JOIN trueup.live_appointments la ON ((doubtful.appointment_id = la.id)))
     CROSS JOIN LATERAL ( SELECT array_agg(near_or_long.id ORDER BY near_or_long.id) AS ids
           FROM ( SELECT other.id
                   FROM trueup.live_appointments other
                  WHERE ((other.staff_id = la.staff_id) AND (other.id <> la.id) AND (other.starts_at < la.ends_at) AND (other.ends_at > la.starts_at) AND (other.ends_at > other.starts_at) AND (other.starts_at >= (la.starts_at - '04:00:00'::interval)))
                UNION ALL
                 SELECT other.id
                   FROM trueup.live_appointments other
                  WHERE ((other.staff_id = la.staff_id) AND (other.starts_at < (la.starts_at - '04:00:00'::interval)) AND (other.ends_at > la.starts_at) AND other.is_long)) near_or_long) o)
  WHERE ((la.staff_id IS NOT NULL) AND (la.ends_at > la.starts_at) AND (o.ids IS NOT NULL));

CREATE VIEW trueup.appointment_staff_overlap_candidates AS
 SELECT 'appointment_staff_overlap'::text AS check_name,
    'appointment'::text AS entity_type,
    id AS entity_id
   FROM ( SELECT la.id,
            la.starts_at,
            la.ends_at,
            max(la.ends_at) OVER earlier AS busy_until,
            lead(la.starts_at) OVER earlier AS next_starts_at
           FROM trueup.live_appointments la
          WHERE ((la.staff_id IS NOT NULL) AND (la.ends_at > la.starts_at))
          WINDOW earlier AS (PARTITION BY la.staff_id ORDER BY la.starts_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) n
  WHERE ((busy_until > starts_at) OR (next_starts_at < ends_at));

CREATE VIEW trueup.appointment_times_invalid AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
        CASE
            WHEN (ends_at <= starts_at) THEN 'ends before or when it starts'::text
            WHEN ((source = 'retell'::text) AND (starts_at < created_at)) THEN 'starts before the phone agent made it'::text
            ELSE 'starts further ahead of its creation than appointments are made'::text
        END AS description,
    jsonb_build_object('starts_at', starts_at, 'ends_at', ends_at, 'created_at', created_at, 'source', source) AS evidence
   FROM trueup.kept_appointments ka
  WHERE ((ends_at <= starts_at) OR ((source = 'retell'::text) AND (starts_at < created_at)) OR (starts_at > (created_at + ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'booking_horizon'::text)))));

CREATE VIEW trueup.appointment_value_unknown AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'holds a value outside its vocabulary'::text AS description,
    jsonb_build_object('values', ( SELECT jsonb_object_agg(co.name, co.value) AS jsonb_object_agg
           FROM ( VALUES ('status'::text,ka.status,'appointment_status'::text), ('source'::text,ka.source,'source'::text), ('sync_origin'::text,ka.sync_origin,'sync_origin'::text), ('calcom_sync_status'::text,ka.calcom_sync_status,'calcom_sync_status'::text)) co(name, value, vocabulary)
          WHERE (co.value <> ALL (trueup.vocabulary_values(co.vocabulary))))) AS evidence
   FROM trueup.suspect_appointments ka
  WHERE ((status <> ALL (( SELECT trueup.vocabulary_values('appointment_status'::text) AS vocabulary_values)::text[])) OR (source <> ALL (( SELECT trueup.vocabulary_values('source'::text) AS vocabulary_values)::text[])) OR (sync_origin <> ALL (( SELECT trueup.vocabulary_values('sync_origin'::text) AS vocabulary_values)::text[])) OR (calcom_sync_status <> ALL (( SELECT trueup.vocabulary_values('calcom_sync_status'::text) AS vocabulary_values)::text[])));

CREATE VIEW trueup.appointment_without_call AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'made by the phone agent, but names no call'::text AS description,
    jsonb_build_object('calcom_booking_uid', calcom_booking_uid, 'metadata_call_id', (metadata ->> 'call_id'::text)) AS evidence
   FROM trueup.suspect_appointments ka
  WHERE ((source = 'retell'::text) AND (call_id IS NULL));

CREATE TABLE trueup.backfills (
    name text NOT NULL,
    table_name text NOT NULL,
    checksum text NOT NULL,
    last_key text,
    rows_written bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_batch_at timestamp with time zone,
    finished_at timestamp with time zone
);

COMMENT ON TABLE trueup.backfills IS 'how far the backfills of revisions have come';

CREATE TABLE trueup.booking_snapshots (
    id bigint NOT NULL,
    company_id bigint NOT NULL,
    booking_uid text NOT NULL,
    booking_number bigint,
    status text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    event_type_id bigint,
    attendee_name text,
    attendee_email text,
    attendee_phone text,
    rescheduled_from_uid text,
    booked_at timestamp with time zone,
    import_id bigint NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT booking_snapshots_times_ordered CHECK ((ends_at > starts_at))
)
WITH (fillfactor='80');

CREATE VIEW trueup.booking_differs AS
 SELECT ka.company_id,
    'appointment'::text AS entity_type,
    ka.id AS entity_id,
    'start, end or status are not those of the booking at the provider'::text AS description,
    jsonb_build_object('calcom_booking_uid', ka.calcom_booking_uid, 'status', ka.status, 'starts_at', ka.starts_at, 'ends_at', ka.ends_at, 'provider_status', s.status, 'provider_starts_at', s.starts_at, 'provider_ends_at', s.ends_at) AS evidence
   FROM ((trueup.booking_snapshots s
     JOIN trueup.kept_appointments ka ON (((s.company_id = ka.company_id) AND (s.booking_uid = ka.calcom_booking_uid))))
     CROSS JOIN LATERAL ( SELECT
                CASE s.status
                    WHEN 'accepted'::text THEN ARRAY['confirmed'::text, 'completed'::text, 'no_show'::text]
                    WHEN 'pending'::text THEN ARRAY['pending'::text]
                    WHEN 'cancelled'::text THEN ARRAY['cancelled'::text]
                    WHEN 'rejected'::text THEN ARRAY['cancelled'::text]
                    ELSE NULL::text[]
                END AS statuses) right_ones)
  WHERE ((s.seen_at > (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'booking_snapshot_age'::text)))) AND (((s.status = ANY (ARRAY['accepted'::text, 'pending'::text])) AND ((ka.starts_at <> s.starts_at) OR (ka.ends_at <> s.ends_at))) OR ((ka.status <> ALL (right_ones.statuses)) AND (COALESCE(trueup.vocabulary_value('appointment_status'::text, ka.status), ka.status) <> ALL (right_ones.statuses)))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.booking_snapshots moved
          WHERE ((moved.rescheduled_from_uid = s.booking_uid) AND (moved.company_id = s.company_id) AND (moved.status = ANY (ARRAY['accepted'::text, 'pending'::text])) AND (NOT (EXISTS ( SELECT 1
                   FROM trueup.kept_appointments own
                  WHERE ((own.company_id = moved.company_id) AND (own.calcom_booking_uid = moved.booking_uid))))))))) AND (NOT trueup.appointment_written_since(ka.id, s.seen_at)));

CREATE VIEW trueup.booking_events AS
 SELECT e.id,
    e.company_id,
    e.status,
    e.event_type,
    e.object_id AS booking_uid,
    e.previous_object_id AS previous_uid,
    e.named_call_id,
    e.appointment_id,
    e.occurred_at,
    e.body_hash,
    p.payload,
    trueup.bigint_or_null((p.payload ->> 'bookingId'::text)) AS booking_number,
    trueup.bigint_or_null((p.payload ->> 'eventTypeId'::text)) AS event_type_id,
    trueup.instant_or_null((p.payload ->> 'startTime'::text)) AS starts_at,
    COALESCE(trueup.instant_or_null((p.payload ->> 'endTime'::text)), (trueup.instant_or_null((p.payload ->> 'startTime'::text)) + ((trueup.bigint_or_null("substring"((p.payload ->> 'length'::text), '^[1-9][0-9]{0,3}$'::text)))::double precision * '00:01:00'::interval))) AS ends_at,
    trueup.instant_or_null((p.payload ->> 'rescheduleStartTime'::text)) AS old_starts_at,
        CASE
            WHEN (e.event_type = 'BOOKING_CANCELLED'::text) THEN 'cancelled'::text
            WHEN (e.event_type = 'BOOKING_REJECTED'::text) THEN 'rejected'::text
            WHEN (e.event_type = 'BOOKING_CONFIRMED'::text) THEN 'accepted'::text
            ELSE lower(COALESCE(trueup.string_or_null((p.payload -> 'status'::text)),
            CASE e.event_type
                WHEN 'BOOKING_REQUESTED'::text THEN 'pending'::text
                ELSE 'accepted'::text
            END))
        END AS says
   FROM (trueup.webhook_events e
     CROSS JOIN LATERAL ( SELECT trueup.decoded((e.body -> 'payload'::text)) AS payload
         LIMIT 1) p)
  WHERE (e.provider = 'calcom'::text);

CREATE TABLE trueup.booking_imports (
    id bigint NOT NULL,
    company_id bigint NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    window_from timestamp with time zone,
    window_to timestamp with time zone,
    status text DEFAULT 'running'::text NOT NULL,
    pages integer DEFAULT 0 NOT NULL,
    bookings integer DEFAULT 0 NOT NULL,
    expected integer,
    finished_at timestamp with time zone,
    CONSTRAINT booking_imports_finished_complete CHECK (((status = 'running'::text) = (finished_at IS NULL))),
    CONSTRAINT booking_imports_status_known CHECK ((status = ANY (ARRAY['running'::text, 'complete'::text, 'incomplete'::text]))),
    CONSTRAINT booking_imports_window_ordered CHECK ((((window_from IS NULL) = (window_to IS NULL)) AND (window_to > window_from)))
);

ALTER TABLE trueup.booking_imports ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.booking_imports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.former_bookings (
    id bigint NOT NULL,
    company_id bigint NOT NULL,
    booking_uid text NOT NULL,
    appointment_id bigint NOT NULL,
    ended_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE VIEW trueup.booking_missing_locally AS
 SELECT company_id,
    'booking'::text AS entity_type,
    id AS entity_id,
    'the provider holds a booking that has no appointment'::text AS description,
    jsonb_strip_nulls(jsonb_build_object('booking_uid', booking_uid, 'booking_number', booking_number, 'provider_status', status, 'starts_at', starts_at, 'ends_at', ends_at, 'event_type_id', event_type_id, 'rescheduled_from_uid', rescheduled_from_uid)) AS evidence
   FROM trueup.booking_snapshots s
  WHERE ((status = ANY (ARRAY['accepted'::text, 'pending'::text])) AND (seen_at > (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'booking_snapshot_age'::text)))) AND ((booked_at IS NULL) OR (booked_at < (seen_at - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'booking_arrival_limit'::text))))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.booking_imports i
          WHERE ((i.company_id = s.company_id) AND (i.status = 'complete'::text) AND (i.taken_at > s.seen_at) AND (i.taken_at > (now() - ( SELECT (st.value)::interval AS value
                   FROM trueup.settings st
                  WHERE (st.name = 'booking_snapshot_age'::text)))) AND (s.starts_at >= i.window_from) AND (s.ends_at <= i.window_to))))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE ((ka.company_id = s.company_id) AND (ka.calcom_booking_uid = s.booking_uid))))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments numbered
          WHERE ((numbered.company_id = s.company_id) AND (numbered.calcom_booking_id = s.booking_number) AND (numbered.calcom_booking_uid IS NULL))))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.former_bookings fb
          WHERE ((fb.booking_uid = s.booking_uid) AND (fb.company_id = s.company_id) AND (fb.ended_at >= s.seen_at))))) AND (NOT (EXISTS ( SELECT 1
           FROM public.appointments gone
          WHERE ((gone.company_id = s.company_id) AND (gone.calcom_booking_uid = s.booking_uid) AND (gone.deleted_at >= s.seen_at))))));

CREATE VIEW trueup.booking_missing_remotely AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'the provider does not hold the booking of this appointment'::text AS description,
    jsonb_build_object('calcom_booking_uid', calcom_booking_uid, 'status', status, 'starts_at', starts_at, 'calcom_sync_status', calcom_sync_status) AS evidence
   FROM trueup.live_appointments la
  WHERE ((calcom_booking_uid IS NOT NULL) AND (EXISTS ( SELECT 1
           FROM trueup.booking_imports i
          WHERE ((i.company_id = la.company_id) AND (i.status = 'complete'::text) AND (i.taken_at > (now() - ( SELECT (st.value)::interval AS value
                   FROM trueup.settings st
                  WHERE (st.name = 'booking_snapshot_age'::text)))) AND (la.starts_at >= i.window_from) AND (la.ends_at <= i.window_to) AND (la.created_at < (i.taken_at - ( SELECT (st.value)::interval AS value
                   FROM trueup.settings st
                  WHERE (st.name = 'booking_arrival_limit'::text)))) AND (NOT (EXISTS ( SELECT 1
                   FROM trueup.booking_snapshots s
                  WHERE ((s.booking_uid = la.calcom_booking_uid) AND (s.company_id = la.company_id) AND ((s.seen_at >= i.taken_at) OR (s.starts_at < i.window_from) OR (s.ends_at > i.window_to)))))) AND (NOT trueup.appointment_written_since(la.id, i.taken_at))))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.booking_snapshots moved
          WHERE ((moved.rescheduled_from_uid = la.calcom_booking_uid) AND (moved.company_id = la.company_id) AND (moved.status = ANY (ARRAY['accepted'::text, 'pending'::text])) AND (NOT (EXISTS ( SELECT 1
                   FROM trueup.kept_appointments own
                  WHERE ((own.company_id = moved.company_id) AND (own.calcom_booking_uid = moved.booking_uid))))))))));

CREATE VIEW trueup.booking_proofs AS
 SELECT c.id AS call_id,
    c.company_id,
    p.booking_uid,
    p.booking_number,
    p.starts_at,
    COALESCE(p.ends_at, (p.starts_at + ((p.duration_minutes)::double precision * '00:01:00'::interval))) AS ends_at,
    p.event_type_id,
    p.provider_status,
    p.attendee_name,
    p.attendee_email,
    p.attendee_phone,
    p.confirmed_at,
    p.creation_failed
   FROM (((public.calls c
     CROSS JOIN LATERAL ( SELECT trueup.decoded(c.booking_details) AS details
         LIMIT 1) d)
     CROSS JOIN LATERAL ( SELECT trueup.decoded((d.details -> 'calcom_booking'::text)) AS booking
         LIMIT 1) b)
     CROSS JOIN LATERAL ( SELECT trueup.string_or_null((b.booking -> 'uid'::text)) AS booking_uid,
            trueup.bigint_or_null((b.booking ->> 'id'::text)) AS booking_number,
            trueup.instant_or_null((b.booking ->> 'start'::text)) AS starts_at,
            trueup.instant_or_null((b.booking ->> 'end'::text)) AS ends_at,
            trueup.bigint_or_null("substring"((b.booking ->> 'duration'::text), '^[1-9][0-9]{0,3}$'::text)) AS duration_minutes,
            trueup.bigint_or_null((b.booking ->> 'eventTypeId'::text)) AS event_type_id,
            lower(trueup.string_or_null((b.booking -> 'status'::text))) AS provider_status,
            trueup.string_or_null((b.booking #> '{attendees,0,name}'::text[])) AS attendee_name,
            trueup.string_or_null((b.booking #> '{attendees,0,email}'::text[])) AS attendee_email,
            trueup.string_or_null((b.booking #> '{attendees,0,phoneNumber}'::text[])) AS attendee_phone,
            trueup.instant_or_null((d.details ->> 'confirmed_at'::text)) AS confirmed_at,
            trueup.creation_failed(d.details) AS creation_failed) p)
  WHERE ((c.deleted_at IS NULL) AND (c.booking_details IS NOT NULL) AND ((p.booking_uid IS NOT NULL) OR (p.booking_number IS NOT NULL)));

ALTER TABLE trueup.booking_snapshots ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.booking_snapshots_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.dashboard_logins (
    login text NOT NULL,
    company_id text NOT NULL
);

COMMENT ON TABLE trueup.dashboard_logins IS 'logins of dashboards that see the rows of one company, whatever they set in their session';

CREATE VIEW trueup.session_company WITH (security_invoker='true') AS
 SELECT COALESCE(( SELECT dl.company_id
           FROM trueup.dashboard_logins dl
          WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS company_id;

CREATE VIEW trueup.bookings_by_day WITH (security_invoker='true') AS
 SELECT (created_at)::date AS day,
    (company_id)::text AS company_id,
    count(*) AS calls,
    count(*) FILTER (WHERE booking_confirmed) AS confirmed,
    count(*) FILTER (WHERE (booking_confirmed AND (appointment_id IS NOT NULL))) AS with_appointment
   FROM public.calls c
  WHERE ((created_at >= (CURRENT_DATE - 6)) AND (deleted_at IS NULL) AND
        CASE
            WHEN (( SELECT s.company_id
               FROM trueup.session_company s) IS NULL) THEN true
            ELSE ((company_id)::text = ( SELECT s.company_id
               FROM trueup.session_company s))
        END)
  GROUP BY ((created_at)::date), company_id;

COMMENT ON VIEW trueup.bookings_by_day IS 'calls of the last seven days, and how many of them led to an appointment';

COMMENT ON COLUMN trueup.bookings_by_day.day IS 'day on which the call was recorded, in the time zone of the session';

COMMENT ON COLUMN trueup.bookings_by_day.company_id IS 'company';

COMMENT ON COLUMN trueup.bookings_by_day.calls IS 'calls, deleted ones aside';

COMMENT ON COLUMN trueup.bookings_by_day.confirmed IS 'those of them whose booking the provider confirmed';

COMMENT ON COLUMN trueup.bookings_by_day.with_appointment IS 'those of the confirmed that name their appointment';

CREATE VIEW trueup.suspect_calls AS
 SELECT id,
    company_id,
    retell_call_id,
    from_number,
    to_number,
    direction,
    call_type,
    status,
    started_at,
    ended_at,
    duration_ms,
    customer_id,
    customer_name,
    customer_link_status,
    customer_link_method,
    customer_link_confidence,
    customer_linked_at,
    session_outcome,
    appointment_made,
    appointment_id,
    appointment_link_status,
    appointment_linked_at,
    booking_id,
    booking_details,
    booking_failed,
    requires_manual_processing,
    metadata,
    created_at
   FROM public.calls c
  WHERE ((deleted_at IS NULL) AND (
        CASE
            WHEN ((direction IS NULL) OR (direction <> ALL (ARRAY['inbound'::text, 'outbound'::text])) OR (status <> ALL (ARRAY['ended'::text, 'analyzed'::text, 'failed'::text])) OR (session_outcome <> ALL (ARRAY['appointment_booked'::text, 'appointment_rescheduled'::text, 'appointment_cancelled'::text, 'information_only'::text, 'callback_requested'::text, 'transferred'::text, 'voicemail'::text, 'abandoned'::text, 'technical_issue'::text, 'spam'::text, 'creation_failed'::text, 'other'::text])) OR (customer_link_status <> ALL (ARRAY['linked'::text, 'name_only'::text, 'anonymous'::text, 'pending_review'::text, 'unlinked'::text, 'failed'::text])) OR (customer_link_method <> ALL (ARRAY['phone_match'::text, 'name_match'::text, 'email_match'::text, 'manual_link'::text, 'ai_match'::text, 'appointment_link'::text, 'auto_created'::text, 'unknown'::text])) OR (appointment_link_status <> ALL (ARRAY['linked'::text, 'unlinked'::text, 'not_applicable'::text, 'creation_failed'::text])) OR (call_type IS NULL) OR (length(retell_call_id) <> 32) OR (rtrim(retell_call_id, '0123456789abcdef'::text) <> 'call_'::text) OR (ended_at < started_at) OR
            CASE
                WHEN (isfinite(started_at) AND isfinite(ended_at)) THEN (abs(((EXTRACT(epoch FROM (ended_at - started_at)) * (1000)::numeric) - (duration_ms)::numeric)) > (1000)::numeric)
                ELSE (num_nulls(started_at, ended_at, duration_ms) = 0)
            END OR ((customer_link_confidence < (0)::numeric) OR (customer_link_confidence > (100)::numeric)) OR
            CASE
                WHEN (customer_id IS NOT NULL) THEN (customer_link_status <> ALL (ARRAY['linked'::text, 'pending_review'::text]))
                WHEN (customer_link_status = 'linked'::text) THEN true
                WHEN (customer_link_status = ANY (ARRAY['pending_review'::text, 'failed'::text])) THEN false
                ELSE (customer_link_status <>
                CASE
                    WHEN (customer_name ~ '[^[:punct:][:space:]]'::text) THEN 'name_only'::text
                    WHEN (COALESCE(lower(regexp_replace(from_number, '\s'::text, ''::text, 'g'::text)), ''::text) = ANY (ARRAY[''::text, 'anonymous'::text, 'unknown'::text, 'unavailable'::text, 'blocked'::text, 'private'::text, 'withheld'::text, 'restricted'::text])) THEN 'anonymous'::text
                    ELSE 'unlinked'::text
                END)
            END OR ((customer_link_status = 'linked'::text) AND ((customer_link_method IS NULL) OR (customer_link_confidence IS NULL) OR (customer_linked_at IS NULL))) OR
            CASE
                WHEN appointment_made THEN ((appointment_id IS NULL) OR (appointment_link_status <> 'linked'::text) OR (appointment_linked_at IS NULL) OR booking_failed OR (session_outcome <> ALL (ARRAY['appointment_booked'::text, 'appointment_rescheduled'::text, 'appointment_cancelled'::text])))
                ELSE ((appointment_id IS NOT NULL) OR (appointment_link_status = 'linked'::text) OR (appointment_linked_at IS NOT NULL))
            END OR (jsonb_typeof(booking_details) = 'string'::text) OR (booking_details ? 'appointment_creation_failed'::text)) THEN 1
            ELSE NULL::integer
        END = 1));

CREATE VIEW trueup.unflagged_calls AS
 SELECT ka.call_id
   FROM (trueup.kept_appointments ka
     LEFT JOIN public.calls c ON (((ka.call_id = c.id) AND c.appointment_made)))
  WHERE ((ka.call_id IS NOT NULL) AND (
        CASE
            WHEN (c.id IS NULL) THEN 1
            ELSE NULL::integer
        END = 1))
  GROUP BY ka.call_id;

CREATE VIEW trueup.call_appointment_not_flagged AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'has an appointment, but is not flagged or not linked'::text AS description,
    jsonb_build_object('appointment_made', c.appointment_made, 'appointment_link_status', c.appointment_link_status, 'appointment_linked_at', c.appointment_linked_at, 'appointment_ids', ARRAY( SELECT ka.id
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)
          ORDER BY ka.id)) AS evidence
   FROM (( SELECT s.id AS call_id
           FROM trueup.suspect_calls s
          WHERE s.appointment_made
        UNION ALL
         SELECT u.call_id
           FROM trueup.unflagged_calls u) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
  WHERE (((NOT c.appointment_made) OR (c.appointment_link_status <> 'linked'::text) OR (c.appointment_linked_at IS NULL)) AND (c.deleted_at IS NULL) AND (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id))));

CREATE VIEW trueup.call_backlink_broken AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'names an appointment that is deleted or is not its own'::text AS description,
    jsonb_build_object('appointment_id', c.appointment_id, 'appointment_exists', (a.id IS NOT NULL), 'appointment_call_id', a.call_id, 'appointment_deleted_at', a.deleted_at, 'own_appointment_ids', ARRAY( SELECT ka.id
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)
          ORDER BY ka.id)) AS evidence
   FROM ((( SELECT f.id AS call_id
           FROM (public.calls f
             LEFT JOIN trueup.kept_appointments ka ON (((f.id = ka.call_id) AND (f.appointment_id = ka.id))))
          WHERE (f.appointment_made AND (
                CASE
                    WHEN (ka.id IS NULL) THEN 1
                    ELSE NULL::integer
                END = 1))
          GROUP BY f.id
        UNION ALL
         SELECT s.id
           FROM trueup.suspect_calls s
          WHERE ((NOT s.appointment_made) AND (s.appointment_id IS NOT NULL))) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
     LEFT JOIN public.appointments a ON ((c.appointment_id = a.id)))
  WHERE ((c.appointment_id IS NOT NULL) AND (c.deleted_at IS NULL) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE ((ka.id = c.appointment_id) AND (ka.call_id = c.id))))));

CREATE VIEW trueup.call_backlink_missing AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'an appointment points at this call, which does not point back'::text AS description,
    jsonb_build_object('appointment_ids', ARRAY( SELECT ka.id
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)
          ORDER BY ka.id)) AS evidence
   FROM (( SELECT s.id AS call_id
           FROM trueup.suspect_calls s
          WHERE (s.appointment_made AND (s.appointment_id IS NULL))
        UNION ALL
         SELECT u.call_id
           FROM trueup.unflagged_calls u) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
  WHERE ((c.appointment_id IS NULL) AND (c.deleted_at IS NULL) AND (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE ((ka.call_id = c.id) AND (NOT (ka.company_id IS DISTINCT FROM c.company_id))))));

CREATE VIEW trueup.call_booked_without_appointment AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'booking confirmed, but no appointment of this call exists'::text AS description,
    jsonb_build_object('booking_id', c.booking_id, 'proof', ( SELECT jsonb_build_object('booking_uid', bp.booking_uid, 'booking_number', bp.booking_number, 'provider_status', bp.provider_status) AS jsonb_build_object
           FROM trueup.booking_proofs bp
          WHERE (bp.call_id = c.id)), 'deleted_appointment_ids', ARRAY( SELECT a.id
           FROM public.appointments a
          WHERE ((a.call_id = c.id) AND (a.deleted_at IS NOT NULL))
          ORDER BY a.id)) AS evidence
   FROM (( SELECT f.id AS call_id
           FROM (public.calls f
             LEFT JOIN trueup.kept_appointments ka ON ((f.id = ka.call_id)))
          WHERE (f.booking_confirmed AND (
                CASE
                    WHEN (ka.id IS NULL) THEN 1
                    ELSE NULL::integer
                END = 1))
          GROUP BY f.id) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
  WHERE (c.booking_confirmed AND (c.deleted_at IS NULL) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)))));

CREATE VIEW trueup.call_creation_failed_unqueued AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'the appointment could not be created, and nobody has been told'::text AS description,
    jsonb_build_object('booking_id', booking_id, 'appointment_link_status', appointment_link_status, 'requires_manual_processing', requires_manual_processing) AS evidence
   FROM trueup.suspect_calls c
  WHERE ((booking_details IS NOT NULL) AND trueup.creation_failed(booking_details) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.manual_review_queue q
          WHERE ((q.entity_type = 'call'::text) AND (q.entity_id = (c.id)::text) AND ((q.reason = 'provider_booking_failed'::text) OR ((q.status = ANY (ARRAY['pending'::text, 'in_progress'::text])) AND (q.reason = ANY (ARRAY['validation_failed'::text, 'customer_creation_failed'::text, 'service_unknown'::text, 'call_booked_without_appointment'::text, 'call_made_without_appointment'::text, 'call_outcome_without_appointment'::text, 'call_creation_pending_stale'::text])))))))));

CREATE VIEW trueup.call_creation_pending_stale AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'the appointment is still to be created, longer than allowed'::text AS description,
    jsonb_build_object('appointment_link_status', appointment_link_status, 'booking_id', booking_id) AS evidence
   FROM public.calls c
  WHERE ((deleted_at IS NULL) AND (appointment_link_status = 'pending_creation'::text) AND (COALESCE(ended_at, started_at, created_at) < (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'pending_creation_limit'::text)))) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)))));

CREATE VIEW trueup.call_customer_not_linked AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'has a customer, but is not linked'::text AS description,
    jsonb_build_object('customer_id', customer_id, 'customer_link_status', customer_link_status, 'customer_link_method', customer_link_method, 'customer_link_confidence', customer_link_confidence) AS evidence
   FROM trueup.suspect_calls c
  WHERE ((customer_id IS NOT NULL) AND (customer_link_status <> 'linked'::text) AND (trueup.vocabulary_value('customer_link_status'::text, customer_link_status) <> 'pending_review'::text));

CREATE VIEW trueup.call_direction_missing AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'has no direction'::text AS description,
    jsonb_build_object('direction', direction, 'from_number', trueup.masked(from_number), 'to_number', trueup.masked(to_number)) AS evidence
   FROM trueup.suspect_calls c
  WHERE (NULLIF(direction, ''::text) IS NULL);

CREATE VIEW trueup.temporary_calls AS
 SELECT t.id,
    o.id AS twin_id
   FROM (public.calls t
     JOIN public.calls o ON (((t.company_id = o.company_id) AND (t.from_number = o.from_number) AND (t.to_number = o.to_number) AND (o.started_at >= (t.started_at - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (o.started_at <= (t.started_at + ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (t.started_at >= (o.started_at - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (t.started_at <= (o.started_at + ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (t.id <> o.id))))
  WHERE (starts_with(t.retell_call_id, 'temp_'::text) AND (t.deleted_at IS NULL) AND (o.deleted_at IS NULL))
UNION ALL
 SELECT t.id,
    o.id AS twin_id
   FROM (public.calls t
     JOIN public.calls o ON (((t.company_id = o.company_id) AND (t.to_number = o.to_number) AND (o.started_at >= (t.started_at - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (o.started_at <= (t.started_at + ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (t.started_at >= (o.started_at - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (t.started_at <= (o.started_at + ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'duplicate_call_window'::text)))) AND (t.id <> o.id))))
  WHERE (starts_with(t.retell_call_id, 'temp_'::text) AND (t.from_number IS NULL) AND (o.from_number IS NULL) AND (t.deleted_at IS NULL) AND (o.deleted_at IS NULL));

CREATE VIEW trueup.call_duplicate AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    twins.call_id AS entity_id,
    'perhaps stored twice: another call between the same numbers began within seconds'::text AS description,
    jsonb_build_object('retell_call_id', c.retell_call_id, 'started_at', c.started_at, 'other_call_ids', twins.ids) AS evidence
   FROM (( SELECT pair.call_id,
            array_agg(pair.other_id ORDER BY pair.other_id) AS ids
           FROM ( SELECT tc.id AS call_id,
                    tc.twin_id AS other_id
                   FROM trueup.temporary_calls tc
                UNION
                 SELECT tc.twin_id,
                    tc.id
                   FROM trueup.temporary_calls tc) pair
          GROUP BY pair.call_id) twins
     JOIN public.calls c ON ((twins.call_id = c.id)));

CREATE VIEW trueup.call_failed_but_booked AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'the booking is said to have failed, yet a live appointment of this call exists'::text AS description,
    jsonb_build_object('booking_failed', c.booking_failed, 'session_outcome', c.session_outcome, 'appointment_link_status', c.appointment_link_status, 'appointment_ids', ARRAY( SELECT la.id
           FROM trueup.live_appointments la
          WHERE (la.call_id = c.id)
          ORDER BY la.id)) AS evidence
   FROM (( SELECT s.id AS call_id
           FROM trueup.suspect_calls s
          WHERE s.appointment_made
        UNION ALL
         SELECT u.call_id
           FROM trueup.unflagged_calls u) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
  WHERE ((c.booking_failed OR (c.session_outcome = 'creation_failed'::text) OR (c.appointment_link_status = 'creation_failed'::text)) AND (c.deleted_at IS NULL) AND (EXISTS ( SELECT 1
           FROM trueup.live_appointments la
          WHERE (la.call_id = c.id))));

CREATE VIEW trueup.call_id_malformed AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'retell_call_id is not of the provider''s form'::text AS description,
    jsonb_build_object('retell_call_id', retell_call_id) AS evidence
   FROM trueup.suspect_calls c
  WHERE (retell_call_id !~ '^call_[0-9a-f]{27}$'::text);

CREATE VIEW trueup.call_link_status_wrong AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'has no customer, and a link status that name and number do not bear out'::text AS description,
    jsonb_build_object('customer_link_status', c.customer_link_status, 'expected_status', trueup.link_status_without_customer(c.company_id, c.customer_name, c.from_number), 'from_number', trueup.masked(c.from_number)) AS evidence
   FROM (( SELECT s.id AS call_id
           FROM trueup.suspect_calls s
          WHERE (s.customer_id IS NULL)
        UNION
         SELECT named.id
           FROM public.calls named
          WHERE ((named.customer_name IS NOT NULL) AND (named.deleted_at IS NULL) AND (named.customer_id IS NULL) AND (named.customer_link_status = 'name_only'::text) AND (trueup.plain_name(named.customer_name) = ANY (ARRAY( SELECT un.phrase
                   FROM trueup.unusable_names un))))) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
  WHERE ((c.customer_id IS NULL) AND (c.customer_link_status <> 'linked'::text) AND (trueup.vocabulary_value('customer_link_status'::text, c.customer_link_status) <> ALL (ARRAY['pending_review'::text, 'failed'::text])) AND (c.customer_link_status <> trueup.link_status_without_customer(c.company_id, c.customer_name, c.from_number)) AND (c.deleted_at IS NULL));

CREATE VIEW trueup.call_link_unproven AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    c.id AS entity_id,
    'nothing proves the link to the customer'::text AS description,
    jsonb_build_object('customer_id', c.customer_id, 'customer_link_status', c.customer_link_status, 'customer_link_method', c.customer_link_method, 'customer_link_confidence', c.customer_link_confidence, 'customer_linked_at', c.customer_linked_at, 'direction', c.direction, 'from_number', trueup.masked(c.from_number), 'to_number', trueup.masked(c.to_number), 'customer_phone', trueup.masked(k.phone)) AS evidence,
    c.customer_id
   FROM (public.calls c
     LEFT JOIN public.customers k ON ((c.customer_id = k.id)))
  WHERE ((((c.customer_link_status = 'linked'::text) AND ((c.customer_link_method IS NULL) OR (c.customer_link_confidence IS NULL) OR (c.customer_linked_at IS NULL) OR ((c.customer_link_method = 'phone_match'::text) AND (((c.from_number = k.phone_normalized) AND (c.company_id = k.company_id)) IS NOT TRUE) AND (NOT trueup.phone_matches(c.company_id, c.direction, c.from_number, c.to_number, k.company_id, k.phone_normalized))))) OR ((c.customer_link_confidence < (0)::numeric) OR (c.customer_link_confidence > (100)::numeric))) AND ((c.customer_link_status <> 'linked'::text) OR (c.customer_id IS NOT NULL)) AND (c.deleted_at IS NULL));

CREATE VIEW trueup.call_link_unproven_candidates AS
 SELECT 'call_link_unproven'::text AS check_name,
    'call'::text AS entity_type,
    s.id AS entity_id
   FROM trueup.suspect_calls s
  WHERE ((s.customer_link_status = 'linked'::text) OR ((s.customer_link_confidence < (0)::numeric) OR (s.customer_link_confidence > (100)::numeric)))
UNION ALL
 SELECT 'call_link_unproven'::text AS check_name,
    'call'::text AS entity_type,
    c.id AS entity_id
   FROM (public.calls c
     LEFT JOIN public.customers k ON ((c.customer_id = k.id)))
  WHERE ((c.customer_link_status = 'linked'::text) AND (c.customer_link_method = 'phone_match'::text) AND (((c.from_number = k.phone_normalized) AND (c.company_id = k.company_id)) IS NOT TRUE) AND (NOT trueup.phone_matches(c.company_id, c.direction, c.from_number, c.to_number, k.company_id, k.phone_normalized)));

CREATE VIEW trueup.call_linked_without_appointment AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'says it is linked to an appointment, but no appointment of this call exists'::text AS description,
    jsonb_build_object('appointment_link_status', appointment_link_status, 'appointment_linked_at', appointment_linked_at, 'appointment_id', appointment_id, 'booking_id', booking_id) AS evidence
   FROM trueup.suspect_calls c
  WHERE ((NOT appointment_made) AND ((appointment_link_status = 'linked'::text) OR (appointment_linked_at IS NOT NULL)) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)))));

CREATE VIEW trueup.call_linked_without_customer AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'is linked to a customer and names none'::text AS description,
    jsonb_build_object('customer_link_method', customer_link_method, 'customer_link_confidence', customer_link_confidence, 'customer_linked_at', customer_linked_at, 'from_number', trueup.masked(from_number)) AS evidence
   FROM trueup.suspect_calls c
  WHERE ((customer_link_status = 'linked'::text) AND (customer_id IS NULL));

CREATE VIEW trueup.call_made_without_appointment AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'flagged appointment_made, but no appointment of this call exists'::text AS description,
    jsonb_build_object('booking_id', c.booking_id, 'session_outcome', c.session_outcome, 'deleted_appointment_ids', ARRAY( SELECT a.id
           FROM public.appointments a
          WHERE ((a.call_id = c.id) AND (a.deleted_at IS NOT NULL))
          ORDER BY a.id)) AS evidence
   FROM (( SELECT f.id AS call_id
           FROM (public.calls f
             LEFT JOIN trueup.kept_appointments ka ON ((f.id = ka.call_id)))
          WHERE (f.appointment_made AND (
                CASE
                    WHEN (ka.id IS NULL) THEN 1
                    ELSE NULL::integer
                END = 1))
          GROUP BY f.id) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
  WHERE (c.appointment_made AND (c.deleted_at IS NULL) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)))));

CREATE VIEW trueup.call_outcome_contradicts_flag AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'flagged appointment_made, but the outcome speaks of no appointment'::text AS description,
    jsonb_build_object('session_outcome', session_outcome, 'appointment_id', appointment_id) AS evidence
   FROM trueup.suspect_calls c
  WHERE (appointment_made AND (trueup.vocabulary_value('session_outcome'::text, session_outcome) <> ALL (ARRAY['appointment_booked'::text, 'appointment_rescheduled'::text, 'appointment_cancelled'::text])));

CREATE VIEW trueup.call_outcome_unknown AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'session_outcome is outside its vocabulary'::text AS description,
    jsonb_build_object('column', 'session_outcome', 'value', session_outcome) AS evidence
   FROM trueup.suspect_calls c
  WHERE (session_outcome <> ALL (( SELECT trueup.vocabulary_values('session_outcome'::text) AS vocabulary_values)::text[]));

CREATE VIEW trueup.call_outcome_without_appointment AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    doubtful.call_id AS entity_id,
    'outcome appointment_booked, but no appointment of this call exists'::text AS description,
    jsonb_build_object('booking_id', c.booking_id, 'appointment_made', c.appointment_made, 'appointment_id', c.appointment_id, 'deleted_appointment_ids', ARRAY( SELECT a.id
           FROM public.appointments a
          WHERE ((a.call_id = c.id) AND (a.deleted_at IS NOT NULL))
          ORDER BY a.id)) AS evidence
   FROM (( SELECT f.id AS call_id
           FROM (public.calls f
             LEFT JOIN trueup.kept_appointments ka ON ((f.id = ka.call_id)))
          WHERE ((f.session_outcome = 'appointment_booked'::text) AND (
                CASE
                    WHEN (ka.id IS NULL) THEN 1
                    ELSE NULL::integer
                END = 1))
          GROUP BY f.id) doubtful
     JOIN public.calls c ON ((doubtful.call_id = c.id)))
  WHERE ((c.session_outcome = 'appointment_booked'::text) AND (c.deleted_at IS NULL) AND (NOT (EXISTS ( SELECT 1
           FROM trueup.kept_appointments ka
          WHERE (ka.call_id = c.id)))));

CREATE VIEW trueup.call_status_unknown AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'status is outside its vocabulary'::text AS description,
    jsonb_build_object('column', 'status', 'value', status) AS evidence
   FROM trueup.suspect_calls c
  WHERE (status <> ALL (( SELECT trueup.vocabulary_values('call_status'::text) AS vocabulary_values)::text[]));

CREATE VIEW trueup.call_stuck_ongoing AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'still under way, long after it began'::text AS description,
    jsonb_build_object('status', status, 'started_at', COALESCE(started_at, created_at)) AS evidence
   FROM public.calls c
  WHERE ((deleted_at IS NULL) AND (status <> ALL (ARRAY['ended'::text, 'analyzed'::text, 'failed'::text])) AND (
        CASE
            WHEN (status = ANY (( SELECT trueup.vocabulary_values('call_status'::text) AS vocabulary_values)::text[])) THEN status
            ELSE trueup.vocabulary_value('call_status'::text, status)
        END = ANY (ARRAY['registered'::text, 'ongoing'::text])) AND (COALESCE(started_at, created_at) < (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'ongoing_limit'::text)))));

CREATE VIEW trueup.call_times_contradict AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
        CASE
            WHEN (ended_at < started_at) THEN 'ended before it started'::text
            WHEN ((NOT isfinite(started_at)) OR (NOT isfinite(ended_at))) THEN 'has a duration, but no start or no end'::text
            ELSE 'duration_ms is not the time between start and end'::text
        END AS description,
    jsonb_build_object('started_at', started_at, 'ended_at', ended_at, 'duration_ms', duration_ms) AS evidence
   FROM trueup.suspect_calls c
  WHERE ((ended_at < started_at) OR
        CASE
            WHEN (isfinite(started_at) AND isfinite(ended_at)) THEN (abs(((EXTRACT(epoch FROM (ended_at - started_at)) * (1000)::numeric) - (duration_ms)::numeric)) > (1000)::numeric)
            ELSE (num_nulls(started_at, ended_at, duration_ms) = 0)
        END);

CREATE VIEW trueup.call_transcript_name AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'a fragment of speech is stored as the customer''s name'::text AS description,
    jsonb_build_object('phrase', trueup.plain_name(customer_name), 'customer_link_status', customer_link_status) AS evidence
   FROM public.calls c
  WHERE ((customer_name IS NOT NULL) AND (deleted_at IS NULL) AND (trueup.plain_name(customer_name) = ANY (ARRAY( SELECT un.phrase
           FROM trueup.unusable_names un))) AND (EXISTS ( SELECT 1
           FROM trueup.unusable_names un
          WHERE ((un.phrase = trueup.plain_name(c.customer_name)) AND ((un.company_id IS NULL) OR (un.company_id = c.company_id))))));

CREATE VIEW trueup.call_type_missing AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    c.id AS entity_id,
    'ended without a call_type'::text AS description,
    jsonb_build_object('status', c.status) AS evidence
   FROM (trueup.suspect_calls c
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN (c.status = ANY (( SELECT trueup.vocabulary_values('call_status'::text) AS vocabulary_values)::text[])) THEN c.status
                    ELSE trueup.vocabulary_value('call_status'::text, c.status)
                END AS status) meant)
  WHERE ((c.call_type IS NULL) AND
        CASE
            WHEN (meant.status = ANY (ARRAY['registered'::text, 'ongoing'::text])) THEN (trueup.provider_call_end(c.company_id, c.retell_call_id, c.metadata) IS NOT NULL)
            ELSE (meant.status = ANY (ARRAY['ended'::text, 'analyzed'::text]))
        END);

CREATE VIEW trueup.call_unknown_number AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    c.id AS entity_id,
    'reached a line of another company'::text AS description,
    jsonb_build_object('to_number', trueup.masked(c.to_number), 'phone_number_id', COALESCE(pn.id, plain.id), 'line_company_id', COALESCE(pn.company_id, plain.company_id)) AS evidence
   FROM ((public.calls c
     LEFT JOIN public.phone_numbers pn ON ((c.to_number = pn.number)))
     LEFT JOIN public.phone_numbers plain ON ((plain.number =
        CASE
            WHEN ((pn.id IS NULL) AND (c.to_number ~ '[^0-9+]|^00'::text)) THEN trueup.plain_phone(c.to_number)
            ELSE NULL::text
        END)))
  WHERE ((
        CASE
            WHEN (COALESCE(pn.company_id, plain.company_id) <> c.company_id) THEN 1
            ELSE NULL::integer
        END = 1) AND (lower(c.direction) IS DISTINCT FROM 'outbound'::text) AND (c.deleted_at IS NULL));

CREATE VIEW trueup.call_value_unknown AS
 SELECT company_id,
    'call'::text AS entity_type,
    id AS entity_id,
    'holds a value outside its vocabulary'::text AS description,
    jsonb_build_object('values', ( SELECT jsonb_object_agg(co.name, co.value) AS jsonb_object_agg
           FROM ( VALUES ('direction'::text,NULLIF(c.direction, ''::text),'direction'::text), ('customer_link_status'::text,c.customer_link_status,'customer_link_status'::text), ('customer_link_method'::text,c.customer_link_method,'customer_link_method'::text), ('appointment_link_status'::text,c.appointment_link_status,'appointment_link_status'::text)) co(name, value, vocabulary)
          WHERE (co.value <> ALL (trueup.vocabulary_values(co.vocabulary))))) AS evidence
   FROM trueup.suspect_calls c
  WHERE ((NULLIF(direction, ''::text) <> ALL (( SELECT trueup.vocabulary_values('direction'::text) AS vocabulary_values)::text[])) OR (customer_link_status <> ALL (( SELECT trueup.vocabulary_values('customer_link_status'::text) AS vocabulary_values)::text[])) OR (customer_link_method <> ALL (( SELECT trueup.vocabulary_values('customer_link_method'::text) AS vocabulary_values)::text[])) OR (appointment_link_status <> ALL (( SELECT trueup.vocabulary_values('appointment_link_status'::text) AS vocabulary_values)::text[])));

CREATE VIEW trueup.tenant_mismatch AS
 SELECT company_id,
    entity_type,
    entity_id,
    'has no company, or refers to a row of another company or to none that exists'::text AS description,
    faults AS evidence
   FROM ( SELECT c.company_id,
            'call'::text AS entity_type,
            c.id AS entity_id,
            jsonb_strip_nulls(jsonb_build_object('company_id', f.company_id, 'customer_id', f.customer_id, 'appointment_id', f.appointment_id, 'branch_id', f.branch_id, 'phone_number_id', f.phone_number_id)) AS faults
           FROM ((((((public.calls c
             LEFT JOIN public.companies co ON ((c.company_id = co.id)))
             LEFT JOIN public.customers k ON ((c.customer_id = k.id)))
             LEFT JOIN public.appointments a ON ((c.appointment_id = a.id)))
             LEFT JOIN public.branches b ON ((c.branch_id = b.id)))
             LEFT JOIN public.phone_numbers pn ON ((c.phone_number_id = pn.id)))
             CROSS JOIN LATERAL ( VALUES (trueup.company_fault(c.company_id, co.id),trueup.reference_fault(c.company_id, c.customer_id, k.id, k.company_id),trueup.reference_fault(c.company_id, a.id, a.id, a.company_id),trueup.reference_fault(c.company_id, c.branch_id, b.id, b.company_id),trueup.reference_fault(c.company_id, c.phone_number_id, pn.id, pn.company_id))) f(company_id, customer_id, appointment_id, branch_id, phone_number_id))
          WHERE (COALESCE(f.company_id, f.customer_id, f.appointment_id, f.branch_id, f.phone_number_id) IS NOT NULL)
        UNION ALL
         SELECT a.company_id,
            'appointment'::text AS entity_type,
            a.id AS entity_id,
            jsonb_strip_nulls(jsonb_build_object('company_id', f.company_id, 'call_id', f.call_id, 'customer_id', f.customer_id, 'service_id', f.service_id, 'staff_id', f.staff_id, 'branch_id', f.branch_id)) AS faults
           FROM (((((((public.appointments a
             LEFT JOIN public.companies co ON ((a.company_id = co.id)))
             LEFT JOIN public.calls c ON ((a.call_id = c.id)))
             LEFT JOIN public.customers k ON ((a.customer_id = k.id)))
             LEFT JOIN public.services s ON ((a.service_id = s.id)))
             LEFT JOIN public.staff m ON ((a.staff_id = m.id)))
             LEFT JOIN public.branches b ON ((a.branch_id = b.id)))
             CROSS JOIN LATERAL ( VALUES (trueup.company_fault(a.company_id, co.id),trueup.reference_fault(a.company_id, a.call_id, c.id, c.company_id),trueup.reference_fault(a.company_id, a.customer_id, k.id, k.company_id),trueup.reference_fault(a.company_id, a.service_id, s.id, s.company_id),trueup.reference_fault(a.company_id, a.staff_id, m.id, m.company_id),trueup.reference_fault(a.company_id, a.branch_id, b.id, b.company_id))) f(company_id, call_id, customer_id, service_id, staff_id, branch_id))
          WHERE (COALESCE(f.company_id, f.call_id, f.customer_id, f.service_id, f.staff_id, f.branch_id) IS NOT NULL)
        UNION ALL
         SELECT am.company_id,
            'modification'::text AS entity_type,
            am.id AS entity_id,
            jsonb_strip_nulls(jsonb_build_object('company_id', f.company_id, 'appointment_id', f.appointment_id, 'call_id', f.call_id)) AS faults
           FROM ((((public.appointment_modifications am
             LEFT JOIN public.companies co ON ((am.company_id = co.id)))
             LEFT JOIN public.appointments a ON ((am.appointment_id = a.id)))
             LEFT JOIN public.calls c ON ((am.call_id = c.id)))
             CROSS JOIN LATERAL ( VALUES (trueup.company_fault(am.company_id, co.id),trueup.reference_fault(am.company_id, am.appointment_id, a.id, a.company_id),trueup.reference_fault(am.company_id, am.call_id, c.id, c.company_id))) f(company_id, appointment_id, call_id))
          WHERE (COALESCE(f.company_id, f.appointment_id, f.call_id) IS NOT NULL)
        UNION ALL
         SELECT m.company_id,
            'staff'::text AS entity_type,
            m.id AS entity_id,
            jsonb_strip_nulls(jsonb_build_object('company_id', f.company_id, 'branch_id', f.branch_id)) AS faults
           FROM (((public.staff m
             LEFT JOIN public.companies co ON ((m.company_id = co.id)))
             LEFT JOIN public.branches b ON ((m.branch_id = b.id)))
             CROSS JOIN LATERAL ( VALUES (trueup.company_fault(m.company_id, co.id),trueup.reference_fault(m.company_id, m.branch_id, b.id, b.company_id))) f(company_id, branch_id))
          WHERE (COALESCE(f.company_id, f.branch_id) IS NOT NULL)
        UNION ALL
         SELECT pn.company_id,
            'phone_number'::text AS entity_type,
            pn.id AS entity_id,
            jsonb_strip_nulls(jsonb_build_object('company_id', f.company_id, 'branch_id', f.branch_id)) AS faults
           FROM (((public.phone_numbers pn
             LEFT JOIN public.companies co ON ((pn.company_id = co.id)))
             LEFT JOIN public.branches b ON ((pn.branch_id = b.id)))
             CROSS JOIN LATERAL ( VALUES (trueup.company_fault(pn.company_id, co.id),trueup.reference_fault(pn.company_id, pn.branch_id, b.id, b.company_id))) f(company_id, branch_id))
          WHERE (COALESCE(f.company_id, f.branch_id) IS NOT NULL)
        UNION ALL
         SELECT b.company_id,
            'branch'::text AS entity_type,
            b.id AS entity_id,
            jsonb_build_object('company_id', f.company_id) AS faults
           FROM ((public.branches b
             LEFT JOIN public.companies co ON ((b.company_id = co.id)))
             CROSS JOIN LATERAL ( VALUES (trueup.company_fault(b.company_id, co.id))) f(company_id))
          WHERE (f.company_id IS NOT NULL)
        UNION ALL
         SELECT s.company_id,
            'service'::text AS entity_type,
            s.id AS entity_id,
            jsonb_build_object('company_id', f.company_id) AS faults
           FROM ((public.services s
             LEFT JOIN public.companies co ON ((s.company_id = co.id)))
             CROSS JOIN LATERAL ( VALUES (trueup.company_fault(s.company_id, co.id))) f(company_id))
          WHERE (f.company_id IS NOT NULL)
        UNION ALL
         SELECT k.company_id,
            'customer'::text AS entity_type,
            k.id AS entity_id,
            jsonb_build_object('company_id', f.company_id) AS faults
           FROM ((public.customers k
             LEFT JOIN public.companies co ON ((k.company_id = co.id)))
             CROSS JOIN LATERAL ( VALUES (
                        CASE
                            WHEN (k.company_id IS NOT NULL) THEN trueup.company_fault(k.company_id, co.id)
                            ELSE NULL::jsonb
                        END)) f(company_id))
          WHERE (f.company_id IS NOT NULL)) t;

CREATE VIEW trueup.calls_and_appointments_candidates AS
 SELECT x.check_name,
    x.entity_type,
    x.entity_id
   FROM (( SELECT f.id AS call_id,
            ka.id AS appointment_id,
            ka.call_id AS of_call_id,
            (f.appointment_id <> ka.id) AS is_other,
            (f.customer_id <> ka.customer_id) AS is_of_other,
            (f.company_id <> ka.company_id) AS is_foreign
           FROM (( SELECT c.id,
                    c.company_id,
                    c.appointment_id,
                    c.customer_id
                   FROM public.calls c
                  WHERE c.appointment_made) f
             FULL JOIN ( SELECT k.id,
                    k.company_id,
                    k.call_id,
                    k.customer_id
                   FROM trueup.kept_appointments k
                  WHERE (k.call_id IS NOT NULL)) ka ON ((f.id = ka.call_id)))
          WHERE (
                CASE
                    WHEN ((f.id IS NULL) OR (ka.id IS NULL) OR (f.appointment_id <> ka.id) OR (f.customer_id <> ka.customer_id) OR (f.company_id <> ka.company_id)) THEN 1
                    ELSE NULL::integer
                END = 1)
         LIMIT ( SELECT '9223372036854775807'::bigint AS no_limit)) d
     CROSS JOIN LATERAL ( VALUES ('call_made_without_appointment'::text,'call'::text,d.call_id,(d.appointment_id IS NULL)), ('call_outcome_without_appointment'::text,'call'::text,d.call_id,(d.appointment_id IS NULL)), ('call_booked_without_appointment'::text,'call'::text,d.call_id,(d.appointment_id IS NULL)), ('call_backlink_broken'::text,'call'::text,d.call_id,((d.appointment_id IS NULL) OR d.is_other)), ('call_appointment_not_flagged'::text,'call'::text,d.of_call_id,(d.call_id IS NULL)), ('call_backlink_missing'::text,'call'::text,d.of_call_id,(d.call_id IS NULL)), ('call_failed_but_booked'::text,'call'::text,d.of_call_id,(d.call_id IS NULL)), ('appointment_call_mismatch'::text,'appointment'::text,d.appointment_id,((d.call_id IS NULL) OR d.is_of_other)), ('tenant_mismatch'::text,'call'::text,d.call_id,((d.appointment_id IS NULL) OR d.is_other OR d.is_foreign)), ('tenant_mismatch'::text,'appointment'::text,d.appointment_id,((d.call_id IS NULL) OR d.is_foreign))) x(check_name, entity_type, entity_id, is_doubtful))
  WHERE x.is_doubtful
UNION ALL
 SELECT x.check_name,
    'call'::text AS entity_type,
    u.id AS entity_id
   FROM (public.calls u
     CROSS JOIN LATERAL ( VALUES ('call_outcome_without_appointment'::text,(u.session_outcome = 'appointment_booked'::text)), ('call_booked_without_appointment'::text,u.booking_confirmed), ('call_backlink_broken'::text,(u.appointment_id IS NOT NULL)), ('tenant_mismatch'::text,(u.appointment_id IS NOT NULL))) x(check_name, is_doubtful))
  WHERE ((
        CASE
            WHEN ((u.appointment_made IS NOT TRUE) AND ((u.session_outcome = 'appointment_booked'::text) OR u.booking_confirmed OR (u.appointment_id IS NOT NULL))) THEN 1
            ELSE NULL::integer
        END = 1) AND x.is_doubtful)
UNION ALL
 SELECT x.check_name,
    'call'::text AS entity_type,
    s.id AS entity_id
   FROM (trueup.suspect_calls s
     CROSS JOIN LATERAL ( VALUES ('call_appointment_not_flagged'::text,s.appointment_made), ('call_failed_but_booked'::text,s.appointment_made), ('call_backlink_missing'::text,(s.appointment_made AND (s.appointment_id IS NULL)))) x(check_name, is_doubtful))
  WHERE x.is_doubtful
UNION ALL
 SELECT 'tenant_mismatch'::text AS check_name,
    'appointment'::text AS entity_type,
    a.id AS entity_id
   FROM (public.appointments a
     LEFT JOIN public.calls c ON ((a.call_id = c.id)))
  WHERE ((a.call_id IS NOT NULL) AND (a.deleted_at IS NOT NULL) AND (
        CASE
            WHEN ((c.id IS NULL) OR (c.company_id <> a.company_id)) THEN 1
            ELSE NULL::integer
        END = 1))
UNION ALL
 SELECT 'tenant_mismatch'::text AS check_name,
    'call'::text AS entity_type,
    c.id AS entity_id
   FROM (( SELECT ARRAY[g.company_id, g.branch_id, g.phone_number_id] AS combination
           FROM (((( SELECT c_1.company_id,
                    c_1.branch_id,
                    c_1.phone_number_id
                   FROM public.calls c_1
                  GROUP BY c_1.company_id, c_1.branch_id, c_1.phone_number_id) g
             LEFT JOIN public.companies co ON ((g.company_id = co.id)))
             LEFT JOIN public.branches b ON ((g.branch_id = b.id)))
             LEFT JOIN public.phone_numbers pn ON ((g.phone_number_id = pn.id)))
          WHERE (
                CASE
                    WHEN ((co.id IS NULL) OR ((g.branch_id IS NOT NULL) AND ((b.id IS NULL) OR (b.company_id <> g.company_id))) OR ((g.phone_number_id IS NOT NULL) AND ((pn.id IS NULL) OR (pn.company_id <> g.company_id)))) THEN 1
                    ELSE NULL::integer
                END = 1)
          GROUP BY ARRAY[g.company_id, g.branch_id, g.phone_number_id]) d
     JOIN public.calls c ON ((d.combination = ARRAY[c.company_id, c.branch_id, c.phone_number_id])))
UNION ALL
 SELECT 'tenant_mismatch'::text AS check_name,
    'call'::text AS entity_type,
    c.id AS entity_id
   FROM (( SELECT g.customer_id,
            g.company_id
           FROM (( SELECT c_1.customer_id,
                    c_1.company_id
                   FROM public.calls c_1
                  WHERE (c_1.customer_id IS NOT NULL)
                  GROUP BY c_1.customer_id, c_1.company_id) g
             LEFT JOIN public.customers k ON ((g.customer_id = k.id)))
          WHERE (
                CASE
                    WHEN ((k.id IS NULL) OR (k.company_id <> g.company_id)) THEN 1
                    ELSE NULL::integer
                END = 1)
          GROUP BY g.customer_id, g.company_id
         LIMIT ( SELECT '9223372036854775807'::bigint AS no_limit)) d
     JOIN public.calls c ON (((d.customer_id = c.customer_id) AND (d.company_id = c.company_id))))
UNION ALL
 SELECT 'tenant_mismatch'::text AS check_name,
    'appointment'::text AS entity_type,
    a.id AS entity_id
   FROM (( SELECT ARRAY[g.company_id, g.service_id, g.staff_id, g.branch_id] AS combination
           FROM ((((( SELECT a_1.company_id,
                    a_1.branch_id,
                    a_1.service_id,
                    a_1.staff_id
                   FROM public.appointments a_1
                  GROUP BY a_1.company_id, a_1.branch_id, a_1.service_id, a_1.staff_id) g
             LEFT JOIN public.companies co ON ((g.company_id = co.id)))
             LEFT JOIN public.services s ON ((g.service_id = s.id)))
             LEFT JOIN public.staff m ON ((g.staff_id = m.id)))
             LEFT JOIN public.branches b ON ((g.branch_id = b.id)))
          WHERE (
                CASE
                    WHEN ((co.id IS NULL) OR ((g.service_id IS NOT NULL) AND ((s.id IS NULL) OR (s.company_id <> g.company_id))) OR ((g.staff_id IS NOT NULL) AND ((m.id IS NULL) OR (m.company_id <> g.company_id))) OR ((g.branch_id IS NOT NULL) AND ((b.id IS NULL) OR (b.company_id <> g.company_id)))) THEN 1
                    ELSE NULL::integer
                END = 1)
          GROUP BY ARRAY[g.company_id, g.service_id, g.staff_id, g.branch_id]) d
     JOIN public.appointments a ON ((d.combination = ARRAY[a.company_id, a.service_id, a.staff_id, a.branch_id])))
UNION ALL
 SELECT 'tenant_mismatch'::text AS check_name,
    'appointment'::text AS entity_type,
    a.id AS entity_id
   FROM (( SELECT g.customer_id,
            g.company_id
           FROM (( SELECT a_1.customer_id,
                    a_1.company_id
                   FROM public.appointments a_1
                  WHERE (a_1.customer_id IS NOT NULL)
                  GROUP BY a_1.customer_id, a_1.company_id) g
             LEFT JOIN public.customers k ON ((g.customer_id = k.id)))
          WHERE (
                CASE
                    WHEN ((k.id IS NULL) OR (k.company_id <> g.company_id)) THEN 1
                    ELSE NULL::integer
                END = 1)
          GROUP BY g.customer_id, g.company_id
         LIMIT ( SELECT '9223372036854775807'::bigint AS no_limit)) d
     JOIN public.appointments a ON (((d.customer_id = a.customer_id) AND (d.company_id = a.company_id))))
UNION ALL
 SELECT 'tenant_mismatch'::text AS check_name,
    t.entity_type,
    t.entity_id
   FROM trueup.tenant_mismatch t
  WHERE (t.entity_type <> ALL (ARRAY['call'::text, 'appointment'::text]));

CREATE TABLE trueup.changes (
    xact_id xid8 DEFAULT pg_current_xact_id() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    table_name text NOT NULL,
    keys text[]
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='50');

ALTER TABLE ONLY trueup.changes REPLICA IDENTITY FULL;

COMMENT ON TABLE trueup.changes IS 'keys of rows changed since the last pass of trueup check --changed';

CREATE TABLE trueup.notification_channels (
    id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    first_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    lease_token uuid,
    leased_until timestamp with time zone,
    planned_at timestamp with time zone,
    mute_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    last_sent_at timestamp with time zone,
    attempted_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    next_attempt_at timestamp with time zone,
    error text,
    firing jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT notification_channels_failing CHECK (((failures > 0) = (failing_since IS NOT NULL)))
);

COMMENT ON TABLE trueup.notification_channels IS 'channels as they were last configured, and whether they work (trueup notify list)';

CREATE TABLE trueup.notifications (
    id bigint NOT NULL,
    channel_id bigint,
    channel text NOT NULL,
    kind text NOT NULL,
    check_name text,
    company_id text,
    severity text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    content jsonb NOT NULL,
    alarm_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    ended_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    attempted_at timestamp with time zone,
    next_attempt_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone,
    error text,
    CONSTRAINT notifications_kind_known CHECK ((kind = ANY (ARRAY['alarm'::text, 'recovery'::text, 'reminder'::text, 'summary'::text, 'test'::text]))),
    CONSTRAINT notifications_sent CHECK (((state = 'sent'::text) = (sent_at IS NOT NULL))),
    CONSTRAINT notifications_state_known CHECK ((state = ANY (ARRAY['pending'::text, 'sent'::text, 'failed'::text])))
);

COMMENT ON TABLE trueup.notifications IS 'what was said about alerts, to which channel, and whether it arrived (trueup notify)';

CREATE VIEW trueup.channels_overview WITH (security_invoker='true') AS
 SELECT name AS channel,
    kind,
    failures,
    failing_since,
    last_sent_at,
    ( SELECT count(*) AS count
           FROM trueup.notifications n
          WHERE ((n.channel_id = nc.id) AND (n.state = 'pending'::text))) AS pending_messages,
    last_seen_at
   FROM trueup.notification_channels nc;

COMMENT ON VIEW trueup.channels_overview IS 'every channel of notifications, and whether it works';

COMMENT ON COLUMN trueup.channels_overview.channel IS 'name of the channel';

COMMENT ON COLUMN trueup.channels_overview.kind IS 'kind of the service behind it';

COMMENT ON COLUMN trueup.channels_overview.failures IS 'attempts that failed in a row; 0 when it works';

COMMENT ON COLUMN trueup.channels_overview.failing_since IS 'when the first of them failed';

COMMENT ON COLUMN trueup.channels_overview.last_sent_at IS 'when it last took a message';

COMMENT ON COLUMN trueup.channels_overview.pending_messages IS 'messages that wait to be sent';

COMMENT ON COLUMN trueup.channels_overview.last_seen_at IS 'when a delivery last had it in its configuration';

CREATE TABLE trueup.check_results (
    run_id bigint NOT NULL,
    check_name text NOT NULL,
    outcome text NOT NULL,
    snapshot_at timestamp with time zone,
    finished_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    duration_ms numeric NOT NULL,
    rows_tested bigint,
    violations bigint,
    opened bigint DEFAULT 0 NOT NULL,
    resolved bigint DEFAULT 0 NOT NULL,
    reopened bigint DEFAULT 0 NOT NULL,
    flooded boolean DEFAULT false NOT NULL,
    sqlstate text,
    error text,
    missed bigint,
    planned_cost numeric,
    CONSTRAINT check_results_outcome_known CHECK ((outcome = ANY (ARRAY['complete'::text, 'changed'::text, 'error'::text, 'timeout'::text, 'superseded'::text])))
);

CREATE TABLE trueup.checks (
    id bigint NOT NULL,
    name text NOT NULL,
    invariant text NOT NULL,
    severity text NOT NULL,
    entity text NOT NULL,
    changes text NOT NULL,
    population text NOT NULL,
    prevented text NOT NULL,
    repair text NOT NULL,
    cost text NOT NULL,
    description text NOT NULL,
    file text NOT NULL,
    checksum text NOT NULL,
    is_core boolean DEFAULT false NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    definition_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    owes_full text DEFAULT 'it is new'::text,
    statement_timeout interval,
    planned_cost numeric,
    owed_xid xid8,
    CONSTRAINT checks_repair_known CHECK ((repair = ANY (ARRAY['automatic'::text, 'evidence'::text, 'review'::text]))),
    CONSTRAINT checks_severity_known CHECK ((severity = ANY (ARRAY['critical'::text, 'warning'::text, 'info'::text]))),
    CONSTRAINT checks_statement_timeout_bounded CHECK (((statement_timeout >= '00:00:00.001'::interval) AND (statement_timeout <= '24 days'::interval)))
);

COMMENT ON COLUMN trueup.checks.owes_full IS 'why the next pass evaluates the check in full; NULL when changes are enough';

COMMENT ON COLUMN trueup.checks.statement_timeout IS 'time that the check may take; NULL for that of the run (trueup check --timeout)';

COMMENT ON COLUMN trueup.checks.owed_xid IS 'the transaction that owes_full is from; a run whose snapshot does not see it leaves owes_full as it is. NULL for one from before there was this column, or from a migration, which definition_changed_at tells';

CREATE VIEW trueup.check_cost_high AS
 SELECT NULL::text AS company_id,
    'check'::text AS entity_type,
    ch.id AS entity_id,
    format('check %s is planned to cost %s, %s; trueup explain %s shows the plan'::text, ch.name, to_char(ch.planned_cost, 'FM999,999,999,999,999,999,990'::text),
        CASE
            WHEN (ch.planned_cost > lim.ceiling) THEN ('more than the ceiling of '::text || to_char(lim.ceiling, 'FM999,999,999,999,999,999,990'::text))
            ELSE format('%s times what it cost when it last finished'::text, round((ch.planned_cost / past.planned_cost)))
        END, ch.name) AS description,
    jsonb_build_object('check', ch.name, 'planned_cost', ch.planned_cost, 'ceiling', lim.ceiling, 'last_planned_cost', past.planned_cost, 'last_complete_at', past.finished_at) AS evidence
   FROM ((trueup.checks ch
     CROSS JOIN ( SELECT ( SELECT (trueup.setting('check_cost_ceiling'::text))::numeric AS setting) AS ceiling,
            ( SELECT (trueup.setting('check_cost_growth'::text))::numeric AS setting) AS growth) lim)
     LEFT JOIN LATERAL ( SELECT
                CASE
                    WHEN (r.planned_cost IS NOT NULL) THEN GREATEST(r.planned_cost, (1)::numeric)
                    ELSE NULL::numeric
                END AS planned_cost,
            r.finished_at
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome = 'complete'::text))
          ORDER BY r.run_id DESC
         LIMIT 1) past ON (true))
  WHERE (ch.is_active AND ((ch.planned_cost > lim.ceiling) OR ((ch.planned_cost > (lim.growth * past.planned_cost)) AND (ch.planned_cost > (lim.ceiling / (10000)::numeric)))));

CREATE VIEW trueup.check_not_run AS
 SELECT NULL::text AS company_id,
    'check'::text AS entity_type,
    ch.id AS entity_id,
    ((('check '::text || ch.name) ||
        CASE
            WHEN (late.is_late AND (complete.finished_at IS NULL)) THEN ' has never been evaluated completely'::text
            WHEN late.is_late THEN (' has not been evaluated completely since '::text || complete.finished_at)
            ELSE ((' failed '::text || latest.failures) || ' times in a row'::text)
        END) || COALESCE(('; last error: '::text || latest.error), ''::text)) AS description,
    jsonb_build_object('check', ch.name, 'last_complete_at', complete.finished_at, 'outcomes', latest.outcomes, 'sqlstate', latest.sqlstate, 'error', latest.error) AS evidence
   FROM ((((trueup.checks ch
     CROSS JOIN LATERAL ( SELECT ( SELECT ((2)::double precision * (trueup.setting('check_interval'::text))::interval)) AS allowed,
            ( SELECT ((trueup.setting('check_failures_tolerated'::text))::integer + 1)) AS enough) may)
     LEFT JOIN LATERAL ( SELECT r.finished_at
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome = 'complete'::text))
          ORDER BY r.run_id DESC
         LIMIT 1) complete ON (true))
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (r.outcome <> 'complete'::text)) AS failures,
            array_agg(r.outcome ORDER BY r.run_id DESC) AS outcomes,
            (array_agg(r.sqlstate ORDER BY r.run_id DESC) FILTER (WHERE (r.outcome <> 'complete'::text)))[1] AS sqlstate,
            (array_agg(COALESCE(r.error, r.outcome) ORDER BY r.run_id DESC) FILTER (WHERE (r.outcome <> 'complete'::text)))[1] AS error
           FROM ( SELECT r_1.run_id,
                    r_1.outcome,
                    r_1.sqlstate,
                    r_1.error
                   FROM trueup.check_results r_1
                  WHERE ((r_1.check_name = ch.name) AND (r_1.outcome <> ALL (ARRAY['superseded'::text, 'changed'::text])))
                  ORDER BY r_1.run_id DESC
                 LIMIT may.enough) r) latest)
     CROSS JOIN LATERAL ( SELECT ((ch.registered_at < (now() - may.allowed)) AND COALESCE((complete.finished_at < (now() - may.allowed)), true)) AS is_late) late)
  WHERE (ch.is_active AND (late.is_late OR (latest.failures >= may.enough)));

CREATE TABLE trueup.check_populations (
    check_name text NOT NULL,
    entity_type text NOT NULL,
    table_name text NOT NULL,
    key_column text NOT NULL,
    key_type text NOT NULL,
    company_column text,
    predicate text DEFAULT 'true'::text NOT NULL
);

CREATE VIEW trueup.check_reads AS
 WITH RECURSIVE whole AS MATERIALIZED (
         SELECT rw.oid AS dependent,
            rw.ev_class AS object
           FROM pg_rewrite rw
          WHERE ((rw.oid >= (16384)::oid) AND ((rw.ev_action)::text ~~ '%:varattno 0 %'::text))
        UNION ALL
         SELECT p.oid AS dependent,
            p.oid AS object
           FROM pg_proc p
          WHERE ((p.oid >= (16384)::oid) AND ((p.prosqlbody)::text ~~ '%:varattno 0 %'::text))
        ), reads(check_name, class, object, attribute) AS (
         SELECT ch.name,
            ('pg_class'::regclass)::oid AS oid,
            (to_regclass(format('trueup.%I'::text, ch.name)))::oid AS to_regclass,
            0 AS "?column?"
           FROM trueup.checks ch
          WHERE ch.is_active
        UNION
         SELECT r_1.check_name,
            d.refclassid,
            d.refobjid,
                CASE
                    WHEN (wh.object IS NULL) THEN d.refobjsubid
                    ELSE 0
                END AS "case"
           FROM (((reads r_1
             LEFT JOIN pg_rewrite rw ON (((r_1.class = ('pg_class'::regclass)::oid) AND (r_1.object = rw.ev_class))))
             JOIN pg_depend d ON ((((d.classid = ('pg_rewrite'::regclass)::oid) AND (d.objid = rw.oid)) OR ((r_1.class = ANY (ARRAY[('pg_proc'::regclass)::oid, ('pg_operator'::regclass)::oid])) AND (d.classid = r_1.class) AND (d.objid = r_1.object)))))
             LEFT JOIN whole wh ON (((d.objid = wh.dependent) AND (r_1.object = wh.object))))
          WHERE ((d.refclassid = ANY (ARRAY[('pg_class'::regclass)::oid, ('pg_proc'::regclass)::oid, ('pg_operator'::regclass)::oid])) AND (d.refobjid IS DISTINCT FROM r_1.object))
        )
 SELECT DISTINCT r.check_name,
    format('%I.%I'::text, n.nspname, c.relname) AS table_name,
    (a.attname)::text AS column_name
   FROM (((reads r
     JOIN pg_class c ON (((r.object = c.oid) AND (c.relkind = ANY (ARRAY['r'::"char", 'p'::"char", 'f'::"char", 'm'::"char", 'S'::"char"])))))
     JOIN pg_namespace n ON ((c.relnamespace = n.oid)))
     JOIN pg_attribute a ON (((c.oid = a.attrelid) AND (a.attnum > 0) AND (NOT a.attisdropped) AND ((r.attribute = 0) OR (r.attribute = a.attnum)))))
  WHERE ((r.class = ('pg_class'::regclass)::oid) AND (n.nspname <> 'pg_catalog'::name));

CREATE TABLE trueup.check_runs (
    id bigint NOT NULL,
    kind text NOT NULL,
    status text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    snapshot_at timestamp with time zone,
    snapshot pg_snapshot,
    finished_at timestamp with time zone,
    actor text DEFAULT SESSION_USER NOT NULL,
    application_name text DEFAULT current_setting('application_name'::text) NOT NULL,
    backend_pid integer DEFAULT pg_backend_pid() NOT NULL,
    backend_started_at timestamp with time zone,
    version text NOT NULL,
    checks integer DEFAULT 0 NOT NULL,
    checks_failed integer DEFAULT 0 NOT NULL,
    violations bigint DEFAULT 0 NOT NULL,
    opened bigint DEFAULT 0 NOT NULL,
    resolved bigint DEFAULT 0 NOT NULL,
    reopened bigint DEFAULT 0 NOT NULL,
    repairs jsonb,
    error text,
    CONSTRAINT check_runs_kind_known CHECK ((kind = ANY (ARRAY['full'::text, 'selected'::text, 'repair'::text, 'changed'::text]))),
    CONSTRAINT check_runs_status_known CHECK ((status = ANY (ARRAY['running'::text, 'complete'::text, 'partial'::text, 'failed'::text, 'abandoned'::text])))
);

ALTER TABLE trueup.check_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.check_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.check_tables (
    check_name text NOT NULL,
    table_name text NOT NULL
);

ALTER TABLE trueup.checks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.checks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.checks_overview WITH (security_invoker='true') AS
 SELECT ch.name AS check_name,
    ch.severity,
    ch.invariant,
    ch.entity,
    ch.repair,
    g.mode AS guard_mode,
    g.changed_at AS guard_changed_at,
    COALESCE(al.open_alerts, (0)::bigint) AS open_alerts,
    COALESCE(al.quiet_alerts, (0)::bigint) AS quiet_alerts,
    al.oldest_since,
    complete.rows_tested,
    complete.violations,
    complete.missed,
    complete.finished_at AS last_complete_at,
    COALESCE((GREATEST(complete.finished_at, ch.registered_at) < (now() - ((2)::double precision * may.check_interval))), false) AS is_late,
    latest.outcome AS last_outcome,
    latest.finished_at AS last_run_at,
    (latest.duration_ms / 1000.0) AS last_duration_seconds,
    latest.planned_cost AS last_planned_cost,
    latest.error AS last_error,
    ch.owes_full,
    own.companies AS guard_companies
   FROM ((((((trueup.checks ch
     CROSS JOIN ( SELECT ( SELECT (trueup.setting('check_interval'::text))::interval AS setting) AS check_interval) may)
     LEFT JOIN trueup.guards g ON ((ch.name = g.name)))
     LEFT JOIN ( SELECT gc.guard,
            jsonb_object_agg(gc.company_id, gc.mode) AS companies
           FROM trueup.guard_companies gc
          GROUP BY gc.guard) own ON (((g.name = own.guard) AND (g.mode <> 'off'::text))))
     LEFT JOIN ( SELECT o.check_name,
            count(*) FILTER (WHERE (o.status = ANY (ARRAY['open'::text, 'acknowledged'::text]))) AS open_alerts,
            count(*) FILTER (WHERE (o.status = ANY (ARRAY['snoozed'::text, 'accepted'::text]))) AS quiet_alerts,
            min(o.open_since) AS oldest_since
           FROM trueup.alerts_open o
          GROUP BY o.check_name) al ON ((ch.name = al.check_name)))
     LEFT JOIN LATERAL ( SELECT r.rows_tested,
            r.violations,
            r.missed,
            r.finished_at
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome = 'complete'::text))
          ORDER BY r.run_id DESC
         LIMIT 1) complete ON (true))
     LEFT JOIN LATERAL ( SELECT r.outcome,
            r.finished_at,
            r.duration_ms,
            r.planned_cost,
            r.error
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome <> ALL (ARRAY['changed'::text, 'superseded'::text])))
          ORDER BY r.run_id DESC
         LIMIT 1) latest ON (true))
  WHERE ch.is_active;

COMMENT ON VIEW trueup.checks_overview IS 'every check that is deployed: last evaluation, open alerts, mode of its guard';

COMMENT ON COLUMN trueup.checks_overview.check_name IS 'name of the check';

COMMENT ON COLUMN trueup.checks_overview.severity IS 'critical, warning or info';

COMMENT ON COLUMN trueup.checks_overview.invariant IS 'what must be true';

COMMENT ON COLUMN trueup.checks_overview.entity IS 'kinds of rows that it is about';

COMMENT ON COLUMN trueup.checks_overview.repair IS 'automatic, evidence or review';

COMMENT ON COLUMN trueup.checks_overview.guard_mode IS 'off, observe or enforce; NULL for a check without a guard';

COMMENT ON COLUMN trueup.checks_overview.guard_changed_at IS 'when the mode was set';

COMMENT ON COLUMN trueup.checks_overview.open_alerts IS 'alerts open or acknowledged';

COMMENT ON COLUMN trueup.checks_overview.quiet_alerts IS 'alerts snoozed or accepted';

COMMENT ON COLUMN trueup.checks_overview.oldest_since IS 'since when the oldest of all these is open';

COMMENT ON COLUMN trueup.checks_overview.rows_tested IS 'population at its last complete evaluation';

COMMENT ON COLUMN trueup.checks_overview.violations IS 'rows that violated it then';

COMMENT ON COLUMN trueup.checks_overview.missed IS 'those of them that passes over changes should have found and had not; NULL: nobody can tell';

COMMENT ON COLUMN trueup.checks_overview.last_complete_at IS 'when its last complete evaluation ended';

COMMENT ON COLUMN trueup.checks_overview.is_late IS 'that, or its registration, is longer ago than twice the setting check_interval';

COMMENT ON COLUMN trueup.checks_overview.last_outcome IS 'complete, error or timeout; NULL for one never evaluated';

COMMENT ON COLUMN trueup.checks_overview.last_run_at IS 'when its last evaluation of the whole ended, complete or not';

COMMENT ON COLUMN trueup.checks_overview.last_duration_seconds IS 'how long that took';

COMMENT ON COLUMN trueup.checks_overview.last_planned_cost IS 'what the planner expected it to cost, in its own units';

COMMENT ON COLUMN trueup.checks_overview.last_error IS 'why it failed';

COMMENT ON COLUMN trueup.checks_overview.owes_full IS 'why the next pass over changes evaluates it in full; NULL when it need not';

COMMENT ON COLUMN trueup.checks_overview.guard_companies IS 'companies for which the guard has a mode of its own, and which; NULL for none';

CREATE TABLE trueup.circuit_breaker_events (
    id bigint NOT NULL,
    service_key text NOT NULL,
    old_state text,
    new_state text NOT NULL,
    reason text,
    happened_at timestamp with time zone DEFAULT now() NOT NULL,
    epoch bigint,
    actor text DEFAULT SESSION_USER
);

ALTER TABLE trueup.circuit_breaker_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.circuit_breaker_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.circuit_breaker_metrics (
    id bigint NOT NULL,
    service_key text NOT NULL,
    outcome text NOT NULL,
    duration_ms numeric,
    happened_at timestamp with time zone DEFAULT now() NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    is_slow boolean DEFAULT false NOT NULL,
    reporter text,
    CONSTRAINT circuit_breaker_metrics_outcome_known CHECK ((outcome = ANY (ARRAY['success'::text, 'failure'::text, 'refusal'::text, 'abandoned'::text, 'rejected'::text])))
);

ALTER TABLE trueup.circuit_breaker_metrics ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.circuit_breaker_metrics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.circuit_open_long AS
 SELECT NULL::text AS company_id,
    'circuit'::text AS entity_type,
    service_key AS entity_id,
    ((('circuit '::text || service_key) ||
        CASE
            WHEN (mode = 'force_open'::text) THEN ' is forced open'::text
            ELSE ' has not been closed'::text
        END) || ' for longer than allowed'::text) AS description,
    jsonb_build_object('mode', mode, 'opened_at', opened_at) AS evidence
   FROM trueup.circuit_breaker_states s
  WHERE ((current_state <> 'closed'::text) AND (opened_at < (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'circuit_open_limit'::text)))));

CREATE VIEW trueup.circuit_overview WITH (security_invoker='true') AS
 SELECT s.service_key,
    s.current_state AS state,
    s.mode,
    s.failure_count,
    s.last_failure_at,
    s.state_changed_at,
    s.opened_at,
    COALESCE(s.open_until, s.probe_expires_at) AS retry_at,
    m.calls AS calls_last_hour,
    m.failures AS failures_last_hour,
    m.slow AS slow_last_hour
   FROM (trueup.circuit_breaker_states s
     LEFT JOIN LATERAL ( SELECT count(*) AS calls,
            count(*) FILTER (WHERE (m_1.outcome = 'failure'::text)) AS failures,
            count(*) FILTER (WHERE m_1.is_slow) AS slow
           FROM trueup.circuit_breaker_metrics m_1
          WHERE ((m_1.service_key = s.service_key) AND (m_1.epoch = s.epoch) AND (m_1.outcome = ANY (ARRAY['success'::text, 'failure'::text])) AND (m_1.happened_at > (now() - '01:00:00'::interval)))) m ON (true));

COMMENT ON VIEW trueup.circuit_overview IS 'every circuit that ever failed, and its calls of the last hour';

COMMENT ON COLUMN trueup.circuit_overview.service_key IS 'name of the circuit';

COMMENT ON COLUMN trueup.circuit_overview.state IS 'closed, open or half_open';

COMMENT ON COLUMN trueup.circuit_overview.mode IS 'automatic, or what a person ordered: shadow, force_open, force_closed';

COMMENT ON COLUMN trueup.circuit_overview.failure_count IS 'failures in a row';

COMMENT ON COLUMN trueup.circuit_overview.last_failure_at IS 'when the last call failed';

COMMENT ON COLUMN trueup.circuit_overview.state_changed_at IS 'since when it is in this state';

COMMENT ON COLUMN trueup.circuit_overview.opened_at IS 'since when it has not been closed; NULL when it is';

COMMENT ON COLUMN trueup.circuit_overview.retry_at IS 'when the next call may be tried';

COMMENT ON COLUMN trueup.circuit_overview.calls_last_hour IS 'calls in this state and hour that succeeded or failed';

COMMENT ON COLUMN trueup.circuit_overview.failures_last_hour IS 'those of them that failed';

COMMENT ON COLUMN trueup.circuit_overview.slow_last_hour IS 'those of them that took too long';

CREATE TABLE trueup.consistency_rates (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    company_id text,
    population bigint NOT NULL,
    wrong bigint NOT NULL,
    rate numeric(5,2) NOT NULL,
    CONSTRAINT consistency_rates_bounded CHECK ((((rate >= (0)::numeric) AND (rate <= (100)::numeric)) AND ((wrong >= 0) AND (wrong <= population))))
);

CREATE VIEW trueup.consistency_by_run WITH (security_invoker='true') AS
 SELECT cr.id AS run_id,
    cr.kind,
    cr.finished_at AS measured_at,
    cra.company_id,
    cra.population,
    cra.wrong,
    cra.rate
   FROM (trueup.check_runs cr
     JOIN trueup.consistency_rates cra ON ((cr.id = cra.run_id)))
  WHERE (cr.started_at > (now() - '90 days'::interval));

COMMENT ON VIEW trueup.consistency_by_run IS 'consistency rates of the last 90 days, by run and company';

COMMENT ON COLUMN trueup.consistency_by_run.run_id IS 'id in trueup.check_runs';

COMMENT ON COLUMN trueup.consistency_by_run.kind IS 'full or repair';

COMMENT ON COLUMN trueup.consistency_by_run.measured_at IS 'when the run ended';

COMMENT ON COLUMN trueup.consistency_by_run.company_id IS 'company; NULL for all together';

COMMENT ON COLUMN trueup.consistency_by_run.population IS 'entities that the checks are about';

COMMENT ON COLUMN trueup.consistency_by_run.wrong IS 'those of them with an open critical or warning alert';

COMMENT ON COLUMN trueup.consistency_by_run.rate IS 'share of the others in per cent, 0 to 100, cut to two decimals';

CREATE VIEW trueup.consistency_now WITH (security_invoker='true') AS
 SELECT cra.run_id,
    cr.finished_at AS measured_at,
    cra.company_id,
    cra.population,
    cra.wrong,
    cra.rate
   FROM (trueup.consistency_rates cra
     JOIN trueup.check_runs cr ON ((cra.run_id = cr.id)))
  WHERE (cra.run_id = ( SELECT newest.run_id
           FROM trueup.consistency_rates newest
          ORDER BY newest.run_id DESC
         LIMIT 1));

COMMENT ON VIEW trueup.consistency_now IS 'consistency rates of the latest run that measured them, by company';

COMMENT ON COLUMN trueup.consistency_now.run_id IS 'id in trueup.check_runs';

COMMENT ON COLUMN trueup.consistency_now.measured_at IS 'when the run ended';

COMMENT ON COLUMN trueup.consistency_now.company_id IS 'company; NULL for all together';

COMMENT ON COLUMN trueup.consistency_now.population IS 'entities that the checks are about';

COMMENT ON COLUMN trueup.consistency_now.wrong IS 'those of them with an open critical or warning alert';

COMMENT ON COLUMN trueup.consistency_now.rate IS 'share of the others in per cent, 0 to 100, cut to two decimals';

ALTER TABLE trueup.consistency_rates ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.consistency_rates_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.console_alerts WITH (security_barrier='true') AS
 SELECT al.id,
    al.company_id,
    al.alert_type,
    al.severity,
    array_position(ARRAY['critical'::text, 'warning'::text, 'info'::text], al.severity) AS gravity,
    al.entity_type,
    al.entity_id,
    al.description,
    trueup.console_masked(al.metadata) AS metadata,
    ch.invariant,
    al.detected_at,
    al.last_seen_at,
    al.occurrences,
    al.status,
    ((al.status <> 'resolved'::text) AND COALESCE((al.snoozed_until > clock_timestamp()), false)) AS snoozed,
    ((al.status = 'acknowledged'::text) AND (al.accepted_at IS NOT NULL)) AS accepted,
    al.acknowledged_by,
    al.acknowledged_at,
    al.snoozed_until,
    al.snoozed_by,
    al.accepted_by,
    al.accepted_at,
    al.accepted_reason,
    al.accepted_until,
    al.resolved_at,
    al.resolution,
    al.resolution_notes,
    al.reopened_count,
    al.reopened_at,
    ( SELECT max(q.id) AS max
           FROM trueup.manual_review_queue q
          WHERE ((q.reason = al.alert_type) AND (q.entity_type = al.entity_type) AND (q.entity_id = al.entity_id))) AS item_id
   FROM ((trueup.data_consistency_alerts al
     JOIN trueup.console_me me ON (((me.companies IS NULL) OR (al.company_id = ANY (me.companies)))))
     LEFT JOIN trueup.checks ch ON ((al.alert_type = ch.name)));

CREATE TABLE trueup.console_attempts (
    id bigint NOT NULL,
    name_hash bytea NOT NULL,
    address inet,
    happened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    succeeded boolean DEFAULT false NOT NULL
);

ALTER TABLE trueup.console_attempts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.console_attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.console_audit (
    id bigint NOT NULL,
    happened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    role text,
    address inet,
    action text NOT NULL,
    item_id bigint,
    event_id bigint,
    alert_id bigint,
    company_id text,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE trueup.console_audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.console_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.console_guards WITH (security_barrier='true') AS
 SELECT g.name,
    g.mode,
    g.changed_at,
    g.changed_by,
    ch.severity,
    ch.invariant,
    ( SELECT count(*) AS count
           FROM trueup.data_consistency_alerts al
          WHERE ((al.alert_type = g.name) AND (al.status <> 'resolved'::text) AND ((me.companies IS NULL) OR (al.company_id = ANY (me.companies))))) AS open_alerts,
    COALESCE(( SELECT jsonb_object_agg(gc.company_id, gc.mode) AS jsonb_object_agg
           FROM trueup.guard_companies gc
          WHERE ((gc.guard = g.name) AND ((me.companies IS NULL) OR (gc.company_id = ANY (me.companies))))), '{}'::jsonb) AS companies
   FROM ((trueup.guards g
     JOIN trueup.checks ch ON ((g.name = ch.name)))
     CROSS JOIN trueup.console_me me);

CREATE VIEW trueup.console_queue WITH (security_barrier='true') AS
 SELECT q.id,
    q.company_id,
    q.reason,
    q.entity_type,
    q.entity_id,
    q.description,
    q.metadata,
    q.severity,
    q.priority,
    q.status,
    q.due_at,
    ((q.status = ANY (ARRAY['pending'::text, 'in_progress'::text])) AND (q.due_at < clock_timestamp()) AND ((q.snoozed_until IS NULL) OR (q.snoozed_until <= clock_timestamp()))) AS overdue,
    COALESCE((q.snoozed_until > clock_timestamp()), false) AS snoozed,
    q.snoozed_until,
    q.assigned_to,
    q.claimed_by,
    q.claimed_at,
    q.lease_expires_at,
    COALESCE((q.lease_expires_at > clock_timestamp()), false) AS held,
        CASE
            WHEN ((q.status = 'in_progress'::text) AND (q.claimed_by = me.name)) THEN q.claim_token
            ELSE NULL::uuid
        END AS token,
    q.escalated_at,
    q.decided_by,
    q.decided_at,
    q.resolution_notes,
    q.repair_id,
    q.created_at,
    q.updated_at
   FROM (trueup.manual_review_queue q
     JOIN trueup.console_me me ON (((me.companies IS NULL) OR (q.company_id = ANY (me.companies)))));

CREATE TABLE trueup.manual_review_events (
    id bigint NOT NULL,
    item_id bigint NOT NULL,
    event text NOT NULL,
    actor text NOT NULL,
    happened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);

CREATE VIEW trueup.console_history WITH (security_barrier='true') AS
 SELECT e.id,
    e.item_id,
    e.event,
    e.actor,
    e.happened_at,
    e.details,
    au.address
   FROM ((trueup.manual_review_events e
     JOIN trueup.console_queue q ON ((e.item_id = q.id)))
     LEFT JOIN trueup.console_audit au ON ((e.id = au.event_id)));

CREATE TABLE trueup.console_keys (
    id bigint NOT NULL,
    key bytea NOT NULL
);

ALTER TABLE trueup.console_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.console_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.console_log WITH (security_barrier='true') AS
 SELECT au.id,
    au.happened_at,
    au.actor,
    au.role,
    au.address,
    au.action,
    au.item_id,
    au.alert_id,
    au.company_id,
    au.details
   FROM (trueup.console_audit au
     JOIN trueup.console_me me ON (((au.actor = me.name) OR ((me.role = 'admin'::text) AND ((me.companies IS NULL) OR (au.company_id = ANY (me.companies)))))));

CREATE VIEW trueup.console_results WITH (security_barrier='true') AS
 SELECT r.run_id,
    r.check_name,
    ch.severity,
    ch.invariant,
    r.outcome,
    r.duration_ms,
        CASE
            WHEN (me.companies IS NULL) THEN r.rows_tested
            ELSE NULL::bigint
        END AS rows_tested,
        CASE
            WHEN (me.companies IS NULL) THEN r.violations
            ELSE NULL::bigint
        END AS violations,
        CASE
            WHEN (me.companies IS NULL) THEN r.opened
            ELSE NULL::bigint
        END AS opened,
        CASE
            WHEN (me.companies IS NULL) THEN r.resolved
            ELSE NULL::bigint
        END AS resolved,
        CASE
            WHEN (me.companies IS NULL) THEN r.error
            ELSE NULL::text
        END AS error
   FROM ((trueup.check_results r
     CROSS JOIN trueup.console_me me)
     LEFT JOIN trueup.checks ch ON ((r.check_name = ch.name)));

CREATE VIEW trueup.console_reviewers WITH (security_barrier='true') AS
 SELECT q.id AS item_id,
    u.name
   FROM (trueup.console_queue q
     JOIN trueup.console_users u ON (((u.role <> 'viewer'::text) AND (u.disabled_at IS NULL) AND ((u.companies IS NULL) OR (q.company_id = ANY (u.companies))))));

CREATE VIEW trueup.console_runs WITH (security_barrier='true') AS
 SELECT cr.id,
    cr.kind,
    cr.status,
    cr.started_at,
    cr.finished_at,
    (cr.finished_at - cr.started_at) AS duration,
    cr.checks,
    cr.checks_failed,
        CASE
            WHEN (me.companies IS NULL) THEN cr.violations
            ELSE NULL::bigint
        END AS violations,
        CASE
            WHEN (me.companies IS NULL) THEN cr.opened
            ELSE NULL::bigint
        END AS opened,
        CASE
            WHEN (me.companies IS NULL) THEN cr.resolved
            ELSE NULL::bigint
        END AS resolved,
        CASE
            WHEN (me.companies IS NULL) THEN cr.reopened
            ELSE NULL::bigint
        END AS reopened,
        CASE
            WHEN (me.companies IS NULL) THEN cr.error
            ELSE NULL::text
        END AS error,
        CASE
            WHEN (me.companies IS NULL) THEN cr.actor
            ELSE NULL::text
        END AS actor,
    ( SELECT (floor((((10000)::numeric * (sum(r.population) - sum(r.wrong))) / NULLIF(sum(r.population), (0)::numeric))) / (100)::numeric)
           FROM trueup.consistency_rates r
          WHERE ((r.run_id = cr.id) AND
                CASE
                    WHEN (me.companies IS NULL) THEN (r.company_id IS NULL)
                    ELSE (r.company_id = ANY (me.companies))
                END)) AS rate
   FROM (trueup.check_runs cr
     CROSS JOIN trueup.console_me me);

ALTER TABLE trueup.console_sessions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.console_sessions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE trueup.console_users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.console_users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.constraints (
    id bigint NOT NULL,
    name text NOT NULL,
    table_name text NOT NULL,
    kind text NOT NULL,
    definition text NOT NULL,
    check_name text,
    purpose text NOT NULL,
    waits_for text,
    definition_checksum text,
    server_version integer,
    was_there boolean DEFAULT false NOT NULL,
    CONSTRAINT constraints_kind_known CHECK ((kind = ANY (ARRAY['check'::text, 'foreign key'::text, 'exclude'::text, 'unique index'::text, 'index'::text])))
);

CREATE VIEW trueup.constraint_states AS
 SELECT ct.name,
    ct.table_name,
    ct.kind,
    ct.definition,
    ct.check_name,
    ct.purpose,
    ct.waits_for,
    ct.definition_checksum,
    ct.server_version,
    ct.was_there,
    live.checksum AS live_checksum,
        CASE
            WHEN ((live.checksum IS NULL) AND (obstacle.reason IS NOT NULL)) THEN 'left out'::text
            WHEN (live.checksum IS NULL) THEN 'missing'::text
            WHEN same.is_different THEN 'different'::text
            WHEN live.is_valid THEN 'valid'::text
            WHEN (ct.kind = ANY (ARRAY['unique index'::text, 'index'::text])) THEN 'invalid'::text
            ELSE 'not valid'::text
        END AS state,
    obstacle.reason AS left_out,
    tbl.is_partitioned,
    ((ct.kind = 'exclude'::text) OR ((ct.kind = 'foreign key'::text) AND tbl.is_partitioned AND ((current_setting('server_version_num'::text))::integer < 180000))) AS must_be_built
   FROM ((((trueup.constraints ct
     LEFT JOIN LATERAL ( SELECT con.convalidated AS is_valid,
            md5(trueup.constraint_definition(con.oid)) AS checksum
           FROM pg_constraint con
          WHERE ((ct.kind <> ALL (ARRAY['unique index'::text, 'index'::text])) AND (con.conname = ct.name) AND (con.conrelid = (to_regclass(ct.table_name))::oid))
        UNION ALL
         SELECT ind.indisvalid,
            md5(trueup.index_definition(ind.indexrelid)) AS md5
           FROM (pg_index ind
             JOIN pg_class cls ON ((ind.indexrelid = cls.oid)))
          WHERE ((ct.kind = ANY (ARRAY['unique index'::text, 'index'::text])) AND (cls.relname = ct.name) AND (ind.indrelid = (to_regclass(ct.table_name))::oid))) live ON (true))
     CROSS JOIN LATERAL ( SELECT COALESCE(( SELECT (c.relkind = 'p'::"char")
                   FROM pg_class c
                  WHERE (c.oid = (to_regclass(ct.table_name))::oid)), false) AS is_partitioned) tbl)
     CROSS JOIN LATERAL ( SELECT ((((current_setting('server_version_num'::text))::integer / 10000) = ct.server_version) AND (COALESCE(ct.definition_checksum, ''::text) <> live.checksum)) AS is_different) same)
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN ((live.checksum IS NULL) OR same.is_different) THEN trueup.constraint_obstacle(ct.kind, ct.table_name, ct.definition)
                    ELSE NULL::text
                END AS reason) obstacle);

ALTER TABLE trueup.constraints ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.constraints_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.contracts (
    id bigint NOT NULL,
    name text NOT NULL,
    statement text NOT NULL,
    search_path text DEFAULT 'public'::text NOT NULL,
    source text,
    added_by text DEFAULT SESSION_USER NOT NULL,
    added_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT contracts_one_statement CHECK ((statement !~ ';'::text))
);

ALTER TABLE trueup.contracts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.contracts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.customer_companies AS
 SELECT customer_id,
    company_id,
    sum(calls) AS calls,
    sum(appointments) AS appointments
   FROM ( SELECT c.customer_id,
            c.company_id,
            1 AS calls,
            0 AS appointments
           FROM public.calls c
          WHERE (c.customer_id IS NOT NULL)
        UNION ALL
         SELECT a.customer_id,
            a.company_id,
            0 AS calls,
            1 AS appointments
           FROM public.appointments a
          WHERE (a.customer_id IS NOT NULL)) r
  GROUP BY customer_id, company_id;

CREATE VIEW trueup.customer_company_missing AS
 SELECT company_id,
    'customer'::text AS entity_type,
    id AS entity_id,
    'belongs to no company'::text AS description,
    jsonb_build_object('companies', COALESCE(( SELECT jsonb_agg(jsonb_build_object('company_id', kc.company_id, 'calls', kc.calls, 'appointments', kc.appointments) ORDER BY kc.company_id) AS jsonb_agg
           FROM trueup.customer_companies kc
          WHERE (kc.customer_id = k.id)), '[]'::jsonb)) AS evidence
   FROM public.customers k
  WHERE (company_id IS NULL);

CREATE VIEW trueup.customer_deleted_but_linked AS
 SELECT company_id,
    'customer'::text AS entity_type,
    id AS entity_id,
    'deleted, but has an appointment ahead'::text AS description,
    jsonb_build_object('last_appointment_id', ( SELECT la.id
           FROM trueup.live_appointments la
          WHERE ((la.customer_id = k.id) AND ((k.company_id IS NULL) OR (la.company_id = k.company_id)) AND (la.starts_at > now()))
          ORDER BY la.starts_at DESC, la.id DESC
         LIMIT 1)) AS evidence
   FROM public.customers k
  WHERE ((deleted_at IS NOT NULL) AND (EXISTS ( SELECT 1
           FROM (trueup.live_appointments la
             JOIN public.customers own ON ((la.customer_id = own.id)))
          WHERE ((own.id = k.id) AND ((own.company_id IS NULL) OR (la.company_id = own.company_id)) AND (la.starts_at > now())))));

CREATE VIEW trueup.customer_duplicate AS
 SELECT k.company_id,
    'customer'::text AS entity_type,
    doubtful.customer_id AS entity_id,
    'another customer of the company has the same phone number or e-mail address'::text AS description,
    jsonb_build_object('phone', trueup.masked(k.phone_normalized), 'same_phone_ids', t.same_phone_ids, 'email', trueup.masked(k.email), 'same_email_ids', t.same_email_ids) AS evidence
   FROM ((( SELECT p.id AS customer_id
           FROM public.customers p
          WHERE ((p.deleted_at IS NULL) AND (EXISTS ( SELECT 1
                   FROM public.customers o
                  WHERE ((o.company_id = p.company_id) AND (o.phone_normalized = p.phone_normalized) AND (
                        CASE
                            WHEN (o.id <> p.id) THEN 1
                            ELSE NULL::integer
                        END = 1) AND (o.deleted_at IS NULL)))))
        UNION
         SELECT e.id
           FROM public.customers e
          WHERE ((e.deleted_at IS NULL) AND (EXISTS ( SELECT 1
                   FROM public.customers o
                  WHERE ((o.company_id = e.company_id) AND (lower(o.email) = lower(e.email)) AND (
                        CASE
                            WHEN (o.id <> e.id) THEN 1
                            ELSE NULL::integer
                        END = 1) AND (o.deleted_at IS NULL)))))) doubtful
     JOIN public.customers k ON ((doubtful.customer_id = k.id)))
     CROSS JOIN LATERAL ( SELECT ARRAY( SELECT o.id
                   FROM public.customers o
                  WHERE (trueup.usable_phone(k.phone) AND trueup.usable_phone(o.phone) AND (o.company_id = k.company_id) AND (o.phone_normalized = k.phone_normalized) AND (o.id <> k.id) AND (o.deleted_at IS NULL))
                  ORDER BY o.id) AS same_phone_ids,
            ARRAY( SELECT o.id
                   FROM public.customers o
                  WHERE (trueup.usable_email(k.email) AND (o.company_id = k.company_id) AND (lower(o.email) = lower(k.email)) AND (o.id <> k.id) AND (o.deleted_at IS NULL))
                  ORDER BY o.id) AS same_email_ids
         LIMIT 1) t)
  WHERE ((k.deleted_at IS NULL) AND ((t.same_phone_ids <> '{}'::bigint[]) OR (t.same_email_ids <> '{}'::bigint[])));

CREATE VIEW trueup.customer_unreachable AS
 SELECT company_id,
    'customer'::text AS entity_type,
    id AS entity_id,
    'has an appointment ahead, and neither a usable phone number nor a usable e-mail address'::text AS description,
    jsonb_build_object('last_appointment_id', ( SELECT la.id
           FROM trueup.live_appointments la
          WHERE ((la.customer_id = k.id) AND ((k.company_id IS NULL) OR (la.company_id = k.company_id)) AND (la.starts_at > now()))
          ORDER BY la.starts_at DESC, la.id DESC
         LIMIT 1), 'phone', trueup.masked(phone), 'email', trueup.masked(email)) AS evidence
   FROM public.customers k
  WHERE ((deleted_at IS NULL) AND (NOT trueup.usable_phone(phone)) AND (NOT trueup.usable_email(email)) AND (EXISTS ( SELECT 1
           FROM (trueup.live_appointments la
             JOIN public.customers own ON ((la.customer_id = own.id)))
          WHERE ((own.id = k.id) AND ((own.company_id IS NULL) OR (la.company_id = own.company_id)) AND (la.starts_at > now())))));

ALTER TABLE trueup.data_consistency_alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.data_consistency_alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.deployment_checks (
    deployment_id bigint NOT NULL,
    check_name text NOT NULL,
    violations_before bigint NOT NULL,
    violations_after bigint NOT NULL,
    appeared bigint NOT NULL,
    disappeared bigint NOT NULL
);

CREATE TABLE trueup.deployments (
    id bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    file text,
    checksum text,
    version text NOT NULL,
    server_version text DEFAULT current_setting('server_version'::text) NOT NULL,
    actor text DEFAULT SESSION_USER NOT NULL,
    role_name text DEFAULT CURRENT_USER NOT NULL,
    client_address inet DEFAULT inet_client_addr(),
    application_name text DEFAULT current_setting('application_name'::text) NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    outcome text DEFAULT 'running'::text NOT NULL,
    detail text,
    CONSTRAINT deployments_finished CHECK (((outcome = ANY (ARRAY['running'::text, 'interrupted'::text])) OR (finished_at IS NOT NULL))),
    CONSTRAINT deployments_kind_known CHECK ((kind = ANY (ARRAY['revision'::text, 'revision taken back'::text, 'stamp'::text, 'found'::text, 'edit accepted'::text, 'files'::text, 'constraint'::text, 'checks'::text, 'backfill'::text]))),
    CONSTRAINT deployments_outcome_known CHECK ((outcome = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text, 'interrupted'::text])))
);

COMMENT ON TABLE trueup.deployments IS 'who deployed what, when, from where, and how it ended (trueup history)';

ALTER TABLE trueup.deployments ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.deployments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.distant_tables AS
 SELECT (c.oid)::regclass AS table_id,
    format('%I.%I'::text, n.nspname, c.relname) AS table_name,
    format(
        CASE
            WHEN (c.relkind = 'f'::"char") THEN '%I.%I is a foreign table: its rows are in another database'::text
            WHEN (c.relkind = 'p'::"char") THEN '%I.%I has a foreign table as partition: its rows are in another database'::text
            ELSE '%I.%I is a view: its rows are elsewhere'::text
        END, n.nspname, c.relname) AS reason
   FROM (pg_class c
     JOIN pg_namespace n ON ((c.relnamespace = n.oid)))
  WHERE ((n.nspname <> ALL (ARRAY['trueup'::name, 'pg_catalog'::name, 'information_schema'::name])) AND ((c.relkind = ANY (ARRAY['f'::"char", 'v'::"char", 'm'::"char"])) OR ((c.relkind = 'p'::"char") AND (EXISTS ( WITH RECURSIVE part AS (
                 SELECT i.inhrelid AS relid
                   FROM pg_inherits i
                  WHERE (i.inhparent = c.oid)
                UNION
                 SELECT i.inhrelid
                   FROM (part part_1
                     JOIN pg_inherits i ON ((part_1.relid = i.inhparent)))
                )
         SELECT 1
           FROM (part
             JOIN pg_class pc ON ((part.relid = pc.oid)))
          WHERE (pc.relkind = 'f'::"char"))))));

CREATE VIEW trueup.event_double_encoded AS
 SELECT c.company_id,
    'call'::text AS entity_type,
    c.id AS entity_id,
    'JSON is stored as a string'::text AS description,
    jsonb_build_object('booking_details', COALESCE(trueup.double_encoded(c.booking_details), false), 'metadata', trueup.double_encoded(c.metadata)) AS evidence
   FROM public.calls c
  WHERE (trueup.double_encoded(c.booking_details) OR trueup.double_encoded(c.metadata))
UNION ALL
 SELECT a.company_id,
    'appointment'::text AS entity_type,
    a.id AS entity_id,
    'JSON is stored as a string'::text AS description,
    jsonb_build_object('metadata', true) AS evidence
   FROM public.appointments a
  WHERE trueup.double_encoded(a.metadata)
UNION ALL
 SELECT e.company_id,
    'webhook_event'::text AS entity_type,
    e.id AS entity_id,
    'JSON is stored as a string'::text AS description,
    jsonb_build_object('body', true) AS evidence
   FROM trueup.webhook_events e
  WHERE (
        CASE
            WHEN (jsonb_typeof(e.body) = 'string'::text) THEN 1
            ELSE NULL::integer
        END = 1);

CREATE VIEW trueup.event_unprocessed AS
 SELECT company_id,
    'webhook_event'::text AS entity_type,
    id AS entity_id,
        CASE
            WHEN (status = 'parked'::text) THEN 'the event waits for somebody who knows what it concerns'::text
            ELSE 'the event was received and not processed'::text
        END AS description,
    jsonb_build_object('provider', provider, 'event_type', event_type, 'object_id', object_id, 'status', status, 'reason', error, 'received_at', received_at) AS evidence
   FROM trueup.webhook_events e
  WHERE ((status = ANY (ARRAY['received'::text, 'parked'::text])) AND ((status = 'parked'::text) OR (received_at < (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'event_unprocessed_limit'::text))))));

ALTER TABLE trueup.former_bookings ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.former_bookings_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.objects (
    id bigint NOT NULL,
    kind text NOT NULL,
    identity text NOT NULL,
    file text NOT NULL,
    file_checksum text NOT NULL,
    definition_checksum text NOT NULL,
    server_version integer NOT NULL,
    deployed_at timestamp with time zone DEFAULT now() NOT NULL,
    definition text,
    CONSTRAINT objects_kind_known CHECK ((kind = ANY (ARRAY['view'::text, 'function'::text, 'trigger'::text])))
);

CREATE VIEW trueup.object_states AS
 SELECT o.id,
    o.kind,
    o.identity,
    o.file,
    o.file_checksum,
        CASE
            WHEN (live.definition IS NULL) THEN 'missing'::text
            WHEN ((md5(live.definition) <> o.definition_checksum) AND (o.server_version = ((current_setting('server_version_num'::text))::integer / 10000))) THEN 'different'::text
            WHEN ((o.kind = 'trigger'::text) AND (EXISTS ( SELECT 1
               FROM pg_trigger t
              WHERE ((t.tgrelid IN ( SELECT to_regclass(split_part(o.identity, ' on '::text, 2)) AS to_regclass
                    UNION ALL
                     SELECT part.relid
                       FROM pg_partition_tree(to_regclass(split_part(o.identity, ' on '::text, 2))) part(relid, parentrelid, isleaf, level))) AND (t.tgname = split_part(o.identity, ' on '::text, 1)) AND (t.tgenabled = ANY (ARRAY['D'::"char", 'R'::"char"])))))) THEN 'disabled'::text
            ELSE 'deployed'::text
        END AS state,
    (o.server_version = ((current_setting('server_version_num'::text))::integer / 10000)) AS is_current_release
   FROM (trueup.objects o
     CROSS JOIN LATERAL ( SELECT trueup.object_definition(named.kind, named.identity) AS definition
           FROM ( VALUES (o.kind,o.identity)) named(kind, identity)
         OFFSET 0) live);

CREATE TABLE trueup.tables (
    id bigint NOT NULL,
    name text NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE VIEW trueup.guard_disarmed AS
 SELECT NULL::text AS company_id,
    'object'::text AS entity_type,
    os.id AS entity_id,
    ((((os.kind || ' '::text) || os.identity) || ' is '::text) || os.state) AS description,
    jsonb_build_object('kind', os.kind, 'identity', os.identity, 'file', os.file, 'state', os.state) AS evidence
   FROM trueup.object_states os
  WHERE (os.state <> 'deployed'::text)
UNION ALL
 SELECT NULL::text AS company_id,
    'constraint'::text AS entity_type,
    ct.id AS entity_id,
    (((((((cs.kind || ' '::text) || cs.name) || ' on '::text) || cs.table_name) || ' is '::text) || cs.state) ||
        CASE
            WHEN ripe.is_ripe THEN ' although its check is clean'::text
            ELSE ''::text
        END) AS description,
    jsonb_build_object('kind', cs.kind, 'name', cs.name, 'table', cs.table_name, 'state', cs.state, 'check', cs.check_name) AS evidence
   FROM ((((trueup.constraint_states cs
     JOIN trueup.constraints ct ON ((cs.name = ct.name)))
     LEFT JOIN LATERAL ( SELECT true AS is_awaited
           FROM trueup.constraint_states first
          WHERE ((first.name = cs.waits_for) AND (first.state <> ALL (ARRAY['valid'::text, 'left out'::text])))) aw ON (true))
     CROSS JOIN LATERAL ( SELECT ((cs.state = 'not valid'::text) OR ((cs.state = 'missing'::text) AND ((cs.kind = 'unique index'::text) OR cs.must_be_built) AND (cs.check_name IS NOT NULL)) OR ((cs.state = 'missing'::text) AND COALESCE(aw.is_awaited, false))) AS may_wait) wait)
     CROSS JOIN LATERAL ( SELECT (wait.may_wait AND COALESCE(( SELECT (r.violations = 0)
                   FROM trueup.check_results r
                  WHERE ((r.check_name = cs.check_name) AND (r.outcome = 'complete'::text))
                  ORDER BY r.run_id DESC
                 LIMIT 1), false) AND (COALESCE(( SELECT r.finished_at
                   FROM trueup.check_results r
                  WHERE ((r.check_name = cs.check_name) AND (r.outcome = 'complete'::text) AND (r.violations > 0))
                  ORDER BY r.run_id DESC
                 LIMIT 1), ( SELECT r.finished_at
                   FROM trueup.check_results r
                  WHERE ((r.check_name = cs.check_name) AND (r.outcome = 'complete'::text))
                  ORDER BY r.run_id
                 LIMIT 1)) < (now() - ( SELECT (trueup.setting('constraint_grace'::text))::interval AS setting))) AND (NOT COALESCE(aw.is_awaited, false))) AS is_ripe) ripe)
  WHERE ((cs.state <> ALL (ARRAY['valid'::text, 'left out'::text])) AND ((NOT wait.may_wait) OR ripe.is_ripe))
UNION ALL
 SELECT NULL::text AS company_id,
    'layer_table'::text AS entity_type,
    t.id AS entity_id,
    (('table trueup.'::text || t.name) || ' is missing'::text) AS description,
    jsonb_build_object('kind', 'table', 'identity', ('trueup.'::text || t.name), 'state', 'missing') AS evidence
   FROM trueup.tables t
  WHERE (to_regclass(format('trueup.%I'::text, t.name)) IS NULL);

CREATE TABLE trueup.guard_trips (
    id bigint NOT NULL,
    guard text NOT NULL,
    company_id text,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    tripped_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    role_name text NOT NULL,
    application text NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL
);

COMMENT ON TABLE trueup.guard_trips IS 'writes that a guard in mode observe would have refused';

ALTER TABLE trueup.guard_trips ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.guard_trips_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.idempotency_keys (
    key uuid NOT NULL,
    company_id bigint,
    scope text NOT NULL,
    parameters_hash text NOT NULL,
    status text DEFAULT 'running'::text NOT NULL,
    result jsonb,
    lease_expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    id bigint NOT NULL,
    token uuid,
    attempt integer DEFAULT 1 NOT NULL,
    was_taken_over boolean DEFAULT false NOT NULL,
    is_retryable boolean DEFAULT false NOT NULL,
    CONSTRAINT idempotency_keys_finished_complete CHECK (((status = 'finished'::text) = (finished_at IS NOT NULL))),
    CONSTRAINT idempotency_keys_status_known CHECK ((status = ANY (ARRAY['running'::text, 'finished'::text, 'unknown'::text])))
);

CREATE VIEW trueup.idempotency_key_stuck AS
 SELECT company_id,
    'request'::text AS entity_type,
    id AS entity_id,
        CASE status
            WHEN 'unknown'::text THEN 'nobody knows how the request ended'::text
            ELSE 'the request was begun and is not finished'::text
        END AS description,
    jsonb_build_object('scope', scope, 'key', key, 'attempt', attempt, 'status', status, 'lease_expires_at', lease_expires_at) AS evidence
   FROM trueup.idempotency_keys ik
  WHERE ((status <> 'finished'::text) AND ((lease_expires_at IS NULL) OR (lease_expires_at <= now())));

ALTER TABLE trueup.idempotency_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.idempotency_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.job_overdue AS
 SELECT NULL::text AS company_id,
    'job'::text AS entity_type,
    job_id AS entity_id,
    description,
    evidence
   FROM trueup.overdue_jobs() oj(job_id, description, evidence);

CREATE TABLE trueup.job_runs (
    id bigint NOT NULL,
    job text NOT NULL,
    slot timestamp with time zone NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    runner_id bigint NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    deadline_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    outcome text DEFAULT 'running'::text NOT NULL,
    is_late boolean DEFAULT false NOT NULL,
    is_released boolean DEFAULT false NOT NULL,
    error text,
    detail jsonb,
    CONSTRAINT job_runs_finished CHECK (((outcome = 'running'::text) OR (finished_at IS NOT NULL))),
    CONSTRAINT job_runs_outcome_known CHECK ((outcome = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text, 'abandoned'::text])))
);

COMMENT ON TABLE trueup.job_runs IS 'each slot of each job: who ran it, when, and how it ended';

ALTER TABLE trueup.job_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.job_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.jobs (
    id bigint NOT NULL,
    name text NOT NULL,
    does text NOT NULL,
    schedule text NOT NULL,
    timeout interval NOT NULL,
    is_enabled boolean DEFAULT true NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    due_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE trueup.jobs IS 'the schedule that runners go by, and until when each job is to be done (trueup run --list)';

ALTER TABLE trueup.jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.jobs_overview WITH (security_invoker='true') AS
 SELECT j.name AS job,
    j.does,
    j.schedule,
    j.is_enabled,
    latest.slot AS last_slot,
    latest.outcome AS last_outcome,
    latest.error AS last_error,
    EXTRACT(epoch FROM (COALESCE(latest.finished_at, clock_timestamp()) - latest.started_at)) AS last_duration_seconds,
    j.done_at,
    j.due_at,
    (j.is_enabled AND (j.due_at < (now() - may.be_missing))) AS is_overdue,
    week.runs AS runs_7_days,
    week.failures AS failures_7_days
   FROM (((trueup.jobs j
     CROSS JOIN ( SELECT ( SELECT (trueup.setting('job_patience'::text))::interval AS setting) AS be_missing) may)
     LEFT JOIN LATERAL ( SELECT jr.slot,
            jr.outcome,
            jr.error,
            jr.started_at,
            jr.finished_at
           FROM trueup.job_runs jr
          WHERE (jr.job = j.name)
          ORDER BY jr.id DESC
         LIMIT 1) latest ON (true))
     CROSS JOIN LATERAL ( SELECT count(*) AS runs,
            count(*) FILTER (WHERE (jr.outcome = ANY (ARRAY['failed'::text, 'abandoned'::text]))) AS failures
           FROM trueup.job_runs jr
          WHERE ((jr.job = j.name) AND (jr.started_at > (now() - '7 days'::interval)) AND (NOT jr.is_released))) week);

COMMENT ON VIEW trueup.jobs_overview IS 'every job of the schedule, with its newest run';

COMMENT ON COLUMN trueup.jobs_overview.job IS 'name of the job';

COMMENT ON COLUMN trueup.jobs_overview.does IS 'what it does: changed, full, queue, notify and so on';

COMMENT ON COLUMN trueup.jobs_overview.schedule IS 'its times, as in the configuration';

COMMENT ON COLUMN trueup.jobs_overview.is_enabled IS 'on the schedule; false for one that was taken off';

COMMENT ON COLUMN trueup.jobs_overview.last_slot IS 'the time its newest run was for; NULL for one that never ran';

COMMENT ON COLUMN trueup.jobs_overview.last_outcome IS 'running, done, failed or abandoned';

COMMENT ON COLUMN trueup.jobs_overview.last_error IS 'why that failed';

COMMENT ON COLUMN trueup.jobs_overview.last_duration_seconds IS 'how long it took, or has taken so far';

COMMENT ON COLUMN trueup.jobs_overview.done_at IS 'when it last succeeded';

COMMENT ON COLUMN trueup.jobs_overview.due_at IS 'when the next success is to be there';

COMMENT ON COLUMN trueup.jobs_overview.is_overdue IS 'that was longer ago than the setting job_patience';

COMMENT ON COLUMN trueup.jobs_overview.runs_7_days IS 'runs begun in the last seven days';

COMMENT ON COLUMN trueup.jobs_overview.failures_7_days IS 'those of them that failed or were abandoned';

ALTER TABLE trueup.manual_review_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.manual_review_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE trueup.manual_review_queue ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.manual_review_queue_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.modification_kind_unknown AS
 SELECT company_id,
    'modification'::text AS entity_type,
    id AS entity_id,
    'the kind of the modification is not in the vocabulary'::text AS description,
    jsonb_build_object('appointment_id', appointment_id, 'kind', kind) AS evidence
   FROM public.appointment_modifications m
  WHERE (kind <> ALL (( SELECT trueup.vocabulary_values('modification_kind'::text) AS vocabulary_values)::text[]));

CREATE VIEW trueup.needed_runs AS
 SELECT DISTINCT needed.run_id
   FROM (trueup.checks ch
     CROSS JOIN LATERAL (( SELECT r.run_id
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome <> ALL (ARRAY['superseded'::text, 'changed'::text])))
          ORDER BY r.run_id DESC
         LIMIT ( SELECT ((trueup.setting('check_failures_tolerated'::text))::integer + 1)))
        UNION ALL
        ( SELECT r.run_id
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome = 'complete'::text))
          ORDER BY r.run_id DESC
         LIMIT 1)
        UNION ALL
        ( SELECT r.run_id
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome = 'complete'::text) AND (r.violations > 0))
          ORDER BY r.run_id DESC
         LIMIT 1)
        UNION ALL
        ( SELECT r.run_id
           FROM trueup.check_results r
          WHERE ((r.check_name = ch.name) AND (r.outcome = 'complete'::text))
          ORDER BY r.run_id
         LIMIT 1)) needed);

ALTER TABLE trueup.notification_channels ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.notification_channels_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.notification_failing AS
 SELECT NULL::text AS company_id,
    'notification_channel'::text AS entity_type,
    id AS entity_id,
    ((('channel '::text || name) || ' has taken no notification since '::text) || failing_since) AS description,
    jsonb_build_object('channel', name, 'kind', kind, 'failing_since', failing_since) AS evidence
   FROM trueup.notification_channels nc
  WHERE ((failures > ( SELECT (trueup.setting('notify_failures_tolerated'::text))::integer AS setting)) AND (attempted_at > (now() - '1 day'::interval)));

CREATE TABLE trueup.notification_groups (
    channel_id bigint NOT NULL,
    check_name text NOT NULL,
    company_id text,
    said_at timestamp with time zone NOT NULL
);

CREATE TABLE trueup.notification_mutes (
    id bigint NOT NULL,
    check_name text,
    company_id text,
    reason text NOT NULL,
    actor text DEFAULT SESSION_USER NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    lifted_by text,
    CONSTRAINT notification_mutes_reason_given CHECK ((btrim(reason) <> ''::text))
);

COMMENT ON TABLE trueup.notification_mutes IS 'times in which nothing is said, and why (trueup notify mute)';

ALTER TABLE trueup.notification_mutes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.notification_mutes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE trueup.notifications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.notifications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.notified_alerts (
    channel_id bigint NOT NULL,
    alert_id bigint NOT NULL,
    check_name text NOT NULL,
    company_id text,
    reopened_count integer NOT NULL,
    snoozed_until timestamp with time zone,
    is_known boolean DEFAULT false NOT NULL
);

ALTER TABLE trueup.objects ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.objects_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.prunes (
    id bigint NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    actor text DEFAULT SESSION_USER NOT NULL,
    application_name text DEFAULT current_setting('application_name'::text) NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE trueup.prunes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.prunes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.rate_booking_success AS
 SELECT company_id,
    'company'::text AS entity_type,
    company_id AS entity_id,
    'too few of the confirmed calls have an appointment'::text AS description,
    jsonb_build_object('confirmed', confirmed, 'with_appointment', booked, 'percent', round(((100.0 * (booked)::numeric) / (confirmed)::numeric), 1)) AS evidence
   FROM ( SELECT c.company_id,
            count(*) AS confirmed,
            count(booked.call_id) AS booked
           FROM (public.calls c
             LEFT JOIN LATERAL ( SELECT ka.call_id
                   FROM trueup.kept_appointments ka
                  WHERE (ka.call_id = c.id)
                 LIMIT 1) booked ON (true))
          WHERE (c.booking_confirmed AND (c.deleted_at IS NULL) AND (c.company_id IS NOT NULL) AND (c.created_at > (now() - (trueup.setting('rate_window'::text))::interval)))
          GROUP BY c.company_id) r
  WHERE ((confirmed >= ( SELECT (st.value)::integer AS value
           FROM trueup.settings st
          WHERE (st.name = 'rate_calls'::text))) AND ((booked)::numeric < ((confirmed)::numeric * ( SELECT (st.value)::numeric AS value
           FROM trueup.settings st
          WHERE (st.name = 'rate_booking_success'::text)))));

CREATE VIEW trueup.rate_customer_creation AS
 WITH attempts AS (
         SELECT k.company_id,
            false AS has_failed
           FROM public.customers k
          WHERE ((k.source IS DISTINCT FROM 'backfill'::text) AND (k.created_at > (now() - (trueup.setting('rate_window'::text))::interval)))
        UNION ALL
         SELECT f.company_id,
            true AS has_failed
           FROM ( SELECT c.company_id,
                    'call'::text AS entity_type,
                    (c.id)::text AS entity_id
                   FROM public.calls c
                  WHERE ((c.customer_link_status = 'failed'::text) AND (c.deleted_at IS NULL) AND (c.created_at > (now() - (trueup.setting('rate_window'::text))::interval)))
                UNION
                 SELECT co.id AS company_id,
                    q.entity_type,
                    q.entity_id
                   FROM (trueup.manual_review_queue q
                     JOIN public.companies co ON ((q.company_id = (co.id)::text)))
                  WHERE ((q.reason = 'customer_creation_failed'::text) AND (q.created_at > (now() - (trueup.setting('rate_window'::text))::interval)))) f
        )
 SELECT company_id,
    'company'::text AS entity_type,
    company_id AS entity_id,
    'too many customers could not be created'::text AS description,
    jsonb_build_object('attempts', attempts, 'failed', failed, 'percent', round(((100.0 * (failed)::numeric) / (attempts)::numeric), 1)) AS evidence
   FROM ( SELECT t.company_id,
            count(*) AS attempts,
            count(*) FILTER (WHERE t.has_failed) AS failed
           FROM attempts t
          WHERE (t.company_id IS NOT NULL)
          GROUP BY t.company_id) r
  WHERE ((attempts >= ( SELECT (st.value)::integer AS value
           FROM trueup.settings st
          WHERE (st.name = 'rate_calls'::text))) AND ((failed)::numeric > ((attempts)::numeric * ( SELECT (st.value)::numeric AS value
           FROM trueup.settings st
          WHERE (st.name = 'rate_customer_creation'::text)))));

CREATE TABLE trueup.repair_changes (
    id bigint NOT NULL,
    repair_id bigint NOT NULL,
    table_name text NOT NULL,
    key_column text NOT NULL,
    key_value text NOT NULL,
    operation text NOT NULL,
    before jsonb,
    after jsonb,
    CONSTRAINT repair_changes_operation_known CHECK ((operation = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text])))
);

ALTER TABLE trueup.repair_changes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.repair_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.repairs (
    id bigint NOT NULL,
    run_id bigint,
    check_name text NOT NULL,
    company_id text,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    reason text NOT NULL,
    evidence jsonb,
    actor text DEFAULT SESSION_USER NOT NULL,
    application_name text DEFAULT current_setting('application_name'::text) NOT NULL,
    repaired_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    undone_at timestamp with time zone,
    undone_by text
);

CREATE VIEW trueup.repairs_by_day WITH (security_invoker='true') AS
 SELECT (repaired_at)::date AS day,
    company_id,
    check_name,
    count(*) AS corrected,
    count(*) FILTER (WHERE (undone_at IS NOT NULL)) AS undone
   FROM trueup.repairs rp
  WHERE (repaired_at > (now() - '90 days'::interval))
  GROUP BY ((repaired_at)::date), company_id, check_name;

COMMENT ON VIEW trueup.repairs_by_day IS 'corrections of each of the last 90 days';

COMMENT ON COLUMN trueup.repairs_by_day.day IS 'day, in the time zone of the session';

COMMENT ON COLUMN trueup.repairs_by_day.company_id IS 'company of the entities; NULL for those of none';

COMMENT ON COLUMN trueup.repairs_by_day.check_name IS 'check whose repair it was';

COMMENT ON COLUMN trueup.repairs_by_day.corrected IS 'entities corrected on that day';

COMMENT ON COLUMN trueup.repairs_by_day.undone IS 'those of them that were undone since';

ALTER TABLE trueup.repairs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.repairs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.request_policies (
    scope text NOT NULL,
    policy text NOT NULL,
    lease interval,
    description text DEFAULT ''::text NOT NULL,
    CONSTRAINT request_policies_lease_positive CHECK ((lease > '00:00:00'::interval)),
    CONSTRAINT request_policies_policy_known CHECK ((policy = ANY (ARRAY['replay'::text, 'retry'::text, 'complete'::text])))
);

CREATE TABLE trueup.retention (
    name text NOT NULL,
    "position" integer DEFAULT 100 NOT NULL,
    table_name text NOT NULL,
    time_column text NOT NULL,
    predicate text NOT NULL,
    keep interval,
    default_keep interval NOT NULL,
    description text NOT NULL,
    CONSTRAINT retention_keep_sensible CHECK ((keep >= '1 day'::interval)),
    CONSTRAINT retention_ours CHECK (starts_with(table_name, 'trueup.'::text))
);

CREATE VIEW trueup.retention_rules AS
 SELECT rt.name,
    rt."position",
    rt.table_name,
    rt.keep,
    rt.description,
    format('%I'::text, rt.time_column) AS time_column,
    format('%I'::text, att.attname) AS key_column,
    format_type(att.atttypid, att.atttypmod) AS key_type,
    format('t.%I < least(now() - %L::interval, now() - %L::interval) and (%s)'::text, rt.time_column, kept.length, kept.plainly, rt.predicate) AS condition,
    COALESCE(child.tables, '{}'::text[]) AS child_tables,
    COALESCE(child.columns, '{}'::text[]) AS child_columns
   FROM ((((trueup.retention rt
     CROSS JOIN LATERAL ( SELECT bounded.length,
            make_interval(secs => ((EXTRACT(epoch FROM bounded.length) - ((5.25 * (86400)::numeric) * EXTRACT(year FROM bounded.length))))::double precision) AS plainly
           FROM ( SELECT
                        CASE
                            WHEN (rt.keep > '1000 years'::interval) THEN '1000 years'::interval
                            ELSE rt.keep
                        END AS length) bounded) kept)
     JOIN pg_index i ON (((i.indrelid = (to_regclass(rt.table_name))::oid) AND i.indisprimary AND (i.indnkeyatts = 1))))
     JOIN pg_attribute att ON (((att.attrelid = i.indrelid) AND (att.attnum = i.indkey[0]))))
     LEFT JOIN LATERAL ( SELECT array_agg(format('%I.%I'::text, n.nspname, c.relname) ORDER BY n.nspname, c.relname) AS tables,
            array_agg(format('%I'::text, a.attname) ORDER BY n.nspname, c.relname) AS columns
           FROM (((pg_constraint con
             JOIN pg_class c ON ((con.conrelid = c.oid)))
             JOIN pg_namespace n ON ((c.relnamespace = n.oid)))
             JOIN pg_attribute a ON (((con.conrelid = a.attrelid) AND (a.attnum = con.conkey[1]))))
          WHERE ((con.confrelid = i.indrelid) AND (con.contype = 'f'::"char") AND (con.confdeltype = 'c'::"char") AND (con.confkey = ARRAY[att.attnum]))) child ON (true));

CREATE VIEW trueup.review_decisions_by_day WITH (security_invoker='true') AS
 SELECT (decided_at)::date AS day,
    company_id,
    reason,
    count(*) FILTER (WHERE (status = 'resolved'::text)) AS resolved,
    count(*) FILTER (WHERE (status = 'dismissed'::text)) AS dismissed,
    count(*) FILTER (WHERE (decided_at <= due_at)) AS in_time,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((EXTRACT(epoch FROM (decided_at - created_at)))::double precision)) AS median_seconds
   FROM trueup.manual_review_queue q
  WHERE ((status = ANY (ARRAY['resolved'::text, 'dismissed'::text])) AND (claim_token IS NOT NULL) AND (decided_at > (now() - '90 days'::interval)))
  GROUP BY ((decided_at)::date), company_id, reason;

COMMENT ON VIEW trueup.review_decisions_by_day IS 'items of the review queue that people decided on each of the last 90 days';

COMMENT ON COLUMN trueup.review_decisions_by_day.day IS 'day, in the time zone of the session';

COMMENT ON COLUMN trueup.review_decisions_by_day.company_id IS 'company of the entities; NULL for those of none';

COMMENT ON COLUMN trueup.review_decisions_by_day.reason IS 'why a person was asked';

COMMENT ON COLUMN trueup.review_decisions_by_day.resolved IS 'the row is right now';

COMMENT ON COLUMN trueup.review_decisions_by_day.dismissed IS 'the row may stay as it is';

COMMENT ON COLUMN trueup.review_decisions_by_day.in_time IS 'decided before they were due';

COMMENT ON COLUMN trueup.review_decisions_by_day.median_seconds IS 'half of them were decided faster than this';

CREATE VIEW trueup.review_overdue AS
 SELECT q.company_id,
    'review_item'::text AS entity_type,
    q.id AS entity_id,
    'review item is past its due time'::text AS description,
    jsonb_build_object('reason', q.reason, 'entity_type', q.entity_type, 'entity_id', q.entity_id, 'severity', q.severity, 'due_at', q.due_at) AS evidence
   FROM trueup.manual_review_queue q
  WHERE ((q.status = ANY (ARRAY['pending'::text, 'in_progress'::text])) AND (q.due_at < now()) AND ((q.snoozed_until IS NULL) OR (q.snoozed_until <= now())))
UNION ALL
 SELECT NULL::text AS company_id,
    'review_queue'::text AS entity_type,
    0 AS entity_id,
    'more open review items than the queue may hold'::text AS description,
    jsonb_build_object('open', n.open, 'limit', n.may_hold) AS evidence
   FROM ( SELECT count(*) AS open,
            ( SELECT (trueup.setting('review_queue_limit'::text))::integer AS setting) AS may_hold
           FROM trueup.manual_review_queue q
          WHERE ((q.status = ANY (ARRAY['pending'::text, 'in_progress'::text])) AND ((q.snoozed_until IS NULL) OR (q.snoozed_until <= now())))) n
  WHERE (n.open > n.may_hold);

CREATE TABLE trueup.review_priorities (
    reason text NOT NULL,
    priority smallint NOT NULL,
    CONSTRAINT review_priorities_priority_check CHECK (((priority >= 1) AND (priority <= 5)))
);

CREATE VIEW trueup.review_queue_overview WITH (security_invoker='true') AS
 SELECT company_id,
    reason,
    severity,
    status,
    count(*) AS items,
    count(*) FILTER (WHERE ((status <> 'snoozed'::text) AND (due_at < now()))) AS overdue,
    count(*) FILTER (WHERE (escalated_at IS NOT NULL)) AS escalated,
    min(created_at) AS oldest_at,
    min(due_at) AS earliest_due_at
   FROM ( SELECT mrq.company_id,
            mrq.reason,
            mrq.severity,
                CASE
                    WHEN (mrq.snoozed_until > now()) THEN 'snoozed'::text
                    ELSE mrq.status
                END AS status,
            mrq.due_at,
            mrq.escalated_at,
            mrq.created_at
           FROM trueup.manual_review_queue mrq
          WHERE (mrq.status = ANY (ARRAY['pending'::text, 'in_progress'::text]))) q
  GROUP BY company_id, reason, severity, status;

COMMENT ON VIEW trueup.review_queue_overview IS 'open items of the review queue, counted by company, reason, severity and status';

COMMENT ON COLUMN trueup.review_queue_overview.company_id IS 'company of the entities; NULL for those of none';

COMMENT ON COLUMN trueup.review_queue_overview.reason IS 'why a person is asked: a check, or what an application says';

COMMENT ON COLUMN trueup.review_queue_overview.severity IS 'critical, warning or info';

COMMENT ON COLUMN trueup.review_queue_overview.status IS 'pending, in_progress or snoozed';

COMMENT ON COLUMN trueup.review_queue_overview.items IS 'how many';

COMMENT ON COLUMN trueup.review_queue_overview.overdue IS 'past their due time, and not snoozed';

COMMENT ON COLUMN trueup.review_queue_overview.escalated IS 'moved up because they were late';

COMMENT ON COLUMN trueup.review_queue_overview.oldest_at IS 'when the oldest was handed over';

COMMENT ON COLUMN trueup.review_queue_overview.earliest_due_at IS 'when the first is, or was, due';

CREATE VIEW trueup.runner_lost AS
 SELECT NULL::text AS company_id,
    'runner'::text AS entity_type,
    runner_id AS entity_id,
    'a runner of the schedule ended without a word'::text AS description,
    jsonb_build_object('host', host, 'pid', pid, 'heartbeat_at', heartbeat_at) AS evidence
   FROM trueup.lost_runners() lr(runner_id, host, pid, heartbeat_at);

CREATE TABLE trueup.runners (
    id bigint NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    application text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    silent_after interval NOT NULL,
    stopped_at timestamp with time zone,
    lost_at timestamp with time zone
);

COMMENT ON TABLE trueup.runners IS 'processes of trueup run, with their heartbeats';

ALTER TABLE trueup.runners ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.runners_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.runners_overview WITH (security_invoker='true') AS
 SELECT id AS runner_id,
    host,
    pid,
    version,
    application,
    started_at,
    heartbeat_at,
    EXTRACT(epoch FROM (clock_timestamp() - heartbeat_at)) AS heartbeat_age_seconds,
        CASE
            WHEN (stopped_at IS NOT NULL) THEN 'stopped'::text
            WHEN ((lost_at IS NOT NULL) OR (heartbeat_at < (clock_timestamp() - silent_after))) THEN 'silent'::text
            ELSE 'up'::text
        END AS state
   FROM trueup.runners ru
  WHERE (heartbeat_at > ( SELECT (max(newest.heartbeat_at) - '1 day'::interval)
           FROM trueup.runners newest));

COMMENT ON VIEW trueup.runners_overview IS 'every process of trueup run heard of within a day of the last';

COMMENT ON COLUMN trueup.runners_overview.runner_id IS 'id in trueup.runners';

COMMENT ON COLUMN trueup.runners_overview.host IS 'machine it runs on';

COMMENT ON COLUMN trueup.runners_overview.pid IS 'its process there';

COMMENT ON COLUMN trueup.runners_overview.version IS 'version of the program';

COMMENT ON COLUMN trueup.runners_overview.application IS 'trueup run, or trueup run --once and a job';

COMMENT ON COLUMN trueup.runners_overview.started_at IS 'when it began';

COMMENT ON COLUMN trueup.runners_overview.heartbeat_at IS 'its last sign of life';

COMMENT ON COLUMN trueup.runners_overview.heartbeat_age_seconds IS 'how long ago that was';

COMMENT ON COLUMN trueup.runners_overview.state IS 'up, silent (gone without a word, or out of reach) or stopped';

CREATE VIEW trueup.runs_recent WITH (security_invoker='true') AS
 SELECT cr.id AS run_id,
    cr.kind,
    cr.status,
    cr.started_at,
    cr.finished_at,
    EXTRACT(epoch FROM (COALESCE(cr.finished_at, clock_timestamp()) - cr.started_at)) AS duration_seconds,
    cr.checks,
    cr.checks_failed,
    tested.rows_tested,
    cr.violations,
    cr.opened,
    cr.reopened,
    cr.resolved,
    tested.missed,
    cra.rate,
    cr.error
   FROM (((( VALUES ('full'::text), ('changed'::text), ('selected'::text), ('repair'::text)) k(kind)
     CROSS JOIN LATERAL ( SELECT newest.id,
            newest.kind,
            newest.status,
            newest.started_at,
            newest.snapshot_at,
            newest.snapshot,
            newest.finished_at,
            newest.actor,
            newest.application_name,
            newest.backend_pid,
            newest.backend_started_at,
            newest.version,
            newest.checks,
            newest.checks_failed,
            newest.violations,
            newest.opened,
            newest.resolved,
            newest.reopened,
            newest.repairs,
            newest.error
           FROM trueup.check_runs newest
          WHERE (newest.kind = k.kind)
          ORDER BY newest.id DESC
         LIMIT 200) cr)
     LEFT JOIN LATERAL ( SELECT sum(r.rows_tested) AS rows_tested,
            sum(r.missed) AS missed
           FROM trueup.check_results r
          WHERE (r.run_id = cr.id)) tested ON (true))
     LEFT JOIN trueup.consistency_rates cra ON (((cr.id = cra.run_id) AND (NOT (cra.company_id IS DISTINCT FROM ( SELECT s.company_id
           FROM trueup.session_company s))))));

COMMENT ON VIEW trueup.runs_recent IS 'the newest 200 runs of each kind';

COMMENT ON COLUMN trueup.runs_recent.run_id IS 'id in trueup.check_runs';

COMMENT ON COLUMN trueup.runs_recent.kind IS 'full, changed, selected or repair';

COMMENT ON COLUMN trueup.runs_recent.status IS 'running, complete, partial, failed or abandoned';

COMMENT ON COLUMN trueup.runs_recent.started_at IS 'when it began';

COMMENT ON COLUMN trueup.runs_recent.finished_at IS 'when it ended; NULL while it runs';

COMMENT ON COLUMN trueup.runs_recent.duration_seconds IS 'how long it took, or has taken so far';

COMMENT ON COLUMN trueup.runs_recent.checks IS 'checks that it evaluated';

COMMENT ON COLUMN trueup.runs_recent.checks_failed IS 'those of them that failed or timed out';

COMMENT ON COLUMN trueup.runs_recent.rows_tested IS 'their populations added up; in a run of changes, the entities judged';

COMMENT ON COLUMN trueup.runs_recent.violations IS 'rows that violated them';

COMMENT ON COLUMN trueup.runs_recent.opened IS 'alerts it opened';

COMMENT ON COLUMN trueup.runs_recent.reopened IS 'alerts it reopened';

COMMENT ON COLUMN trueup.runs_recent.resolved IS 'alerts it resolved';

COMMENT ON COLUMN trueup.runs_recent.missed IS 'violations that passes over changes should have found and had not; NULL: nobody can tell';

COMMENT ON COLUMN trueup.runs_recent.rate IS 'consistency rate in per cent; NULL where it was not measured';

COMMENT ON COLUMN trueup.runs_recent.error IS 'what failed';

CREATE VIEW trueup.schema_contract_broken AS
 SELECT NULL::text AS company_id,
    'contract'::text AS entity_type,
    ct.id AS entity_id,
    format('statement "%s" does not fit the schema: %s'::text, ct.name, e.message) AS description,
    jsonb_build_object('name', ct.name, 'sqlstate', e.sqlstate, 'message', e.message) AS evidence
   FROM (trueup.contracts ct
     CROSS JOIN LATERAL trueup.contract_error(ct.statement, ct.search_path) e(sqlstate, message));

CREATE VIEW trueup.unsynced_appointments AS
 SELECT id,
    company_id,
    status,
    starts_at,
    calcom_sync_status,
    calcom_booking_id,
    calcom_booking_uid,
    GREATEST(created_at, ( SELECT max(am.created_at) AS max
           FROM public.appointment_modifications am
          WHERE (am.appointment_id = a.id))) AS since
   FROM public.appointments a
  WHERE ((deleted_at IS NULL) AND (
        CASE
            WHEN ((calcom_sync_status = ANY (ARRAY['pending'::text, 'failed'::text])) OR ((calcom_sync_status = 'synced'::text) AND (calcom_booking_uid IS NULL) AND (calcom_booking_id IS NULL))) THEN 1
            ELSE NULL::integer
        END = 1));

CREATE VIEW trueup.sync_failed_stale AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'failed to synchronise, and nobody has mended it'::text AS description,
    jsonb_build_object('calcom_sync_status', calcom_sync_status, 'status', status, 'calcom_booking_uid', calcom_booking_uid, 'since', since) AS evidence
   FROM trueup.unsynced_appointments ua
  WHERE ((calcom_sync_status = 'failed'::text) AND (since < (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'sync_failed_limit'::text)))));

CREATE TABLE trueup.sync_failures (
    id bigint NOT NULL,
    company_id bigint,
    appointment_id bigint,
    operation text NOT NULL,
    error text,
    attempt_count integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 3 NOT NULL,
    next_attempt_at timestamp with time zone,
    status text DEFAULT 'pending'::text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    claim_token uuid,
    lease_expires_at timestamp with time zone,
    CONSTRAINT sync_failures_attempts_positive CHECK (((attempt_count >= 0) AND (max_attempts > 0))),
    CONSTRAINT sync_failures_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'resolved'::text, 'manual_review'::text])))
);

CREATE VIEW trueup.sync_failure_exhausted AS
 SELECT company_id,
    'sync_failure'::text AS entity_type,
    id AS entity_id,
    'all tries are used up, and nobody has been told'::text AS description,
    jsonb_build_object('operation', operation, 'appointment_id', appointment_id, 'attempt_count', attempt_count, 'max_attempts', max_attempts) AS evidence
   FROM trueup.sync_failures f
  WHERE ((status = 'pending'::text) AND (attempt_count >= max_attempts) AND ((lease_expires_at IS NULL) OR (lease_expires_at <= now())));

ALTER TABLE trueup.sync_failures ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.sync_failures_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW trueup.sync_overview WITH (security_invoker='true') AS
 SELECT (company_id)::text AS company_id,
    operation,
    status,
    count(*) AS failures,
    count(*) FILTER (WHERE (attempt_count >= max_attempts)) AS exhausted,
    min(created_at) AS oldest_at,
    min(next_attempt_at) AS next_attempt_at
   FROM trueup.sync_failures sf
  WHERE (status <> 'resolved'::text)
  GROUP BY company_id, operation, status;

COMMENT ON VIEW trueup.sync_overview IS 'failed synchronisations that wait, counted by company, operation and status';

COMMENT ON COLUMN trueup.sync_overview.company_id IS 'company; NULL where it is not known';

COMMENT ON COLUMN trueup.sync_overview.operation IS 'what was tried';

COMMENT ON COLUMN trueup.sync_overview.status IS 'pending, to be tried again, or manual_review, with a person';

COMMENT ON COLUMN trueup.sync_overview.failures IS 'how many';

COMMENT ON COLUMN trueup.sync_overview.exhausted IS 'those of them that are not tried again';

COMMENT ON COLUMN trueup.sync_overview.oldest_at IS 'when the oldest failed first';

COMMENT ON COLUMN trueup.sync_overview.next_attempt_at IS 'when the next is tried again';

CREATE VIEW trueup.sync_pending_stale AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'waits for its synchronisation longer than allowed'::text AS description,
    jsonb_build_object('calcom_sync_status', calcom_sync_status, 'status', status, 'calcom_booking_uid', calcom_booking_uid, 'since', since) AS evidence
   FROM trueup.unsynced_appointments ua
  WHERE ((calcom_sync_status = 'pending'::text) AND (since < (now() - ( SELECT (st.value)::interval AS value
           FROM trueup.settings st
          WHERE (st.name = 'sync_pending_limit'::text)))));

CREATE VIEW trueup.sync_synced_without_id AS
 SELECT company_id,
    'appointment'::text AS entity_type,
    id AS entity_id,
    'counts as synced, but bears no booking of the provider'::text AS description,
    jsonb_build_object('status', status, 'starts_at', starts_at) AS evidence
   FROM trueup.unsynced_appointments ua
  WHERE ((calcom_sync_status = 'synced'::text) AND (calcom_booking_uid IS NULL) AND (calcom_booking_id IS NULL));

CREATE VIEW trueup.table_writes AS
 SELECT table_name,
    ( SELECT (COALESCE(sum(((pg_stat_get_tuples_inserted(part.relid) + pg_stat_get_tuples_updated(part.relid)) + pg_stat_get_tuples_deleted(part.relid))), (0)::numeric))::bigint AS "coalesce"
           FROM unnest((w.relid || ARRAY( SELECT (pt.relid)::oid AS relid
                   FROM pg_partition_tree((w.relid)::regclass) pt(relid, parentrelid, isleaf, level)
                  WHERE pt.isleaf))) part(relid)) AS writes
   FROM ( SELECT DISTINCT c.oid AS relid,
            ((c.oid)::regclass)::text AS table_name
           FROM ((trueup.guards g
             JOIN pg_trigger t ON ((g.name = t.tgname)))
             JOIN pg_class c ON ((t.tgrelid = c.oid)))
          WHERE ((NOT t.tgisinternal) AND (NOT c.relispartition))) w;

ALTER TABLE trueup.tables ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.tables_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE trueup.unusable_names ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.unusable_names_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE trueup.webhook_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.webhook_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE trueup.write_samples (
    id bigint NOT NULL,
    table_name text NOT NULL,
    sampled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    writes bigint NOT NULL
);

COMMENT ON TABLE trueup.write_samples IS 'how many rows of each table had been written when a full run began';

ALTER TABLE trueup.write_samples ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trueup.write_samples_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.appointment_modifications
    ADD CONSTRAINT appointment_modifications_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_staff_id_excl EXCLUDE USING gist (staff_id WITH =, tstzrange(starts_at, ends_at) WITH &&) WHERE (((deleted_at IS NULL) AND (status <> 'cancelled'::text) AND (staff_id IS NOT NULL) AND (ends_at > starts_at)));

ALTER TABLE ONLY public.branches
    ADD CONSTRAINT branches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_company_id_retell_call_id_key UNIQUE (company_id, retell_call_id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.companies
    ADD CONSTRAINT companies_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_number_key UNIQUE (number);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY trueup.application
    ADD CONSTRAINT application_pkey PRIMARY KEY (is_one);

ALTER TABLE ONLY trueup.appointment_notice_floor
    ADD CONSTRAINT appointment_notice_floor_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY trueup.appointment_notices
    ADD CONSTRAINT appointment_notices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.backfills
    ADD CONSTRAINT backfills_pkey PRIMARY KEY (name);

ALTER TABLE ONLY trueup.booking_imports
    ADD CONSTRAINT booking_imports_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.booking_snapshots
    ADD CONSTRAINT booking_snapshots_booking_uid_company_id_key UNIQUE (booking_uid, company_id);

ALTER TABLE ONLY trueup.booking_snapshots
    ADD CONSTRAINT booking_snapshots_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.check_populations
    ADD CONSTRAINT check_populations_pkey PRIMARY KEY (check_name, entity_type);

ALTER TABLE ONLY trueup.check_results
    ADD CONSTRAINT check_results_pkey PRIMARY KEY (run_id, check_name);

ALTER TABLE ONLY trueup.check_runs
    ADD CONSTRAINT check_runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.check_tables
    ADD CONSTRAINT check_tables_pkey PRIMARY KEY (check_name, table_name);

ALTER TABLE ONLY trueup.checks
    ADD CONSTRAINT checks_name_key UNIQUE (name);

ALTER TABLE ONLY trueup.checks
    ADD CONSTRAINT checks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.circuit_breaker_events
    ADD CONSTRAINT circuit_breaker_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.circuit_breaker_metrics
    ADD CONSTRAINT circuit_breaker_metrics_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.circuit_breaker_settings
    ADD CONSTRAINT circuit_breaker_settings_pkey PRIMARY KEY (service_key);

ALTER TABLE ONLY trueup.circuit_breaker_states
    ADD CONSTRAINT circuit_breaker_states_pkey PRIMARY KEY (service_key);

ALTER TABLE ONLY trueup.consistency_rates
    ADD CONSTRAINT consistency_rates_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.consistency_rates
    ADD CONSTRAINT consistency_rates_run_id_company_id_key UNIQUE NULLS NOT DISTINCT (run_id, company_id);

ALTER TABLE ONLY trueup.console_attempts
    ADD CONSTRAINT console_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.console_audit
    ADD CONSTRAINT console_audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.console_keys
    ADD CONSTRAINT console_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.console_sessions
    ADD CONSTRAINT console_sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.console_sessions
    ADD CONSTRAINT console_sessions_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY trueup.console_users
    ADD CONSTRAINT console_users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.constraints
    ADD CONSTRAINT constraints_id_key UNIQUE (id);

ALTER TABLE ONLY trueup.constraints
    ADD CONSTRAINT constraints_pkey PRIMARY KEY (name);

ALTER TABLE ONLY trueup.contracts
    ADD CONSTRAINT contracts_name_key UNIQUE (name);

ALTER TABLE ONLY trueup.contracts
    ADD CONSTRAINT contracts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.dashboard_logins
    ADD CONSTRAINT dashboard_logins_pkey PRIMARY KEY (login);

ALTER TABLE ONLY trueup.data_consistency_alerts
    ADD CONSTRAINT data_consistency_alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.deployment_checks
    ADD CONSTRAINT deployment_checks_pkey PRIMARY KEY (deployment_id, check_name);

ALTER TABLE ONLY trueup.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.former_bookings
    ADD CONSTRAINT former_bookings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.guard_companies
    ADD CONSTRAINT guard_companies_pkey PRIMARY KEY (guard, company_id);

ALTER TABLE ONLY trueup.guard_trips
    ADD CONSTRAINT guard_trips_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.guards
    ADD CONSTRAINT guards_pkey PRIMARY KEY (name);

ALTER TABLE ONLY trueup.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.idempotency_keys
    ADD CONSTRAINT idempotency_keys_request_key UNIQUE NULLS NOT DISTINCT (key, scope, company_id);

ALTER TABLE ONLY trueup.job_runs
    ADD CONSTRAINT job_runs_attempt_key UNIQUE (job, slot, attempt);

ALTER TABLE ONLY trueup.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.jobs
    ADD CONSTRAINT jobs_name_key UNIQUE (name);

ALTER TABLE ONLY trueup.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.manual_review_events
    ADD CONSTRAINT manual_review_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.manual_review_queue
    ADD CONSTRAINT manual_review_queue_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.notification_channels
    ADD CONSTRAINT notification_channels_name_key UNIQUE (name);

ALTER TABLE ONLY trueup.notification_channels
    ADD CONSTRAINT notification_channels_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.notification_groups
    ADD CONSTRAINT notification_groups_key UNIQUE NULLS NOT DISTINCT (channel_id, check_name, company_id);

ALTER TABLE ONLY trueup.notification_mutes
    ADD CONSTRAINT notification_mutes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.notified_alerts
    ADD CONSTRAINT notified_alerts_pkey PRIMARY KEY (channel_id, alert_id);

ALTER TABLE ONLY trueup.objects
    ADD CONSTRAINT objects_kind_identity_key UNIQUE (kind, identity);

ALTER TABLE ONLY trueup.objects
    ADD CONSTRAINT objects_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.prunes
    ADD CONSTRAINT prunes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.repair_changes
    ADD CONSTRAINT repair_changes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.repairs
    ADD CONSTRAINT repairs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.request_policies
    ADD CONSTRAINT request_policies_pkey PRIMARY KEY (scope);

ALTER TABLE ONLY trueup.retention
    ADD CONSTRAINT retention_pkey PRIMARY KEY (name);

ALTER TABLE ONLY trueup.review_priorities
    ADD CONSTRAINT review_priorities_pkey PRIMARY KEY (reason);

ALTER TABLE ONLY trueup.runners
    ADD CONSTRAINT runners_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (name);

ALTER TABLE ONLY trueup.sync_failures
    ADD CONSTRAINT sync_failures_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.tables
    ADD CONSTRAINT tables_name_key UNIQUE (name);

ALTER TABLE ONLY trueup.tables
    ADD CONSTRAINT tables_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.unusable_names
    ADD CONSTRAINT unusable_names_company_id_phrase_key UNIQUE NULLS NOT DISTINCT (company_id, phrase);

ALTER TABLE ONLY trueup.unusable_names
    ADD CONSTRAINT unusable_names_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.vocabularies
    ADD CONSTRAINT vocabularies_pkey PRIMARY KEY (vocabulary, value);

ALTER TABLE trueup.webhook_events
    ADD CONSTRAINT webhook_events_body_decoded CHECK ((jsonb_typeof(body) <> 'string'::text)) NOT VALID;

ALTER TABLE ONLY trueup.webhook_events
    ADD CONSTRAINT webhook_events_identity_key UNIQUE NULLS NOT DISTINCT (provider, object_id, event_type, occurred_at, body_hash);

ALTER TABLE ONLY trueup.webhook_events
    ADD CONSTRAINT webhook_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY trueup.write_samples
    ADD CONSTRAINT write_samples_pkey PRIMARY KEY (id);

CREATE INDEX appointment_modifications_appointment_id_idx ON public.appointment_modifications USING btree (appointment_id, id);

CREATE INDEX appointment_modifications_call_id_idx ON public.appointment_modifications USING btree (call_id) WHERE (call_id IS NOT NULL);

CREATE INDEX appointments_booking_number_idx ON public.appointments USING btree (company_id, calcom_booking_id) WHERE (calcom_booking_id IS NOT NULL);

CREATE INDEX appointments_booking_uid_idx ON public.appointments USING btree (company_id, calcom_booking_uid) WHERE (calcom_booking_uid IS NOT NULL);

CREATE UNIQUE INDEX appointments_booking_uid_key ON public.appointments USING btree (company_id, calcom_booking_uid) WHERE ((deleted_at IS NULL) AND (calcom_booking_uid IS NOT NULL));

CREATE INDEX appointments_call_id_idx ON public.appointments USING btree (call_id, id) INCLUDE (company_id, customer_id, deleted_at) WHERE (call_id IS NOT NULL);

CREATE INDEX appointments_company_id_branch_id_idx ON public.appointments USING btree (company_id, branch_id, service_id, staff_id);

CREATE UNIQUE INDEX appointments_company_id_id_key ON public.appointments USING btree (company_id, id);

CREATE INDEX appointments_customer_id_idx ON public.appointments USING btree (customer_id, company_id, starts_at) WHERE (customer_id IS NOT NULL);

CREATE INDEX appointments_former_key_idx ON public.appointments USING btree (company_id, idempotency_key) WHERE ((idempotency_key IS NOT NULL) AND ((deleted_at IS NOT NULL) OR (status = 'cancelled'::text)));

CREATE UNIQUE INDEX appointments_idempotency_key_key ON public.appointments USING btree (company_id, idempotency_key) WHERE ((deleted_at IS NULL) AND (status <> 'cancelled'::text) AND (idempotency_key IS NOT NULL));

CREATE INDEX appointments_long_idx ON public.appointments USING btree (staff_id, starts_at) INCLUDE (ends_at, id, status, deleted_at) WHERE 
CASE
    WHEN (isfinite(starts_at) AND isfinite(ends_at)) THEN ((ends_at - starts_at) > '04:00:00'::interval)
    ELSE true
END;

CREATE INDEX appointments_open_idx ON public.appointments USING btree (ends_at) WHERE ((deleted_at IS NULL) AND (source IS DISTINCT FROM 'backfill'::text) AND (status <> ALL (ARRAY['completed'::text, 'no_show'::text, 'cancelled'::text])));

CREATE INDEX appointments_staff_id_idx ON public.appointments USING btree (staff_id, starts_at) INCLUDE (ends_at, id, status, deleted_at) WHERE (staff_id IS NOT NULL);

CREATE INDEX appointments_suspect_idx ON public.appointments USING btree (id) WHERE ((deleted_at IS NULL) AND (
CASE
    WHEN ((status <> ALL (ARRAY['pending'::text, 'confirmed'::text, 'completed'::text, 'no_show'::text, 'cancelled'::text])) OR (source <> ALL (ARRAY['retell'::text, 'calcom'::text, 'manual'::text, 'api'::text, 'backfill'::text])) OR (sync_origin <> ALL (ARRAY['retell'::text, 'calcom'::text, 'admin'::text, 'api'::text, 'system'::text])) OR (calcom_sync_status <> ALL (ARRAY['pending'::text, 'synced'::text, 'failed'::text, 'verification_pending'::text])) OR ((status = 'cancelled'::text) <> (cancelled_at IS NOT NULL)) OR ((source = 'retell'::text) AND ((idempotency_key IS NULL) OR (call_id IS NULL)))) THEN 1
    ELSE NULL::integer
END = 1));

CREATE INDEX appointments_unsynced_idx ON public.appointments USING btree (id) WHERE ((deleted_at IS NULL) AND (
CASE
    WHEN ((calcom_sync_status = ANY (ARRAY['pending'::text, 'failed'::text])) OR ((calcom_sync_status = 'synced'::text) AND (calcom_booking_uid IS NULL) AND (calcom_booking_id IS NULL))) THEN 1
    ELSE NULL::integer
END = 1));

CREATE UNIQUE INDEX branches_company_id_id_key ON public.branches USING btree (company_id, id);

CREATE INDEX calls_appointment_id_idx ON public.calls USING btree (appointment_id) WHERE (appointment_id IS NOT NULL);

CREATE INDEX calls_appointment_made_idx ON public.calls USING btree (id) INCLUDE (company_id, appointment_id, customer_id, deleted_at) WHERE appointment_made;

CREATE INDEX calls_booking_id_idx ON public.calls USING btree (company_id, booking_id) WHERE (booking_id IS NOT NULL);

CREATE INDEX calls_company_id_branch_id_idx ON public.calls USING btree (company_id, branch_id, phone_number_id);

CREATE UNIQUE INDEX calls_company_id_id_key ON public.calls USING btree (company_id, id);

CREATE INDEX calls_confirmed_created_at_idx ON public.calls USING btree (created_at) WHERE booking_confirmed;

CREATE INDEX calls_created_at_idx ON public.calls USING btree (created_at);

CREATE INDEX calls_customer_id_idx ON public.calls USING btree (customer_id, company_id) WHERE (customer_id IS NOT NULL);

CREATE INDEX calls_link_failed_created_at_idx ON public.calls USING btree (created_at) WHERE (customer_link_status = 'failed'::text);

CREATE INDEX calls_numbers_started_at_idx ON public.calls USING btree (company_id, from_number, to_number, started_at);

CREATE INDEX calls_open_idx ON public.calls USING btree (COALESCE(started_at, created_at)) WHERE ((deleted_at IS NULL) AND (status <> ALL (ARRAY['ended'::text, 'analyzed'::text, 'failed'::text])));

CREATE INDEX calls_pending_creation_idx ON public.calls USING btree (COALESCE(ended_at, started_at, created_at)) WHERE ((deleted_at IS NULL) AND (appointment_link_status = 'pending_creation'::text));

CREATE INDEX calls_retell_call_id_idx ON public.calls USING btree (retell_call_id);

CREATE INDEX calls_spoken_name_idx ON public.calls USING btree (NULLIF(btrim(regexp_replace(regexp_replace(lower(customer_name), '[[:punct:]]'::text, ''::text, 'g'::text), '\s+'::text, ' '::text, 'g'::text)), ''::text)) WHERE ((customer_name IS NOT NULL) AND (deleted_at IS NULL));

CREATE INDEX calls_suspect_idx ON public.calls USING btree (id) WHERE ((deleted_at IS NULL) AND (
CASE
    WHEN ((direction IS NULL) OR (direction <> ALL (ARRAY['inbound'::text, 'outbound'::text])) OR (status <> ALL (ARRAY['ended'::text, 'analyzed'::text, 'failed'::text])) OR (session_outcome <> ALL (ARRAY['appointment_booked'::text, 'appointment_rescheduled'::text, 'appointment_cancelled'::text, 'information_only'::text, 'callback_requested'::text, 'transferred'::text, 'voicemail'::text, 'abandoned'::text, 'technical_issue'::text, 'spam'::text, 'creation_failed'::text, 'other'::text])) OR (customer_link_status <> ALL (ARRAY['linked'::text, 'name_only'::text, 'anonymous'::text, 'pending_review'::text, 'unlinked'::text, 'failed'::text])) OR (customer_link_method <> ALL (ARRAY['phone_match'::text, 'name_match'::text, 'email_match'::text, 'manual_link'::text, 'ai_match'::text, 'appointment_link'::text, 'auto_created'::text, 'unknown'::text])) OR (appointment_link_status <> ALL (ARRAY['linked'::text, 'unlinked'::text, 'not_applicable'::text, 'creation_failed'::text])) OR (call_type IS NULL) OR (length(retell_call_id) <> 32) OR (rtrim(retell_call_id, '0123456789abcdef'::text) <> 'call_'::text) OR (ended_at < started_at) OR
    CASE
        WHEN (isfinite(started_at) AND isfinite(ended_at)) THEN (abs(((EXTRACT(epoch FROM (ended_at - started_at)) * (1000)::numeric) - (duration_ms)::numeric)) > (1000)::numeric)
        ELSE (num_nulls(started_at, ended_at, duration_ms) = 0)
    END OR ((customer_link_confidence < (0)::numeric) OR (customer_link_confidence > (100)::numeric)) OR
    CASE
        WHEN (customer_id IS NOT NULL) THEN (customer_link_status <> ALL (ARRAY['linked'::text, 'pending_review'::text]))
        WHEN (customer_link_status = 'linked'::text) THEN true
        WHEN (customer_link_status = ANY (ARRAY['pending_review'::text, 'failed'::text])) THEN false
        ELSE (customer_link_status <>
        CASE
            WHEN (customer_name ~ '[^[:punct:][:space:]]'::text) THEN 'name_only'::text
            WHEN (COALESCE(lower(regexp_replace(from_number, '\s'::text, ''::text, 'g'::text)), ''::text) = ANY (ARRAY[''::text, 'anonymous'::text, 'unknown'::text, 'unavailable'::text, 'blocked'::text, 'private'::text, 'withheld'::text, 'restricted'::text])) THEN 'anonymous'::text
            ELSE 'unlinked'::text
        END)
    END OR ((customer_link_status = 'linked'::text) AND ((customer_link_method IS NULL) OR (customer_link_confidence IS NULL) OR (customer_linked_at IS NULL))) OR
    CASE
        WHEN appointment_made THEN ((appointment_id IS NULL) OR (appointment_link_status <> 'linked'::text) OR (appointment_linked_at IS NULL) OR booking_failed OR (session_outcome <> ALL (ARRAY['appointment_booked'::text, 'appointment_rescheduled'::text, 'appointment_cancelled'::text])))
        ELSE ((appointment_id IS NOT NULL) OR (appointment_link_status = 'linked'::text) OR (appointment_linked_at IS NOT NULL))
    END OR (jsonb_typeof(booking_details) = 'string'::text) OR (booking_details ? 'appointment_creation_failed'::text)) THEN 1
    ELSE NULL::integer
END = 1));

CREATE INDEX calls_temporary_idx ON public.calls USING btree (company_id, from_number, to_number, started_at) WHERE ((deleted_at IS NULL) AND starts_with(retell_call_id, 'temp_'::text));

CREATE INDEX calls_unflagged_idx ON public.calls USING btree (id) WHERE (
CASE
    WHEN ((appointment_made IS NOT TRUE) AND ((session_outcome = 'appointment_booked'::text) OR booking_confirmed OR (appointment_id IS NOT NULL))) THEN 1
    ELSE NULL::integer
END = 1);

CREATE UNIQUE INDEX customers_company_id_id_key ON public.customers USING btree (company_id, id);

CREATE INDEX customers_created_at_idx ON public.customers USING btree (created_at);

CREATE INDEX customers_email_idx ON public.customers USING btree (company_id, lower(email)) WHERE (email IS NOT NULL);

CREATE INDEX customers_phone_normalized_idx ON public.customers USING btree (company_id, phone_normalized) WHERE (phone_normalized IS NOT NULL);

CREATE UNIQUE INDEX phone_numbers_company_id_id_key ON public.phone_numbers USING btree (company_id, id);

CREATE UNIQUE INDEX services_company_id_id_key ON public.services USING btree (company_id, id);

CREATE INDEX services_event_type_idx ON public.services USING btree (calcom_event_type_id) WHERE (calcom_event_type_id IS NOT NULL);

CREATE UNIQUE INDEX staff_company_id_id_key ON public.staff USING btree (company_id, id);

CREATE INDEX appointment_notices_noted_at_idx ON trueup.appointment_notices USING btree (noted_at);

CREATE INDEX booking_imports_taken_at_idx ON trueup.booking_imports USING btree (taken_at);

CREATE INDEX booking_snapshots_booking_number_idx ON trueup.booking_snapshots USING btree (booking_number) WHERE (booking_number IS NOT NULL);

CREATE INDEX booking_snapshots_import_id_idx ON trueup.booking_snapshots USING btree (import_id);

CREATE INDEX booking_snapshots_rescheduled_from_uid_idx ON trueup.booking_snapshots USING btree (rescheduled_from_uid) WHERE (rescheduled_from_uid IS NOT NULL);

CREATE INDEX check_results_violating_idx ON trueup.check_results USING btree (check_name, run_id DESC) WHERE ((outcome = 'complete'::text) AND (violations > 0));

CREATE INDEX check_results_whole_idx ON trueup.check_results USING btree (check_name, run_id DESC) WHERE (outcome <> 'changed'::text);

CREATE INDEX check_runs_running_idx ON trueup.check_runs USING btree (id) WHERE (status = 'running'::text);

CREATE INDEX circuit_breaker_events_service_key_idx ON trueup.circuit_breaker_events USING btree (service_key, happened_at DESC);

CREATE INDEX circuit_breaker_metrics_happened_at_idx ON trueup.circuit_breaker_metrics USING btree (happened_at);

CREATE INDEX circuit_breaker_metrics_judged_idx ON trueup.circuit_breaker_metrics USING btree (service_key, epoch, happened_at DESC) WHERE (outcome = ANY (ARRAY['success'::text, 'failure'::text]));

CREATE INDEX console_attempts_address_idx ON trueup.console_attempts USING btree (address, id);

CREATE INDEX console_attempts_happened_at_idx ON trueup.console_attempts USING btree (happened_at);

CREATE INDEX console_attempts_name_hash_idx ON trueup.console_attempts USING btree (name_hash, id);

CREATE INDEX console_audit_event_id_idx ON trueup.console_audit USING btree (event_id) WHERE (event_id IS NOT NULL);

CREATE INDEX console_audit_happened_at_idx ON trueup.console_audit USING btree (happened_at);

CREATE INDEX console_sessions_expires_at_idx ON trueup.console_sessions USING btree (expires_at);

CREATE INDEX console_sessions_user_id_idx ON trueup.console_sessions USING btree (user_id);

CREATE UNIQUE INDEX console_users_name_key ON trueup.console_users USING btree (lower(name));

CREATE INDEX data_consistency_alerts_accepted_idx ON trueup.data_consistency_alerts USING btree (alert_type) WHERE ((status = 'acknowledged'::text) AND (accepted_by IS NOT NULL));

CREATE INDEX data_consistency_alerts_accepted_until_idx ON trueup.data_consistency_alerts USING btree (accepted_until) WHERE ((status <> 'resolved'::text) AND (accepted_until IS NOT NULL));

CREATE INDEX data_consistency_alerts_detected_at_idx ON trueup.data_consistency_alerts USING btree (detected_at DESC);

CREATE INDEX data_consistency_alerts_entity_idx ON trueup.data_consistency_alerts USING btree (entity_type, entity_id, alert_type);

CREATE UNIQUE INDEX data_consistency_alerts_open_key ON trueup.data_consistency_alerts USING btree (alert_type, entity_type, entity_id) WHERE (status <> 'resolved'::text);

CREATE INDEX data_consistency_alerts_reopened_at_idx ON trueup.data_consistency_alerts USING btree (reopened_at) WHERE (reopened_at IS NOT NULL);

CREATE INDEX data_consistency_alerts_resolved_at_idx ON trueup.data_consistency_alerts USING btree (resolved_at) WHERE (status = 'resolved'::text);

CREATE INDEX data_consistency_alerts_unresolved_idx ON trueup.data_consistency_alerts USING btree (id) INCLUDE (alert_type, company_id, severity, status, snoozed_until, reopened_count) WHERE (status <> 'resolved'::text);

CREATE INDEX deployments_name_idx ON trueup.deployments USING btree (name, id);

CREATE INDEX deployments_running_idx ON trueup.deployments USING btree (id) WHERE (outcome = 'running'::text);

CREATE INDEX former_bookings_booking_uid_idx ON trueup.former_bookings USING btree (booking_uid, company_id);

CREATE INDEX former_bookings_ended_at_idx ON trueup.former_bookings USING btree (ended_at);

CREATE INDEX guard_trips_guard_idx ON trueup.guard_trips USING btree (guard, tripped_at);

CREATE INDEX guard_trips_tripped_at_idx ON trueup.guard_trips USING btree (tripped_at);

CREATE INDEX idempotency_keys_finished_idx ON trueup.idempotency_keys USING btree (finished_at) WHERE (status = 'finished'::text);

CREATE INDEX idempotency_keys_unfinished_idx ON trueup.idempotency_keys USING btree (lease_expires_at) WHERE (status <> 'finished'::text);

CREATE INDEX job_runs_job_idx ON trueup.job_runs USING btree (job, id);

CREATE INDEX job_runs_runner_id_idx ON trueup.job_runs USING btree (runner_id);

CREATE UNIQUE INDEX job_runs_running_key ON trueup.job_runs USING btree (job) WHERE (outcome = 'running'::text);

CREATE UNIQUE INDEX job_runs_slot_key ON trueup.job_runs USING btree (job, slot) WHERE (outcome <> 'abandoned'::text);

CREATE INDEX manual_review_events_item_id_idx ON trueup.manual_review_events USING btree (item_id, id);

CREATE INDEX manual_review_queue_customer_creation_idx ON trueup.manual_review_queue USING btree (created_at) WHERE (reason = 'customer_creation_failed'::text);

CREATE INDEX manual_review_queue_decided_at_idx ON trueup.manual_review_queue USING btree (decided_at) WHERE (status = ANY (ARRAY['resolved'::text, 'dismissed'::text]));

CREATE INDEX manual_review_queue_entity_idx ON trueup.manual_review_queue USING btree (entity_type, entity_id);

CREATE INDEX manual_review_queue_next_idx ON trueup.manual_review_queue USING btree (priority, due_at, id) WHERE (status = ANY (ARRAY['pending'::text, 'in_progress'::text]));

CREATE UNIQUE INDEX manual_review_queue_open_key ON trueup.manual_review_queue USING btree (reason, entity_type, entity_id) WHERE (status = ANY (ARRAY['pending'::text, 'in_progress'::text]));

CREATE INDEX manual_review_queue_repair_id_idx ON trueup.manual_review_queue USING btree (repair_id) WHERE (repair_id IS NOT NULL);

CREATE INDEX notification_mutes_ends_at_idx ON trueup.notification_mutes USING btree (ends_at);

CREATE INDEX notifications_created_at_idx ON trueup.notifications USING btree (created_at) WHERE (state <> 'pending'::text);

CREATE INDEX notifications_pending_idx ON trueup.notifications USING btree (channel_id, id) WHERE (state = 'pending'::text);

CREATE INDEX prunes_running_idx ON trueup.prunes USING btree (xid) WHERE (finished_at IS NULL);

CREATE INDEX repair_changes_repair_id_idx ON trueup.repair_changes USING btree (repair_id, id);

CREATE INDEX repairs_entity_idx ON trueup.repairs USING btree (entity_type, entity_id);

CREATE INDEX repairs_repaired_at_idx ON trueup.repairs USING btree (repaired_at);

CREATE INDEX repairs_run_id_idx ON trueup.repairs USING btree (run_id) WHERE (run_id IS NOT NULL);

CREATE INDEX runners_alive_idx ON trueup.runners USING btree (heartbeat_at) WHERE ((stopped_at IS NULL) AND (lost_at IS NULL));

CREATE INDEX sync_failures_exhausted_idx ON trueup.sync_failures USING btree (id) WHERE ((status = 'pending'::text) AND (attempt_count >= max_attempts));

CREATE UNIQUE INDEX sync_failures_open_key ON trueup.sync_failures USING btree (appointment_id, operation) WHERE ((status <> 'resolved'::text) AND (appointment_id IS NOT NULL));

CREATE INDEX sync_failures_pending_idx ON trueup.sync_failures USING btree (next_attempt_at) WHERE (status = 'pending'::text);

CREATE INDEX unusable_names_phrase_idx ON trueup.unusable_names USING btree (phrase);

CREATE INDEX webhook_events_done_idx ON trueup.webhook_events USING btree (received_at) WHERE (status = ANY (ARRAY['processed'::text, 'ignored'::text]));

CREATE INDEX webhook_events_due_idx ON trueup.webhook_events USING btree (next_attempt_at, id) WHERE (status = 'received'::text);

CREATE INDEX webhook_events_encoded_idx ON trueup.webhook_events USING btree (id) WHERE (
CASE
    WHEN (jsonb_typeof(body) = 'string'::text) THEN 1
    ELSE NULL::integer
END = 1);

CREATE INDEX webhook_events_named_call_idx ON trueup.webhook_events USING btree (named_call_id) WHERE (named_call_id IS NOT NULL);

CREATE INDEX webhook_events_object_due_idx ON trueup.webhook_events USING btree (provider, object_id, id) WHERE (status = 'received'::text);

CREATE INDEX webhook_events_previous_idx ON trueup.webhook_events USING btree (previous_object_id) WHERE (previous_object_id IS NOT NULL);

CREATE INDEX webhook_events_unprocessed_idx ON trueup.webhook_events USING btree (received_at) WHERE (status = ANY (ARRAY['received'::text, 'parked'::text]));

CREATE INDEX write_samples_table_name_idx ON trueup.write_samples USING btree (table_name, sampled_at);

CREATE CONSTRAINT TRIGGER appointment_without_call AFTER INSERT OR UPDATE OF source, call_id, deleted_at ON public.appointments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.source = 'retell'::text) AND (new.call_id IS NULL) AND (new.deleted_at IS NULL))) EXECUTE FUNCTION trueup.guard_appointment_without_call();

CREATE TRIGGER appointments_fill_decoded BEFORE INSERT OR UPDATE ON public.appointments FOR EACH ROW WHEN ((jsonb_typeof(new.metadata) = 'string'::text)) EXECUTE FUNCTION trueup.appointments_fill_decoded();

CREATE TRIGGER appointments_fill_key BEFORE INSERT OR UPDATE ON public.appointments FOR EACH ROW WHEN (((new.source = 'retell'::text) AND (new.idempotency_key IS NULL))) EXECUTE FUNCTION trueup.appointments_fill_key();

CREATE TRIGGER appointments_fill_status BEFORE INSERT ON public.appointments FOR EACH ROW WHEN (((new.status <> ALL ('{pending,confirmed,completed,no_show,cancelled}'::text[])) OR ((new.status = 'cancelled'::text) AND (new.cancelled_at IS NULL)))) EXECUTE FUNCTION trueup.appointments_fill_status();

CREATE TRIGGER appointments_fill_status_on_update BEFORE UPDATE OF status, cancelled_at ON public.appointments FOR EACH ROW WHEN (((new.status <> old.status) AND (new.cancelled_at = old.cancelled_at))) EXECUTE FUNCTION trueup.appointments_fill_status();

CREATE TRIGGER appointments_fill_status_on_update_legacy BEFORE UPDATE ON public.appointments FOR EACH ROW WHEN (((new.status <> ALL ('{pending,confirmed,completed,no_show,cancelled}'::text[])) OR ((new.status = 'cancelled'::text) AND (new.cancelled_at IS NULL)))) EXECUTE FUNCTION trueup.appointments_fill_status('any update');

CREATE TRIGGER appointments_note_bookings_delete AFTER DELETE ON public.appointments FOR EACH ROW WHEN (((old.calcom_booking_uid IS NOT NULL) AND (old.company_id IS NOT NULL))) EXECUTE FUNCTION trueup.appointments_note_bookings();

CREATE TRIGGER appointments_note_bookings_update AFTER UPDATE OF calcom_booking_uid, company_id ON public.appointments FOR EACH ROW WHEN (((old.calcom_booking_uid IS NOT NULL) AND (old.company_id IS NOT NULL) AND ((old.calcom_booking_uid IS DISTINCT FROM new.calcom_booking_uid) OR (old.company_id IS DISTINCT FROM new.company_id)))) EXECUTE FUNCTION trueup.appointments_note_bookings();

CREATE TRIGGER appointments_notify_delete AFTER DELETE ON public.appointments REFERENCING OLD TABLE AS old_appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointments_notify();

CREATE TRIGGER appointments_notify_insert AFTER INSERT ON public.appointments REFERENCING NEW TABLE AS new_appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointments_notify();

CREATE TRIGGER appointments_notify_truncate AFTER TRUNCATE ON public.appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointments_notify();

CREATE TRIGGER appointments_notify_update AFTER UPDATE ON public.appointments REFERENCING OLD TABLE AS old_appointments NEW TABLE AS new_appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointments_notify();

CREATE TRIGGER appointments_sync_calls_delete AFTER DELETE ON public.appointments REFERENCING OLD TABLE AS old_appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointments_sync_calls();

CREATE TRIGGER appointments_sync_calls_insert AFTER INSERT ON public.appointments REFERENCING NEW TABLE AS new_appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointments_sync_calls();

CREATE TRIGGER appointments_sync_calls_update AFTER UPDATE ON public.appointments REFERENCING OLD TABLE AS old_appointments NEW TABLE AS new_appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointments_sync_calls();

CREATE CONSTRAINT TRIGGER call_backlink_broken AFTER DELETE OR UPDATE OF call_id, deleted_at ON public.appointments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.call_id IS NOT NULL) AND (old.deleted_at IS NULL))) EXECUTE FUNCTION trueup.guard_call_backlink_broken();

CREATE CONSTRAINT TRIGGER call_backlink_broken AFTER INSERT OR UPDATE OF appointment_id, deleted_at ON public.calls DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.appointment_id IS NOT NULL) AND (((current_setting('trueup.syncing'::text, true) = (pg_trigger_depth())::text) AND has_table_privilege(('public.calls'::regclass)::oid, 'trigger'::text)) IS NOT TRUE))) EXECUTE FUNCTION trueup.guard_call_backlink_broken('calls');

CREATE CONSTRAINT TRIGGER call_booked_without_appointment AFTER DELETE OR UPDATE OF call_id, deleted_at ON public.appointments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.call_id IS NOT NULL) AND (old.deleted_at IS NULL))) EXECUTE FUNCTION trueup.guard_call_booked_without_appointment();

CREATE CONSTRAINT TRIGGER call_booked_without_appointment AFTER INSERT OR UPDATE OF booking_confirmed, deleted_at ON public.calls DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.booking_confirmed) EXECUTE FUNCTION trueup.guard_call_booked_without_appointment('calls');

CREATE CONSTRAINT TRIGGER call_made_without_appointment AFTER DELETE OR UPDATE OF call_id, deleted_at ON public.appointments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.call_id IS NOT NULL) AND (old.deleted_at IS NULL))) EXECUTE FUNCTION trueup.guard_call_made_without_appointment();

CREATE CONSTRAINT TRIGGER call_made_without_appointment AFTER INSERT OR UPDATE OF appointment_made, deleted_at ON public.calls DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.appointment_made AND (((current_setting('trueup.syncing'::text, true) = (pg_trigger_depth())::text) AND has_table_privilege(('public.calls'::regclass)::oid, 'trigger'::text)) IS NOT TRUE))) EXECUTE FUNCTION trueup.guard_call_made_without_appointment('calls');

CREATE CONSTRAINT TRIGGER call_outcome_without_appointment AFTER DELETE OR UPDATE OF call_id, deleted_at ON public.appointments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.call_id IS NOT NULL) AND (old.deleted_at IS NULL))) EXECUTE FUNCTION trueup.guard_call_outcome_without_appointment();

CREATE CONSTRAINT TRIGGER call_outcome_without_appointment AFTER INSERT OR UPDATE OF session_outcome, appointment_made, deleted_at ON public.calls DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.session_outcome = 'appointment_booked'::text) AND (((current_setting('trueup.syncing'::text, true) = (pg_trigger_depth())::text) AND has_table_privilege(('public.calls'::regclass)::oid, 'trigger'::text)) IS NOT TRUE))) EXECUTE FUNCTION trueup.guard_call_outcome_without_appointment('calls');

CREATE TRIGGER calls_fill_appointment BEFORE INSERT OR UPDATE OF appointment_made, appointment_id, appointment_link_status, appointment_linked_at ON public.calls FOR EACH ROW WHEN (((NOT new.appointment_made) OR (new.appointment_id IS NULL) OR (new.appointment_link_status <> 'linked'::text) OR (new.appointment_linked_at IS NULL))) EXECUTE FUNCTION trueup.calls_fill_appointment();

CREATE TRIGGER calls_fill_customer_link_insert BEFORE INSERT ON public.calls FOR EACH ROW EXECUTE FUNCTION trueup.calls_fill_customer_link();

CREATE TRIGGER calls_fill_customer_link_update BEFORE UPDATE OF company_id, customer_id, customer_name, from_number, customer_link_status, customer_link_method, customer_link_confidence, customer_linked_at ON public.calls FOR EACH ROW WHEN (((old.company_id IS DISTINCT FROM new.company_id) OR (old.customer_id IS DISTINCT FROM new.customer_id) OR (old.customer_name IS DISTINCT FROM new.customer_name) OR (old.from_number IS DISTINCT FROM new.from_number) OR (old.customer_link_status IS DISTINCT FROM new.customer_link_status) OR (old.customer_link_method IS DISTINCT FROM new.customer_link_method) OR (old.customer_link_confidence IS DISTINCT FROM new.customer_link_confidence) OR (old.customer_linked_at IS DISTINCT FROM new.customer_linked_at))) EXECUTE FUNCTION trueup.calls_fill_customer_link();

CREATE TRIGGER calls_fill_customer_link_update_legacy BEFORE UPDATE ON public.calls FOR EACH ROW WHEN (((new.customer_link_status = 'linked'::text) AND ((new.customer_id IS NULL) OR (new.customer_link_method IS NULL) OR (new.customer_linked_at IS NULL)))) EXECUTE FUNCTION trueup.calls_fill_customer_link('any update');

CREATE TRIGGER calls_fill_decoded BEFORE INSERT OR UPDATE ON public.calls FOR EACH ROW WHEN ((('string'::text = jsonb_typeof(new.booking_details)) OR ('string'::text = jsonb_typeof(new.metadata)))) EXECUTE FUNCTION trueup.calls_fill_decoded();

CREATE TRIGGER calls_fill_direction BEFORE INSERT OR UPDATE OF company_id, from_number, to_number, direction, metadata ON public.calls FOR EACH ROW WHEN ((((new.direction <> ''::text) IS NOT TRUE) OR (new.metadata @> '{"direction_defaulted": true}'::jsonb))) EXECUTE FUNCTION trueup.calls_fill_direction();

CREATE TRIGGER calls_fill_direction_legacy BEFORE UPDATE ON public.calls FOR EACH ROW WHEN (((new.direction <> ''::text) IS NOT TRUE)) EXECUTE FUNCTION trueup.calls_fill_direction('any update');

CREATE TRIGGER calls_fill_duration BEFORE UPDATE ON public.calls FOR EACH ROW WHEN ((new.ended_at <> (new.started_at + ((new.duration_ms)::double precision * '00:00:00.001'::interval)))) EXECUTE FUNCTION trueup.calls_fill_duration();

CREATE TRIGGER calls_fill_outcome BEFORE INSERT OR UPDATE OF appointment_made, appointment_id, appointment_link_status, appointment_linked_at, session_outcome ON public.calls FOR EACH ROW WHEN ((new.appointment_made AND (new.session_outcome IS NULL))) EXECUTE FUNCTION trueup.calls_fill_outcome();

CREATE TRIGGER calls_fill_status BEFORE INSERT ON public.calls FOR EACH ROW WHEN ((new.status <> ALL ('{registered,ongoing,ended,analyzed,failed}'::text[]))) EXECUTE FUNCTION trueup.calls_fill_status();

CREATE TRIGGER calls_fill_status_on_update BEFORE UPDATE OF status ON public.calls FOR EACH ROW EXECUTE FUNCTION trueup.calls_fill_status();

CREATE TRIGGER calls_fill_status_on_update_legacy BEFORE UPDATE ON public.calls FOR EACH ROW WHEN ((new.status <> ALL ('{registered,ongoing,ended,analyzed,failed}'::text[]))) EXECUTE FUNCTION trueup.calls_fill_status('any update');

CREATE TRIGGER calls_fill_type BEFORE INSERT OR UPDATE OF call_type, metadata ON public.calls FOR EACH ROW WHEN (((new.call_type IS NULL) AND (new.metadata ? 'retell'::text))) EXECUTE FUNCTION trueup.calls_fill_type();

CREATE TRIGGER journal_repairs AFTER INSERT OR DELETE OR UPDATE ON public.appointment_modifications FOR EACH ROW WHEN ((current_setting('trueup.repair_id'::text, true) <> ''::text)) EXECUTE FUNCTION trueup.journal_row_change('id');

CREATE TRIGGER journal_repairs AFTER INSERT OR DELETE OR UPDATE ON public.appointments FOR EACH ROW WHEN ((current_setting('trueup.repair_id'::text, true) <> ''::text)) EXECUTE FUNCTION trueup.journal_row_change('id');

CREATE TRIGGER journal_repairs AFTER INSERT OR DELETE OR UPDATE ON public.calls FOR EACH ROW WHEN ((current_setting('trueup.repair_id'::text, true) <> ''::text)) EXECUTE FUNCTION trueup.journal_row_change('id');

CREATE TRIGGER journal_repairs AFTER INSERT OR DELETE OR UPDATE ON public.customers FOR EACH ROW WHEN ((current_setting('trueup.repair_id'::text, true) <> ''::text)) EXECUTE FUNCTION trueup.journal_row_change('id');

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.appointment_modifications REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_appointment_modifications();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.appointments REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_appointments();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.branches REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_branches();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.calls REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_calls();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.companies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_companies();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.customers REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_customers();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.phone_numbers REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_phone_numbers();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.services REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_services();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON public.staff REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_staff();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.appointment_modifications REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_appointment_modifications();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.appointments REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_appointments();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.branches REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_branches();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.calls REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_calls();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.companies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_companies();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.customers REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_customers();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.phone_numbers REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_phone_numbers();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.services REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_services();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON public.staff REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_staff();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.appointment_modifications FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_appointment_modifications();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.appointments FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_appointments();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.branches FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_branches();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.calls FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_calls();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.companies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_companies();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.customers FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_customers();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.phone_numbers FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_phone_numbers();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.services FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_services();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON public.staff FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_staff();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, appointment_id, call_id, old_starts_at, new_starts_at, created_at, updated_at, kind, reason, actor ON public.appointment_modifications FOR EACH ROW EXECUTE FUNCTION trueup.note_appointment_modifications();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, branch_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, calcom_booking_id, idempotency_key, cancelled_at, deleted_at, created_at, status, source, sync_origin, calcom_booking_uid, calcom_sync_status, metadata ON public.appointments FOR EACH ROW EXECUTE FUNCTION trueup.note_appointments();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id ON public.branches FOR EACH ROW EXECUTE FUNCTION trueup.note_branches();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, branch_id, phone_number_id, started_at, ended_at, duration_ms, customer_id, customer_linked_at, appointment_made, appointment_id, appointment_linked_at, booking_confirmed, booking_failed, requires_manual_processing, deleted_at, created_at, retell_call_id, from_number, to_number, direction, call_type, status, customer_name, customer_link_status, customer_link_method, customer_link_confidence, session_outcome, appointment_link_status, booking_id, booking_details, metadata ON public.calls FOR EACH ROW EXECUTE FUNCTION trueup.note_calls();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id ON public.companies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_companies();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, deleted_at, created_at, phone, phone_normalized, email, source ON public.customers FOR EACH ROW EXECUTE FUNCTION trueup.note_customers();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, branch_id, number ON public.phone_numbers FOR EACH ROW EXECUTE FUNCTION trueup.note_phone_numbers();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id ON public.services FOR EACH ROW EXECUTE FUNCTION trueup.note_services();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, branch_id ON public.staff FOR EACH ROW EXECUTE FUNCTION trueup.note_staff();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON trueup.console_audit FOR EACH STATEMENT EXECUTE FUNCTION trueup.append_only();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON trueup.manual_review_events FOR EACH STATEMENT EXECUTE FUNCTION trueup.append_only();

CREATE TRIGGER appointment_notices_floor AFTER DELETE ON trueup.appointment_notices REFERENCING OLD TABLE AS old_notices FOR EACH STATEMENT EXECUTE FUNCTION trueup.appointment_notices_floor();

CREATE TRIGGER journal_repairs AFTER INSERT OR DELETE OR UPDATE ON trueup.sync_failures FOR EACH ROW WHEN ((current_setting('trueup.repair_id'::text, true) <> ''::text)) EXECUTE FUNCTION trueup.journal_row_change('id');

CREATE TRIGGER journal_repairs AFTER INSERT OR DELETE OR UPDATE ON trueup.webhook_events FOR EACH ROW WHEN ((current_setting('trueup.repair_id'::text, true) <> ''::text)) EXECUTE FUNCTION trueup.journal_row_change('id');

CREATE TRIGGER touch_alert BEFORE UPDATE ON trueup.data_consistency_alerts FOR EACH ROW EXECUTE FUNCTION trueup.touch_alert();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.booking_imports FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_imports();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.booking_snapshots FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_snapshots();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.circuit_breaker_states FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_circuit_breaker_states();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.former_bookings REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_former_bookings();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.idempotency_keys REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_idempotency_keys();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.manual_review_queue REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_manual_review_queue();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.settings FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_settings();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.sync_failures REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_sync_failures();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.unusable_names FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_unusable_names();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.vocabularies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_vocabularies();

CREATE TRIGGER trueup_changes_delete AFTER DELETE ON trueup.webhook_events REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_webhook_events();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.booking_imports FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_imports();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.booking_snapshots FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_snapshots();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.circuit_breaker_states FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_circuit_breaker_states();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.former_bookings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_former_bookings();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.idempotency_keys REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_idempotency_keys();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.manual_review_queue REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_manual_review_queue();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.settings FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_settings();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.sync_failures REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_sync_failures();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.unusable_names FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_unusable_names();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.vocabularies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_vocabularies();

CREATE TRIGGER trueup_changes_insert AFTER INSERT ON trueup.webhook_events REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_webhook_events();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.booking_imports FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_imports();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.booking_snapshots FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_snapshots();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.circuit_breaker_states FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_circuit_breaker_states();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.former_bookings FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_former_bookings();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.idempotency_keys FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_idempotency_keys();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.manual_review_queue FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_manual_review_queue();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.settings FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_settings();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.sync_failures FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_sync_failures();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.unusable_names FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_unusable_names();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.vocabularies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_vocabularies();

CREATE TRIGGER trueup_changes_truncate AFTER TRUNCATE ON trueup.webhook_events FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_webhook_events();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF company_id, taken_at, window_from, window_to, status ON trueup.booking_imports FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_imports();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, booking_number, starts_at, ends_at, event_type_id, booked_at, seen_at, booking_uid, status, rescheduled_from_uid ON trueup.booking_snapshots FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_booking_snapshots();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF opened_at, service_key, current_state, mode ON trueup.circuit_breaker_states FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_circuit_breaker_states();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF company_id, ended_at, booking_uid ON trueup.former_bookings FOR EACH ROW EXECUTE FUNCTION trueup.note_trueup_former_bookings();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF key, company_id, lease_expires_at, id, attempt, scope, status ON trueup.idempotency_keys FOR EACH ROW EXECUTE FUNCTION trueup.note_trueup_idempotency_keys();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF created_at, company_id, reason, entity_type, entity_id, status ON trueup.manual_review_queue FOR EACH ROW EXECUTE FUNCTION trueup.note_trueup_manual_review_queue();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF name, value ON trueup.settings FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_settings();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, appointment_id, attempt_count, max_attempts, lease_expires_at, operation, status ON trueup.sync_failures FOR EACH ROW EXECUTE FUNCTION trueup.note_trueup_sync_failures();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF company_id, phrase ON trueup.unusable_names FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_unusable_names();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF vocabulary, value, means ON trueup.vocabularies FOR EACH STATEMENT EXECUTE FUNCTION trueup.note_trueup_vocabularies();

CREATE TRIGGER trueup_changes_update AFTER UPDATE OF id, company_id, received_at, provider, event_type, object_id, body, status, error ON trueup.webhook_events FOR EACH ROW EXECUTE FUNCTION trueup.note_trueup_webhook_events();

ALTER TABLE ONLY public.appointment_modifications
    ADD CONSTRAINT appointment_modifications_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.appointment_modifications
    ADD CONSTRAINT appointment_modifications_company_id_appointment_id_fkey FOREIGN KEY (company_id, appointment_id) REFERENCES public.appointments(company_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.appointment_modifications
    ADD CONSTRAINT appointment_modifications_company_id_call_id_fkey FOREIGN KEY (company_id, call_id) REFERENCES public.calls(company_id, id);

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_company_id_branch_id_fkey FOREIGN KEY (company_id, branch_id) REFERENCES public.branches(company_id, id);

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_company_id_call_id_fkey FOREIGN KEY (company_id, call_id) REFERENCES public.calls(company_id, id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_company_id_customer_id_fkey FOREIGN KEY (company_id, customer_id) REFERENCES public.customers(company_id, id);

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_company_id_service_id_fkey FOREIGN KEY (company_id, service_id) REFERENCES public.services(company_id, id);

ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT appointments_company_id_staff_id_fkey FOREIGN KEY (company_id, staff_id) REFERENCES public.staff(company_id, id);

ALTER TABLE ONLY public.branches
    ADD CONSTRAINT branches_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_company_id_appointment_id_fkey FOREIGN KEY (company_id, appointment_id) REFERENCES public.appointments(company_id, id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_company_id_branch_id_fkey FOREIGN KEY (company_id, branch_id) REFERENCES public.branches(company_id, id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_company_id_customer_id_fkey FOREIGN KEY (company_id, customer_id) REFERENCES public.customers(company_id, id);

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_company_id_phone_number_id_fkey FOREIGN KEY (company_id, phone_number_id) REFERENCES public.phone_numbers(company_id, id);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_company_id_branch_id_fkey FOREIGN KEY (company_id, branch_id) REFERENCES public.branches(company_id, id);

ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_company_exists FOREIGN KEY (company_id) REFERENCES public.companies(id);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_company_id_branch_id_fkey FOREIGN KEY (company_id, branch_id) REFERENCES public.branches(company_id, id);

ALTER TABLE ONLY trueup.booking_snapshots
    ADD CONSTRAINT booking_snapshots_import_id_fkey FOREIGN KEY (import_id) REFERENCES trueup.booking_imports(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.check_populations
    ADD CONSTRAINT check_populations_check_name_fkey FOREIGN KEY (check_name) REFERENCES trueup.checks(name) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.check_results
    ADD CONSTRAINT check_results_run_id_fkey FOREIGN KEY (run_id) REFERENCES trueup.check_runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.check_tables
    ADD CONSTRAINT check_tables_check_name_fkey FOREIGN KEY (check_name) REFERENCES trueup.checks(name) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.consistency_rates
    ADD CONSTRAINT consistency_rates_run_id_fkey FOREIGN KEY (run_id) REFERENCES trueup.check_runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.console_sessions
    ADD CONSTRAINT console_sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES trueup.console_users(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.constraints
    ADD CONSTRAINT constraints_waits_for_fkey FOREIGN KEY (waits_for) REFERENCES trueup.constraints(name);

ALTER TABLE ONLY trueup.deployment_checks
    ADD CONSTRAINT deployment_checks_deployment_id_fkey FOREIGN KEY (deployment_id) REFERENCES trueup.deployments(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.guard_companies
    ADD CONSTRAINT guard_companies_guard_fkey FOREIGN KEY (guard) REFERENCES trueup.guards(name) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.job_runs
    ADD CONSTRAINT job_runs_runner_id_fkey FOREIGN KEY (runner_id) REFERENCES trueup.runners(id);

ALTER TABLE ONLY trueup.manual_review_events
    ADD CONSTRAINT manual_review_events_item_id_fkey FOREIGN KEY (item_id) REFERENCES trueup.manual_review_queue(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.manual_review_queue
    ADD CONSTRAINT manual_review_queue_repair_id_fkey FOREIGN KEY (repair_id) REFERENCES trueup.repairs(id) ON DELETE SET NULL;

ALTER TABLE ONLY trueup.notification_groups
    ADD CONSTRAINT notification_groups_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES trueup.notification_channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.notifications
    ADD CONSTRAINT notifications_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES trueup.notification_channels(id) ON DELETE SET NULL;

ALTER TABLE ONLY trueup.notified_alerts
    ADD CONSTRAINT notified_alerts_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES trueup.notification_channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.repair_changes
    ADD CONSTRAINT repair_changes_repair_id_fkey FOREIGN KEY (repair_id) REFERENCES trueup.repairs(id) ON DELETE CASCADE;

ALTER TABLE ONLY trueup.repairs
    ADD CONSTRAINT repairs_run_id_fkey FOREIGN KEY (run_id) REFERENCES trueup.check_runs(id) ON DELETE SET NULL;

ALTER TABLE ONLY trueup.vocabularies
    ADD CONSTRAINT vocabularies_vocabulary_means_fkey FOREIGN KEY (vocabulary, means) REFERENCES trueup.vocabularies(vocabulary, value);

ALTER TABLE trueup.booking_imports ENABLE ROW LEVEL SECURITY;

ALTER TABLE trueup.consistency_rates ENABLE ROW LEVEL SECURITY;

CREATE POLICY dashboard_company ON trueup.booking_imports AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE ((company_id)::text = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.consistency_rates AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.data_consistency_alerts AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.guard_companies AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.guard_trips AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.manual_review_queue AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.notification_mutes AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.notifications AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.repairs AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE (company_id = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

CREATE POLICY dashboard_company ON trueup.sync_failures AS RESTRICTIVE FOR SELECT TO trueup_dashboard USING (
CASE
    WHEN (( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce") IS NULL) THEN true
    ELSE ((company_id)::text = ( SELECT COALESCE(( SELECT dl.company_id
               FROM trueup.dashboard_logins dl
              WHERE (dl.login = SESSION_USER)), NULLIF(current_setting('trueup.company'::text, true), ''::text)) AS "coalesce"))
END);

ALTER TABLE trueup.dashboard_logins ENABLE ROW LEVEL SECURITY;

ALTER TABLE trueup.data_consistency_alerts ENABLE ROW LEVEL SECURITY;

CREATE POLICY everybody ON trueup.booking_imports USING (true);

CREATE POLICY everybody ON trueup.consistency_rates USING (true);

CREATE POLICY everybody ON trueup.data_consistency_alerts USING (true);

CREATE POLICY everybody ON trueup.guard_companies USING (true);

CREATE POLICY everybody ON trueup.guard_trips USING (true);

CREATE POLICY everybody ON trueup.manual_review_queue USING (true);

CREATE POLICY everybody ON trueup.notification_mutes USING (true);

CREATE POLICY everybody ON trueup.notifications USING (true);

CREATE POLICY everybody ON trueup.repairs USING (true);

CREATE POLICY everybody ON trueup.sync_failures USING (true);

ALTER TABLE trueup.guard_companies ENABLE ROW LEVEL SECURITY;

ALTER TABLE trueup.guard_trips ENABLE ROW LEVEL SECURITY;

ALTER TABLE trueup.manual_review_queue ENABLE ROW LEVEL SECURITY;

ALTER TABLE trueup.notification_mutes ENABLE ROW LEVEL SECURITY;

ALTER TABLE trueup.notifications ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON trueup.dashboard_logins FOR SELECT USING ((login = SESSION_USER));

ALTER TABLE trueup.repairs ENABLE ROW LEVEL SECURITY;

ALTER TABLE trueup.sync_failures ENABLE ROW LEVEL SECURITY;
