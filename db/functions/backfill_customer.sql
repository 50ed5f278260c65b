-- backfill_customer(company, call, number, e-mail, name): whose booking it was
--
-- For a booking that only the provider knows (trueup.appointment_from_booking).
-- Looks inside the company and nowhere else: first the caller's number, then the
-- attendee's e-mail address. Several customers are no answer, and reason says so; how
-- says what found the one: phone, email, created, created for a withheld number, created
-- for another number.
--
-- Agents give one fallback address for every caller without, and two such callers must not
-- become one customer. So a caller who withheld the number always gets a customer of its
-- own, with trueup.withheld_email(call) as the address; so does one whose address belongs
-- only to customers with another number whom a backfill made (their address came with a
-- booking, too), or whom a number that is not theirs has called already. Then the attendee's
-- address is put into the notes and not into email: the two would be duplicates, and one of
-- them would count as reachable. No name is invented. A booking that no call made (call is
-- NULL) has an address that its attendee typed in: that is the customer's.

create or replace function trueup.backfill_customer(
    p_company_id bigint,
    p_call_id bigint,
    p_number text,
    p_email text,
    p_name text,
    out customer_id bigint,
    out how text,
    out reason text
)
    returns record
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_phone text := case when trueup.usable_phone(p_number) then trueup.plain_phone(p_number) end;
    v_email text := case when trueup.usable_email(p_email) then lower(btrim(p_email)) end;
    v_customer_ids bigint[];
    v_is_of_others boolean := false;
begin
    -- two sessions at once must not create one caller twice; others need not wait
    perform pg_advisory_xact_lock(locked.key)
    from (
        select hashtextextended(format('trueup.backfill_customer %s %s', p_company_id, contact.value), 0) as key
        from (values (v_phone), (v_email)) as contact (value)
        where contact.value is not null
        order by key
    ) as locked;

    v_customer_ids := array(
        select k.id
        from public.customers as k
        where
            k.company_id = p_company_id
            and k.phone_normalized = v_phone
            and trueup.usable_phone(k.phone)
            and k.deleted_at is null
        order by k.id
    );
    how := 'phone';
    if cardinality(v_customer_ids) = 0 and (p_call_id is null or v_phone is not null) then
        select
            coalesce(array_agg(k.id order by k.id), '{}'),
            p_call_id is not null and coalesce(
                bool_and(
                    (k.source = 'backfill' and trueup.usable_phone(k.phone))
                    or exists (
                        select 1
                        from public.calls as c
                        where
                            c.customer_id = k.id
                            and c.direction is distinct from 'outbound'
                            and trueup.usable_phone(c.from_number)
                            and trueup.plain_phone(c.from_number) <> v_phone
                            and trueup.plain_phone(c.from_number) is distinct from k.phone_normalized
                            and c.deleted_at is null
                    )
                ),
                false
            )
        into v_customer_ids, v_is_of_others
        from public.customers as k
        where k.company_id = p_company_id and lower(k.email) = v_email and k.deleted_at is null;
        how := 'email';
        if v_is_of_others then
            v_customer_ids := '{}';
        end if;
    end if;

    if cardinality(v_customer_ids) > 1 then
        reason := format('several customers have the %s of the booking', how);
        return;
    elsif cardinality(v_customer_ids) = 1 then
        customer_id := v_customer_ids[1];
        return;
    end if;

    insert into public.customers as k (company_id, name, phone, email, source, notes)
    values (
        p_company_id,
        case when trueup.usable_name(p_company_id, p_name) then p_name end,
        case when v_phone is not null then p_number end,
        case
            when v_phone is null and p_call_id is not null then trueup.withheld_email(p_call_id)
            when not v_is_of_others then v_email
        end,
        'backfill',
        case
            when v_is_of_others or (v_phone is null and p_call_id is not null)
                then 'address given with the booking: ' || v_email
        end
    )
    returning k.id into customer_id;

    how := case
        when v_phone is null and p_call_id is not null then 'created for a withheld number'
        when v_is_of_others then 'created for another number'
        else 'created'
    end;
end;
$$;
