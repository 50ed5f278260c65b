-- usable_name(company, name): somebody could be called by this name
--
-- Not empty, and not a phrase that trueup.unusable_names lists for the company or
-- for all of them.

create or replace function trueup.usable_name(p_company_id bigint, p_name text)
    returns boolean
    language sql
    stable
    parallel safe
return trueup.plain_name(p_name) is not null
    and not exists (
        select 1
        from trueup.unusable_names as un
        where
            un.phrase = trueup.plain_name(p_name)
            and (un.company_id is null or un.company_id = p_company_id)
    );
