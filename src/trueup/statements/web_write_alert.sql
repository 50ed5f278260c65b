select
    trueup.console_write_alert(
        %(action)s::text, %(alert_id)s::bigint, %(note)s::text, %(until)s::timestamptz
    );
