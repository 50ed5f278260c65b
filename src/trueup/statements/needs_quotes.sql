-- whether a name, such as one of upper case or a reserved word, cannot be written as it is
select quote_ident(%(name)s) <> %(name)s;
