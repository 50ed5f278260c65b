-- call_link_status_wrong
--
-- invariant:   the link status of a call without a customer follows from the name given and the number shown
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where customer_id is null and deleted_at is null
-- prevented:   fill calls_fill_customer_link
-- repair:      automatic
-- cost:        suspect calls by calls_suspect_idx; one probe of calls_spoken_name_idx for each phrase of the
--              stop list, which is probed for each call found
--
-- Rule K (trueup.link_status_without_customer): a usable name comes before a withheld
-- number. A fragment of speech is no name here either, so that the repair of
-- call_transcript_name, which clears it, changes nothing about this verdict.
--
-- Left alone: pending_review and failed, however spelled, which somebody set and no rule
-- can find out; a word that means nothing, which is call_value_unknown; linked, which is
-- call_linked_without_customer.

create or replace view trueup.call_link_status_wrong as
select
    c.company_id,
    'call' as entity_type,
    doubtful.call_id as entity_id,
    'has no customer, and a link status that name and number do not bear out' as description,
    jsonb_build_object(
        'customer_link_status', c.customer_link_status,
        'expected_status', trueup.link_status_without_customer(c.company_id, c.customer_name, c.from_number),
        'from_number', trueup.masked(c.from_number)
    ) as evidence
from (
    select s.id as call_id
    from trueup.suspect_calls as s
    where s.customer_id is null
    union
    -- called by a name that is none
    select named.id
    from public.calls as named
    where
        named.customer_name is not null
        and named.deleted_at is null
        and named.customer_id is null
        and named.customer_link_status = 'name_only'
        and trueup.plain_name(named.customer_name) = any(
            array(select un.phrase from trueup.unusable_names as un)
        )
) as doubtful
inner join public.calls as c on doubtful.call_id = c.id
where
    c.customer_id is null
    and c.customer_link_status <> 'linked'
    and trueup.vocabulary_value('customer_link_status', c.customer_link_status) not in ('pending_review', 'failed')
    and c.customer_link_status <> trueup.link_status_without_customer(c.company_id, c.customer_name, c.from_number)
    and c.deleted_at is null;
