-- suspect_calls
--
-- The undeleted calls at which the row alone shows that some check may list it: a value
-- outside its vocabulary or missing, two columns that contradict each other, a state that
-- must not last (under way, pending_creation). A check that such a row alone can break
-- reads this view and then says exactly what it means; so it reads the index
-- calls_suspect_idx, which holds these rows and no others, and not the table.
--
-- The predicate repeats that of the index word for word (revision 0004), or the planner
-- would not know that the index answers it; a test compares the two. It may say too much
-- but never too little: what it leaves out, no check that reads it can find. So a word
-- taken away from a vocabulary needs a revision; one that is added needs none.

create or replace view trueup.suspect_calls as
select
    c.id,
    c.company_id,
    c.retell_call_id,
    c.from_number,
    c.to_number,
    c.direction,
    c.call_type,
    c.status,
    c.started_at,
    c.ended_at,
    c.duration_ms,
    c.customer_id,
    c.customer_name,
    c.customer_link_status,
    c.customer_link_method,
    c.customer_link_confidence,
    c.customer_linked_at,
    c.session_outcome,
    c.appointment_made,
    c.appointment_id,
    c.appointment_link_status,
    c.appointment_linked_at,
    c.booking_id,
    c.booking_details,
    c.booking_failed,
    c.requires_manual_processing,
    c.metadata,
    c.created_at
from public.calls as c
where
    c.deleted_at is null
    and case
        when
            c.direction is null
            or c.direction not in ('inbound', 'outbound')
            or c.status not in ('ended', 'analyzed', 'failed')
            or c.session_outcome not in (
                'appointment_booked', 'appointment_rescheduled', 'appointment_cancelled', 'information_only',
                'callback_requested', 'transferred', 'voicemail', 'abandoned', 'technical_issue', 'spam',
                'creation_failed', 'other'
            )
            or c.customer_link_status not in (
                'linked', 'name_only', 'anonymous', 'pending_review', 'unlinked', 'failed'
            )
            or c.customer_link_method not in (
                'phone_match', 'name_match', 'email_match', 'manual_link', 'ai_match', 'appointment_link',
                'auto_created', 'unknown'
            )
            or c.appointment_link_status not in ('linked', 'unlinked', 'not_applicable', 'creation_failed')
            or c.call_type is null
            or length(c.retell_call_id) <> 32
            or rtrim(c.retell_call_id, '0123456789abcdef') <> 'call_'
            or c.ended_at < c.started_at
            or case
                when isfinite(c.started_at) and isfinite(c.ended_at)
                    then abs(extract(epoch from c.ended_at - c.started_at) * 1000 - c.duration_ms) > 1000
                else num_nulls(c.started_at, c.ended_at, c.duration_ms) = 0
            end
            or c.customer_link_confidence not between 0 and 100
            -- rule K, but for the stop list, which is in a table: see call_link_status_wrong
            or case
                when c.customer_id is not null
                    then c.customer_link_status not in ('linked', 'pending_review')
                when c.customer_link_status = 'linked' then true
                when c.customer_link_status in ('pending_review', 'failed') then false
                else c.customer_link_status <> case
                    when c.customer_name ~ '[^[:punct:][:space:]]' then 'name_only'
                    when
                        coalesce(lower(regexp_replace(c.from_number, '\s', '', 'g')), '') in (
                            '', 'anonymous', 'unknown', 'unavailable', 'blocked', 'private', 'withheld', 'restricted'
                        )
                        then 'anonymous'
                    else 'unlinked'
                end
            end
            or (
                c.customer_link_status = 'linked'
                and (
                    c.customer_link_method is null
                    or c.customer_link_confidence is null
                    or c.customer_linked_at is null
                )
            )
            or case
                when c.appointment_made
                    then
                        c.appointment_id is null
                        or c.appointment_link_status <> 'linked'
                        or c.appointment_linked_at is null
                        or c.booking_failed
                        or c.session_outcome not in (
                            'appointment_booked', 'appointment_rescheduled', 'appointment_cancelled'
                        )
                else
                    c.appointment_id is not null
                    or c.appointment_link_status = 'linked'
                    or c.appointment_linked_at is not null
            end
            or jsonb_typeof(c.booking_details) = 'string'
            or c.booking_details ? 'appointment_creation_failed'
            then 1
    end = 1;
