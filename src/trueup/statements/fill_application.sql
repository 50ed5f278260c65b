insert into trueup.application (schema_name, missing_columns) values (%(schema)s, %(missing)s::text[])
on conflict (is_one) do update set schema_name = excluded.schema_name, missing_columns = excluded.missing_columns;
