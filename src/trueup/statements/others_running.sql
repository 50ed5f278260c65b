select exists (
    select 1
    from trueup.check_runs as cr
    where cr.status = 'running' and cr.id <> %(run_id)s and cr.kind <> 'changed'
);
