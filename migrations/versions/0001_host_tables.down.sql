-- The application's tables are the application's: a rollback never drops them.
-- A database that trueup created for itself is dropped as a whole.
select 1;
