drop index if exists public.calls_created_at_idx;

delete from trueup.constraints as ct where ct.name = 'calls_created_at_idx';
