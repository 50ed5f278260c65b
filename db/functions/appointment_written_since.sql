-- appointment_written_since(appointment, instant): what the provider listed before may be over
--
-- By updated_at as far as the application keeps it, and by what creation, cancellation
-- and modifications record.
--
-- Its body is a string, so that the tracking of changes does not follow updated_at, which
-- every update of the application writes: it only ends violations, and the checks that call
-- this say `time ends`. What one that is set back begins again a full run finds.

create or replace function trueup.appointment_written_since(p_appointment_id bigint, p_since timestamptz)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return
        exists (
            select 1
            from public.appointments as a
            where a.id = p_appointment_id and greatest(a.created_at, a.updated_at, a.cancelled_at) >= p_since
        )
        or exists (
            select 1
            from public.appointment_modifications as am
            where am.appointment_id = p_appointment_id and am.created_at >= p_since
        );
end;
$$;
