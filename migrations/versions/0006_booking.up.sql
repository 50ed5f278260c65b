-- 0006_booking: what the booking functions keep
--
-- A request of trueup.begin_request is known by company, scope and key: two companies, and two
-- operations, may use one key. Its number, id, is what alerts and the review queue name. The
-- token is that of the runner who holds the request; who was taken over has an old one.
--
-- The tables altered are our own and were written by no function before this revision.
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, adding-serial-primary-key-field, require-concurrent-index-deletion, disallowed-unique-constraint, require-concurrent-index-creation, adding-field-with-default

alter table trueup.idempotency_keys
    drop constraint idempotency_keys_pkey,
    add column id bigint generated always as identity,
    add column token uuid,
    add column attempt integer not null default 1,
    -- an expired lease was taken over; the next one that expires is for a person
    add column was_taken_over boolean not null default false,
    -- failed for the time being: the next request may try again
    add column is_retryable boolean not null default false,
    add constraint idempotency_keys_pkey primary key (id),
    add constraint idempotency_keys_request_key unique nulls not distinct (key, scope, company_id);

drop index trueup.idempotency_keys_running_idx;
create index idempotency_keys_unfinished_idx
    on trueup.idempotency_keys (lease_expires_at) where status <> 'finished';

-- what a failure means for who asks again, by scope; a scope that is not here has policy replay
create table trueup.request_policies (
    scope text primary key,
    policy text not null,
    -- NULL: the setting request_lease
    lease interval,
    description text not null default '',
    constraint request_policies_policy_known check (policy in ('replay', 'retry', 'complete')),
    constraint request_policies_lease_positive check (lease > interval '0')
);

insert into trueup.request_policies (scope, policy, description) values
('booking', 'retry', 'a booking at the provider: a timeout may be tried again, a refusal is the answer'),
('reschedule', 'retry', 'a booking that is moved at the provider'),
('cancellation', 'complete', 'a booking that is cancelled here must be cancelled at the provider, too');

insert into trueup.settings (name, value, default_value, kind, description) values
('request_lease', '1 minute', '1 minute', 'interval', 'how long a request that was begun is left to its runner'),
('booking_validation_window', '5 minutes', '5 minutes', 'interval', 'how old an appointment may be when its booking is validated');

-- a booking that was cancelled or deleted and is made again gets the next generation of its key
insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('appointments_former_key_idx', 'public.appointments', 'index',
    '(company_id, idempotency_key) where idempotency_key is not null and (deleted_at is not null or status = ''cancelled'')',
    null, 'keys of bookings that were cancelled or deleted');
