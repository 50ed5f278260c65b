-- creation_failed(booking details): the application noted that it could not create the appointment
--
-- Shape (c) of calls.booking_details: appointment_creation_failed is true.

create or replace function trueup.creation_failed(p_booking_details jsonb)
    returns boolean
    language sql
    immutable
return coalesce(lower(trueup.decoded(p_booking_details) ->> 'appointment_creation_failed') = 'true', false);
