-- appointment_notices_floor: sync
--
-- Keeps, of the notices that were pruned, the position up to which nobody can catch up any
-- more: trueup.appointment_notices_since then says that anything may have changed.

create or replace function trueup.appointment_notices_floor()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    update trueup.appointment_notice_floor as f
    set position = gone.position
    from (
        select o.xact_id::text::bigint + 1 as position
        from old_notices as o
        order by o.xact_id desc
        limit 1
    ) as gone
    where gone.position > f.position;
    return null;
end;
$$;

create or replace trigger appointment_notices_floor
    after delete on trueup.appointment_notices
    referencing old table as old_notices
    for each statement
    execute function trueup.appointment_notices_floor();
