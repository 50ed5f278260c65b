-- refuse_past(instant): a snooze or an acceptance ends at a known time to come

create or replace function trueup.refuse_past(p_until timestamptz)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_until is null or not isfinite(p_until) or p_until <= clock_timestamp() then
        raise exception '% is no time to come', coalesce(p_until::text, 'null')
            using errcode = 'TU005', hint = 'Say until when, for example tomorrow at nine.';
    end if;
end;
$$;
