-- event_double_encoded: repair
--
-- Decodes what trueup.decoded can read; a text that only begins like JSON is for a
-- person, because every way of storing it would change what it says. Calls, appointments
-- and events are numbered apart, and a repair is told a number: it decodes each row
-- that bears it and is encoded, which the same invariant wants of all of them.

create or replace function trueup.repair_event_double_encoded(p_entity_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = ''
as $$
begin
    update public.calls as c
    set booking_details = trueup.decoded(c.booking_details), metadata = trueup.decoded(c.metadata)
    where c.id = p_entity_id and (trueup.double_encoded(c.booking_details) or trueup.double_encoded(c.metadata));

    update public.appointments as a
    set metadata = trueup.decoded(a.metadata)
    where a.id = p_entity_id and trueup.double_encoded(a.metadata);

    update trueup.webhook_events as e
    set body = trueup.decoded(e.body)
    where e.id = p_entity_id and jsonb_typeof(e.body) = 'string';

    if exists (select 1 from trueup.event_double_encoded as v where v.entity_id = p_entity_id) then
        return ('review', 'the text begins like JSON and cannot be read', null)::trueup.repair_outcome;
    end if;

    return ('corrected', 'decoded', '{"rule": "a string that holds JSON means that JSON"}')::trueup.repair_outcome;
end;
$$;
