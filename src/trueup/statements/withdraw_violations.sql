delete from pg_temp.trueup_violations as f where f.check_name = %(name)s;
