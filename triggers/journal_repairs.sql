-- journal_repairs: the journal of repairs on the six tables that repairs of the pack write
--
-- The WHEN clause keeps ordinary writes out: outside a repair it costs reading one
-- session parameter per row and calls no function.

create or replace trigger journal_repairs
    after insert or update or delete on public.calls
    for each row
    when (current_setting('trueup.repair_id', true) <> '')
    execute function trueup.journal_row_change('id');

create or replace trigger journal_repairs
    after insert or update or delete on public.appointments
    for each row
    when (current_setting('trueup.repair_id', true) <> '')
    execute function trueup.journal_row_change('id');

create or replace trigger journal_repairs
    after insert or update or delete on public.appointment_modifications
    for each row
    when (current_setting('trueup.repair_id', true) <> '')
    execute function trueup.journal_row_change('id');

create or replace trigger journal_repairs
    after insert or update or delete on public.customers
    for each row
    when (current_setting('trueup.repair_id', true) <> '')
    execute function trueup.journal_row_change('id');

create or replace trigger journal_repairs
    after insert or update or delete on trueup.webhook_events
    for each row
    when (current_setting('trueup.repair_id', true) <> '')
    execute function trueup.journal_row_change('id');

create or replace trigger journal_repairs
    after insert or update or delete on trueup.sync_failures
    for each row
    when (current_setting('trueup.repair_id', true) <> '')
    execute function trueup.journal_row_change('id');
