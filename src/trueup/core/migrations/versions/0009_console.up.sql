-- core 0009: the review console
--
-- People who may use it, their sessions, their attempts to sign in, and what they did. The
-- console's own login reads and writes none of these tables: it calls the functions
-- trueup.console_* and reads the views of that name, which go by the session it presents.

create table trueup.console_users (
    id bigint generated always as identity primary key,
    name text not null,
    -- argon2id, as its library writes it; NULL for who comes through a proxy only
    password_hash text,
    role text not null,
    -- NULL: all of them, and what belongs to none
    companies text[],
    language text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default session_user,
    password_changed_at timestamptz,
    disabled_at timestamptz,
    constraint console_users_name_plain check (name = btrim(name) and name <> '' and length(name) <= 100),
    constraint console_users_role_known check (role in ('reviewer', 'admin', 'viewer')),
    constraint console_users_companies_known check (
        cardinality(companies) > 0 and array_position(companies, null) is null
    )
);

-- Ann and ann are one person: two would be taken for each other in a history
create unique index console_users_name_key on trueup.console_users (lower(name));

-- the token is in the browser alone; its SHA-256 is here
create table trueup.console_sessions (
    id bigint generated always as identity primary key,
    token_hash bytea not null unique,
    user_id bigint not null references trueup.console_users (id) on delete cascade,
    method text not null,
    started_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    -- ends when it was not used for so long, and at the latest then
    idle interval not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    address inet,
    agent text,
    constraint console_sessions_method_known check (method in ('password', 'proxy')),
    constraint console_sessions_hash_whole check (length(token_hash) = 32)
);

create index console_sessions_user_id_idx on trueup.console_sessions (user_id);
create index console_sessions_expires_at_idx on trueup.console_sessions (expires_at);

-- who tries to sign in, counted here so that all processes count together; of the name only
-- its SHA-256, because what is typed there by mistake is a password
create table trueup.console_attempts (
    id bigint generated always as identity primary key,
    name_hash bytea not null,
    address inet,
    happened_at timestamptz not null default clock_timestamp(),
    succeeded boolean not null default false
);

create index console_attempts_name_hash_idx on trueup.console_attempts (name_hash, id);
create index console_attempts_address_idx on trueup.console_attempts (address, id);
create index console_attempts_happened_at_idx on trueup.console_attempts (happened_at);

-- who did what, when, from where; append-only
create table trueup.console_audit (
    id bigint generated always as identity primary key,
    happened_at timestamptz not null default clock_timestamp(),
    actor text not null,
    role text,
    address inet,
    action text not null,
    item_id bigint,
    -- the line of the item's history that this action wrote
    event_id bigint,
    alert_id bigint,
    company_id text,
    details jsonb not null default '{}'
);

create index console_audit_event_id_idx on trueup.console_audit (event_id) where event_id is not null;
create index console_audit_happened_at_idx on trueup.console_audit (happened_at);

-- signs what forms carry; all processes of the console share it
create table trueup.console_keys (
    id bigint generated always as identity primary key,
    key bytea not null
);

insert into trueup.console_keys (key)
values (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));


insert into trueup.retention (name, position, table_name, time_column, keep, default_keep, predicate, description) values
(
    'console_sessions', 80, 'trueup.console_sessions', 'expires_at', '30 days', '30 days',
    'true',
    'sessions of the console that expired'
),
(
    'console_attempts', 81, 'trueup.console_attempts', 'happened_at', '30 days', '30 days',
    'true',
    'attempts to sign in to the console'
),
(
    'console_audit', 82, 'trueup.console_audit', 'happened_at', '400 days', '400 days',
    'true',
    'who did what in the console'
);

insert into trueup.settings (name, value, default_value, kind, description) values
(
    'console_masked',
    '(^|_)(name|number|phone|mobile|email|address|notes?|transcript)(_|$)',
    '(^|_)(name|number|phone|mobile|email|address|notes?|transcript)(_|$)',
    'text',
    'regular expression for the columns and keys whose values the review console masks, besides numbers and e-mail addresses'
),
('console_attempts_name', '5', '5', 'integer', 'failed attempts to sign in under a name before it has to wait'),
('console_attempts_address', '20', '20', 'integer', 'failed attempts to sign in from an address before it has to wait'),
('console_attempts_window', '15 minutes', '15 minutes', 'interval', 'how long failed attempts to sign in count, and the longest wait');
