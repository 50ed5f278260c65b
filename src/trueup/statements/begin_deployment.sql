insert into trueup.deployments (kind, name, file, checksum, version)
values (%(kind)s, %(name)s, %(file)s, %(checksum)s, %(version)s)
returning id;
