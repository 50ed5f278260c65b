-- partitioned: the calls and appointments of the host tables, partitioned by quarter of created_at
--
-- Run on the empty tables of migrations/versions/0001_host_tables.up.sql. Primary key and
-- unique constraint must hold the partition key. The default partition takes what is
-- older and newer.

create table public.calls_by_quarter (
    like public.calls including defaults including generated including identity,
    primary key (id, created_at),
    unique (company_id, retell_call_id, created_at)
) partition by range (created_at);

create table public.appointments_by_quarter (
    like public.appointments including defaults including generated including identity,
    primary key (id, created_at)
) partition by range (created_at);

drop table public.calls, public.appointments;
alter table public.calls_by_quarter rename to calls;
alter table public.appointments_by_quarter rename to appointments;
alter sequence public.calls_by_quarter_id_seq rename to calls_id_seq;
alter sequence public.appointments_by_quarter_id_seq rename to appointments_id_seq;

create table public.calls_other partition of public.calls default;
create table public.appointments_other partition of public.appointments default;

do $$
declare
    v_quarter date;
    v_table text;
begin
    foreach v_table in array array['calls', 'appointments'] loop
        for v_quarter in select generate_series('2024-01-01', '2025-10-01', interval '3 months') loop
            execute format(
                'create table public.%I partition of public.%I for values from (%L) to (%L)',
                v_table || to_char(v_quarter, '_YYYY_"q"Q'), v_table, v_quarter, v_quarter + interval '3 months'
            );
        end loop;
    end loop;
end;
$$;
