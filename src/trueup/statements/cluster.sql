select
    cs.system_identifier::text as system_identifier,
    current_database()::text as database,
    pg_is_in_recovery() as in_recovery
from pg_catalog.pg_control_system() as cs;
