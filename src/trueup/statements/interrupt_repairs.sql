update trueup.check_runs as cr
set status = 'partial', error = 'interrupted while repairing; what was repaired stays repaired'
where cr.id = %(run_id)s;
