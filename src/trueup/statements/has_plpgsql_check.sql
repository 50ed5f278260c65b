select exists (select 1 from pg_catalog.pg_available_extensions as e where e.name = 'plpgsql_check');
