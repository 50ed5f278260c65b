-- process_object(provider, object): apply what is due of one call, or of one booking and its moves
--
-- For process_events and the repair of event_unprocessed. Nobody else may be at the
-- object meanwhile: advisory locks on the call or on every uid of the booking and on the
-- calls its events name, tried and not waited for, until the transaction ends. NULL when
-- somebody holds one; else the events looked at: none when there is no object, which
-- receive_event refuses to store and a row from elsewhere may be.
--
-- All events of the object are applied together, in a savepoint. When that fails they
-- are applied one by one, in order of occurrence, each in a savepoint, so that one which
-- cannot be applied holds up no other. When somebody else holds a row they are put off
-- together: each would wait for it anew, and whoever wants what this transaction has locked
-- would wait with it. Guards and deferred keys look inside the savepoint: at COMMIT they
-- would refuse the whole batch.

create or replace function trueup.process_object(p_provider text, p_object_id text)
    returns bigint[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_uids text[] := array[p_object_id];
    v_call_ids text[];
    v_locked text[] := '{}';
    v_wanted text[];
    v_event_ids bigint[];
    v_event_id bigint;
    v_key text;
begin
    if p_object_id is null then
        return '{}';
    end if;

    -- what was read before the lock may have grown before it was got
    loop
        if p_provider = 'retell' then
            v_wanted := array['call ' || p_object_id];
        else
            with recursive chain as (
                select p_object_id as uid
                union
                select linked.uid
                from chain
                cross join lateral (
                    select e.previous_object_id as uid
                    from trueup.webhook_events as e
                    where
                        e.provider = 'calcom'
                        and e.object_id = chain.uid
                        and e.previous_object_id is not null
                    union all
                    select e.object_id
                    from trueup.webhook_events as e
                    where e.previous_object_id = chain.uid and e.provider = 'calcom'
                ) as linked
            )

            select array_agg(chain.uid order by chain.uid) into v_uids from chain;
            v_call_ids := array(
                select distinct e.named_call_id
                from trueup.webhook_events as e
                where e.provider = 'calcom' and e.object_id = any(v_uids) and e.named_call_id is not null
            );
            v_wanted := array(
                select 'call ' || named.call_id
                from unnest(v_call_ids) as named (call_id)
                union all
                select 'booking ' || bk.uid
                from unnest(v_uids) as bk (uid)
            );
        end if;
        exit when v_wanted <@ v_locked;

        foreach v_key in array v_wanted loop
            if v_key <> all(v_locked) and not pg_try_advisory_xact_lock(hashtextextended('trueup.event ' || v_key, 0)) then
                return null;
            end if;
        end loop;
        v_locked := v_wanted;
    end loop;

    v_event_ids := array(
        select e.id
        from trueup.webhook_events as e
        where
            e.provider = p_provider
            and e.object_id = any(v_uids)
            and (
                e.status = 'parked'
                -- one that waits for another has failed at nothing
                or (e.status = 'received' and (e.next_attempt_at <= clock_timestamp() or e.attempt_count = 0))
            )
        order by e.occurred_at nulls first, e.id
        for update skip locked
    );
    if v_event_ids = '{}' then
        return '{}';
    end if;

    begin
        if p_provider = 'retell' then
            perform trueup.apply_call_events(p_object_id, v_event_ids);
        else
            perform trueup.apply_booking_events(v_uids, v_event_ids);
        end if;
        set constraints all immediate;
        set constraints all deferred;
        return v_event_ids;
    exception
        when query_canceled or admin_shutdown or crash_shutdown or out_of_memory or disk_full then
            raise;
        when lock_not_available or object_in_use then
            foreach v_event_id in array v_event_ids loop
                perform trueup.fail_event(v_event_id, sqlstate, sqlerrm);
            end loop;
            return v_event_ids;
        when others then
            if cardinality(v_event_ids) = 1 then
                perform trueup.fail_event(v_event_ids[1], sqlstate, sqlerrm);
                return v_event_ids;
            end if;
    end;

    foreach v_event_id in array v_event_ids loop
        begin
            if p_provider = 'retell' then
                perform trueup.apply_call_events(p_object_id, array[v_event_id]);
            else
                perform trueup.apply_booking_events(v_uids, array[v_event_id]);
            end if;
            set constraints all immediate;
            set constraints all deferred;
        exception
            when query_canceled or admin_shutdown or crash_shutdown or out_of_memory or disk_full then
                raise;
            when others then
                perform trueup.fail_event(v_event_id, sqlstate, sqlerrm);
        end;
    end loop;

    return v_event_ids;
end;
$$;
