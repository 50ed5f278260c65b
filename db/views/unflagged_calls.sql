-- unflagged_calls
--
-- The ids that undeleted appointments name in call_id and that belong to no call flagged
-- appointment_made: where the flags of a call disagree with its appointments, the call is
-- here, or else it is flagged and its own row says the rest (suspect_calls). The checks on
-- that agreement begin with these, so that they read two indexes in order, of flagged
-- calls and of appointments, and then the few calls that remain. An id may be that of a
-- deleted call or of none.
--
-- Two things here are for the planner, and so in the checks that are written like this:
-- a group is not merged into the query that reads it, which would read the table of calls
-- first; and of the equality it expects few rows, while `is null` or `not exists` make it
-- expect a third of all and read the tables after all.

create or replace view trueup.unflagged_calls as
select ka.call_id
from trueup.kept_appointments as ka
left join public.calls as c on ka.call_id = c.id and c.appointment_made
where
    ka.call_id is not null
    and case when c.id is null then 1 end = 1
group by ka.call_id;
