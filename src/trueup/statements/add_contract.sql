insert into trueup.contracts as ct (name, statement, search_path, source)
values (%(name)s, %(statement)s, %(search_path)s, %(source)s)
on conflict (name) do update set
    statement = excluded.statement,
    search_path = excluded.search_path,
    source = excluded.source,
    added_by = excluded.added_by,
    added_at = excluded.added_at
where
    (ct.statement, ct.search_path, ct.source)
    is distinct from (excluded.statement, excluded.search_path, excluded.source);
