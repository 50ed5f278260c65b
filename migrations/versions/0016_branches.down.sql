drop index if exists public.calls_company_id_branch_id_idx;
drop index if exists public.appointments_company_id_branch_id_idx;

delete from trueup.constraints as ct
where ct.name in ('calls_company_id_branch_id_idx', 'appointments_company_id_branch_id_idx');
