update trueup.check_runs as cr
set status = 'failed', finished_at = clock_timestamp(), error = %(error)s
where cr.id = %(run_id)s and cr.status = 'running';
