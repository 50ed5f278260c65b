-- call_transcript_name
--
-- invariant:   the customer_name of a call is no phrase of the stop list
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where customer_name is not null and deleted_at is null
-- prevented:   fill calls_fill_customer_link
-- repair:      automatic
-- cost:        one probe of calls_spoken_name_idx for each phrase of the stop list
--
-- The stop list is trueup.unusable_names, of the company and of all; a phrase added to it
-- is found in the calls that are there by the next full run. A name that is empty is not
-- reported: the fill clears it, and rule K takes it for none.

create or replace view trueup.call_transcript_name as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'a fragment of speech is stored as the customer''s name' as description,
    jsonb_build_object(
        'phrase', trueup.plain_name(c.customer_name),
        'customer_link_status', c.customer_link_status
    ) as evidence
from public.calls as c
where
    c.customer_name is not null
    and c.deleted_at is null
    and trueup.plain_name(c.customer_name) = any(array(select un.phrase from trueup.unusable_names as un))
    and exists (
        select 1
        from trueup.unusable_names as un
        where
            un.phrase = trueup.plain_name(c.customer_name)
            and (un.company_id is null or un.company_id = c.company_id)
    );
