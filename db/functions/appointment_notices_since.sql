-- appointment_notices_since(position, company): what a listener has missed
--
-- The days whose appointments were changed by any transaction from p_position on, as
-- committed by now, each once. A NULL date is any day of the company, a NULL company any
-- of them: forget everything. That is also the answer when notices of that time have
-- been pruned (trueup.retention, rule appointment_notices), when the position is of
-- another cluster, and when there is none (NULL).
--
-- Some days may be told again, because a transaction that was open at the position may
-- have been told since: forgetting what is right costs a query, keeping what is wrong a
-- double booking. Reads the notices of as many days as are kept: for catching up, not
-- for asking every second.

create or replace function trueup.appointment_notices_since(p_position bigint, p_company_id bigint default null)
    returns table (company_id bigint, date date)
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
-- columns and results bear the same names
#variable_conflict use_column
begin
    if
        p_position is null
        or p_position < (select f.position from trueup.appointment_notice_floor as f)
        or p_position > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    then
        company_id := null;
        date := null;
        return next;
        return;
    end if;

    return query
    select distinct an.company_id, an.date
    from trueup.appointment_notices as an
    where
        an.xact_id >= p_position::text::xid8
        and (p_company_id is null or an.company_id = p_company_id or an.company_id is null)
    order by 1 nulls first, 2 nulls first;
end;
$$;
