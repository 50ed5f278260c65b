-- receive_event(provider, event): put a provider's webhook event into the inbox
--
-- Stores the event and decides nothing: process_events does that, later and in any
-- order. Returns the event's id, whether it was there already, and its status. An event
-- is the same when provider, object, type, time of creation and body are; received
-- again it returns the first one's id, duplicate = true, and changes nothing.
--
-- A body that was encoded twice is stored decoded, and so are its payload and metadata.
-- An event that means nothing to us (PING, a type we do not know) is stored as ignored,
-- with the reason: providers stop sending to whoever refuses.
--
-- Refused, and nothing is stored:
--     TU301   the provider is not one of retell, calcom
--     TU302   the event is no JSON object, or has no type or no payload
--     TU303   a known type without the id of its object (uid, call_id)
--     TU304   larger than the setting event_max_bytes
--
-- Cost: one insert, two or three of our settings and indexes; locks nothing of yours. A
-- second session that receives the same event at the same moment waits for the first.

create or replace function trueup.receive_event(p_provider text, p_event jsonb)
    returns table (event_id bigint, duplicate boolean, status text)
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
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
