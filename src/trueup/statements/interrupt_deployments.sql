-- whoever holds the migration lock knows that nobody else is running
update trueup.deployments as d
set outcome = 'interrupted'
where d.outcome = 'running';
