-- not_the_maker(call, appointment): why a call did not make an appointment that evidence gives it
--
-- For every repair that links the two (decision D2: an appointment belongs to the call that
-- made it). A call that moved or cancelled the appointment, by a modification or by its outcome
-- when the appointment was there before the call, did not make it; nor did one of another
-- customer, unless it was booked for somebody else. NULL: nothing speaks against it.

create or replace function trueup.not_the_maker(p_call_id bigint, p_appointment_id bigint)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
begin atomic
    select
        case
            when
                exists (
                    select 1
                    from public.appointment_modifications as am
                    where am.call_id = c.id and am.appointment_id = a.id
                )
                or (
                    trueup.vocabulary_value('session_outcome', c.session_outcome)
                    in ('appointment_rescheduled', 'appointment_cancelled')
                    and a.created_at < c.started_at
                )
                then 'the call changed the appointment and did not make it'
            when a.customer_id <> c.customer_id and a.metadata ->> 'booked_for' is null
                then 'the appointment is for another customer than the call'
        end
    from public.calls as c
    cross join public.appointments as a
    where c.id = p_call_id and a.id = p_appointment_id;
end;
