-- factory: rows for tests, clean unless told otherwise
--
-- Every function inserts one row with the id given and plausible values for the rest.
-- Fixed dates. Identity sequences start at 1000, so that rows made by repairs never
-- collide with ids given here.

create schema if not exists factory;

create or replace function factory.company(id bigint default 1, name text default null)
    returns void language sql as $$
insert into public.companies (id, name) overriding system value
values ($1, coalesce($2, 'company ' || $1)) on conflict do nothing;
$$;

create or replace function factory.branch(id bigint, company_id bigint default 1)
    returns void language sql as $$
insert into public.branches (id, company_id, name) overriding system value
values ($1, $2, 'branch ' || $1);
$$;

create or replace function factory.staff(id bigint, company_id bigint default 1, branch_id bigint default null)
    returns void language sql as $$
insert into public.staff (id, company_id, branch_id, name) overriding system value
values ($1, $2, $3, 'staff ' || $1);
$$;

create or replace function factory.service(
    id bigint, company_id bigint default 1, duration_minutes integer default 45,
    calcom_event_type_id bigint default null
)
    returns void language sql as $$
insert into public.services (id, company_id, name, duration_minutes, calcom_event_type_id) overriding system value
values ($1, $2, 'service ' || $1, $3, $4);
$$;

create or replace function factory.phone_number(id bigint, number text, company_id bigint default 1)
    returns void language sql as $$
insert into public.phone_numbers (id, company_id, number) overriding system value
values ($1, $3, $2);
$$;

create or replace function factory.customer(
    id bigint, company_id bigint default 1, name text default 'Erika Muster',
    phone text default null, email text default null, deleted_at timestamptz default null
)
    returns void language sql as $$
insert into public.customers (id, company_id, name, phone, email, deleted_at) overriding system value
values ($1, $2, $3, $4, $5, $6);
$$;

-- a call of 61 seconds on 20 October 2025 from a number nobody knows
create or replace function factory.call(
    id bigint,
    company_id bigint default 1,
    retell_call_id text default null,
    from_number text default '+491700000000',
    to_number text default '+493000000000',
    direction text default 'inbound',
    call_type text default 'phone_call',
    status text default 'ended',
    started_at timestamptz default '2025-10-20 09:00:00+00',
    ended_at timestamptz default '2025-10-20 09:01:01+00',
    duration_ms integer default 61000,
    phone_number_id bigint default null,
    customer_id bigint default null,
    customer_name text default null,
    customer_link_status text default 'unlinked',
    customer_link_method text default null,
    customer_link_confidence numeric default null,
    customer_linked_at timestamptz default null,
    session_outcome text default null,
    appointment_made boolean default false,
    appointment_id bigint default null,
    appointment_link_status text default 'unlinked',
    appointment_linked_at timestamptz default null,
    booking_confirmed boolean default false,
    booking_id text default null,
    booking_details jsonb default null,
    booking_failed boolean default false,
    metadata jsonb default '{}',
    deleted_at timestamptz default null,
    created_at timestamptz default '2025-10-20 09:00:00+00'
)
    returns void language sql as $$
insert into public.calls (
    id, company_id, retell_call_id, from_number, to_number, direction, call_type, status,
    started_at, ended_at, duration_ms, phone_number_id, customer_id, customer_name,
    customer_link_status, customer_link_method, customer_link_confidence, customer_linked_at,
    session_outcome, appointment_made, appointment_id, appointment_link_status,
    appointment_linked_at, booking_confirmed, booking_id, booking_details, booking_failed,
    metadata, deleted_at, created_at, updated_at
) overriding system value
values (
    $1, $2, coalesce($3, 'call_' || lpad(to_hex($1), 27, '0')), $4, $5, $6, $7, $8,
    $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $30
);
$$;

-- 45 minutes on 22 October 2025, made two days before, entered by a person
create or replace function factory.appointment(
    id bigint,
    company_id bigint default 1,
    call_id bigint default null,
    customer_id bigint default null,
    service_id bigint default null,
    staff_id bigint default null,
    starts_at timestamptz default '2025-10-22 12:00:00+00',
    ends_at timestamptz default null,
    status text default 'confirmed',
    source text default 'manual',
    calcom_booking_id bigint default null,
    calcom_booking_uid text default null,
    calcom_sync_status text default null,
    idempotency_key uuid default null,
    cancelled_at timestamptz default null,
    metadata jsonb default '{}',
    deleted_at timestamptz default null,
    created_at timestamptz default '2025-10-20 09:01:00+00'
)
    returns void language sql as $$
insert into public.appointments (
    id, company_id, call_id, customer_id, service_id, staff_id, starts_at, ends_at, status, source,
    calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key, cancelled_at, metadata,
    deleted_at, created_at, updated_at
) overriding system value
values (
    $1, $2, $3, $4, $5, $6, $7, coalesce($8, $7 + interval '45 minutes'), $9, $10,
    $11, $12, $13, $14, $15, $16, $17, $18, $18
);
$$;

create or replace function factory.modification(
    id bigint, appointment_id bigint, kind text default 'reschedule', company_id bigint default 1,
    call_id bigint default null, old_starts_at timestamptz default null, new_starts_at timestamptz default null,
    created_at timestamptz default '2025-10-21 09:00:00+00'
)
    returns void language sql as $$
insert into public.appointment_modifications
    (id, company_id, appointment_id, call_id, kind, old_starts_at, new_starts_at, created_at, updated_at)
overriding system value
values ($1, $4, $2, $5, $3, $6, $7, $8, $8);
$$;

-- triggers of ours off or on, on all tables; constraints of tables stay
create or replace function factory.behind_the_back(p_on boolean) returns void language plpgsql as $$
declare
    r text;
begin
    foreach r in array array['calls', 'appointments', 'appointment_modifications', 'customers'] loop
        execute format('alter table public.%I %s trigger user', r, case when p_on then 'disable' else 'enable' end);
    end loop;
end;
$$;

-- constraints and unique indexes of ours away, as on a legacy table; rolled back with the test
create or replace function factory.legacy(variadic p_names text[]) returns void language plpgsql as $$
declare
    r record;
begin
    for r in select ct.* from trueup.constraints as ct where ct.name = any(p_names) loop
        if r.kind like '%index' then
            execute format('drop index public.%I', r.name);
        else
            execute format('alter table %s drop constraint %I', r.table_name, r.name);
        end if;
    end loop;
end;
$$;

select
    setval(pg_get_serial_sequence('public.' || t.name, 'id'), 1000)
from unnest(array[
    'companies', 'branches', 'staff', 'services', 'phone_numbers', 'customers', 'calls', 'appointments',
    'appointment_modifications'
]) as t (name);

-- an undo under way in this transaction, as trueup.undo_repair begins one
create or replace function factory.undoing(p_on boolean) returns void language plpgsql as $$
declare
    v_repair_id bigint;
begin
    insert into trueup.repairs (check_name, entity_type, entity_id, reason, undone_at)
    values ('test', 'test', '0', 'test', now())
    returning id into v_repair_id;
    perform set_config('trueup.undo', case when p_on then v_repair_id::text else '' end, true);
end;
$$;
