-- one booking that the provider confirmed, in one transaction; the layer sets the flags, the application writes what the provider said
select nextval('public.calls_taken') as n \gset
begin;
insert into public.appointments (
    company_id, branch_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, status, source,
    sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key
) values (
    1 + :n % 10, 1 + :n % 10, 1 + :n % 1000, 1 + :n % 10, 1 + :n % 100, :n,
    timestamptz '2045-01-01 08:00+00' + :n / 100 * interval '1 hour',
    timestamptz '2045-01-01 08:45+00' + :n / 100 * interval '1 hour',
    'confirmed', 'retell', 'retell', :n, 'uid-' || :n, 'synced', md5('appointment ' || :n)::uuid
) returning id as appointment \gset
update public.calls
set
    booking_confirmed = true,
    booking_id = 'uid-' || :n,
    updated_at = now()
where id = :n;
commit;
