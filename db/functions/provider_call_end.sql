-- provider_call_end(company, retell_call_id, metadata): when the provider says a call ended
--
-- From the payload stored with the call (metadata.retell.end_timestamp, epoch
-- milliseconds), else from its own events (call_ended, call_analyzed), provided that
-- they agree. NULL when nothing tells it: a number beyond any epoch in milliseconds is
-- no instant and must not raise. Events are those of the call's company: a parked one,
-- which belongs to nobody yet, proves nothing.

create or replace function trueup.provider_call_end(p_company_id bigint, p_retell_call_id text, p_metadata jsonb)
    returns timestamptz
    language sql
    stable
return coalesce(
    (
        select to_timestamp(b.end_ms / 1000.0)
        from (values (trueup.bigint_or_null(p_metadata -> 'retell' ->> 'end_timestamp'))) as b (end_ms)
        where b.end_ms > 0 and b.end_ms < 4102444800000
    ),
    (
        select case when min(b.end_ms) = max(b.end_ms) then to_timestamp(min(b.end_ms) / 1000.0) end
        from trueup.webhook_events as e
        cross join lateral (
            select trueup.bigint_or_null(trueup.decoded(e.body) -> 'call' ->> 'end_timestamp') as end_ms
        ) as b
        where
            e.provider = 'retell'
            and e.event_type in ('call_ended', 'call_analyzed')
            and e.object_id = p_retell_call_id
            and e.company_id = p_company_id
            and b.end_ms > 0
            and b.end_ms < 4102444800000
    )
);
