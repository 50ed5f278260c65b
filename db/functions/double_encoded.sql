-- double_encoded(value): a JSON string whose text is an object or an array
--
-- By how the text begins, however often it was encoded; the constraints of revision 0007
-- repeat the words. trueup.decoded says what it means, if it can be read.

create or replace function trueup.double_encoded(p_value jsonb)
    returns boolean
    language sql
    immutable
    parallel safe
return jsonb_typeof(p_value) = 'string' and p_value #>> '{}' ~ '^[\s"\\]*[[{]';
