-- 0017_endless: an appointment may have no end in sight
--
-- Before PostgreSQL 17 the server does not subtract infinite times, and appointments_long_idx
-- refused an appointment that ends at 'infinity', or could not be built over one. Such an
-- appointment is a long one (live_appointments.is_long).
--
-- `trueup migrate` builds the index concurrently beside the old one, which it then drops.

update trueup.constraints as ct
set
    definition = '(staff_id, starts_at) include (ends_at, id, status, deleted_at) where case when isfinite(starts_at) and isfinite(ends_at) then ends_at - starts_at > interval ''4 hours'' else true end',
    definition_checksum = ''
where ct.name = 'appointments_long_idx';
