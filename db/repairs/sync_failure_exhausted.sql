-- sync_failure_exhausted: repair
--
-- Hands the failure to a person, as its last try would have.

create or replace function trueup.repair_sync_failure_exhausted(p_sync_failure_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        'corrected',
        'handed to a person',
        jsonb_build_object(
            'queue_item_id', trueup.hand_over_sync_failure(p_sync_failure_id, 'all tries are used up')
        )
    )::trueup.repair_outcome;
end;
$$;
