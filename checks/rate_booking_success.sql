-- rate_booking_success
--
-- invariant:   of the calls that a company's provider confirmed in the last day, nearly all have an appointment
-- severity:    critical
-- entity:      company
-- changes:     time
-- population:  none
-- prevented:   none: single calls are call_booked_without_appointment, this is their number
-- repair:      review
-- cost:        confirmed calls of rate_window by calls_confirmed_created_at_idx, and one probe of
--              appointments_call_id_idx for each
--
-- Nearly all: the setting rate_booking_success (95 %), of at least rate_calls (20) calls with
-- booking_confirmed that were written in rate_window (24 hours). An appointment counts as in
-- call_booked_without_appointment, which names the calls. One call in twenty is somebody's
-- slip; more of them are a fault of the whole: the webhook, the agent or the provider.
--
-- The window is asked of trueup.setting and not of a subquery, because the planner looks into
-- a stable function: it then expects a day of calls, and not a third of all.

create or replace view trueup.rate_booking_success as
select
    r.company_id,
    'company' as entity_type,
    r.company_id as entity_id,
    'too few of the confirmed calls have an appointment' as description,
    jsonb_build_object(
        'confirmed', r.confirmed,
        'with_appointment', r.booked,
        'percent', round(100.0 * r.booked / r.confirmed, 1)
    ) as evidence
from (
    select
        c.company_id,
        count(*) as confirmed,
        count(booked.call_id) as booked
    from public.calls as c
    left join lateral (
        select ka.call_id
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
        limit 1
    ) as booked on true
    where
        c.booking_confirmed
        and c.deleted_at is null
        and c.company_id is not null
        and c.created_at > now() - trueup.setting('rate_window')::interval
    group by c.company_id
) as r
where
    r.confirmed >= (select st.value::integer from trueup.settings as st where st.name = 'rate_calls')
    and r.booked < r.confirmed * (
        select st.value::numeric
        from trueup.settings as st
        where st.name = 'rate_booking_success'
    );
