-- core 0009, taken back: the console's users, and the record of what they did, go

delete from trueup.settings as st where starts_with(st.name, 'console_');
delete from trueup.retention as rt
where rt.name in ('console_sessions', 'console_attempts', 'console_audit');

drop table trueup.console_keys;
drop table trueup.console_audit;
drop table trueup.console_attempts;
drop table trueup.console_sessions;
drop table trueup.console_users;
delete from trueup.tables as t
where t.name in ('console_keys', 'console_audit', 'console_attempts', 'console_sessions', 'console_users');
