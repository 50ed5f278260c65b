-- refuse_unknown(what, id, company): the company has no such row
--
-- One message for a row that is not there, was deleted, or is another company's: who asks
-- with the wrong company learns nothing about the others.

create or replace function trueup.refuse_unknown(p_what text, p_reference_id bigint, p_company_id bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% % does not exist in company %',
        p_what, coalesce(p_reference_id::text, 'NULL'), coalesce(p_company_id::text, 'NULL')
        using
            errcode = 'TU200',
            hint = 'Nothing was changed. Ids are looked up in the company given and in no other.';
end;
$$;
