-- one booking that the provider confirmed, through the function; benchmarks/bookings.py says which, :n
select *
from trueup.book_appointment(
    p_company_id => 1 + :n % 10,
    p_starts_at => timestamptz '2045-01-01 08:00+00' + :n / 100 * interval '1 hour',
    p_ends_at => timestamptz '2045-01-01 08:45+00' + :n / 100 * interval '1 hour',
    p_service_id => 1 + :n % 10,
    p_staff_id => 1 + :n % 100,
    p_customer_id => 1 + :n % 1000,
    p_call_id => :n,
    p_branch_id => 1 + :n % 10,
    p_booking_uid => 'uid-' || :n,
    p_booking_number => :n,
    p_sync_origin => 'retell'
);
