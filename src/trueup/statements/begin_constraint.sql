-- before a constraint or index is added: what is found under its name, should this not come to an end, is ours
insert into trueup.deployments (kind, name, checksum, version)
values ('constraint', %(name)s, %(checksum)s, %(version)s);
