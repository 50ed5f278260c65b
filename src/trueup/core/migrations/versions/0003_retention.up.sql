-- core 0003: what is kept for how long
--
-- trueup.prune deletes what a row of trueup.retention lets it delete, and nothing else.
-- A pack adds rules for tables of its own in a revision. A predicate names what is over
-- and done with: nothing open, pending, running or needed may satisfy it, however old.
--
-- The tables altered are written by runs, by reviewers, and by who hands something to the
-- queue: writers of the application's tables do not wait for them.
-- squawk-ignore-file ban-drop-constraint, adding-foreign-key-constraint, constraint-missing-not-valid, require-concurrent-index-deletion

create table trueup.retention (
    name text primary key,
    -- rules are applied in this order: what others refer to comes after what refers to it
    position integer not null default 100,
    table_name text not null,
    time_column text not null,
    -- SQL about the row t; only who owns the table writes it, because prune runs it as its owner
    predicate text not null,
    -- NULL: for ever
    keep interval,
    default_keep interval not null,
    description text not null,
    constraint retention_ours check (starts_with(table_name, 'trueup.')),
    -- '400' is 400 seconds to PostgreSQL
    constraint retention_keep_sensible check (keep >= interval '1 day')
);

-- who deleted how many rows of what; while a prune is under way its row is the pass
-- that trueup.append_only asks for
create table trueup.prunes (
    id bigint generated always as identity primary key,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    actor text not null default session_user,
    application_name text not null default current_setting('application_name'),
    xid xid8 not null default pg_current_xact_id(),
    deleted jsonb not null default '{}'
);

create index prunes_running_idx on trueup.prunes (xid) where finished_at is null;

-- the history of an item goes with the item, and append_only refuses both to all but prune
alter table trueup.manual_review_events drop constraint manual_review_events_item_id_fkey;
alter table trueup.manual_review_events
    add constraint manual_review_events_item_id_fkey
    foreign key (item_id) references trueup.manual_review_queue (id) on delete cascade;

-- what is old enough is found without reading the rest
create index data_consistency_alerts_resolved_at_idx
    on trueup.data_consistency_alerts (resolved_at) where status = 'resolved';
create index manual_review_queue_decided_at_idx
    on trueup.manual_review_queue (decided_at) where status in ('resolved', 'dismissed');
create index repairs_repaired_at_idx on trueup.repairs (repaired_at);

-- deleting a run or a repair sets these to NULL; without an index each reads the table
create index repairs_run_id_idx on trueup.repairs (run_id) where run_id is not null;
create index manual_review_queue_repair_id_idx
    on trueup.manual_review_queue (repair_id) where repair_id is not null;

-- check_not_run, guard_disarmed and needed_runs look for the first or the last result of a
-- check that judged the whole; those of changes, hundreds a day, are in nobody's way
drop index trueup.check_results_check_name_run_id_idx;
create index check_results_whole_idx
    on trueup.check_results (check_name, run_id desc) where outcome <> 'changed';
-- the last that found anything, of checks that hardly ever do
create index check_results_violating_idx
    on trueup.check_results (check_name, run_id desc) where outcome = 'complete' and violations > 0;

-- emptied every few minutes, so a vacuum is due whatever its size was at the last one, and
-- however patient the server's own settings are with its large tables
alter table trueup.changes set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);

insert into trueup.retention (name, position, table_name, time_column, keep, default_keep, predicate, description) values
(
    'alerts', 10, 'trueup.data_consistency_alerts', 'resolved_at', '400 days', '400 days',
    $$t.status = 'resolved'
    and t.alert_type <> all (array(select b.name from trueup.checks_being_filed() as b (name)))
    and not exists (
        select 1
        from trueup.manual_review_queue as q
        where
            q.reason = t.alert_type
            and q.entity_type = t.entity_type
            and q.entity_id = t.entity_id
            and q.status in ('pending', 'in_progress')
    )$$,
    'resolved alerts, unless their review item is open'
),
(
    'reviews', 20, 'trueup.manual_review_queue', 'decided_at', '400 days', '400 days',
    $$t.status in ('resolved', 'dismissed')
    and not exists (
        select 1
        from trueup.data_consistency_alerts as al
        where
            al.alert_type = t.reason
            and al.entity_type = t.entity_type
            and al.entity_id = t.entity_id
            and al.status <> 'resolved'
    )$$,
    'decided review items and their history, unless the alert is still open or accepted'
),
(
    'repairs', 30, 'trueup.repairs', 'repaired_at', '400 days', '400 days',
    $$not exists (
        select 1
        from trueup.manual_review_queue as q
        where
            q.reason = t.check_name
            and q.entity_type = t.entity_type
            and q.entity_id = t.entity_id
            and q.status in ('pending', 'in_progress')
    )
    and not exists (
        select 1
        from trueup.manual_review_queue as q
        where q.repair_id = t.id and q.status in ('pending', 'in_progress')
    )$$,
    'repairs with their row images, unless a review item about them is open; what is gone cannot be undone'
),
(
    'runs_changed', 40, 'trueup.check_runs', 'started_at', '7 days', '7 days',
    $$t.kind = 'changed' and t.status <> 'running'
    and t.id <> all (array(select n.run_id from trueup.needed_runs as n))$$,
    'runs of changes, with their results and rates'
),
(
    'runs_selected', 41, 'trueup.check_runs', 'started_at', '30 days', '30 days',
    $$t.kind = 'selected' and t.status <> 'running'
    and t.id <> all (array(select n.run_id from trueup.needed_runs as n))$$,
    'runs of some checks by name, with their results'
),
(
    'runs_repeated', 42, 'trueup.check_runs', 'started_at', '30 days', '30 days',
    $$t.kind = 'full' and t.status <> 'running'
    and t.id <> all (array(select n.run_id from trueup.needed_runs as n))
    and exists (
        select 1
        from trueup.check_runs as later
        where
            later.kind = 'full'
            and later.status = 'complete'
            and later.id > t.id
            and date_trunc('day', later.started_at, 'UTC') = date_trunc('day', t.started_at, 'UTC')
    )$$,
    'full runs that a later complete one of the same day (UTC) follows, with their results and rates'
),
(
    'runs', 43, 'trueup.check_runs', 'started_at', '400 days', '400 days',
    $$t.kind in ('full', 'repair') and t.status <> 'running'
    and t.id <> all (array(select n.run_id from trueup.needed_runs as n))
    and (
        t.kind = 'repair'
        or not exists (
            select 1
            from trueup.check_runs as later
            where
                later.kind = 'full'
                and later.status = 'complete'
                and later.id > t.id
                and date_trunc('day', later.started_at, 'UTC') = date_trunc('day', t.started_at, 'UTC')
        )
    )$$,
    'the last full run of each day and the runs of repairs, with their results and rates'
),
(
    'prunes', 90, 'trueup.prunes', 'started_at', '400 days', '400 days',
    $$t.finished_at is not null$$,
    'what was pruned when, and by whom'
);
