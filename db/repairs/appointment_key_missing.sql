-- appointment_key_missing: repair
--
-- Computes the key as the fill does. Nothing is guessed: the key says only what the row
-- already says, and the first unused generation is as good as any for a booking that
-- had no key to be found by.

create or replace function trueup.repair_appointment_key_missing(p_appointment_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_key uuid;
begin
    update public.appointments as a
    set
        idempotency_key = trueup.unused_idempotency_key(
            a.company_id, a.service_id, a.staff_id, a.customer_id, a.call_id, a.starts_at
        )
    where a.id = p_appointment_id
    returning a.idempotency_key into v_key;

    return (
        'corrected', 'computed from the booking', jsonb_build_object('idempotency_key', v_key)
    )::trueup.repair_outcome;
end;
$$;
