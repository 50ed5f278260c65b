-- phone_matches(company, direction, from, to, customer's company and number): the other end is the customer
--
-- The one proof of a link that the rows themselves hold: the caller's number, not
-- withheld, is the customer's phone_normalized; of an outbound call the number called is,
-- because the caller was our own line. A customer of another company is never proven; one
-- without a company may be (customer_company_missing decides where it belongs). False,
-- never NULL, so that no customer at all is no match.
--
-- The caller's number counts in an outbound call, too: a direction that is a default must
-- not take a proof away.

create or replace function trueup.phone_matches(
    p_company_id bigint,
    p_direction text,
    p_from_number text,
    p_to_number text,
    p_customer_company_id bigint,
    p_phone_normalized text
)
    returns boolean
    language sql
    immutable
    parallel safe
return coalesce(
    (
        trueup.plain_phone(p_from_number) = p_phone_normalized
        or (p_direction = 'outbound' and trueup.plain_phone(p_to_number) = p_phone_normalized)
    )
    and coalesce(p_customer_company_id = p_company_id, true),
    false
);
