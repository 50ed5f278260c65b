-- parameters_hash(parameters): one text for equal parameters, whatever the order of their keys
--
-- SHA-256 of the jsonb, which PostgreSQL writes in one way. For trueup.begin_request.

create or replace function trueup.parameters_hash(p_parameters jsonb)
    returns text
    language sql
    immutable
    parallel safe
return encode(sha256(convert_to(p_parameters::text, 'UTF8')), 'hex');
