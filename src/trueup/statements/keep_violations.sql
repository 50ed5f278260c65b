delete from pg_temp.trueup_violations as f
where
    f.check_name = %(name)s
    and concat_ws(' ', f.entity_type, f.entity_id) <> all(%(keep)s::text[]);
