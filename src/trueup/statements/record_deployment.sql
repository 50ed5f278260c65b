insert into trueup.deployments (kind, name, file, checksum, version, started_at, finished_at, outcome, detail)
values (
    %(kind)s, %(name)s, %(file)s, %(checksum)s, %(version)s,
    clock_timestamp() - make_interval(secs => %(seconds)s), clock_timestamp(), %(outcome)s, %(detail)s
);
