-- notified_examples(alerts): which rows to name in a message, five at most, by their keys
--
-- A check is named, because nobody knows its number; a channel, too. uncounted is the number
-- of violations that flood alerts stand for (trueup.file_violations): counted, not listed.

create or replace function trueup.notified_examples(
    p_alert_ids bigint[],
    out entity_type text,
    out examples text[],
    out uncounted bigint
)
    returns record
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        min(al.entity_type),
        (
            select array_agg(x.entity_type || ' ' || coalesce(ch.name, nc.name, x.entity_id) order by x.id)
            from trueup.data_consistency_alerts as x
            left join trueup.checks as ch on x.entity_type = 'check' and x.entity_id = ch.id::text
            left join trueup.notification_channels as nc
                on x.entity_type = 'notification_channel' and x.entity_id = nc.id::text
            where x.id = any(p_alert_ids[1:5])
        ),
        sum((al.metadata ->> 'new')::bigint) filter (where al.entity_type = 'check' and al.metadata ? 'most')
    from trueup.data_consistency_alerts as al
    where al.id = any(p_alert_ids)
$$;
