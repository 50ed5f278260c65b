select p.rule, p.table_name as table, p.keep::text as keep, p.row_count as rows
from trueup.prunable(%(rule)s) as p;
