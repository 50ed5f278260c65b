select * from trueup.file_violations(%(run_id)s, %(name)s, %(most)s);
