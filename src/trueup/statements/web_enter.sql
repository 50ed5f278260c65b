select me.id, me.name, me.role, me.companies, me.language, me.method
from trueup.console_enter(%(token_hash)s::bytea, %(address)s::inet, %(touch)s::boolean) as me;
