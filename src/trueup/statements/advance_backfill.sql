update trueup.backfills as b
set
    last_key = coalesce(%(last_key)s::text, b.last_key),
    rows_written = b.rows_written + %(rows)s,
    last_batch_at = clock_timestamp(),
    finished_at = case when %(is_finished)s then clock_timestamp() end
where b.name = %(name)s;
