delete from trueup.check_populations as cp
where not (cp.check_name || ' ' || cp.entity_type) = any(%(known)s::text[]);
