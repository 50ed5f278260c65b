select ct.id, ct.name, ct.statement, ct.search_path, ct.source, ct.added_by, ct.added_at
from trueup.contracts as ct
order by ct.name;
