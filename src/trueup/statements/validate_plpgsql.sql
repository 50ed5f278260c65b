-- read the body of a function as the server does when it is created
select plpgsql_validator(%(oid)s::oid);
