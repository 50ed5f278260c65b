-- link_status_without_customer(company, name, number): rule K
--
-- The customer_link_status of a call that has no customer: a usable spoken name
-- comes before a withheld number, and neither means unlinked.

create or replace function trueup.link_status_without_customer(
    p_company_id bigint, p_customer_name text, p_from_number text
)
    returns text
    language sql
    stable
    parallel safe
return case
    when trueup.usable_name(p_company_id, p_customer_name) then 'name_only'
    when trueup.is_withheld(p_from_number) then 'anonymous'
    else 'unlinked'
end;
