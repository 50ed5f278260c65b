-- What of trueup's schedule the database can do by itself, with the extension pg_cron
--
--     psql -d bookings -f deploy/pg_cron/trueup.sql
--
-- The queue is kept moving, the inbox worked off, and what is over deleted. NOT done here:
-- checks, whose violations a runner reads and files, repairs, notifications, reports. Somebody
-- has to run `trueup run`, or `trueup run --once changed` and `--once full`, somewhere; this
-- is for the rest, on servers next to which nothing may run every minute.
--
-- Times are those of pg_cron (setting cron.timezone, GMT unless told otherwise). Running this
-- file again replaces the jobs. To take them out:
--     select cron.unschedule(jobname) from cron.job where jobname like 'trueup %';

select cron.schedule('trueup escalate', '7 * * * *', $$select count(*) from trueup.escalate_reviews('pg_cron')$$);

select cron.schedule('trueup hand over', '9 * * * *', $$select trueup.hand_over_sync_failures()$$);

select cron.schedule('trueup events', '* * * * *', $$select * from trueup.process_events(200)$$);

select cron.schedule('trueup parked events', '11 * * * *', $$select count(*) from trueup.retry_events(null, 'parked')$$);

-- one batch of each rule; what is left goes an hour later
select cron.schedule('trueup prune', '41 * * * *', $$select count(*) from trueup.prune()$$);
