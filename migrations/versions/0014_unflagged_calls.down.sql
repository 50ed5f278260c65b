-- 0014_unflagged_calls, taken back: the next `trueup migrate` builds the indexes of that release again
drop index if exists public.calls_unflagged_idx;

delete from trueup.constraints as ct
where ct.name = 'calls_unflagged_idx';

insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('calls_booking_confirmed_idx', 'public.calls', 'index',
    '(id) where booking_confirmed',
    null, 'calls with a confirmed booking'),
('calls_outcome_booked_idx', 'public.calls', 'index',
    '(id) where session_outcome = ''appointment_booked''',
    null, 'calls with outcome appointment_booked: spares a check the table, costs 1.0 µs an insert');

update trueup.constraints as ct
set
    definition = '(id) include (appointment_id, customer_id, deleted_at) where appointment_made',
    definition_checksum = ''
where ct.name = 'calls_appointment_made_idx';

update trueup.constraints as ct
set
    definition = '(call_id, id) include (customer_id, deleted_at) where call_id is not null',
    definition_checksum = ''
where ct.name = 'appointments_call_id_idx';
