-- 0017_endless, taken back: the next `trueup migrate` builds the index of that release again
update trueup.constraints as ct
set
    definition = '(staff_id, starts_at) include (ends_at, id, status, deleted_at) where ends_at - starts_at > interval ''4 hours''',
    definition_checksum = ''
where ct.name = 'appointments_long_idx';
