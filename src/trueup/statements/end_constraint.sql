update trueup.deployments as d
set outcome = %(outcome)s, detail = %(detail)s, finished_at = clock_timestamp()
where d.kind = 'constraint' and d.name = %(name)s and d.outcome = 'running';
