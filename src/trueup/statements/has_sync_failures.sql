-- whether the pack has synchronisations that fail
select to_regprocedure('trueup.hand_over_sync_failures()') is not null;
