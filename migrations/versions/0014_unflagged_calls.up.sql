-- 0014_unflagged_calls: a full run compares calls with their appointments once, with their companies
--
-- calls_unflagged_idx holds the calls that say booked somewhere and are not flagged: a fault
-- each, so it is all but empty, where a run joined two indexes of all booked calls with the
-- one of flagged calls. These two go. The two indexes that a run reads side by side hold the
-- company as well, so that no table is read to compare it.
--
-- Written as `case when <fault> then 1 end = 1` for the planner's sake, see 0004_check_indexes;
-- the view calls_and_appointments_candidates repeats it word for word.
--
-- `trueup migrate` builds concurrently what is new or wider. The two that go take their lock for a
-- moment, in a transaction of a few rows.
--
-- squawk-ignore-file require-concurrent-index-deletion

drop index if exists public.calls_outcome_booked_idx;
drop index if exists public.calls_booking_confirmed_idx;

delete from trueup.constraints as ct
where ct.name in ('calls_outcome_booked_idx', 'calls_booking_confirmed_idx');

insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('calls_unflagged_idx', 'public.calls', 'index',
    '(id) where case when
        appointment_made is not true
        and (session_outcome = ''appointment_booked'' or booking_confirmed or appointment_id is not null)
        then 1 end = 1',
    null, 'calls that say booked and are not flagged: spares 4 checks a scan');

update trueup.constraints as ct
set
    definition = '(id) include (company_id, appointment_id, customer_id, deleted_at) where appointment_made',
    definition_checksum = ''
where ct.name = 'calls_appointment_made_idx';

update trueup.constraints as ct
set
    definition = '(call_id, id) include (company_id, customer_id, deleted_at) where call_id is not null',
    definition_checksum = ''
where ct.name = 'appointments_call_id_idx';
