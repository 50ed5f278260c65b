-- how long a statement may take now, in milliseconds; 0 for no limit
select s.setting
from pg_catalog.pg_settings as s
where s.name = 'statement_timeout';
