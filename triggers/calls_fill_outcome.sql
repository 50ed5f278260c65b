-- calls_fill_outcome: fill
--
-- A call whose appointment was made and whose outcome nobody knows yet has outcome
-- appointment_booked. Any outcome that is there stays: rescheduled and cancelled say
-- more, and another one that contradicts the flag is for call_outcome_contradicts_flag.
--
-- An insert that may become an update (on conflict ... do update) finds in EXCLUDED what is
-- put here. So the outcome stored for the same provider's call comes before the guess: an
-- upsert that takes EXCLUDED.session_outcome then changes nothing.
--
-- Triggers of one event fire in name order, so this one sees what calls_fill_appointment
-- has completed. The column list keeps it off updates of other things: a legacy call
-- whose flag is unproven must not gain a second unproven fact because its status changed.

create or replace function trueup.calls_fill_outcome()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'INSERT' then
        select c.session_outcome into new.session_outcome
        from public.calls as c
        where c.company_id = new.company_id and c.retell_call_id = new.retell_call_id
        limit 1;
    end if;
    new.session_outcome := coalesce(new.session_outcome, 'appointment_booked');
    return new;
end;
$$;

create or replace trigger calls_fill_outcome
    before insert or update of
        appointment_made, appointment_id, appointment_link_status, appointment_linked_at, session_outcome
    on public.calls
    for each row
    when (new.appointment_made and new.session_outcome is null)
    execute function trueup.calls_fill_outcome();
