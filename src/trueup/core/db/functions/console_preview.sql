-- console_preview(item, token): what the repair of an item would change; it changes nothing
--
-- The repair is carried out as the decision would, its journal read, and all of it undone
-- before the function returns, locks included. outcome and reason are those of apply_repair;
-- changes are columns before and after, masked; ends are the violations that would be gone.

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
    set search_path = ''
as $$
declare
    v_me trueup.console_me := trueup.console_actor();
    v_item trueup.manual_review_queue := trueup.console_item(p_item_id, v_me);
    v_repair record;
    v_touched jsonb;
    v_after text[];
begin
    if p_token is distinct from v_item.claim_token or v_item.claimed_by is distinct from v_me.name then
        raise exception 'this claim on review item % is stale', p_item_id using errcode = 'TU001';
    end if;

    begin
        select r.* into v_repair
        from trueup.apply_repair(v_item.reason, v_item.entity_type, v_item.entity_id, v_me.name) as r;
        outcome := v_repair.outcome;
        reason := v_repair.reason;

        select jsonb_agg(t.change order by t.id) into changes
        from (
            select
                rc.id,
                jsonb_build_object(
                    'table', rc.table_name,
                    'key', rc.key_value,
                    'operation', rc.operation,
                    'columns', (
                        select jsonb_agg(
                            jsonb_build_object(
                                'name', c.name,
                                'before', trueup.console_masked(rc.before -> c.name, c.name),
                                'after', trueup.console_masked(rc.after -> c.name, c.name)
                            )
                            order by c.place
                        )
                        from (
                            select k.name, min(k.place) as place
                            from jsonb_object_keys(coalesce(rc.after, rc.before)) with ordinality as k (name, place)
                            group by k.name
                        ) as c
                        where
                            (rc.before -> c.name) is distinct from (rc.after -> c.name)
                            and coalesce(rc.before -> c.name, 'null') is distinct from coalesce(rc.after -> c.name, 'null')
                    )
                ) as change
            from trueup.repair_changes as rc
            where rc.repair_id = v_repair.repair_id
        ) as t;

        select jsonb_object_agg(t.entity_type, t.ids) into v_touched
        from (
            select cp.entity_type, jsonb_agg(distinct rc.key_value) as ids
            from trueup.repair_changes as rc
            inner join (
                select distinct p.entity_type, p.table_name from trueup.check_populations as p
            ) as cp on rc.table_name = cp.table_name
            where rc.repair_id = v_repair.repair_id
            group by cp.entity_type
        ) as t;
        v_after := trueup.violations_of(coalesce(v_touched, '{}'));

        raise exception 'only a preview' using errcode = 'TU102';
    exception
        when sqlstate 'TU102' then
            null;
    end;

    if outcome = 'corrected' then
        ends := array(
            select unnest(trueup.violations_of(coalesce(v_touched, '{}')))
            except
            select unnest(v_after)
            order by 1
        );
    end if;
end;
$$;
