-- provider_call_type(metadata): what the stored payload of the provider says the call was
--
-- NULL unless metadata.retell.call_type is text and not blank.

create or replace function trueup.provider_call_type(p_metadata jsonb)
    returns text
    language sql
    immutable
    parallel safe
return trueup.string_or_null(p_metadata -> 'retell' -> 'call_type');
