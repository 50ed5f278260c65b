-- 0008_circuit: what the circuit breaker remembers, and the rates of a day
--
-- circuit_breaker_states keeps the columns that dashboards read. New are who may probe,
-- since when the circuit has not been closed, and what a person has ordered. A circuit
-- that never failed has no row: it is closed, in epoch 0.
--
-- The tables of circuits have been there since 0002, and until now nothing of ours wrote to
-- them; so they are empty, or small, and are locked for a moment.
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, require-concurrent-index-deletion

alter table trueup.circuit_breaker_states
    add column mode text not null default 'automatic',
    add column mode_reason text,
    add column mode_changed_at timestamptz,
    add column mode_changed_by text,
    -- openings since it was closed last: each doubles the time to the next probe
    add column open_count integer not null default 0,
    -- since when it has not been closed; a probe that fails does not begin it anew
    add column opened_at timestamptz,
    add column probe_permit uuid,
    add column probe_expires_at timestamptz;

-- a circuit that an application of its own has opened before: as long as that is known
update trueup.circuit_breaker_states as s
set opened_at = s.state_changed_at
where s.current_state <> 'closed';

alter table trueup.circuit_breaker_states
    add constraint circuit_breaker_states_mode_known check (
        mode in ('automatic', 'shadow', 'force_open', 'force_closed')
    ),
    add constraint circuit_breaker_states_opened_complete check (
        (current_state = 'closed') = (opened_at is null)
    ),
    add constraint circuit_breaker_states_probe_complete check (
        (probe_permit is null) = (probe_expires_at is null)
        and (probe_permit is null or current_state = 'half_open')
    );

alter table trueup.circuit_breaker_events
    add column epoch bigint,
    add column actor text;
-- not of the rows that are there: nobody knows whose they are
alter table trueup.circuit_breaker_events alter column actor set default session_user;

-- epoch: only calls that were allowed since the last change of state are judged together
alter table trueup.circuit_breaker_metrics
    add column epoch bigint not null default 0,
    add column is_slow boolean not null default false,
    add column reporter text,
    drop constraint circuit_breaker_metrics_outcome_known,
    add constraint circuit_breaker_metrics_outcome_known check (
        outcome in ('success', 'failure', 'refusal', 'abandoned', 'rejected')
    );

-- the calls that are judged together, newest first; what was rejected is in nobody's way
drop index trueup.circuit_breaker_metrics_service_key_idx;
create index circuit_breaker_metrics_judged_idx
    on trueup.circuit_breaker_metrics (service_key, epoch, happened_at desc)
    where outcome in ('success', 'failure');

-- what differs for one circuit from the settings circuit_...; NULL: as the setting says
create table trueup.circuit_breaker_settings (
    service_key text primary key,
    failures integer,
    failure_share numeric,
    share_window interval,
    share_calls integer,
    slow interval,
    open_time interval,
    open_time_most interval,
    probe_time interval,
    successes integer,
    quorum integer,
    constraint circuit_breaker_settings_counts_positive check (
        failures > 0 and share_calls > 0 and successes > 0 and quorum > 0
    ),
    constraint circuit_breaker_settings_share_sensible check (failure_share > 0 and failure_share <= 1),
    constraint circuit_breaker_settings_times_positive check (
        share_window > '0' and slow > '0' and open_time > '0' and open_time_most > '0' and probe_time > '0'
    )
);

insert into trueup.settings (name, value, default_value, kind, description) values
('circuit_failures', '3', '3', 'integer', 'failures in a row that open a circuit'),
('circuit_failure_share', '0.5', '0.5', 'numeric', 'share of failed and slow calls in the window that opens a circuit'),
('circuit_share_window', '1 minute', '1 minute', 'interval', 'how far back the share of failures is counted'),
('circuit_share_calls', '20', '20', 'integer', 'fewer calls than this in the window have no share'),
('circuit_slow', '10 seconds', '10 seconds', 'interval', 'a success that took longer counts as bad in the share, and fails a probe'),
('circuit_open_time', '30 seconds', '30 seconds', 'interval', 'how long a circuit stays open before its first probe; doubles with each that fails'),
('circuit_open_time_most', '5 minutes', '5 minutes', 'interval', 'longest time between probes'),
('circuit_probe_time', '1 minute', '1 minute', 'interval', 'how long a probe may take before another caller may try'),
('circuit_successes', '2', '2', 'integer', 'successful probes that close a circuit'),
('circuit_quorum', '1', '1', 'integer', 'how many reporters must have seen bad calls in the window before a circuit opens'),
('circuit_open_limit', '10 minutes', '10 minutes', 'interval', 'how long a circuit may be open'),
('rate_window', '24 hours', '24 hours', 'interval', 'how far back the rates of a company are counted'),
('rate_calls', '20', '20', 'integer', 'fewer than this in the window have no rate'),
('rate_booking_success', '0.95', '0.95', 'numeric', 'least share of confirmed calls that have an appointment'),
('rate_customer_creation', '0.02', '0.02', 'numeric', 'largest share of customers that could not be created');

-- the rates read what is new, not the tables
insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('calls_confirmed_created_at_idx', 'public.calls', 'index',
    '(created_at) where booking_confirmed',
    null, 'confirmed calls of the last day'),
('calls_link_failed_created_at_idx', 'public.calls', 'index',
    '(created_at) where customer_link_status = ''failed''',
    null, 'calls of the last day whose customer could not be created'),
('customers_created_at_idx', 'public.customers', 'index',
    '(created_at)',
    null, 'customers of the last day');

create index manual_review_queue_customer_creation_idx
    on trueup.manual_review_queue (created_at) where reason = 'customer_creation_failed';
