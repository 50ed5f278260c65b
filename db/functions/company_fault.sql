-- company_fault(company, found): what is wrong with a row's own company
--
-- found is the company with that id. NULL: nothing is wrong.

create or replace function trueup.company_fault(p_company_id bigint, p_found_company_id bigint)
    returns jsonb
    language sql
    stable
    parallel safe
return case
    when p_company_id is null then jsonb_build_object('missing', true)
    when p_found_company_id is null then jsonb_build_object('id', p_company_id, 'exists', false)
end;
