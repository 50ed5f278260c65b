-- nothing came of it, and nothing is there
delete from trueup.deployments as d
where d.kind = 'constraint' and d.name = %(name)s and d.outcome = 'running';
