-- core 0002: what has changed since the checks looked last
--
-- Triggers append here the keys of the rows that each statement changed; the pass of
-- `trueup check --changed` reads them, judges again what they concern, and deletes
-- exactly those it has read. Appended and never merged: a mark that is already there
-- would be swallowed by the pass that is running, and with it what a writer that is still
-- open is about to commit.
--
-- The tables altered are small and written by runs alone: a lock on them stops no application.
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, require-concurrent-index-creation, ban-drop-function

-- keys: 'column=value' for every column that the headers of checks name, old and new
-- values; NULL when any row of the table may have changed. xact_id: a run deletes what its
-- snapshot could see, and nothing else. No index: a pass reads all of it.
create table trueup.changes (
    xact_id xid8 not null default pg_current_xact_id(),
    changed_at timestamptz not null default now(),
    table_name text not null,
    keys text[]
);

comment on table trueup.changes is 'keys of rows changed since the last pass of trueup check --changed';

-- which tables each check rests on, written at every deployment from what the server knows of
-- its view (trueup.check_reads, which takes too long to be asked every few minutes)
create table trueup.check_tables (
    check_name text not null references trueup.checks (name) on delete cascade,
    table_name text not null,
    primary key (check_name, table_name)
);

-- a check owes a full evaluation when its changes are not known one by one: it is new or
-- was edited, it failed, a table was truncated or its triggers were switched off, or more
-- changed than is worth following
alter table trueup.checks
add column owes_full text default 'it is new';

comment on column trueup.checks.owes_full is 'why the next pass evaluates the check in full; NULL when changes are enough';

-- the entities that an alert of a relation names besides its own (pairs, duplicates): when
-- one of them changes, the alert is judged again
alter table trueup.data_consistency_alerts
add column related text[];

-- acceptances end by the clock, without a change
create index data_consistency_alerts_accepted_until_idx
    on trueup.data_consistency_alerts (accepted_until)
    where status <> 'resolved' and accepted_until is not null;

alter table trueup.check_runs
drop constraint check_runs_kind_known,
add constraint check_runs_kind_known check (kind in ('full', 'selected', 'repair', 'changed'));

-- changed: only what had changed was judged; violations are those among it
alter table trueup.check_results
drop constraint check_results_outcome_known,
add constraint check_results_outcome_known check (
    outcome in ('complete', 'changed', 'error', 'timeout', 'superseded')
);

-- alerts that a full run opened, reopened or resolved although nothing recorded a change: what
-- the passes had missed, meant to be 0; NULL where nobody can tell
alter table trueup.check_results
add column missed bigint;

insert into trueup.settings (name, value, default_value, kind, description) values
('changes_limit', '100000', '100000', 'integer', 'changed keys of one table above which a pass evaluates its checks in full');

-- deployed again with more parameters; an overload left behind would bear the same name
drop function if exists trueup.file_violations(bigint, text, bigint);
