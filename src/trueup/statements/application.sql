-- where the application keeps its tables, and which optional columns it has not
select a.schema_name, a.missing_columns
from trueup.application as a;
