-- coordinator: one database that reads the tenants of two shards through postgres_fdw
--
-- psql variables: host_1, port_1, database_1, companies_1 (a list: 1, 2, null), and the same
-- for shard 2. The shards hold the host tables, each the rows of its companies. Nothing is
-- stored here but what trueup writes; every table is partitioned by company, so that a
-- query for one company asks one shard.

create extension postgres_fdw;

create server shard_1 foreign data wrapper postgres_fdw
    options (host :'host_1', port :'port_1', dbname :'database_1', fetch_size '10000', async_capable 'true');
create server shard_2 foreign data wrapper postgres_fdw
    options (host :'host_2', port :'port_2', dbname :'database_2', fetch_size '10000', async_capable 'true');
create user mapping for current_user server shard_1 options (user 'postgres');
create user mapping for current_user server shard_2 options (user 'postgres');

create schema shard_1;
create schema shard_2;
-- a generated column is computed on the shard, and read here
import foreign schema public from server shard_1 into shard_1 options (import_generated 'false');
import foreign schema public from server shard_2 into shard_2 options (import_generated 'false');

select format('create table public.%1$I (like shard_1.%1$I) partition by list (%2$I)', t.name, t.tenant)
from (
    select c.relname as name, case c.relname when 'companies' then 'id' else 'company_id' end as tenant
    from pg_catalog.pg_class as c
    where c.relnamespace = 'shard_1'::regnamespace and c.relkind = 'f'
) as t
order by t.name
\gexec

select format('alter table public.%1$I attach partition %2$I.%1$I for values in (%3$s)', c.relname, s.name, s.companies)
from pg_catalog.pg_class as c
cross join (values ('shard_1', :'companies_1'), ('shard_2', :'companies_2')) as s (name, companies)
where c.relnamespace = 'public'::regnamespace and c.relkind = 'p'
order by c.relname, s.name
\gexec

-- joins of one company's rows are done where they are
select format('alter database %I set enable_partitionwise_join = on', current_database())
\gexec
