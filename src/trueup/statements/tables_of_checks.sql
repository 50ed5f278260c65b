select distinct
    cr.check_name,
    cr.table_name
from trueup.check_reads as cr;
