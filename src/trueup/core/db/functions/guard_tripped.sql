-- guard_tripped(guard, entity): what a violation at COMMIT costs
--
-- Called by a guard that has locked the row it decides about and found it in its
-- check. observe: the alert is filed in the writer's transaction, so it commits or
-- rolls back with the write, and it names transaction, role and application; that the
-- write would have been refused is noted in trueup.guard_trips, for `trueup enforce`.
-- enforce: refused as a check constraint refuses, with the name of the check. Reads
-- the mode at every call: `trueup guard set` takes effect at the next commit.
--
-- It waits for nobody: while a run files alerts of the check, and in a repair, which reads
-- the checks again itself and then waits for alerts, the row is noted for the next pass instead.
-- So it is for a writer in REPEATABLE READ whose snapshot is older than what the alert says now:
-- PostgreSQL would refuse the write of the alert, and with it the COMMIT.

create or replace function trueup.guard_tripped(p_guard text, p_entity_id anyelement)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    -- instants in the evidence are written as a run writes them, whatever the writer's zone
    set timezone = 'UTC'
as $$
declare
    v_mode text;
    v_role text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    v record;
begin
    execute format(
        'select v.company_id::text as company_id, v.entity_type, v.entity_id::text as entity_id, v.description, v.evidence '
        'from trueup.%I as v where v.entity_id = $1 limit 1',
        p_guard
    )
    into v
    using p_entity_id;

    v_mode := trueup.guard_mode(p_guard, v.company_id);
    if v.entity_id is null or v_mode = 'off' then
        return;
    end if;

    if v_mode = 'enforce' and not trueup.undoing() then
        raise exception '% % violates guard "%"', v.entity_type, v.entity_id, p_guard
            using
                errcode = 'check_violation',
                constraint = p_guard,
                schema = 'trueup',
                detail = v.description || '. ' || v.evidence,
                hint = (
                    select format('What must hold at commit: %s.', ch.invariant)
                    from trueup.checks as ch
                    where ch.name = p_guard
                );
    end if;

    if not trueup.undoing() then
        insert into trueup.guard_trips (guard, company_id, entity_type, entity_id, role_name, application)
        values (
            p_guard, v.company_id, v.entity_type, v.entity_id, v_role, current_setting('application_name')
        );
    end if;

    -- the lock of trueup.file_violations, tried and never waited for; writers share it
    if coalesce(current_setting('trueup.repair_id', true), '') = '' and pg_try_advisory_xact_lock_shared(
        hashtext('trueup.guard_tripped'),
        (select ch.id::integer from trueup.checks as ch where ch.name = p_guard)
    ) then
        begin
            perform trueup.file_alert(
                p_guard,
                v.company_id,
                v.entity_type,
                v.entity_id,
                v.description,
                v.evidence || jsonb_build_object(
                    'written_by', jsonb_build_object(
                        'transaction', pg_current_xact_id()::text,
                        'role', v_role,
                        'application', current_setting('application_name')
                    )
                )
            );
            return;
        exception
            when serialization_failure then
                null; -- noted below
        end;
    end if;

    insert into trueup.changes (table_name, keys)
    select cp.table_name, array[cp.key_column || '=' || v.entity_id]
    from trueup.check_populations as cp
    where cp.check_name = p_guard and cp.entity_type = v.entity_type;
end;
$$;
