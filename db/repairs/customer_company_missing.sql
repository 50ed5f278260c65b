-- customer_company_missing: repair
--
-- The customer belongs to the company of its calls and appointments, when there is at
-- least one and all of them, deleted ones included, belong to that company. Between two
-- companies, or with none, a person decides: a wrong guess shows one company another's
-- customer.

create or replace function trueup.repair_customer_company_missing(p_customer_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_company_ids bigint[];
    v_reason text;
    v_evidence jsonb;
begin
    perform 1 from public.customers as k where k.id = p_customer_id for no key update;

    select array_agg(kc.company_id), jsonb_agg(to_jsonb(kc) - 'customer_id' order by kc.company_id)
    into v_company_ids, v_evidence
    from trueup.customer_companies as kc
    where kc.customer_id = p_customer_id;

    v_reason := case
        when v_company_ids is null then 'no call and no appointment tells the company'
        when cardinality(v_company_ids) > 1 then 'calls and appointments belong to several companies'
        when not exists (select 1 from public.companies as co where co.id = v_company_ids[1])
            then 'calls and appointments belong to no company either'
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    update public.customers as k
    set company_id = v_company_ids[1]
    where k.id = p_customer_id and k.company_id is null;

    return ('corrected', 'the company of all its calls and appointments', v_evidence)::trueup.repair_outcome;
end;
$$;
