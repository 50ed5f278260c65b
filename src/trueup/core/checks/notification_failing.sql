-- notification_failing
--
-- invariant:   every channel of notifications that was tried within the last day took what
--              was sent to it, within setting notify_failures_tolerated attempts
-- severity:    critical
-- entity:      notification_channel
-- changes:     none
-- population:  none
-- prevented:   none: whether a mail server or a chat answers is not the database's doing
-- repair:      review
-- cost:        trueup.notification_channels: a few rows
--
-- Nobody hears of anything through a channel that fails. `trueup notify` files the alert
-- itself as soon as it sees it, so that the other channels tell of it without waiting for
-- the next run; the run after the first success resolves it. What could not be sent waits
-- and is sent then. `trueup notify list` says why, `trueup notify test CHANNEL` tries again.

create or replace view trueup.notification_failing as
select
    null as company_id,
    'notification_channel' as entity_type,
    nc.id as entity_id,
    'channel ' || nc.name || ' has taken no notification since ' || nc.failing_since as description,
    jsonb_build_object('channel', nc.name, 'kind', nc.kind, 'failing_since', nc.failing_since) as evidence
from trueup.notification_channels as nc
where
    nc.failures > (select trueup.setting('notify_failures_tolerated')::integer)
    and nc.attempted_at > now() - interval '1 day';
