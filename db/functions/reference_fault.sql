-- reference_fault(company, id, found id, found company): what is wrong with a reference
--
-- A row of the company refers to id; found is the row with that id, NULL when there is
-- none. NULL: nothing is wrong. A found row without a company is no fault of the
-- reference: that row itself is reported.

create or replace function trueup.reference_fault(
    p_company_id bigint, p_reference_id bigint, p_found_reference_id bigint, p_found_company_id bigint
)
    returns jsonb
    language sql
    stable
    parallel safe
return case
    when p_reference_id is null then null
    when p_found_reference_id is null then jsonb_build_object('id', p_reference_id, 'exists', false)
    when p_found_company_id <> p_company_id
        then jsonb_build_object('id', p_reference_id, 'company_id', p_found_company_id)
end;
