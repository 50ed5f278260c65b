delete from trueup.contracts as ct
where ct.name = %(name)s;
