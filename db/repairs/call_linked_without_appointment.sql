-- call_linked_without_appointment: repair
--
-- Links the appointment that the call's booking uid proves. Without one a person decides:
-- the status may be all that is left of an appointment.

create or replace function trueup.repair_call_linked_without_appointment(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    return trueup.link_booking(p_call_id);
end;
$$;
