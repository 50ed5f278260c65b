-- 0015_staff_times, taken back: the next `trueup migrate` builds the indexes of that release again
update trueup.constraints as ct
set
    definition = '(staff_id, starts_at) where staff_id is not null',
    definition_checksum = ''
where ct.name = 'appointments_staff_id_idx';

update trueup.constraints as ct
set
    definition = '(staff_id, starts_at) where ends_at - starts_at > interval ''4 hours''',
    definition_checksum = ''
where ct.name = 'appointments_long_idx';
