-- Requests are kept where the narrower key of the table allows: the one begun last for each key.
drop index if exists public.appointments_former_key_idx;
delete from trueup.constraints as ct where ct.name = 'appointments_former_key_idx';
delete from trueup.settings as st where st.name in ('request_lease', 'booking_validation_window');
drop table trueup.request_policies;

delete from trueup.idempotency_keys as ik
where exists (select 1 from trueup.idempotency_keys as later where later.key = ik.key and later.id > ik.id);

drop index trueup.idempotency_keys_unfinished_idx;
alter table trueup.idempotency_keys
    drop constraint idempotency_keys_request_key,
    drop constraint idempotency_keys_pkey,
    drop column id,
    drop column token,
    drop column attempt,
    drop column was_taken_over,
    drop column is_retryable,
    add constraint idempotency_keys_pkey primary key (key);
create index idempotency_keys_running_idx
    on trueup.idempotency_keys (lease_expires_at) where status = 'running';
