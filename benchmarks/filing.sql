-- Violations of a check, as a run would have read them from its view: %(count)s of them.
insert into pg_temp.trueup_violations (check_name, company_id, entity_type, entity_id, description, evidence)
select
    %(check)s,
    (1 + i %% 100)::text,
    'call',
    (1000000000 + i)::text,
    'measured, and rolled back',
    jsonb_build_object('direction', null, 'from_number', '+49151***' || i %% 1000, 'customer_id', i)
from generate_series(1, %(count)s::integer) as i
