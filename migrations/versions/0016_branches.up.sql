-- 0016_branches: what calls and appointments of a company refer to, in an index
--
-- Where a full run looks for references to other companies, it groups what stands in these
-- indexes and leaves the tables alone (calls_and_appointments_candidates). The foreign keys look
-- here when a branch is deleted; without it they read every call and appointment of its company.
--
-- The same few combinations stand in millions of rows, which a btree keeps as lists of rows; with
-- a column included it could not. `trueup migrate` builds them concurrently.

insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('calls_company_id_branch_id_idx', 'public.calls', 'index', '(company_id, branch_id, phone_number_id)',
    null, 'the calls of a branch, and what calls refer to'),
('appointments_company_id_branch_id_idx', 'public.appointments', 'index', '(company_id, branch_id, service_id, staff_id)',
    null, 'the appointments of a branch, and what appointments refer to');
