-- written before there are revisions, so that they find the application's tables; core_0012 keeps it
create table if not exists trueup.application (
    schema_name text not null default 'public',
    missing_columns text[] not null default '{}',
    is_one boolean primary key default true,
    constraint application_one check (is_one)
);
