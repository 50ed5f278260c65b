-- Drops the indexes of this revision; the two that it widened are registered as before, and
-- the next `trueup migrate` of that release builds them anew.
drop index if exists public.calls_suspect_idx;
drop index if exists public.calls_spoken_name_idx;
drop index if exists public.calls_retell_call_id_idx;
drop index if exists public.calls_outcome_booked_idx;
drop index if exists public.appointments_suspect_idx;
drop index if exists public.appointments_open_idx;

delete from trueup.constraints as ct
where
    ct.name in (
        'calls_suspect_idx', 'calls_spoken_name_idx', 'calls_retell_call_id_idx',
        'calls_outcome_booked_idx',
        'appointments_suspect_idx', 'appointments_open_idx'
    );

update trueup.constraints as ct
set definition = '(id) where appointment_made', definition_checksum = ''
where ct.name = 'calls_appointment_made_idx';

update trueup.constraints as ct
set definition = '(call_id) where call_id is not null', definition_checksum = ''
where ct.name = 'appointments_call_id_idx';
