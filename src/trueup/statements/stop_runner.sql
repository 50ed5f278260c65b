update trueup.runners as ru
set stopped_at = clock_timestamp()
where ru.id = %(runner_id)s and ru.stopped_at is null;
