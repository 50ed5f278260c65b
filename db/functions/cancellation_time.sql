-- cancellation_time(appointment): when it was cancelled, by its modifications
--
-- The time of the last modification, if that is a cancel; NULL otherwise. A reschedule
-- after the cancel means that the appointment was taken up again, and when it was
-- cancelled for good is then not known.

create or replace function trueup.cancellation_time(p_appointment_id bigint)
    returns timestamptz
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case when trueup.vocabulary_value('modification_kind', m.kind) = 'cancel' then m.created_at end
        from public.appointment_modifications as m
        where m.appointment_id = p_appointment_id
        order by m.created_at desc, m.id desc
        limit 1
    );
end;
$$;
