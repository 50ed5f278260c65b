-- take jobs off the schedule that are not among these; what they did stays
update trueup.jobs as j
set is_enabled = false, updated_at = clock_timestamp()
where j.is_enabled and j.name <> all(%(names)s::text[]);
