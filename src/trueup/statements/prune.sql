select p.rule, p.table_name, p.deleted
from trueup.prune(%(rule)s, %(most)s) as p;
