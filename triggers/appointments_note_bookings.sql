-- appointments_note_bookings: sync
--
-- Notes in trueup.former_bookings that an appointment bears the uid of a booking no more: it
-- got another one, as when it is moved at the provider, or was deleted, hard. The check
-- booking_missing_locally and its repair read it: a booking that somebody here moved or wanted
-- gone must not be created again from a list that is older, nor without a person.

create or replace function trueup.appointments_note_bookings()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into trueup.former_bookings (company_id, booking_uid, appointment_id)
    values (old.company_id, old.calcom_booking_uid, old.id);
    return null;
end;
$$;

create or replace trigger appointments_note_bookings_update
    after update of calcom_booking_uid, company_id on public.appointments
    for each row
    when (
        old.calcom_booking_uid is not null
        and old.company_id is not null
        and (old.calcom_booking_uid, old.company_id) is distinct from (new.calcom_booking_uid, new.company_id)
    )
    execute function trueup.appointments_note_bookings();

create or replace trigger appointments_note_bookings_delete
    after delete on public.appointments
    for each row
    when (old.calcom_booking_uid is not null and old.company_id is not null)
    execute function trueup.appointments_note_bookings();
