-- checks_being_filed(): names of the checks whose alerts a run or a guard is writing right now
--
-- Of the others neither writes alerts until this transaction ends: it holds both locks that
-- trueup.file_violations waits for, and without which a guard files nothing. A run that saw a
-- resolved alert, and then finds it deleted instead of reopening it, would file nothing.
-- Tried, never waited for, so that a prune and a run cannot wait for each other.

create or replace function trueup.checks_being_filed()
    returns setof text
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
    select ch.name
    from trueup.checks as ch
    where
        not case
            when pg_try_advisory_xact_lock(hashtext('trueup.file_violations'), ch.id::integer)
                then pg_try_advisory_xact_lock(hashtext('trueup.guard_tripped'), ch.id::integer)
            else false
        end;
$$;
