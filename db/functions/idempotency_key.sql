-- idempotency_key(company, service, staff, customer, call, start, generation)
--
-- The key of a booking: UUID v5, in namespace ebdb8652-201e-4078-b9e7-abdd19bc8326, of
--
--     v1|booking|<company>|<service>|<staff>|<customer-or-call>|<start>|<generation>
--
-- Ids are written in decimal digits; a part that is NULL is written '-'. The sixth part
-- is 'customer:7', or 'call:9' when no customer is known. The start is the UTC epoch in
-- seconds without trailing zeros ('1761134400'; '1761134400.5' half a second later), so
-- one instant has one key in whatever zone it was written. Without a start or a
-- generation there is no key: NULL. The generation is 0; bookings that must have
-- several live keys for the same parts count up.
--
-- Namespace and form never change: keys are stored. A new form would be 'v2|...'.

create or replace function trueup.idempotency_key(
    p_company_id bigint,
    p_service_id bigint,
    p_staff_id bigint,
    p_customer_id bigint,
    p_call_id bigint,
    p_starts_at timestamptz,
    p_generation integer default 0
)
    returns uuid
    language sql
    stable
    parallel safe
return trueup.uuid_v5(
    'ebdb8652-201e-4078-b9e7-abdd19bc8326'::uuid,
    'v1|booking|'
    || coalesce(p_company_id::text, '-') || '|'
    || coalesce(p_service_id::text, '-') || '|'
    || coalesce(p_staff_id::text, '-') || '|'
    || coalesce('customer:' || p_customer_id, 'call:' || p_call_id, '-') || '|'
    || trim_scale(extract(epoch from p_starts_at)) || '|'
    || p_generation
);
