-- where the application keeps its tables, of which type its keys are, which optional columns it has not
select a.schema_name, a.key_type, a.missing_columns
from trueup.application as a;
