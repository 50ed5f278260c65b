-- import_bookings(company, page ...): store a page of the provider's list of bookings
--
-- A page is {"status": "success", "data": [booking, ...], "pagination": {...}}; the parts
-- used of a booking are in trueup.listed_bookings. What is stored is a snapshot, beside the
-- appointments and not among them: the checks booking_missing_locally,
-- booking_missing_remotely and booking_differs compare the two.
--
-- p_import_id is from trueup.begin_booking_import; NULL begins a reading without a window.
-- p_is_last ends it. It is complete when it showed as many bookings as the provider counts
-- (pagination.totalItems, the most that any page says), and incomplete when it showed fewer,
-- as happens when bookings go while the pages are read: then read the list again. Only a complete reading of a known
-- window lets a check conclude that a booking is not there.
--
-- One item that cannot be read refuses the whole page and stores nothing of it: a page
-- that is taken in part would say of the rest that the provider does not have it.
--
-- The same page twice is stored once. An older list never overwrites a newer one. Only
-- bookings of the company are looked at and written, whatever uid a page holds.
-- Locks the reading, then its bookings in the order of their uids; no row of the
-- application.
--
--     TU401   not a page of the list; detail names the item, counted from 0
--     TU402   no such company, or no such reading of this company

create or replace function trueup.import_bookings(
    p_company_id bigint,
    p_page jsonb,
    p_import_id bigint default null,
    p_is_last boolean default false
)
    returns table (
        import_id bigint,
        status text,
        page_bookings integer,
        page_added integer,
        bookings integer,
        expected integer
    )
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
-- columns and results bear the same names
#variable_conflict use_column
declare
    v_page jsonb := trueup.decoded(p_page);
    v_import_id bigint := p_import_id;
    v_import trueup.booking_imports;
    v_total integer;
    v_fault record;
begin
    if jsonb_typeof(v_page) is distinct from 'object' or jsonb_typeof(v_page -> 'data') is distinct from 'array' then
        raise exception 'this is no page of the provider''s list'
            using
                errcode = 'TU401',
                detail = 'It is no object with an array data.',
                hint = 'A page is {"status": "success", "data": [...], "pagination": {...}}.';
    elsif v_page ->> 'status' <> 'success' then
        raise exception 'the provider did not answer with a list'
            using errcode = 'TU401', detail = format('Its status is "%s".', left(v_page ->> 'status', 40));
    elsif p_is_last and v_page @> '{"pagination": {"hasNextPage": true}}' then
        raise exception 'the last page says that there are more'
            using errcode = 'TU401', detail = 'pagination.hasNextPage is true.';
    end if;

    select l.item, l.fault into v_fault
    from trueup.listed_bookings(v_page -> 'data') as l
    where l.fault is not null
    order by l.item
    limit 1;
    if found then
        raise exception 'item % of the page is no booking', v_fault.item
            using
                errcode = 'TU401',
                detail = format('Item %s: %s.', v_fault.item, v_fault.fault),
                hint = 'Nothing of this page was stored.';
    end if;

    if v_import_id is null then
        v_import_id := trueup.begin_booking_import(p_company_id);
    end if;

    select i.* into v_import
    from trueup.booking_imports as i
    where i.id = v_import_id and i.company_id = p_company_id
    for update;
    if not found then
        raise exception 'company % has no import %', coalesce(p_company_id::text, 'NULL'), p_import_id
            using errcode = 'TU402', hint = 'trueup.begin_booking_import begins one.';
    end if;

    with stored as (
        insert into trueup.booking_snapshots as s (
            company_id, booking_uid, booking_number, status, starts_at, ends_at, event_type_id, attendee_name,
            attendee_email, attendee_phone, rescheduled_from_uid, booked_at, import_id, seen_at
        )
        select
            p_company_id,
            l.booking_uid,
            l.booking_number,
            l.status,
            l.starts_at,
            l.ends_at,
            l.event_type_id,
            case when n.is_needed then l.attendee_name end,
            case when n.is_needed then l.attendee_email end,
            case when n.is_needed then l.attendee_phone end,
            l.rescheduled_from_uid,
            l.booked_at,
            v_import.id,
            v_import.taken_at
        from trueup.listed_bookings(v_page -> 'data') as l
        -- who attends matters only to who has to create the appointment
        cross join lateral (
            select
                l.status in ('accepted', 'pending')
                and not exists (
                    select 1
                    from public.appointments as a
                    where a.company_id = p_company_id and a.calcom_booking_uid = l.booking_uid
                ) as is_needed
        ) as n
        order by l.booking_uid
        on conflict (booking_uid, company_id) do update set
            booking_number = excluded.booking_number,
            status = excluded.status,
            starts_at = excluded.starts_at,
            ends_at = excluded.ends_at,
            event_type_id = excluded.event_type_id,
            attendee_name = excluded.attendee_name,
            attendee_email = excluded.attendee_email,
            attendee_phone = excluded.attendee_phone,
            rescheduled_from_uid = excluded.rescheduled_from_uid,
            booked_at = excluded.booked_at,
            import_id = excluded.import_id,
            seen_at = excluded.seen_at
        where s.seen_at <= excluded.seen_at
        returning s.xmax = 0 as is_new
    )

    select count(*) filter (where st.is_new) into page_added from stored as st;

    v_total := trueup.bigint_or_null(v_page #>> '{pagination,totalItems}');
    update trueup.booking_imports as i
    set
        pages = i.pages + 1,
        bookings = (select count(*) from trueup.booking_snapshots as s where s.import_id = v_import.id),
        expected = greatest(v_total, i.expected)
    where i.id = v_import.id
    returning i.* into v_import;

    if p_is_last then
        update trueup.booking_imports as i
        set
            status = case when i.bookings < i.expected then 'incomplete' else 'complete' end,
            finished_at = clock_timestamp()
        where i.id = v_import.id
        returning i.* into v_import;
    end if;

    import_id := v_import.id;
    status := v_import.status;
    page_bookings := jsonb_array_length(v_page -> 'data');
    bookings := v_import.bookings;
    expected := v_import.expected;
    return next;
end;
$$;
