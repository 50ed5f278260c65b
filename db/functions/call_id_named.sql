-- call_id_named(metadata): the provider's call id that a booking's metadata names, or NULL
--
-- Only an id of the provider's form counts (call_ and 27 hexadecimal digits). What an
-- agent puts there is often a placeholder ({{call_id}}, call_1, current), and a
-- placeholder that two bookings share would make them one call's.

create or replace function trueup.call_id_named(p_metadata jsonb)
    returns text
    language sql
    immutable
    parallel safe
return (
    select named.call_id
    from (
        values
        (1, trueup.string_or_null(p_metadata -> 'call_id')),
        (2, trueup.string_or_null(p_metadata -> 'retell_call_id'))
    ) as named (position, call_id)
    where named.call_id ~ '^call_[0-9a-f]{27}$'
    order by named.position
    limit 1
);
