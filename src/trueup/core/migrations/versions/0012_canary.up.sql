-- core 0012: what a guard saw while it observed, and guards by company
--
-- Before a guard refuses, somebody wants to know what it would have refused: every
-- violation that a guard in mode observe finds at COMMIT leaves a row in
-- trueup.guard_trips, which commits or rolls back with the write. Rows are appended, so
-- that no writer waits for another. How many writes that was out of is told by
-- trueup.write_samples: what the server had counted when a full run began.
--
-- A row of trueup.guard_companies gives one company a mode of its own, so that a guard
-- can be enforced for one company first.
--
-- trueup.backfills says how far the backfills of revisions have come, so that one that was
-- interrupted goes on where it was.
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid

create table trueup.guard_trips (
    id bigint generated always as identity primary key,
    -- no reference: a trigger whose guard is not registered observes all the same
    guard text not null,
    company_id text,
    entity_type text not null,
    entity_id text not null,
    tripped_at timestamptz not null default clock_timestamp(),
    role_name text not null,
    application text not null,
    xid xid8 not null default pg_current_xact_id()
);

create index guard_trips_guard_idx on trueup.guard_trips (guard, tripped_at);
create index guard_trips_tripped_at_idx on trueup.guard_trips (tripped_at);

create table trueup.guard_companies (
    guard text not null references trueup.guards (name) on delete cascade,
    company_id text not null,
    mode text not null,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null default session_user,
    primary key (guard, company_id),
    constraint guard_companies_mode_known check (mode in ('observe', 'enforce'))
);

-- rows written since the server's statistics were reset, as pg_stat_user_tables counted them
create table trueup.write_samples (
    id bigint generated always as identity primary key,
    table_name text not null,
    sampled_at timestamptz not null default clock_timestamp(),
    writes bigint not null
);

create index write_samples_table_name_idx on trueup.write_samples (table_name, sampled_at);

create table trueup.backfills (
    -- the file beside its revision, without its ending
    name text primary key,
    table_name text not null,
    checksum text not null,
    -- the key up to which all rows are done; NULL before the first batch
    last_key text,
    rows_written bigint not null default 0,
    started_at timestamptz not null default clock_timestamp(),
    last_batch_at timestamptz,
    finished_at timestamptz
);

alter table trueup.deployments drop constraint deployments_kind_known;
alter table trueup.deployments add constraint deployments_kind_known check (
    kind in (
        'revision', 'revision taken back', 'stamp', 'found', 'edit accepted', 'files', 'constraint', 'checks',
        'backfill'
    )
);

comment on table trueup.backfills is 'how far the backfills of revisions have come';
comment on table trueup.guard_trips is 'writes that a guard in mode observe would have refused';
comment on table trueup.guard_companies is 'companies for which a guard has a mode of its own';
comment on table trueup.write_samples is 'how many rows of each table had been written when a full run began';

insert into trueup.retention (name, position, table_name, time_column, keep, default_keep, predicate, description) values
(
    'guard_trips', 50, 'trueup.guard_trips', 'tripped_at', '90 days', '90 days', 'true',
    'writes that a guard in mode observe would have refused'
),
(
    'write_samples', 51, 'trueup.write_samples', 'sampled_at', '90 days', '90 days', 'true',
    'counts of written rows, taken by full runs'
);
