-- written before there are revisions, so that they find the application's tables; core_0011 keeps it
create table if not exists trueup.application (
    schema_name text not null default 'public',
    key_type text not null default 'bigint',
    missing_columns text[] not null default '{}',
    is_one boolean primary key default true,
    constraint application_one check (is_one),
    constraint application_key_type_known check (key_type in ('bigint', 'uuid'))
);
