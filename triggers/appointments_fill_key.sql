-- appointments_fill_key: fill
--
-- A booking of the phone agent without an idempotency key gets one: an application that
-- does not know the column must not be refused by appointments_retell_has_key. It gets
-- the first key no live appointment bears, so the fill itself never causes a refusal
-- that the application could not explain; of two sessions that are given one key at the
-- same moment, the unique index still refuses the second.
--
-- Fires on update too, or a legacy row without a key could not be updated at all.

create or replace function trueup.appointments_fill_key()
    returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'UPDATE' then -- whatever the statement names
        perform trueup.note_row('public.appointments', 'id=' || new.id);
    end if;

    new.idempotency_key := trueup.unused_idempotency_key(
        new.company_id, new.service_id, new.staff_id, new.customer_id, new.call_id, new.starts_at
    );
    return new;
end;
$$;

create or replace trigger appointments_fill_key
    before insert or update on public.appointments
    for each row
    when (new.source = 'retell' and new.idempotency_key is null)
    execute function trueup.appointments_fill_key();
