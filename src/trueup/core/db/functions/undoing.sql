-- undoing(): an undo of a repair is running in this transaction
--
-- Fill and sync triggers stand aside then, or they would complete again what the undo
-- takes back; a guard files its alert and refuses nothing, because a person decided.
-- The parameter alone proves nothing, since any session may set it: the repair it names
-- must have been marked undone by this very transaction, which only undo_repair does.
-- Called from trigger functions, which run with their owner's rights.
--
-- Without a subquery, so that it is inlined where it is called: an ordinary write then
-- reads one session parameter and calls nothing.

create or replace function trueup.undoing()
    returns boolean
    language sql
    stable
return case
    when current_setting('trueup.undo', true) <> '' then trueup.undo_proven(current_setting('trueup.undo', true))
    else false
end;
