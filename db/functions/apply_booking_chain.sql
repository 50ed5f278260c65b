-- apply_booking_chain(company, uids, events): bring one appointment up to what the events of its booking say
--
-- For process_events. A booking that is moved gets a new uid at the provider and stays
-- one appointment here. Folds all events of the chain of uids, those processed before and
-- those given: the newest uid has the times, any cancellation of it wins, whatever came
-- first. So the result does not depend on the order of arrival.
--
-- The provider's columns are calcom_booking_uid, calcom_booking_id, starts_at, ends_at and
-- previous_starts_at, written when the booking moves to another uid; status and
-- cancelled_at, written by a cancellation, by an acceptance of what was pending, and by a
-- move: it is then accepted or pending as the booking that it led to. An appointment that is
-- completed or a no-show stays so; another spelling counts as what it means, and a status
-- that nobody knows parks what would move or cancel its appointment.
-- Filled only where NULL: call_id, service_id, customer_id (trueup.appointment_from_booking).
-- Everything else, notes, staff and metadata among it, is the application's and is never
-- touched.
--
-- The appointment is the one that bears a uid of the chain, else the one that bore it last
-- (trueup.former_bookings): one that was moved here since is not moved back, and one that was
-- deleted is not made again. A new booking may be one that its call has written here without
-- a uid: the live appointment of that call with the same start and no other service gets the
-- uid. Two such, or an appointment whose uid somebody took away, are for a person.
--
-- A cancellation without a booking creates nothing; its event is kept, and the booking is
-- created cancelled when it comes. A move or a confirmation whose booking has not come
-- yet, and a booking whose call has not, wait for it (setting event_order_wait), and are
-- then applied as they are. Each step is one row of appointment_modifications, unless the
-- application wrote it when it asked for the move. Its call is one that the event names
-- besides the call that made the booking (decision D2).

create or replace function trueup.apply_booking_chain(p_company_id bigint, p_uids text[], p_event_ids bigint[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
