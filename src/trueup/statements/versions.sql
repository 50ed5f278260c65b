select av.version_num from trueup.alembic_version as av order by av.version_num;
