-- event_double_encoded: repair
--
-- Decodes what trueup.decoded can read; a text that only begins like JSON is for a
-- person, because every way of storing it would change what it says. Calls, appointments
-- and events are numbered apart, and a repair is told a number: whose it is, the journal
-- says, where apply_repair writes the repair before it begins. Rows of the other kinds
-- are no concern of this repair: they may be another company's, or accepted.

create or replace function trueup.repair_event_double_encoded(p_entity_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
