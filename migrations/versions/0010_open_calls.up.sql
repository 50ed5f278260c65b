-- 0010_open_calls: what a pass over the changes reads each time, however many suspects there are
--
-- Registers the definitions; `trueup migrate` builds them concurrently, one at a time.
--
-- Two checks begin by the passing of time alone, so every pass reads all their candidates
-- (calls under way, calls that wait for their appointment); a third asks of every changed
-- call whether one under a temporary id is its twin. calls_suspect_idx has them all, but
-- among the violations of every other check, old ones too. Each gets an index of its own,
-- which is nearly empty. An update of a call pays for them what it takes to see that they
-- do not concern it.

insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('calls_open_idx', 'public.calls', 'index',
    '((coalesce(started_at, created_at))) where deleted_at is null and status not in (''ended'', ''analyzed'', ''failed'')',
    null, 'calls that have not ended, by their start: every pass over the changes looks for those that last too long'),
('calls_pending_creation_idx', 'public.calls', 'index',
    '((coalesce(ended_at, started_at, created_at))) where deleted_at is null and appointment_link_status = ''pending_creation''',
    null, 'calls that wait for their appointment, by when the wait began: every pass looks for those that wait too long'),
('calls_temporary_idx', 'public.calls', 'index',
    '(company_id, from_number, to_number, started_at) where deleted_at is null and starts_with(retell_call_id, ''temp_'')',
    null, 'calls under a temporary id: every pass asks whether one of them is the twin of a changed call');
