-- appointments_fill_key: fill
--
-- A booking of the phone agent without an idempotency key gets one: an application that
-- does not know the column must not be refused by appointments_retell_has_key. It gets
-- the first key no live appointment bears, so the fill itself never causes a refusal
-- that the application could not explain; of two sessions that are given one key at the
-- same moment, the unique index still refuses the second.
--
-- An insert that may become an update (on conflict ... do update) finds in EXCLUDED what is
-- put here. So where a unique index on the booking uid, alone or with the company, lets no
-- second undeleted appointment bear the same one, the key of the first comes instead of a new
-- one: an upsert that takes EXCLUDED.idempotency_key then changes nothing.
--
-- Fires on update too, or a legacy row without a key could not be updated at all.

create or replace function trueup.appointments_fill_key()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_key uuid;
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'UPDATE' then -- whatever the statement names
        perform trueup.note_row('public.appointments', 'id=' || new.id);
    end if;

    if tg_op = 'INSERT' and new.calcom_booking_uid is not null then
        select ka.idempotency_key into v_key
        from trueup.kept_appointments as ka
        where
            ka.company_id = new.company_id
            and ka.calcom_booking_uid = new.calcom_booking_uid
            and ka.idempotency_key is not null
        limit 1;

        if
            v_key is not null
            and exists (
                select 1
                from pg_catalog.pg_index as ind
                cross join lateral unnest(ind.indkey::smallint[]) with ordinality as key (attnum, position)
                left join pg_catalog.pg_attribute as att
                    on ind.indrelid = att.attrelid and key.attnum = att.attnum
                where
                    ind.indrelid = 'public.appointments'::regclass
                    and ind.indisunique
                    and ind.indisvalid
                    and key.position <= ind.indnkeyatts
                group by ind.indexrelid
                having
                    bool_or(att.attname = 'calcom_booking_uid')
                    -- of an expression there is no name
                    and bool_and(att.attname is not null and att.attname in ('company_id', 'calcom_booking_uid'))
            )
        then
            new.idempotency_key := v_key;
            return new;
        end if;
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
