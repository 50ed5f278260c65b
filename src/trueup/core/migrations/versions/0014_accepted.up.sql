-- core 0014: accepted alerts are counted by an index
--
-- Every pass says of each check how many of its open alerts somebody has accepted. The open ones are
-- counted in data_consistency_alerts_open_key; who has accepted what stands in the rows alone, and
-- beside their evidence that is read for longer than what a small pass takes.

create index data_consistency_alerts_accepted_idx
    on trueup.data_consistency_alerts (alert_type)
    where status = 'acknowledged' and accepted_by is not null;
