-- receive_event_body(provider, body): receive_event for the body of a request as it came
--
-- For applications that hand on what they got instead of parsing it. Text that is no
-- JSON, or that the server cannot store (a NUL character, half a surrogate pair), is
-- refused with TU302; the size is looked at before anything is parsed.

create or replace function trueup.receive_event_body(p_provider text, p_body text)
    returns table (event_id bigint, duplicate boolean, status text)
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_limit constant integer := trueup.setting('event_max_bytes')::integer;
    v_event jsonb;
begin
    if octet_length(p_body) > v_limit then
        raise exception 'event of % is larger than % bytes', p_provider, v_limit
            using
                errcode = 'TU304',
                detail = format('It has %s bytes.', octet_length(p_body)),
                hint = 'The setting event_max_bytes says how large an event may be.';
    end if;

    begin
        v_event := p_body::jsonb;
    exception
        when data_exception or program_limit_exceeded then
            raise exception 'event of % is no JSON', p_provider
                using errcode = 'TU302', detail = sqlerrm || '.', hint = 'Nothing was stored.';
    end;

    return query select * from trueup.receive_event(p_provider, v_event);
end;
$$;
