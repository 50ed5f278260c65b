-- what the incident's database is composed of: one row, a column for each part of
-- trueup.incident.COMPOSITION, in its order. Reads the application's tables only, because
-- before adoption there is nothing else; so the words of withheld numbers and of fragments
-- of speech stand here a second time.
with spoken as (
    select
        c.id,
        coalesce(lower(regexp_replace(c.from_number, '\s', '', 'g')), '') in (
            '', 'anonymous', 'unknown', 'unavailable', 'blocked', 'private', 'withheld', 'restricted'
        ) as is_withheld,
        nullif(btrim(regexp_replace(lower(c.customer_name), '[[:punct:]]', '', 'g')), '') as plain_name
    from public.calls as c
),

named as (
    select
        sp.*,
        coalesce(sp.plain_name in (
            'mir nicht', 'guten tag', 'guten morgen', 'guten abend', 'hallo', 'ja', 'nein', 'gleich fertig',
            'ja bitte', 'danke'
        ), false) as is_fragment
    from spoken as sp
),

details as (
    select
        c.id,
        jsonb_typeof(c.booking_details) = 'string' as is_double_encoded,
        case jsonb_typeof(c.booking_details)
            when 'string' then (c.booking_details #>> '{}')::jsonb
            else c.booking_details
        end as details
    from public.calls as c
),

-- every call with all that the parts ask about it
facts as (
    select
        c.*,
        n.is_withheld,
        n.plain_name,
        n.is_fragment,
        d.is_double_encoded,
        d.details,
        d.details -> 'calcom_booking' -> 'attendees' -> 0 ->> 'email' as attendee_email,
        case
            when n.plain_name is not null and not n.is_fragment then 'name_only'
            when n.is_withheld then 'anonymous'
            else 'unlinked'
        end as status_without_customer,
        c.customer_id is null and c.customer_link_status = 'unlinked' and n.is_withheld as is_withheld_unlinked,
        exists (
            select 1
            from public.appointments as a
            where a.call_id = c.id and a.deleted_at is null
        ) as has_appointment,
        exists (
            select 1
            from public.appointments as a
            where a.id = c.appointment_id and a.call_id = c.id and a.deleted_at is null
        ) as has_backlink,
        exists (
            select 1
            from public.appointments as a
            where
                a.company_id = c.company_id
                and a.calcom_booking_uid = coalesce(c.booking_id, d.details -> 'calcom_booking' ->> 'uid')
                and a.call_id is null
                and a.deleted_at is null
        ) as has_unlinked_booking
    from public.calls as c
    inner join named as n on c.id = n.id
    inner join details as d on c.id = d.id
),

calls_judged as (
    select
        f.*,
        (f.customer_id is null and f.customer_link_status <> f.status_without_customer)
        or (f.customer_id is not null and f.customer_link_status not in ('linked', 'pending_review')) as is_status_wrong,
        f.booking_confirmed and not f.has_appointment and not f.has_unlinked_booking as is_unbooked,
        f.session_outcome is not distinct from 'appointment_booked' and not f.appointment_made as is_booked_not_made,
        exists (
            select 1 from public.phone_numbers as pn where pn.company_id = f.company_id and pn.number = f.to_number
        ) as is_line_ours,
        exists (
            select 1
            from public.customers as k
            where k.company_id <> f.company_id and lower(k.email) = lower(f.attendee_email)
        ) as is_email_foreign,
        f.call_type is null and f.status in ('ended', 'analyzed') as is_type_missing,
        f.metadata -> 'retell' ->> 'call_type' is not null as has_payload_type,
        not f.booking_confirmed
        and (
            f.direction is not distinct from 'outbound'
            or (
                f.session_outcome is distinct from 'appointment_booked'
                and (f.details ? 'checked_at' or f.details ? 'service_name')
            )
            or exists (
                select 1 from public.appointment_modifications as am where am.call_id = f.id
            )
            or exists (
                select 1
                from public.appointments as a
                where
                    a.call_id = f.id
                    and a.deleted_at is null
                    and (a.status = 'cancelled' or a.previous_starts_at is not null)
            )
            or (
                select count(*) from public.appointments as a where a.call_id = f.id and a.deleted_at is null
            ) > 1
        ) as is_odd
    from facts as f
),

call_parts as (
    select
        count(*) as calls,
        count(*) filter (where cj.booking_confirmed) as confirmed,
        count(*) filter (where cj.booking_confirmed and cj.has_backlink) as confirmed_right,
        count(*) filter (
            where cj.booking_confirmed and cj.has_appointment and cj.appointment_id is null
        ) as confirmed_backlink_missing,
        count(*) filter (
            where cj.booking_confirmed and not cj.has_appointment and cj.has_unlinked_booking
        ) as confirmed_unlinked,
        count(*) filter (where cj.is_unbooked) as confirmed_without_appointment,
        count(*) filter (where cj.is_unbooked and cj.is_withheld) as confirmed_without_appointment_withheld,
        count(*) filter (
            where cj.is_unbooked and cj.is_double_encoded
        ) as confirmed_without_appointment_double_encoded,
        count(*) filter (
            where cj.is_unbooked and cj.is_email_foreign
        ) as confirmed_without_appointment_foreign_email,
        count(*) filter (where cj.is_booked_not_made) as booked_not_made,
        count(*) filter (where cj.is_booked_not_made and cj.has_unlinked_booking) as booked_not_made_linkable,
        count(*) filter (where cj.is_booked_not_made and not cj.has_unlinked_booking) as booked_not_made_unproven,
        count(*) filter (where cj.appointment_made and not cj.has_appointment) as made_without_appointment,
        count(*) filter (where cj.direction is null) as direction_missing,
        count(*) filter (where cj.direction is null and cj.is_line_ours) as direction_missing_line_ours,
        count(*) filter (where cj.direction is null and not cj.is_line_ours) as direction_missing_line_unknown,
        count(*) filter (where cj.metadata @> '{"direction_defaulted": true}') as direction_defaulted,
        count(*) filter (
            where cj.customer_link_status = 'linked' and cj.customer_link_confidence is null
        ) as linked_without_confidence,
        count(*) filter (where cj.is_status_wrong) as link_status_wrong,
        count(*) filter (
            where cj.is_withheld_unlinked and cj.status_without_customer = 'anonymous'
        ) as link_status_wrong_anonymous,
        count(*) filter (
            where cj.is_withheld_unlinked and cj.status_without_customer = 'name_only'
        ) as link_status_wrong_name_only,
        count(*) filter (where cj.is_status_wrong and not cj.is_withheld_unlinked) as link_status_wrong_other,
        count(*) filter (where cj.is_fragment) as fragment_names,
        count(distinct cj.plain_name) filter (where cj.is_fragment) as fragment_phrases,
        count(*) filter (where cj.is_type_missing) as call_type_missing,
        count(*) filter (where cj.is_type_missing and cj.has_payload_type) as call_type_missing_payload,
        count(*) filter (where cj.is_type_missing and not cj.has_payload_type) as call_type_missing_unknown,
        count(*) filter (where cj.is_odd) as odd_calls
    from calls_judged as cj
),

appointment_parts as (
    select
        count(*) as appointments,
        count(*) filter (where a.source = 'backfill') as appointments_backfilled
    from public.appointments as a
),

customer_companies as (
    select
        k.id,
        k.company_id,
        (
            select count(distinct u.company_id)
            from (
                select c.company_id from public.calls as c where c.customer_id = k.id
                union all
                select a.company_id from public.appointments as a where a.customer_id = k.id
            ) as u
        ) as companies
    from public.customers as k
),

customer_parts as (
    select
        count(*) as customers,
        count(*) filter (where kc.company_id is null) as customers_without_company,
        count(*) filter (where kc.company_id is null and kc.companies = 1) as customers_without_company_evidenced,
        count(*) filter (where kc.company_id is null and kc.companies <> 1) as customers_without_company_other
    from customer_companies as kc
)

select
    cp.calls,
    ap.appointments,
    ap.appointments_backfilled,
    kp.customers,
    cp.confirmed,
    cp.confirmed_right,
    cp.confirmed_backlink_missing,
    cp.confirmed_unlinked,
    cp.confirmed_without_appointment,
    cp.confirmed_without_appointment_withheld,
    cp.confirmed_without_appointment_double_encoded,
    cp.confirmed_without_appointment_foreign_email,
    cp.booked_not_made,
    cp.booked_not_made_linkable,
    cp.booked_not_made_unproven,
    cp.made_without_appointment,
    cp.direction_missing,
    cp.direction_missing_line_ours,
    cp.direction_missing_line_unknown,
    cp.direction_defaulted,
    cp.linked_without_confidence,
    cp.link_status_wrong,
    cp.link_status_wrong_anonymous,
    cp.link_status_wrong_name_only,
    cp.link_status_wrong_other,
    cp.fragment_names,
    cp.fragment_phrases,
    cp.call_type_missing,
    cp.call_type_missing_payload,
    cp.call_type_missing_unknown,
    kp.customers_without_company,
    kp.customers_without_company_evidenced,
    kp.customers_without_company_other,
    cp.odd_calls
from call_parts as cp
cross join appointment_parts as ap
cross join customer_parts as kp;
