-- begin_booking_import(company, from, to, taken at): a reading of the provider's list begins
--
-- Call it before the first page is asked for: what was written here after that moment is
-- newer than the list, and no check concludes anything from the difference. p_taken_at is
-- for a list that was read earlier, from a file; the clock is that of the database.
--
-- The window says that the list was asked for every booking of the company that starts at
-- p_from or later and ends by p_to, whatever its status. Without one the list proves what
-- is there, and never what is not.
--
-- Returns the id that every page names (trueup.import_bookings).
--     TU401   a window that ends before it begins, or a list of the future
--     TU402   no such company

create or replace function trueup.begin_booking_import(
    p_company_id bigint,
    p_from timestamptz default null,
    p_to timestamptz default null,
    p_taken_at timestamptz default null
)
    returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_taken_at timestamptz := coalesce(p_taken_at, clock_timestamp());
    v_import_id bigint;
begin
    if not exists (select 1 from public.companies as co where co.id = p_company_id) then
        raise exception 'company % does not exist', coalesce(p_company_id::text, 'NULL') using errcode = 'TU402';
    elsif (p_from is null) <> (p_to is null) or p_to <= p_from then
        raise exception 'a window begins before it ends'
            using
                errcode = 'TU401',
                detail = format('From %s to %s.', coalesce(p_from::text, 'NULL'), coalesce(p_to::text, 'NULL')),
                hint = 'Give both ends, or neither.';
    elsif v_taken_at > clock_timestamp() then
        raise exception 'a list cannot have been taken at %', v_taken_at
            using errcode = 'TU401', detail = format('It is %s.', clock_timestamp());
    end if;

    insert into trueup.booking_imports (company_id, taken_at, window_from, window_to)
    values (p_company_id, v_taken_at, p_from, p_to)
    returning id into v_import_id;

    return v_import_id;
end;
$$;
