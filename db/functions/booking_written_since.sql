-- booking_written_since(company, uid, start, since, appointment): somebody here was newer than the list
--
-- The appointment of a booking was written after the provider's list was taken, or one
-- that started when the booking does was moved: what the list says differently may be
-- over, and the next list tells. By updated_at as far as the application keeps it, by
-- what modifications, cancellations and deletions record, and by created_at.
--
-- Its body is a string, so that the tracking of changes does not follow every column of
-- appointments that it reads: what it sees only ends violations, and the checks that call
-- it say `time ends`.

create or replace function trueup.booking_written_since(
    p_company_id bigint,
    p_booking_uid text,
    p_starts_at timestamptz,
    p_since timestamptz,
    p_appointment_id bigint
)
    returns boolean
    language plpgsql
    stable
    set search_path = ''
as $$
begin
    return
        exists (
            select 1
            from public.appointments as a
            where
                a.company_id = p_company_id
                and a.calcom_booking_uid = p_booking_uid
                and greatest(a.created_at, a.updated_at, a.cancelled_at, a.deleted_at) >= p_since
        )
        or exists (
            select 1
            from public.appointment_modifications as am
            where am.company_id = p_company_id and am.old_starts_at = p_starts_at and am.created_at >= p_since
        )
        or exists (
            select 1
            from public.appointment_modifications as am
            where am.appointment_id = p_appointment_id and am.created_at >= p_since
        );
end;
$$;
