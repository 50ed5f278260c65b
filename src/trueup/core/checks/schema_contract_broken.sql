-- schema_contract_broken
--
-- invariant:   every statement that an application registered fits the schema as it is now
-- severity:    critical
-- entity:      contract
-- changes:     none
-- population:  none
-- prevented:   none: a deployment may drop or rename a column without writing a row
-- repair:      review
-- cost:        the server parses each statement of trueup.contracts once, and executes none
--
-- Finds the column that code still writes and the schema no longer has, before the
-- first write of the day does.

create or replace view trueup.schema_contract_broken as
select
    null::text as company_id,
    'contract' as entity_type,
    ct.id as entity_id,
    format('statement "%s" does not fit the schema: %s', ct.name, e.message) as description,
    jsonb_build_object('name', ct.name, 'sqlstate', e.sqlstate, 'message', e.message) as evidence
from trueup.contracts as ct
cross join lateral trueup.contract_error(ct.statement, ct.search_path) as e;
