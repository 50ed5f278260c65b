-- undoing(): an undo of a repair is running in this transaction
--
-- Fill and sync triggers stand aside then, or they would complete again what the undo
-- takes back; a guard files its alert and refuses nothing, because a person decided.

create or replace function trueup.undoing()
    returns boolean
    language sql
    stable
    parallel safe
return coalesce(current_setting('trueup.undo', true) = 'on', false);
