-- unreachable_customer(appointment): what a repair leaves that books for somebody whom nobody can reach
--
-- {"leaves": ["customer_unreachable customer 7"]} for an appointment ahead whose customer has
-- no usable contact, else {}. The provider took the booking, also of a caller who withheld the
-- number, and it would not be less true without its appointment. As evidence of a repair it
-- lets trueup.apply_repair pass; the check customer_unreachable then tells people.

create or replace function trueup.unreachable_customer(p_appointment_id bigint)
    returns jsonb
    language sql
    stable
return coalesce(
    (
        select jsonb_build_object('leaves', jsonb_build_array('customer_unreachable customer ' || k.id))
        from trueup.live_appointments as la
        inner join public.customers as k on la.customer_id = k.id
        where
            la.id = p_appointment_id
            and la.starts_at > now()
            and not trueup.usable_phone(k.phone)
            and not trueup.usable_email(k.email)
    ),
    '{}'
);
