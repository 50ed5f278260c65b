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
    -- planned anew for each array, as it otherwise is, a booking would pay for the planning
    set plan_cache_mode = force_generic_plan
    set jit = off
as $$
-- columns and results bear the same names
#variable_conflict use_column
declare
    v_zone text;
    v_first date;
    v_last date;
    v_told_company_id bigint;
    v_told_date date;
begin
    -- one appointment, as it was and as it is: nearly every statement ends here. When the second
    -- of the two takes the long way, the first is told twice
    if cardinality(p_company_ids) <= 2 and least(p_days_limit, p_companies_limit) >= 2 then
        for v_each in 1..cardinality(p_company_ids) loop
            v_zone := coalesce(
                (select cm.timezone from public.companies as cm where cm.id = p_company_ids[v_each]), 'Europe/Berlin'
            );
            v_first := (p_starts[v_each] at time zone v_zone)::date;
            v_last := (
                greatest(p_starts[v_each], p_ends[v_each] - interval '1 microsecond') at time zone v_zone
            )::date;
            exit when
                p_company_ids[v_each] is null
                or v_first <> v_last
                or not isfinite(v_first);
            if (p_company_ids[v_each], v_first) is distinct from (v_told_company_id, v_told_date) then
                company_id := p_company_ids[v_each];
                date := v_first;
                return next;
            end if;
            v_told_company_id := p_company_ids[v_each];
            v_told_date := v_first;
            if v_each = cardinality(p_company_ids) then
                return;
            end if;
        end loop;
    end if;

    return query
    with touched as (
        select
            t.company_id,
            co.zone,
            t.starts_at,
            greatest(t.starts_at, t.ends_at - interval '1 microsecond') as last_moment
        from unnest(p_company_ids, p_starts, p_ends) as t (company_id, starts_at, ends_at)
        cross join lateral (
            select coalesce(
                (select cm.timezone from public.companies as cm where cm.id = t.company_id), 'Europe/Berlin'
            ) as zone
        ) as co
        where t.company_id is not null
    ),

    days as (
        select distinct
            t.company_id,
            (t.starts_at at time zone t.zone)::date + d.further as date
        from touched as t
        cross join lateral generate_series(
            0,
            case
                when not isfinite(t.starts_at) or not isfinite(t.last_moment) then p_days_limit
                else least(
                    (t.last_moment at time zone t.zone)::date - (t.starts_at at time zone t.zone)::date,
                    p_days_limit
                )
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
