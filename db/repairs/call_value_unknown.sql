-- call_value_unknown: repair
--
-- Replaces a spelling or synonym by the word of the vocabulary. One value that means
-- nothing there hands the whole row to a person, who sees all of it. A misspelled outcome, whose
-- constraint would refuse the row, goes with it; one that denies the appointment of the call
-- gives way (trueup.proven_outcome), because calls_fill_appointment completes the flags.

create or replace function trueup.repair_call_value_unknown(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_direction text;
    v_customer_link_status text;
    v_customer_link_method text;
    v_appointment_link_status text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    -- a direction that is empty is another check's
    v_direction := coalesce(trueup.vocabulary_value('direction', v_call.direction), v_call.direction);
    v_customer_link_status := trueup.vocabulary_value('customer_link_status', v_call.customer_link_status);
    v_customer_link_method := trueup.vocabulary_value('customer_link_method', v_call.customer_link_method);
    v_appointment_link_status := trueup.vocabulary_value('appointment_link_status', v_call.appointment_link_status);

    if
        nullif(v_direction, '') <> all(trueup.vocabulary_values('direction'))
        or v_customer_link_status is null
        or (v_customer_link_method is null) <> (v_call.customer_link_method is null)
        or v_appointment_link_status is null
    then
        return ('review', 'a value is no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        direction = v_direction,
        customer_link_status = v_customer_link_status,
        customer_link_method = v_customer_link_method,
        appointment_link_status = v_appointment_link_status,
        session_outcome = case
            when exists (select 1 from trueup.kept_appointments as ka where ka.call_id = c.id)
                then trueup.proven_outcome(c.session_outcome)
            else coalesce(trueup.vocabulary_value('session_outcome', c.session_outcome), c.session_outcome)
        end
    where c.id = p_call_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_strip_nulls(jsonb_build_object(
            'direction', nullif(v_call.direction, v_direction),
            'customer_link_status', nullif(v_call.customer_link_status, v_customer_link_status),
            'customer_link_method', nullif(v_call.customer_link_method, v_customer_link_method),
            'appointment_link_status', nullif(v_call.appointment_link_status, v_appointment_link_status)
        ))
    )::trueup.repair_outcome;
end;
$$;
