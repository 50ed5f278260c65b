-- appointment_of_booking(company, booking uid): the appointments a call may still claim
--
-- Ids of the kept appointments of the company that bear the provider's booking uid and
-- belong to no call; NULL when there is none. More than one is possible only on a
-- legacy table, until appointments_booking_uid_key is there.

create or replace function trueup.appointment_of_booking(
    p_company_id bigint, p_booking_uid text, out appointment_ids bigint[]
)
    language sql
    stable
    parallel safe
return (
    select array_agg(ka.id order by ka.id)
    from trueup.kept_appointments as ka
    where
        ka.company_id = p_company_id
        and ka.calcom_booking_uid = p_booking_uid
        and ka.call_id is null
);
