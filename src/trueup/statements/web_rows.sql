select r.relation, r.entity_type, r.table_name, r.key_value, r.content, r.columns
from trueup.console_rows(%(item_id)s::bigint) as r;
