-- 0012_recent_calls: the index for the calls of a week holds each call
--
-- BRIN was to cost a writer nothing. But a repair of many old calls leaves room in their pages, new
-- calls go there, and each such range of pages then seems to hold calls of today: after one bulk
-- insert into a table of 10 M calls the view bookings_by_day looked at 650,000 old ones.
--
-- `trueup migrate` drops the old one and builds this concurrently.

update trueup.constraints as ct
set definition = '(created_at)', definition_checksum = ''
where ct.name = 'calls_created_at_idx';
