-- appointments_of_call(call, company, appointment_id): what a call's flags derive from (decision D1)
--
-- One row for every call: whether a kept appointment of it exists, whether a live one
-- does, and which one its appointment_id names: the present one while that still
-- qualifies, else the earliest live one, else the earliest kept one.
--
-- An appointment of another company that refers to the call counts, because flags are
-- not cleared on a reference that tenant_mismatch has yet to judge; but appointment_id
-- never names it. Written as one aggregate, so that a query which calls it in FROM has
-- it inlined and probes appointments_call_id_idx.

create or replace function trueup.appointments_of_call(
    p_call_id bigint, p_company_id bigint, p_appointment_id bigint
)
    returns table (appointment_made boolean, appointment_id bigint, is_live boolean)
    language sql
    stable
    parallel safe
begin atomic
    select
        count(*) > 0,
        (
            array_agg(
                ka.id
                order by
                    (ka.id = p_appointment_id) is true desc,
                    (ka.status = 'cancelled') asc,
                    ka.starts_at asc,
                    ka.id asc
            )
            filter (where ka.company_id is not distinct from p_company_id)
        )[1],
        coalesce(bool_or(ka.status <> 'cancelled'), false)
    from trueup.kept_appointments as ka
    where ka.call_id = p_call_id;
end;
