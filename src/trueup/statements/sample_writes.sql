insert into trueup.write_samples (table_name, writes)
select tw.table_name, tw.writes
from trueup.table_writes as tw;
