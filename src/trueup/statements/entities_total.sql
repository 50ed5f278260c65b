select coalesce(sum(p.entities), 0)::bigint from pg_temp.trueup_populations as p;
