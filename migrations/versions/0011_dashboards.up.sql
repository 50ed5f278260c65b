-- 0011_dashboards: the calls of a week, for trueup.bookings_by_day
--
-- Registers the definition; `trueup migrate` builds it concurrently. BRIN, because calls are stored
-- in the order in which they are created: a few pages, however many calls there are, and next
-- to nothing for a writer. On a table that was filled in another order it reads more.

insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('calls_created_at_idx', 'public.calls', 'index',
    'using brin (created_at) with (pages_per_range = 32, autosummarize = on)',
    null, 'calls of the last days, which dashboards count');
