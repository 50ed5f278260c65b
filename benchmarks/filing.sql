-- Violations of a check, as a run reads them from its view: %(count)s of them, in the columns
-- of pg_temp.trueup_violations.
select
    %(check)s as check_name,
    (1 + i %% 100)::text as company_id,
    'call' as entity_type,
    (1000000000 + i)::text as entity_id,
    'measured, and rolled back' as description,
    jsonb_build_object('direction', null, 'from_number', '+49151***' || i %% 1000, 'customer_id', i) as evidence,
    null::text[] as related
from generate_series(1, %(count)s::integer) as i
