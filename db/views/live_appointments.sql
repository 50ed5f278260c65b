-- live_appointments
--
-- The one definition of an appointment that will take place or took place: kept, and
-- not cancelled. Whether a call's booking is live is never stored on the call.
--
-- Another spelling of cancelled counts as cancelled; a word that means nothing does not.
-- Only words outside the vocabulary are looked up: the others are nearly all rows.

create or replace view trueup.live_appointments as
select
    ka.id,
    ka.company_id,
    ka.call_id,
    ka.customer_id,
    ka.service_id,
    ka.staff_id,
    ka.starts_at,
    ka.ends_at,
    ka.status,
    ka.source,
    ka.calcom_booking_id,
    ka.calcom_booking_uid,
    ka.sync_origin,
    ka.calcom_sync_status,
    ka.idempotency_key,
    ka.cancelled_at,
    ka.metadata,
    ka.created_at,
    -- as the predicate of appointments_long_idx; infinite times have no difference
    case
        when isfinite(ka.starts_at) and isfinite(ka.ends_at) then ka.ends_at - ka.starts_at > interval '4 hours'
        else true
    end as is_long
from trueup.kept_appointments as ka
where
    ka.status <> 'cancelled'
    and (
        ka.status in ('pending', 'confirmed', 'completed', 'no_show')
        or trueup.vocabulary_value('appointment_status', ka.status) is distinct from 'cancelled'
    );
