-- 0004_check_indexes: what lets a check read its candidates instead of a table
--
-- Registers the definitions; `trueup migrate` builds them concurrently, one at a time.
--
-- calls_suspect_idx and appointments_suspect_idx hold the rows at which one row alone
-- shows that a check may list it, and no others: the checks on columns of one row read
-- them through the views suspect_calls and suspect_appointments, which repeat the
-- predicate word for word, or the planner would not see that the index has the answer.
-- One index for all of these checks, because a write pays for each index it has to look
-- at. The lists are those of the vocabularies, and a test compares them: a word that a
-- team adds to a vocabulary is a suspect that its check acquits.
--
-- Written as `case when <fault> then 1 end = 1`: of an expression the planner has no
-- statistics for it takes an equality to be true of 0.5 % of the rows, but a comparison
-- of a third, and for a third of the rows it would read the table.
--
-- calls_made_idx and appointments_call_id_idx carry the columns that the checks on calls
-- and their appointments compare, so that these read two indexes in order and no table.

insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('calls_suspect_idx', 'public.calls', 'index',
    '(id) where deleted_at is null and case when
        direction is null
        or direction not in (''inbound'', ''outbound'')
        or status not in (''ended'', ''analyzed'', ''failed'')
        or session_outcome not in (''appointment_booked'', ''appointment_rescheduled'', ''appointment_cancelled'', ''information_only'', ''callback_requested'', ''transferred'', ''voicemail'', ''abandoned'', ''technical_issue'', ''spam'', ''creation_failed'', ''other'')
        or customer_link_status not in (''linked'', ''name_only'', ''anonymous'', ''pending_review'', ''unlinked'', ''failed'')
        or customer_link_method not in (''phone_match'', ''name_match'', ''email_match'', ''manual_link'', ''ai_match'', ''appointment_link'', ''auto_created'', ''unknown'')
        or appointment_link_status not in (''linked'', ''unlinked'', ''not_applicable'', ''creation_failed'')
        or call_type is null
        or length(retell_call_id) <> 32
        or rtrim(retell_call_id, ''0123456789abcdef'') <> ''call_''
        or ended_at < started_at
        or abs(extract(epoch from ended_at - started_at) * 1000 - duration_ms) > 1000
        or customer_link_confidence not between 0 and 100
        or case
            when customer_id is not null then customer_link_status not in (''linked'', ''pending_review'')
            when customer_link_status = ''linked'' then true
            when customer_link_status in (''pending_review'', ''failed'') then false
            else customer_link_status <> case
                when customer_name ~ ''[^[:punct:][:space:]]'' then ''name_only''
                when coalesce(lower(regexp_replace(from_number, ''\s'', '''', ''g'')), '''') in ('''', ''anonymous'', ''unknown'', ''unavailable'', ''blocked'', ''private'', ''withheld'', ''restricted'') then ''anonymous''
                else ''unlinked''
            end
        end
        or customer_link_status = ''linked'' and (customer_link_method is null or customer_link_confidence is null or customer_linked_at is null)
        or case
            when appointment_made then appointment_id is null or appointment_link_status <> ''linked'' or appointment_linked_at is null or booking_failed or session_outcome not in (''appointment_booked'', ''appointment_rescheduled'', ''appointment_cancelled'')
            else appointment_id is not null or appointment_link_status = ''linked'' or appointment_linked_at is not null
        end
        or jsonb_typeof(booking_details) = ''string''
        or booking_details ? ''appointment_creation_failed''
        then 1 end = 1',
    null, 'calls that a check on their own columns may list: spares 16 checks a scan, costs 2.4 µs an insert'),
('calls_spoken_name_idx', 'public.calls', 'index',
    '((nullif(btrim(regexp_replace(regexp_replace(lower(customer_name), ''[[:punct:]]'', '''', ''g''), ''\s+'', '' '', ''g'')), ''''))) where customer_name is not null and deleted_at is null',
    null, 'calls with a fragment of speech as a name: spares 2 checks a scan, costs 2.1 µs an insert'),
('calls_retell_call_id_idx', 'public.calls', 'index',
    '(retell_call_id)',
    null, 'calls of a provider event, whose company may not be known yet'),
('calls_outcome_booked_idx', 'public.calls', 'index',
    '(id) where session_outcome = ''appointment_booked''',
    null, 'calls with outcome appointment_booked: spares a check the table, costs 1.0 µs an insert'),
('appointments_suspect_idx', 'public.appointments', 'index',
    '(id) where deleted_at is null and case when
        status not in (''pending'', ''confirmed'', ''completed'', ''no_show'', ''cancelled'')
        or source not in (''retell'', ''calcom'', ''manual'', ''api'', ''backfill'')
        or sync_origin not in (''retell'', ''calcom'', ''admin'', ''api'', ''system'')
        or calcom_sync_status not in (''pending'', ''synced'', ''failed'', ''verification_pending'')
        or (status = ''cancelled'') <> (cancelled_at is not null)
        or ends_at <= starts_at
        or starts_at - created_at > interval ''300 days''
        or source = ''retell'' and (idempotency_key is null or call_id is null or starts_at < created_at)
        then 1 end = 1',
    null, 'appointments that a check on their own columns may list: spares 4 checks a scan, costs 0.8 µs an insert'),
('appointments_open_idx', 'public.appointments', 'index',
    '(ends_at) where deleted_at is null and source is distinct from ''backfill'' and status not in (''completed'', ''no_show'', ''cancelled'')',
    null, 'appointments that nobody has closed, by their end: spares a check a scan, costs 0.3 µs an insert');

update trueup.constraints as ct
set definition = '(id) include (appointment_id, customer_id, deleted_at) where appointment_made', definition_checksum = ''
where ct.name = 'calls_appointment_made_idx';

update trueup.constraints as ct
set definition = '(call_id, id) include (customer_id, deleted_at) where call_id is not null', definition_checksum = ''
where ct.name = 'appointments_call_id_idx';
