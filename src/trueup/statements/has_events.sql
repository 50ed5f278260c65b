-- whether the pack has an inbox of events
select to_regprocedure('trueup.process_events(integer)') is not null;
