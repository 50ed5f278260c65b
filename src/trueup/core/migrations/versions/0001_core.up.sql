-- core 0001: the layer's own tables
--
-- Everything of ours lives in schema trueup. These tables hold what cannot be
-- rebuilt from files: the alerts and their lives, runs, repairs, the review queue.
-- Views, functions and triggers are files (see db/README.md) and are not made here.
--
-- Keys of the application's rows are stored as text (company_id, entity_id), because
-- one layer serves tables keyed by bigint and by uuid.

create schema if not exists trueup;

comment on schema trueup is 'trueup: checks, alerts, repairs and the review queue; drop schema trueup cascade removes them';

-- numbers that a team may want to change; checks read them, see trueup.settings.value
create table trueup.settings (
    name text primary key,
    value text not null,
    default_value text not null,
    kind text not null,
    description text not null,
    constraint settings_kind_known check (kind in ('interval', 'integer', 'numeric', 'text')),
    -- a value that does not parse is refused here, not in the middle of a run
    constraint settings_value_parses check (
        case kind
            when 'interval' then value::interval is not null
            when 'integer' then value::integer is not null
            when 'numeric' then value::numeric is not null
            else true
        end
    )
);

-- the catalogue, copied from the headers of the files under checks/ at every deploy
create table trueup.checks (
    id bigint generated always as identity primary key,
    name text not null unique,
    invariant text not null,
    severity text not null,
    entity text not null,
    changes text not null,
    population text not null,
    prevented text not null,
    repair text not null,
    cost text not null,
    description text not null,
    file text not null,
    checksum text not null,
    is_core boolean not null default false,
    is_active boolean not null default true,
    registered_at timestamptz not null default now(),
    definition_changed_at timestamptz not null default now(),
    constraint checks_severity_known check (severity in ('critical', 'warning', 'info')),
    constraint checks_repair_known check (repair in ('automatic', 'evidence', 'review'))
);

-- which table holds the entities of a check, and how many of them the verdict is about
create table trueup.check_populations (
    check_name text not null references trueup.checks (name) on delete cascade,
    entity_type text not null,
    table_name text not null,
    key_column text not null,
    key_type text not null,
    company_column text,
    predicate text not null default 'true',
    primary key (check_name, entity_type)
);

-- one evaluation of a set of checks on one snapshot
create table trueup.check_runs (
    id bigint generated always as identity primary key,
    kind text not null,
    status text not null default 'running',
    started_at timestamptz not null default clock_timestamp(),
    snapshot_at timestamptz,
    snapshot pg_snapshot,
    finished_at timestamptz,
    actor text not null default session_user,
    application_name text not null default current_setting('application_name'),
    backend_pid integer not null default pg_backend_pid(),
    backend_started_at timestamptz,
    version text not null,
    checks integer not null default 0,
    checks_failed integer not null default 0,
    violations bigint not null default 0,
    opened bigint not null default 0,
    resolved bigint not null default 0,
    reopened bigint not null default 0,
    repairs jsonb,
    error text,
    constraint check_runs_kind_known check (kind in ('full', 'selected', 'repair')),
    constraint check_runs_status_known check (status in ('running', 'complete', 'partial', 'failed', 'abandoned'))
);

create index check_runs_running_idx on trueup.check_runs (id) where status = 'running';

create table trueup.check_results (
    run_id bigint not null references trueup.check_runs (id) on delete cascade,
    check_name text not null,
    outcome text not null,
    snapshot_at timestamptz,
    finished_at timestamptz not null default clock_timestamp(),
    duration_ms numeric not null,
    rows_tested bigint,
    violations bigint,
    opened bigint not null default 0,
    resolved bigint not null default 0,
    reopened bigint not null default 0,
    flooded boolean not null default false,
    sqlstate text,
    error text,
    primary key (run_id, check_name),
    -- superseded: a run with a newer snapshot had already filed this check
    constraint check_results_outcome_known check (outcome in ('complete', 'error', 'timeout', 'superseded'))
);

create index check_results_check_name_run_id_idx on trueup.check_results (check_name, run_id desc);

-- share of entities without an open critical or warning alert; company_id NULL is the whole
create table trueup.consistency_rates (
    id bigint generated always as identity primary key,
    run_id bigint not null references trueup.check_runs (id) on delete cascade,
    company_id text,
    population bigint not null,
    wrong bigint not null,
    rate numeric(5, 2) not null,
    unique nulls not distinct (run_id, company_id),
    constraint consistency_rates_bounded check (rate between 0 and 100 and wrong between 0 and population)
);

create table trueup.data_consistency_alerts (
    id bigint generated always as identity primary key,
    company_id text,
    alert_type text not null,
    severity text not null,
    entity_type text not null,
    entity_id text not null,
    description text not null,
    metadata jsonb not null default '{}',
    detected_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    occurrences integer not null default 1,
    status text not null default 'open',
    acknowledged_by text,
    acknowledged_at timestamptz,
    snoozed_until timestamptz,
    snoozed_by text,
    -- accepted: a known fault with an owner, a reason and an end; status acknowledged
    accepted_by text,
    accepted_at timestamptz,
    accepted_reason text,
    accepted_until timestamptz,
    -- what was accepted; other evidence is another fault and ends the acceptance
    accepted_evidence jsonb,
    auto_corrected boolean not null default false,
    corrected_at timestamptz,
    resolved_at timestamptz,
    resolution text,
    resolution_notes text,
    reopened_count integer not null default 0,
    reopened_at timestamptz,
    first_run_id bigint,
    last_run_id bigint,
    resolved_run_id bigint,
    updated_at timestamptz not null default clock_timestamp(),
    -- the transaction that wrote the row last: a run leaves alone what its snapshot cannot see
    touched_xid xid8 not null default pg_current_xact_id(),
    constraint data_consistency_alerts_severity_known check (severity in ('critical', 'warning', 'info')),
    constraint data_consistency_alerts_status_known check (status in ('open', 'acknowledged', 'resolved')),
    constraint data_consistency_alerts_resolution_known check (
        resolution in ('repaired', 'fixed elsewhere', 'definition changed')
    ),
    constraint data_consistency_alerts_resolved_complete check (
        (status = 'resolved') = (resolved_at is not null and resolution is not null)
    )
) with (fillfactor = 80);

create unique index data_consistency_alerts_open_key
    on trueup.data_consistency_alerts (alert_type, entity_type, entity_id)
    where status <> 'resolved';
create index data_consistency_alerts_entity_idx
    on trueup.data_consistency_alerts (entity_type, entity_id, alert_type);
create index data_consistency_alerts_detected_at_idx
    on trueup.data_consistency_alerts (detected_at desc);

-- guards: what a violation at COMMIT costs; read by every guard, so a change needs no deployment
create table trueup.guards (
    name text primary key,
    mode text not null default 'observe',
    changed_at timestamptz not null default now(),
    changed_by text not null default session_user,
    constraint guards_mode_known check (mode in ('off', 'observe', 'enforce'))
);

-- constraints and indexes of ours on the application's tables, with their definitions
create table trueup.constraints (
    id bigint generated always as identity unique,
    name text primary key,
    table_name text not null,
    kind text not null,
    definition text not null,
    check_name text,
    purpose text not null,
    -- a CHECK that must hold of every old row first, or new rows that are right would be refused
    waits_for text references trueup.constraints (name),
    -- what the catalogue held when the constraint was added, and on which server version
    definition_checksum text,
    server_version integer,
    -- the application had one of this name before us: it stays when we go
    was_there boolean not null default false,
    constraint constraints_kind_known check (kind in ('check', 'foreign key', 'exclude', 'unique index', 'index'))
);

-- views, functions and triggers as deployed: the file, and what the catalogue held then
create table trueup.objects (
    id bigint generated always as identity primary key,
    kind text not null,
    identity text not null,
    file text not null,
    file_checksum text not null,
    definition_checksum text not null,
    server_version integer not null,
    deployed_at timestamptz not null default now(),
    unique (kind, identity),
    constraint objects_kind_known check (kind in ('view', 'function', 'trigger'))
);

-- tables of ours; every deployment adds those it finds and takes none away, so that one
-- that vanished is known by its name
create table trueup.tables (
    id bigint generated always as identity primary key,
    name text not null unique,
    registered_at timestamptz not null default now()
);

-- what a repair function answers
create type trueup.repair_outcome as (
    outcome text, -- corrected | review
    reason text,
    evidence jsonb
);

-- the journal: one row per applied correction, and below it every row it changed
create table trueup.repairs (
    id bigint generated always as identity primary key,
    run_id bigint references trueup.check_runs (id) on delete set null,
    check_name text not null,
    company_id text,
    entity_type text not null,
    entity_id text not null,
    reason text not null,
    evidence jsonb,
    actor text not null default session_user,
    application_name text not null default current_setting('application_name'),
    repaired_at timestamptz not null default clock_timestamp(),
    undone_at timestamptz,
    undone_by text
);

create index repairs_entity_idx on trueup.repairs (entity_type, entity_id);

create table trueup.repair_changes (
    id bigint generated always as identity primary key,
    repair_id bigint not null references trueup.repairs (id) on delete cascade,
    table_name text not null,
    key_column text not null,
    key_value text not null,
    operation text not null,
    before jsonb,
    after jsonb,
    constraint repair_changes_operation_known check (operation in ('insert', 'update', 'delete'))
);

create index repair_changes_repair_id_idx on trueup.repair_changes (repair_id, id);

-- work for people
create table trueup.manual_review_queue (
    id bigint generated always as identity primary key,
    company_id text,
    reason text not null,
    entity_type text not null,
    entity_id text not null,
    description text not null,
    metadata jsonb not null default '{}',
    severity text not null default 'warning',
    priority smallint not null default 5,
    status text not null default 'pending',
    due_at timestamptz not null,
    snoozed_until timestamptz,
    assigned_to text,
    claimed_by text,
    claimed_at timestamptz,
    claim_token uuid,
    lease_expires_at timestamptz,
    escalated_at timestamptz,
    decided_by text,
    decided_at timestamptz,
    resolution_notes text,
    repair_id bigint references trueup.repairs (id) on delete set null,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint manual_review_queue_status_known check (
        status in ('pending', 'in_progress', 'resolved', 'dismissed')
    ),
    constraint manual_review_queue_severity_known check (severity in ('critical', 'warning', 'info')),
    constraint manual_review_queue_priority_known check (priority between 1 and 5),
    constraint manual_review_queue_claim_complete check (
        (status = 'in_progress')
        = (claimed_by is not null and claim_token is not null and lease_expires_at is not null)
    )
);

create unique index manual_review_queue_open_key
    on trueup.manual_review_queue (reason, entity_type, entity_id)
    where status in ('pending', 'in_progress');
create index manual_review_queue_entity_idx
    on trueup.manual_review_queue (entity_type, entity_id);
create index manual_review_queue_next_idx
    on trueup.manual_review_queue (priority, due_at, id)
    where status in ('pending', 'in_progress');

create table trueup.manual_review_events (
    id bigint generated always as identity primary key,
    item_id bigint not null references trueup.manual_review_queue (id),
    event text not null,
    actor text not null,
    happened_at timestamptz not null default clock_timestamp(),
    details jsonb not null default '{}'
);

create index manual_review_events_item_id_idx on trueup.manual_review_events (item_id, id);

-- priority of a reason; a reason without a row has priority 5
create table trueup.review_priorities (
    reason text primary key,
    priority smallint not null check (priority between 1 and 5)
);

-- statements that applications run; check schema_contract_broken has the server parse them.
-- A semicolon anywhere is refused: the check must never send a second statement.
create table trueup.contracts (
    id bigint generated always as identity primary key,
    name text not null unique,
    statement text not null,
    search_path text not null default 'public',
    source text,
    added_by text not null default session_user,
    added_at timestamptz not null default now(),
    constraint contracts_one_statement check (statement !~ ';')
);

insert into trueup.settings (name, value, default_value, kind, description) values
('check_interval', '1 day', '1 day', 'interval', 'how often every check is meant to run; check_not_run looks at twice this'),
('check_failures_tolerated', '1', '1', 'integer', 'failed evaluations in a row before check_not_run reports the check'),
('constraint_grace', '1 day', '1 day', 'interval', 'how long a constraint may stay not validated on clean data before guard_disarmed reports it'),
('review_lease', '30 minutes', '30 minutes', 'interval', 'how long a claim on a queue item lasts'),
('review_due_critical', '4 hours', '4 hours', 'interval', 'time to decide a critical queue item'),
('review_due_warning', '1 day', '1 day', 'interval', 'time to decide a warning queue item'),
('review_due_info', '7 days', '7 days', 'interval', 'time to decide an info queue item'),
('review_queue_limit', '10', '10', 'integer', 'open queue items above which review_overdue reports the queue');

insert into trueup.review_priorities (reason, priority) values
('validation_failed', 1),
('provider_booking_failed', 2),
('customer_creation_failed', 3),
('service_unknown', 4);
