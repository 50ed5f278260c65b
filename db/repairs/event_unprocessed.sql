-- event_unprocessed: repair
--
-- Tries again: what was missing when the event was parked (a line, a service, the call)
-- may be there by now. Applies all that is due of the event's object, as process_events
-- does. What is still not processed then is for a person, with the reason; what another
-- worker holds at this moment is left to that worker.
--
-- What is wrong with the rows afterwards is what the provider told: a call without a type, one
-- that never ended. It stops the retry no more than it stops process_events.

create or replace function trueup.repair_event_unprocessed(p_event_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
