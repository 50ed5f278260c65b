-- core 0008: who has been told what
--
-- What is due to a channel is the difference between the alerts as they are and
-- trueup.notified_alerts, what the channel has been told: states are compared, not times, so
-- that an alert which commits late is only told late. The difference and the message that
-- tells it are written in one transaction, and the message is sent afterwards.
--
-- No address is stored: where a channel leads to is in the configuration, with its secrets.

create table trueup.notification_channels (
    id bigint generated always as identity primary key,
    name text not null unique,
    kind text not null,
    first_seen_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    -- one delivery at a time writes to a channel; one that died loses it at this time
    lease_token uuid,
    leased_until timestamptz,
    -- NULL until the channel has been told what was open when it was new
    planned_at timestamptz,
    -- the silences that were in force then; when one of them has ended, one summary follows
    mute_ids bigint[] not null default '{}',
    last_sent_at timestamptz,
    attempted_at timestamptz,
    failures integer not null default 0,
    failing_since timestamptz,
    next_attempt_at timestamptz,
    error text,
    -- what an Alertmanager was last told to be firing: labels and start
    firing jsonb not null default '[]',
    constraint notification_channels_failing check ((failures > 0) = (failing_since is not null))
);

create table trueup.notified_alerts (
    channel_id bigint not null references trueup.notification_channels (id) on delete cascade,
    -- no reference: an alert that is deleted has ended, and that is to be told
    alert_id bigint not null,
    check_name text not null,
    company_id text,
    -- which life of the alert, and which snooze of it had ended, when it was told
    reopened_count integer not null,
    snoozed_until timestamptz,
    -- acknowledged or accepted since: told again when it is open again
    is_known boolean not null default false,
    primary key (channel_id, alert_id)
);

-- when a channel last heard of a check in a company; what stays open is repeated from then on
create table trueup.notification_groups (
    channel_id bigint not null references trueup.notification_channels (id) on delete cascade,
    check_name text not null,
    company_id text,
    said_at timestamptz not null,
    constraint notification_groups_key unique nulls not distinct (channel_id, check_name, company_id)
);

create table trueup.notifications (
    id bigint generated always as identity primary key,
    channel_id bigint references trueup.notification_channels (id) on delete set null,
    channel text not null,
    kind text not null,
    -- NULL in a message about several
    check_name text,
    company_id text,
    severity text not null,
    subject text not null,
    body text not null,
    content jsonb not null,
    -- the alerts it says something about
    alarm_ids bigint[] not null default '{}',
    ended_ids bigint[] not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    state text not null default 'pending',
    attempts integer not null default 0,
    attempted_at timestamptz,
    next_attempt_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    error text,
    constraint notifications_kind_known check (kind in ('alarm', 'recovery', 'reminder', 'summary', 'test')),
    constraint notifications_state_known check (state in ('pending', 'sent', 'failed')),
    constraint notifications_sent check ((state = 'sent') = (sent_at is not null))
);

create index notifications_pending_idx on trueup.notifications (channel_id, id) where state = 'pending';
create index notifications_created_at_idx on trueup.notifications (created_at) where state <> 'pending';

create table trueup.notification_mutes (
    id bigint generated always as identity primary key,
    -- NULL: every check, every company
    check_name text,
    company_id text,
    reason text not null,
    actor text not null default session_user,
    created_at timestamptz not null default clock_timestamp(),
    ends_at timestamptz not null,
    -- who ended it before its time
    lifted_by text,
    constraint notification_mutes_reason_given check (btrim(reason) <> '')
);

create index notification_mutes_ends_at_idx on trueup.notification_mutes (ends_at);

-- what is compared at every delivery, without the resolved and without evidence; a run that
-- sees an alert again changes none of these columns
create index data_consistency_alerts_unresolved_idx
    on trueup.data_consistency_alerts (id)
    include (alert_type, company_id, severity, status, snoozed_until, reopened_count)
    where status <> 'resolved';

comment on table trueup.notifications is 'what was said about alerts, to which channel, and whether it arrived (trueup notify)';
comment on table trueup.notification_channels is 'channels as they were last configured, and whether they work (trueup notify list)';
comment on table trueup.notification_mutes is 'times in which nothing is said, and why (trueup notify mute)';

insert into trueup.retention (name, position, table_name, time_column, keep, default_keep, predicate, description) values
(
    'notifications', 50, 'trueup.notifications', 'created_at', '100 days', '100 days',
    $$t.state <> 'pending'$$,
    'messages that were sent, or given up'
),
(
    'notification_mutes', 51, 'trueup.notification_mutes', 'ends_at', '400 days', '400 days',
    $$true$$,
    'silences that have ended'
),
(
    'notification_channels', 52, 'trueup.notification_channels', 'last_seen_at', '30 days', '30 days',
    $$true$$,
    'channels that no delivery has had in its configuration since, with what they had been told'
);

insert into trueup.settings (name, value, default_value, kind, description) values
('notify_failures_tolerated', '2', '2', 'integer', 'attempts in a row that a channel of notifications may fail before an alert says so');
