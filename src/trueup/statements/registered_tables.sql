-- the tables that each check rests on, as its deployment registered them
select
    ct.check_name,
    ct.table_name
from trueup.check_tables as ct;
