-- core 0006: the ledger of deployments
--
-- One row for every revision that was run, taken back, stamped or found, for every
-- deployment of views, functions and triggers, and for every constraint or index: who,
-- when, from where, with which version, for how long, and how it ended. The checksum of
-- a revision is what tells that its file was edited after it had been run.
--
-- trueup.objects keeps the definition besides its checksum, so that drift can be shown.

create table trueup.deployments (
    id bigint generated always as identity primary key,
    kind text not null,
    name text not null,
    -- the file of a revision, relative to its pack
    file text,
    -- SHA-256 of the SQL; NULL where there is none, or nobody knows it
    checksum text,
    version text not null,
    server_version text not null default current_setting('server_version'),
    actor text not null default session_user,
    role_name text not null default current_user,
    -- NULL for a socket of the server's own machine
    client_address inet default inet_client_addr(),
    application_name text not null default current_setting('application_name'),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    outcome text not null default 'running',
    detail text,
    constraint deployments_kind_known check (
        kind in ('revision', 'revision taken back', 'stamp', 'found', 'edit accepted', 'files', 'constraint', 'checks')
    ),
    constraint deployments_outcome_known check (outcome in ('running', 'done', 'failed', 'interrupted')),
    constraint deployments_finished check (outcome in ('running', 'interrupted') or finished_at is not null)
);

create index deployments_name_idx on trueup.deployments (name, id);
create index deployments_running_idx on trueup.deployments (id) where outcome = 'running';

-- what a migration with --check did to the violations of each check
create table trueup.deployment_checks (
    deployment_id bigint not null references trueup.deployments (id) on delete cascade,
    check_name text not null,
    violations_before bigint not null,
    violations_after bigint not null,
    appeared bigint not null,
    disappeared bigint not null,
    primary key (deployment_id, check_name)
);

comment on table trueup.deployments is 'who deployed what, when, from where, and how it ended (trueup history)';

-- what the catalogue said when the object was deployed; NULL for one deployed before this revision
alter table trueup.objects add column definition text;

insert into trueup.settings (name, value, default_value, kind, description) values
('migrate_lock_timeout', '3 seconds', '3 seconds', 'interval', 'longest that a statement of a migration waits for a lock while others queue behind it'),
('migrate_lock_budget', '5 minutes', '5 minutes', 'interval', 'time that one migration spends on waiting for locks, all statements together, before it gives up');
