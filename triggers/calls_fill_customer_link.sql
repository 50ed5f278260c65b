-- calls_fill_customer_link: fill
--
-- Makes status and provenance of a call's customer follow from customer_id, whichever of
-- them the application writes:
--   * a phrase that is nobody's name is cleared first, because rule K judges the name
--   * a customer means linked, since when and how: what is given stays; a number that is
--     the customer's (trueup.phone_matches) is a phone_match of 100.00; without either the
--     method is unknown and confidence stays NULL, which call_link_unproven reports
--   * another customer: what proved the former one goes. A value equal to the old one
--     cannot be told from one left standing, so it goes, too, unless a new
--     customer_linked_at shows that the writer speaks of the new customer
--   * no customer: rule K (trueup.link_status_without_customer), and what proved a
--     customer that is gone, or linked to nobody, goes
--
-- pending_review is never overwritten, with a customer or without, and failed not while
-- there is none: both are states that somebody set and no rule can find out. Another
-- spelling becomes the word of the vocabulary first, as an update of a legacy row shows one.
--
-- An insert that may become an update (on conflict ... do update) finds in EXCLUDED what is
-- put here. So what is stored of the same provider's call and the same customer comes before
-- what would be filled in: an upsert that takes EXCLUDED then changes nothing.
--
-- An update that changes none of this passes, also when all columns are written with their
-- old values; except a legacy row that calls_linked_has_customer or
-- calls_link_has_provenance would refuse whatever is updated, which is completed. A legacy call with a customer and another status is not
-- linked because its name changed: that is the repair's, which asks for a proof.
--
-- The customer is read without a lock: a phone number that changes at the same moment is
-- found by call_link_unproven.

create or replace function trueup.calls_fill_customer_link()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_has_left boolean := tg_op = 'UPDATE'
        and old.customer_id is not null
        and new.customer_id is distinct from old.customer_id;
    v_stored record;
    v_direction text;
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_nargs > 0 then -- whatever the statement names
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    if new.customer_name is not null and not trueup.usable_name(new.company_id, new.customer_name) then
        new.customer_name := null;
    end if;

    if
        new.customer_link_status not in (
            'linked', 'name_only', 'anonymous', 'pending_review', 'unlinked', 'failed'
        )
    then
        new.customer_link_status := coalesce(
            trueup.vocabulary_value('customer_link_status', new.customer_link_status), new.customer_link_status
        );
    end if;

    if new.customer_id is null then
        if v_has_left or new.customer_link_status = 'linked' then
            new.customer_link_method := null;
            new.customer_link_confidence := null;
            new.customer_linked_at := null;
        end if;
        if new.customer_link_status in ('pending_review', 'failed') then
            null; -- somebody set it
        elsif new.customer_name is null and not trueup.is_withheld(new.from_number) then
            new.customer_link_status := 'unlinked'; -- rule K, without asking for unusable names
        else
            new.customer_link_status := trueup.link_status_without_customer(
                new.company_id, new.customer_name, new.from_number
            );
        end if;
        return new;
    end if;

    if tg_op = 'INSERT' and (new.customer_link_method is null or new.customer_linked_at is null) then
        select
            c.customer_id,
            c.customer_link_status,
            c.customer_link_method,
            c.customer_link_confidence,
            c.customer_linked_at
        into v_stored
        from public.calls as c
        where c.company_id = new.company_id and c.retell_call_id = new.retell_call_id
        limit 1;
        if v_stored.customer_id = new.customer_id then
            if new.customer_link_status <> 'linked' and v_stored.customer_link_status = 'pending_review' then
                new.customer_link_status := 'pending_review';
            end if;
            if new.customer_link_method is null then
                new.customer_link_method := v_stored.customer_link_method;
                new.customer_link_confidence := coalesce(
                    new.customer_link_confidence, v_stored.customer_link_confidence
                );
            end if;
            new.customer_linked_at := coalesce(new.customer_linked_at, v_stored.customer_linked_at);
        end if;
    end if;

    if v_has_left and coalesce(new.customer_linked_at = old.customer_linked_at, true) then
        new.customer_link_method := nullif(new.customer_link_method, old.customer_link_method);
        new.customer_link_confidence := nullif(new.customer_link_confidence, old.customer_link_confidence);
        new.customer_linked_at := null;
    elsif v_has_left and new.customer_link_method = 'unknown' then
        -- from EXCLUDED, whose time is that of the upsert
        new.customer_link_confidence := nullif(new.customer_link_confidence, old.customer_link_confidence);
    end if;

    if
        new.customer_link_status = 'pending_review'
        or (
            tg_op = 'UPDATE'
            and new.customer_link_status <> 'linked'
            and (
                new.customer_id, new.from_number, new.customer_link_status,
                new.customer_link_method, new.customer_link_confidence, new.customer_linked_at
            ) is not distinct from (
                old.customer_id, old.from_number, old.customer_link_status,
                old.customer_link_method, old.customer_link_confidence, old.customer_linked_at
            )
        )
    then
        return new;
    end if;

    new.customer_link_status := 'linked';

    -- triggers of one event fire in name order: calls_fill_direction comes after this one
    v_direction := coalesce(
        nullif(new.direction, ''),
        trueup.direction_by_numbers(new.company_id, new.from_number, new.to_number)
    );
    if
        (
            new.customer_link_method is null
            or (new.customer_link_confidence is null and new.customer_link_method in ('unknown', 'phone_match'))
        )
        and exists (
            select 1
            from public.customers as k
            where
                k.id = new.customer_id
                and trueup.phone_matches(
                    new.company_id, v_direction, new.from_number, new.to_number, k.company_id, k.phone_normalized
                )
        )
    then
        new.customer_link_method := 'phone_match';
        new.customer_link_confidence := coalesce(new.customer_link_confidence, 100.00);
    end if;
    new.customer_link_method := coalesce(new.customer_link_method, 'unknown');
    new.customer_linked_at := coalesce(
        new.customer_linked_at,
        case when not v_has_left then old.customer_linked_at end,
        now()
    );

    return new;
end;
$$;

create or replace trigger calls_fill_customer_link_insert
    before insert on public.calls
    for each row
    execute function trueup.calls_fill_customer_link();

create or replace trigger calls_fill_customer_link_update
    before update of
        company_id, customer_id, customer_name, from_number, customer_link_status, customer_link_method,
        customer_link_confidence, customer_linked_at
    on public.calls
    for each row
    when (
        old.company_id is distinct from new.company_id
        or old.customer_id is distinct from new.customer_id
        or old.customer_name is distinct from new.customer_name
        or old.from_number is distinct from new.from_number
        or old.customer_link_status is distinct from new.customer_link_status
        or old.customer_link_method is distinct from new.customer_link_method
        or old.customer_link_confidence is distinct from new.customer_link_confidence
        or old.customer_linked_at is distinct from new.customer_linked_at
    )
    execute function trueup.calls_fill_customer_link();

create or replace trigger calls_fill_customer_link_update_legacy
    before update on public.calls
    for each row
    when (
        new.customer_link_status = 'linked'
        and (
            new.customer_id is null
            or new.customer_link_method is null
            or new.customer_linked_at is null
        )
    )
    execute function trueup.calls_fill_customer_link('any update');
