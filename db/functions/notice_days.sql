-- notice_days(companies, starts, ends, limits): which days of which companies some appointments touch
--
-- One row per company and day, by the clock on the company's wall; an appointment over
-- midnight touches both days. A NULL date is any day: more than p_days_limit of one company,
-- an appointment longer than that or without an end in sight, or a time zone that the
-- server does not know, which must not stop a booking. A NULL company is all of them: more
-- than p_companies_limit. Appointments without a company touch nobody's day.

create or replace function trueup.notice_days(
    p_company_ids bigint[],
    p_starts timestamptz[],
    p_ends timestamptz[],
    p_days_limit integer,
    p_companies_limit integer
)
    returns table (company_id bigint, date date)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    -- planned anew for each array, as it otherwise is, a load in small statements would pay for the planning
    set plan_cache_mode = force_generic_plan
    set jit = off
as $$
-- columns and results bear the same names
#variable_conflict use_column
begin
    return query
    with spans as (
        select distinct
            t.company_id,
            (t.starts_at at time zone coalesce(cm.timezone, 'Europe/Berlin'))::date as first_date,
            (
                greatest(t.starts_at, t.ends_at - interval '1 microsecond')
                at time zone coalesce(cm.timezone, 'Europe/Berlin')
            )::date as last_date
        from unnest(p_company_ids, p_starts, p_ends) as t (company_id, starts_at, ends_at)
        left join public.companies as cm on t.company_id = cm.id
        where t.company_id is not null
    ),

    days as (
        select distinct
            sp.company_id,
            sp.first_date + d.further as date
        from spans as sp
        cross join lateral generate_series(
            0,
            case
                when not isfinite(sp.first_date) or not isfinite(sp.last_date) then p_days_limit
                else least(sp.last_date - sp.first_date, p_days_limit)
            end
        ) as d (further)
    ),

    sizes as (
        select
            d.company_id,
            count(*) > p_days_limit or not bool_and(isfinite(d.date)) as is_many
        from days as d
        group by d.company_id
    )

    select null, null::date
    from sizes as s
    having count(*) > p_companies_limit
    union all
    select distinct
        d.company_id,
        case when not s.is_many then d.date end
    from days as d
    inner join sizes as s on d.company_id = s.company_id
    where (select count(*) from sizes) <= p_companies_limit;
exception
    when invalid_parameter_value or datetime_field_overflow then
        return query
        select distinct t.company_id, null::date
        from unnest(p_company_ids) as t (company_id)
        where t.company_id is not null;
end;
$$;
