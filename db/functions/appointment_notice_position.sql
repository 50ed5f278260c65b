-- appointment_notice_position(): where a listener stands who has been told everything so far
--
-- Every transaction below it has ended; one above may be open still, and its notices are yet
-- to come. Ask for it before trueup.appointment_notices_since, in a statement of its own:
-- what commits between the two is then told twice, and never not at all.

create or replace function trueup.appointment_notice_position()
    returns bigint
    language sql
    stable
return pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
