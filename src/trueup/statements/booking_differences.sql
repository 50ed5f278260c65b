-- what the last lists of a company show
select
    (select count(*) from trueup.booking_missing_locally as v where v.company_id = %(company_id)s) as missing_locally,
    (select count(*) from trueup.booking_missing_remotely as v where v.company_id = %(company_id)s) as missing_remotely,
    (select count(*) from trueup.booking_differs as v where v.company_id = %(company_id)s) as differing
