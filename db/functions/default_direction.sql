-- default_direction(): the direction of a call when nothing tells it
--
-- The setting default_direction; a value that is no direction counts as inbound, because
-- a slip of the pen in a setting must not stop every call from being stored.

create or replace function trueup.default_direction()
    returns text
    language sql
    stable
    parallel safe
return coalesce(trueup.vocabulary_value('direction', trueup.setting('default_direction')), 'inbound');
