-- core 0011: the application's schema
--
-- One row: the schema that holds the application's tables (`trueup adopt --host-schema`), which
-- takes the place of `public` in all that is deployed, the type of their keys, and the optional
-- columns that they lack; what needs one of these is left out. `trueup adopt` writes it first of all, when it has
-- something to say, because the revisions of the pack name the tables.

create table if not exists trueup.application (
    schema_name text not null default 'public',
    key_type text not null default 'bigint',
    missing_columns text[] not null default '{}',
    is_one boolean primary key default true,
    constraint application_one check (is_one),
    constraint application_key_type_known check (key_type in ('bigint', 'uuid'))
);

insert into trueup.application default values
on conflict do nothing;

comment on table trueup.application is 'where the application keeps its tables, and which optional columns it has not';

-- it has no key, and a publication of all tables would refuse the runs that delete from it; in WAL only
-- at wal_level = logical
alter table trueup.changes replica identity full;
