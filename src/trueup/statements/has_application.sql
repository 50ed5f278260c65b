select coalesce(has_table_privilege(to_regclass('trueup.application'), 'select'), false);
