select
    exists (select 1 from trueup.consistency_rates as r where r.company_id = %(company)s)
    or exists (
        select 1
        from trueup.data_consistency_alerts as al
        where al.company_id = %(company)s
    );
