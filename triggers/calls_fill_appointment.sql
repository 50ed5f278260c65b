-- calls_fill_appointment: fill
--
-- The half of decision D1 that appointments_sync_calls cannot see: the application
-- writes the call itself. Where a kept appointment of the call exists and the new row
-- says otherwise (not made, no appointment_id, not linked, no time), it is completed,
-- so a writer cannot unset what the appointment proves. On insert this is the call that
-- one transaction writes after its appointment.
--
-- Completes only. It clears nothing, so the sync can clear the flags when the last
-- appointment goes, and it leaves alone a call without a kept appointment. An
-- appointment_id that names a row of another call is left to guard call_backlink_broken.
--
-- No lock of its own: the update has locked the row before a BEFORE trigger runs, and
-- whoever adds or deletes an appointment of this call waits for that lock in the sync.
-- The WHEN clause lets pass what is complete, as everything is that the sync links.

create or replace function trueup.calls_fill_appointment()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
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

create or replace trigger calls_fill_appointment
    before insert or update of
        appointment_made, appointment_id, appointment_link_status, appointment_linked_at
    on public.calls
    for each row
    when (
        not new.appointment_made
        or new.appointment_id is null
        or new.appointment_link_status <> 'linked'
        or new.appointment_linked_at is null
    )
    execute function trueup.calls_fill_appointment();
