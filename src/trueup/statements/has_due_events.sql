-- whether an event is due that has not just waited in vain for a row (trueup.fail_event)
select exists (
    select 1
    from trueup.webhook_events as e
    where
        e.status = 'received'
        and e.object_id is not null
        and e.next_attempt_at <= clock_timestamp()
        and e.error is distinct from 'somebody else holds a row it needs'
);
