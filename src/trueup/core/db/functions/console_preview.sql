-- console_preview(item, token): what the repair of an item would change; it changes nothing
--
-- As trueup.preview_repair tells it, masked once more as the console masks: changes are columns
-- before and after, ends are the violations that would be gone.

create or replace function trueup.console_preview(
    p_item_id bigint,
    p_token uuid,
    out outcome text,
    out reason text,
    out changes jsonb,
    out ends text[]
)
    returns record
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me := trueup.console_actor();
    v_item trueup.manual_review_queue := trueup.console_item(p_item_id, v_me);
begin
    if p_token is distinct from v_item.claim_token or v_item.claimed_by is distinct from v_me.name then
        raise exception 'this claim on review item % is stale', p_item_id using errcode = 'TU001';
    end if;

    select
        p.outcome,
        p.reason,
        p.resolved,
        (
            select jsonb_agg(
                jsonb_build_object(
                    'table', c.change -> 'table_name',
                    'key', c.change -> 'key_value',
                    'operation', c.change -> 'operation',
                    'columns', (
                        select jsonb_agg(
                            jsonb_build_object(
                                'name', k.name,
                                'before', trueup.console_masked(c.change -> 'before' -> k.name, k.name),
                                'after', trueup.console_masked(c.change -> 'after' -> k.name, k.name)
                            )
                            order by k.place
                        )
                        from jsonb_object_keys(
                            coalesce(nullif(c.change -> 'after', 'null'), c.change -> 'before')
                        ) with ordinality as k (name, place)
                    )
                )
                order by c.place
            )
            from jsonb_array_elements(p.changes) with ordinality as c (change, place)
        )
    into outcome, reason, ends, changes
    from trueup.preview_repair(v_item.reason, v_item.entity_type, v_item.entity_id) as p;
end;
$$;
