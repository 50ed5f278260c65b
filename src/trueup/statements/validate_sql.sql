-- read the body of a function as the server does when it is created
select fmgr_sql_validator(%(oid)s::oid);
