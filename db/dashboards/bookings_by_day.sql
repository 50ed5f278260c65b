-- bookings_by_day
--
-- Calls of today and the six days before, in the time zone of the session, and how many of them
-- ended with a booking. Bounded, because it reads calls: calls_created_at_idx finds those of
-- a week without reading the others, however many there are. No policy of ours is on a table of
-- the application, so the view itself looks at the company of the session.

create or replace view trueup.bookings_by_day
with (security_invoker = true) as
select
    c.created_at::date as day,
    c.company_id::text as company_id,
    count(*) as calls,
    count(*) filter (where c.booking_confirmed) as confirmed,
    count(*) filter (where c.booking_confirmed and c.appointment_id is not null) as with_appointment
from public.calls as c
where
    c.created_at >= current_date - 6
    and c.deleted_at is null
    -- a CASE, because the planner takes `... is null or ...` for a condition that hardly any row meets
    and case
        when (select s.company_id from trueup.session_company as s) is null then true
        else c.company_id::text = (select s.company_id from trueup.session_company as s)
    end
group by c.created_at::date, c.company_id;

comment on view trueup.bookings_by_day is 'calls of the last seven days, and how many of them led to an appointment';
comment on column trueup.bookings_by_day.day is 'day on which the call was recorded, in the time zone of the session';
comment on column trueup.bookings_by_day.company_id is 'company';
comment on column trueup.bookings_by_day.calls is 'calls, deleted ones aside';
comment on column trueup.bookings_by_day.confirmed is 'those of them whose booking the provider confirmed';
comment on column trueup.bookings_by_day.with_appointment is 'those of the confirmed that name their appointment';
