update trueup.check_runs as cr
set repairs = %(repairs)s::text::jsonb
where cr.id = %(run_id)s;
