-- core 0008, taken back: what was said is forgotten

delete from trueup.retention as rt where rt.name in ('notifications', 'notification_mutes', 'notification_channels');

delete from trueup.settings as st where st.name = 'notify_failures_tolerated';

drop index trueup.data_consistency_alerts_unresolved_idx;
drop table trueup.notifications;
drop table trueup.notification_groups;
drop table trueup.notified_alerts;
drop table trueup.notification_channels;
drop table trueup.notification_mutes;
delete from trueup.tables as t
where
    t.name in (
        'notifications', 'notification_groups', 'notified_alerts', 'notification_channels', 'notification_mutes'
    );
