-- lock_participants(company, call, customer, staff): the rows of a booking, locked in one order
--
-- The call first, then the customer, then the member of staff, and appointments only after
-- them: whoever books, moves or cancels takes them in this order, so that none waits for one
-- who waits for it. What a request names and the company does not have is refused (TU200); a
-- row of another company is not had. NULL is nobody.
--
-- The locks leave references alone: other sessions may insert rows that name these.

create or replace function trueup.lock_participants(
    p_company_id bigint,
    p_call_id bigint,
    p_customer_id bigint,
    p_staff_id bigint
)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_call_id is not null then
        perform 1
        from public.calls as c
        where c.id = p_call_id and c.company_id = p_company_id and c.deleted_at is null
        for no key update;
        if not found then
            perform trueup.refuse_unknown('call', p_call_id, p_company_id);
        end if;
    end if;

    if p_customer_id is not null then
        perform 1
        from public.customers as k
        where k.id = p_customer_id and k.company_id = p_company_id and k.deleted_at is null
        for no key update;
        if not found then
            perform trueup.refuse_unknown('customer', p_customer_id, p_company_id);
        end if;
    end if;

    if p_staff_id is not null then
        perform 1
        from public.staff as s
        where s.id = p_staff_id and s.company_id = p_company_id
        for no key update;
        if not found then
            perform trueup.refuse_unknown('staff', p_staff_id, p_company_id);
        end if;
    end if;
end;
$$;
