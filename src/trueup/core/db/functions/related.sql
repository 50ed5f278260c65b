-- related(evidence, keys): the other entities that a violation names
--
-- What the evidence lists under the given keys, as text; NULL when it lists none.

create or replace function trueup.related(p_evidence jsonb, p_keys text[])
    returns text[]
    language sql
    immutable
    parallel safe
begin atomic
    select array_agg(distinct e.id #>> '{}')
    from unnest(p_keys) as k (key)
    cross join lateral jsonb_path_query(p_evidence -> k.key, '$[*]') as e (id);
end;
