-- apply_call_events(call id, events): bring a call up to what its events say
--
-- For process_events, which holds the call's lock. Folds all events of the call, those
-- processed before and those given, in the order of a call's life, so the result does
-- not depend on the order of arrival: a later stage completes and corrects an earlier
-- one, and a value that no event gives leaves the call's as it is.
--
-- The provider's columns are status (never down, whatever its spelling), from_number, to_number, direction,
-- call_type, started_at, ended_at, duration_ms, disconnection_reason and metadata.retell. A
-- duration that contradicts start and end is computed from them, and NULL when no integer
-- holds it.
-- Filled only where NULL: phone_number_id and branch_id. Everything else is the
-- application's and is not touched, call_analysis or not: that is an opinion (decision
-- D3), kept under metadata.retell for people to read.
--
-- The company is that of the call with this id, else that of the line that was called
-- or that called. When nothing tells it the events are parked; no company is assumed, and
-- none is taken from the line while a call with this id is stored without one: what
-- follows would be a second call.
-- Bookings that wait for this call are due at once, and so are those that were parked, or
-- processed while the appointment, or its move, had no call, whatever they failed at before:
-- nothing else looks at them again. Whoever wrote the call: the application may be quicker.

create or replace function trueup.apply_call_events(p_retell_call_id text, p_event_ids bigint[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
$$;
