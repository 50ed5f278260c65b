drop index if exists public.calls_open_idx;
drop index if exists public.calls_pending_creation_idx;
drop index if exists public.calls_temporary_idx;

delete from trueup.constraints as ct
where ct.name in ('calls_open_idx', 'calls_pending_creation_idx', 'calls_temporary_idx');
