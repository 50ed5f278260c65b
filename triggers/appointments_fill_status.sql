-- appointments_fill_status: fill
--
-- Synonyms become the word of the vocabulary (scheduled, booked, accepted, rescheduled:
-- confirmed), and status and cancelled_at are kept in agreement for writers that know
-- only the status: cancelled now means cancelled_at now, and a status that leaves
-- cancelled takes cancelled_at along unless the same write set it. A cancelled_at that
-- is written without a status contradicts, and is left to the constraint
-- appointments_cancel_agrees. So is a row that was cancelled before and has no time,
-- unless its modifications tell it: the time of an unrelated update is no evidence.
--
-- An insert that may become an update (on conflict ... do update) finds in EXCLUDED what is
-- put here. So the time stored for the same booking comes before now: a cancellation that
-- is delivered again does not move it.
--
-- The lists in the WHEN clauses are those of appointments_status_vocabulary: a WHEN
-- clause can read no table, and an ordinary write must cost no function call.

create or replace function trueup.appointments_fill_status()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
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

create or replace trigger appointments_fill_status
    before insert on public.appointments
    for each row
    when (
        new.status <> all('{pending,confirmed,completed,no_show,cancelled}')
        or (new.status = 'cancelled' and new.cancelled_at is null)
    )
    execute function trueup.appointments_fill_status();

create or replace trigger appointments_fill_status_on_update
    before update of status, cancelled_at on public.appointments
    for each row
    when (new.status <> old.status and new.cancelled_at = old.cancelled_at)
    execute function trueup.appointments_fill_status();

create or replace trigger appointments_fill_status_on_update_legacy
    before update on public.appointments
    for each row
    when (
        new.status <> all('{pending,confirmed,completed,no_show,cancelled}')
        or (new.status = 'cancelled' and new.cancelled_at is null)
    )
    execute function trueup.appointments_fill_status('any update');
