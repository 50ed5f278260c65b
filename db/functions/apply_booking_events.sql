-- apply_booking_events(uids, events): find out whose the events of some bookings are, and apply them
--
-- For process_events, which holds the locks of the bookings. The company of an event is
-- what evidence says, never a default: the one whose service has its event type; that of
-- the call it names; that of the other events of the booking; that of the appointment
-- that bears the uid. Evidence that contradicts itself, names several companies or is
-- missing parks the event, and the next event of the booking looks at it again. Two
-- companies may have bookings with one uid: each gets the events that are its own.

create or replace function trueup.apply_booking_events(p_uids text[], p_event_ids bigint[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_ids bigint[] := '{}';
    v_company_ids bigint[] := '{}';
    v_found_company_ids bigint[];
    v_uid_company_ids bigint[];
    v_chain_company_ids bigint[];
    v_other_company_ids bigint[];
    v_reason text;
    r record;
begin
    for r in
        select
            be.id,
            be.booking_uid,
            be.booking_number,
            array(
                select distinct s.company_id
                from public.services as s
                where s.calcom_event_type_id = be.event_type_id and s.company_id is not null
            ) as by_service,
            array(
                select distinct c.company_id
                from public.calls as c
                where c.retell_call_id = be.named_call_id and c.company_id is not null
            ) as by_call
        from trueup.booking_events as be
        where be.id = any(p_event_ids)
        -- what has evidence of its own first: the others may borrow it
        order by be.event_type_id is null and be.named_call_id is null, be.id
    loop
        v_found_company_ids := case
            when r.by_service = '{}' then r.by_call
            when r.by_call = '{}' then r.by_service
            else array(select unnest(r.by_service) intersect select unnest(r.by_call))
        end;
        v_reason := case
            when r.by_service <> '{}' and v_found_company_ids = '{}' then 'the event type and the call are of different companies'
        end;

        if v_found_company_ids = '{}' and v_reason is null then
            -- a uid that two companies have is told apart by the number of the booking
            select
                array_agg(distinct other.company_id) filter (where other.is_same and not other.is_another),
                array_agg(distinct other.company_id) filter (where not other.is_same),
                coalesce(array_agg(distinct other.company_id) filter (where other.is_same and other.is_another), '{}')
            into v_uid_company_ids, v_chain_company_ids, v_other_company_ids
            from (
                select
                    coalesce(be.company_id, v_company_ids[array_position(v_ids, be.id)]) as company_id,
                    be.booking_uid = r.booking_uid as is_same,
                    coalesce(be.booking_number <> r.booking_number, false) as is_another
                from trueup.booking_events as be
                where
                    be.booking_uid = any(p_uids)
                    and (be.company_id is not null or be.id = any(v_ids))
                    and be.id <> r.id
            ) as other;
            v_found_company_ids := array(
                select unnest(coalesce(v_uid_company_ids, v_chain_company_ids, '{}')) except select unnest(v_other_company_ids)
            );
            if v_found_company_ids = '{}' then
                v_found_company_ids := array(
                    select co.id
                    from public.companies as co
                    where
                        co.id <> all(v_other_company_ids)
                        and exists (
                            select 1
                            from public.appointments as a
                            where
                                a.company_id = co.id
                                and a.calcom_booking_uid = any(p_uids)
                                and not (
                                    a.calcom_booking_uid = r.booking_uid
                                    and coalesce(a.calcom_booking_id <> r.booking_number, false)
                                )
                        )
                );
            end if;
        end if;

        if cardinality(v_found_company_ids) = 1 and v_reason is null then
            v_ids := v_ids || r.id;
            v_company_ids := v_company_ids || v_found_company_ids[1];
        else
            update trueup.webhook_events as e
            set
                status = 'parked',
                error = coalesce(v_reason, case
                    when v_found_company_ids = '{}' then 'unknown tenant: nothing says which company the booking is of'
                    else 'unknown tenant: several companies may have this booking'
                end)
            where e.id = r.id;
        end if;
    end loop;

    for r in
        select
            whose.company_id,
            array_agg(whose.id) as ids
        from unnest(v_ids, v_company_ids) as whose (id, company_id)
        group by whose.company_id
        order by whose.company_id
    loop
        perform trueup.apply_booking_chain(r.company_id, p_uids, r.ids);
    end loop;
end;
$$;
