-- what an alert may be called: the checks, retired ones too, and what applications file
select ch.name from trueup.checks as ch
union
select al.alert_type from trueup.data_consistency_alerts as al
order by name;
