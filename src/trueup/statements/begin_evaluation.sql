set client_min_messages = warning;

-- one row per violation, kept on the server; what an alert must have is NOT NULL, so that a view without it fails alone
create temporary table if not exists trueup_violations (
    check_name text not null,
    company_id text,
    entity_type text not null,
    entity_id text not null,
    description text not null,
    evidence jsonb not null,
    related text[]
) on commit preserve rows;

-- all that a flood consists of, which is in trueup_violations only in part: the rates count it
create temporary table if not exists trueup_flooded (
    check_name text not null,
    company_id text,
    entity_type text not null,
    entity_id text not null
) on commit preserve rows;

create temporary table if not exists trueup_populations (
    entity_type text not null,
    company_id text,
    entities bigint not null
) on commit preserve rows;
