insert into trueup.application (schema_name, key_type, missing_columns)
values (%(schema)s, %(key_type)s, %(missing)s::text[])
on conflict (is_one) do update
set
    schema_name = excluded.schema_name,
    key_type = excluded.key_type,
    missing_columns = excluded.missing_columns;
