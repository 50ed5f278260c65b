-- 0015_staff_times: a full run looks for overlapping appointments in an index alone
--
-- appointments_staff_id_idx holds what the view appointment_staff_overlap_candidates reads of
-- an appointment, so that a row of the table is not looked up for each. Their columns are in
-- other indexes or predicates already, so that no update ceases to be a HOT update.
--
-- appointments_long_idx, which holds next to nothing, holds the same columns: the planner compares
-- the two, and of one that needs the table it does not see how few rows it would look up there.
--
-- `trueup migrate` builds them concurrently beside the old ones, which it then drops.

update trueup.constraints as ct
set
    definition = '(staff_id, starts_at) include (ends_at, id, status, deleted_at) where staff_id is not null',
    definition_checksum = ''
where ct.name = 'appointments_staff_id_idx';

update trueup.constraints as ct
set
    definition = '(staff_id, starts_at) include (ends_at, id, status, deleted_at) where ends_at - starts_at > interval ''4 hours''',
    definition_checksum = ''
where ct.name = 'appointments_long_idx';
