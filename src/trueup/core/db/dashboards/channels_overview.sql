-- channels_overview
--
-- The channels of notifications, and whether they work. pending_messages are those that the
-- session may see; a message about several companies is of none.

create or replace view trueup.channels_overview
with (security_invoker = true) as
select
    nc.name as channel,
    nc.kind,
    nc.failures,
    nc.failing_since,
    nc.last_sent_at,
    (
        select count(*)
        from trueup.notifications as n
        where n.channel_id = nc.id and n.state = 'pending'
    ) as pending_messages,
    nc.last_seen_at
from trueup.notification_channels as nc;

comment on view trueup.channels_overview is 'every channel of notifications, and whether it works';
comment on column trueup.channels_overview.channel is 'name of the channel';
comment on column trueup.channels_overview.kind is 'kind of the service behind it';
comment on column trueup.channels_overview.failures is 'attempts that failed in a row; 0 when it works';
comment on column trueup.channels_overview.failing_since is 'when the first of them failed';
comment on column trueup.channels_overview.last_sent_at is 'when it last took a message';
comment on column trueup.channels_overview.pending_messages is 'messages that wait to be sent';
comment on column trueup.channels_overview.last_seen_at is 'when a delivery last had it in its configuration';
