-- console_item(item, me): an item that who is signed in may see, locked; else there is none

create or replace function trueup.console_item(p_item_id bigint, p_me trueup.console_me)
    returns trueup.manual_review_queue
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_item trueup.manual_review_queue;
begin
    select q.* into v_item
    from trueup.manual_review_queue as q
    where q.id = p_item_id and (p_me.companies is null or q.company_id = any(p_me.companies))
    for update;
    if not found then
        raise exception 'review item % does not exist', p_item_id using errcode = 'TU002';
    end if;
    return v_item;
end;
$$;
