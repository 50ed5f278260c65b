-- undoing(): an undo of a repair is running in this transaction
--
-- Fill and sync triggers stand aside then, or they would complete again what the undo
-- takes back; a guard files its alert and refuses nothing, because a person decided.
-- The parameter alone proves nothing, since any session may set it: the repair it names
-- must have been marked undone by this very transaction, which only undo_repair does.
-- Called from trigger functions, which run with their owner's rights.

create or replace function trueup.undoing()
    returns boolean
    language plpgsql
    stable
    set search_path = ''
as $$
declare
    v_repair_id text := coalesce(current_setting('trueup.undo', true), '');
begin
    if v_repair_id !~ '^[0-9]{1,18}$' then
        return false;
    end if;
    return exists (
        select 1
        from trueup.repairs as r
        where r.id = v_repair_id::bigint and r.undone_at = now()
    );
end;
$$;
