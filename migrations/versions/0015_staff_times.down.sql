-- 0015_staff_times, taken back: the next `trueup migrate` builds the index of that release again
update trueup.constraints as ct
set
    definition = '(staff_id, starts_at) where staff_id is not null',
    definition_checksum = ''
where ct.name = 'appointments_staff_id_idx';
