-- direction_defaulted(metadata): metadata of a call, with the mark that its direction is a default
--
-- The mark is direction_defaulted = true; it tells a default from a fact. Metadata encoded
-- twice is decoded first. An array or a scalar has no room for the mark and stays as it is.

create or replace function trueup.direction_defaulted(p_metadata jsonb)
    returns jsonb
    language sql
    immutable
return case
    when jsonb_typeof(trueup.decoded(p_metadata)) = 'object'
        then trueup.decoded(p_metadata) || '{"direction_defaulted": true}'
    else p_metadata
end;
