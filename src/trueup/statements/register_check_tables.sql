with known as (
    select distinct r.check_name, r.table_name
    from trueup.check_reads as r
    where r.check_name = any(%(names)s::text[])
),

gone as (
    delete from trueup.check_tables as ct
    where not exists (
        select 1
        from known as k
        where k.check_name = ct.check_name and k.table_name = ct.table_name
    )
)

insert into trueup.check_tables (check_name, table_name)
select k.check_name, k.table_name
from known as k
on conflict do nothing;
