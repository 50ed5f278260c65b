-- unused_idempotency_key(company, service, staff, customer, call, start)
--
-- The key of the first generation that no live appointment of the company bears: what a
-- booking gets whose writer gave it no key. Two live bookings of the same parts so have
-- two keys, and are for the check appointment_duplicate to report; the writer is not
-- refused a row for a column it does not know. Two sessions may be given the same key
-- at the same moment: the unique index appointments_idempotency_key_key then refuses
-- the second, as it should.
--
-- Volatile, so that a statement of several rows sees the keys of its earlier rows.

create or replace function trueup.unused_idempotency_key(
    p_company_id bigint,
    p_service_id bigint,
    p_staff_id bigint,
    p_customer_id bigint,
    p_call_id bigint,
    p_starts_at timestamptz
)
    returns uuid
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_generation integer := 0;
    v_key uuid;
begin
    loop
        v_key := trueup.idempotency_key(
            p_company_id, p_service_id, p_staff_id, p_customer_id, p_call_id, p_starts_at, v_generation
        );
        exit when not exists (
            select 1
            from trueup.live_appointments as la
            where la.company_id = p_company_id and la.idempotency_key = v_key
        );
        v_generation := v_generation + 1;
    end loop;
    return v_key;
end;
$$;
