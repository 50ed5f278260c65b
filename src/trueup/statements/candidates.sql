-- entities of one check that nobody has accepted, a page at a time; a view may list one more than once
select f.entity_type, f.entity_id
from pg_temp.trueup_unaccepted as f
where
    f.check_name = %(name)s
    and (length(f.entity_id), f.entity_id, f.entity_type)
    > (%(after_length)s::integer, %(after_id)s::text, %(after_type)s::text)
group by f.entity_type, f.entity_id
order by length(f.entity_id), f.entity_id, f.entity_type
limit 500;
