-- Drops what this revision added, with the provider's lists and the notices in it; failures stay, without
-- their claims.
drop index if exists public.appointments_unsynced_idx;
alter table public.appointments drop constraint if exists appointments_synced_has_id;
delete from trueup.constraints where name in ('appointments_synced_has_id', 'appointments_unsynced_idx');

delete from trueup.retention where name in ('booking_imports', 'former_bookings', 'appointment_notices');
delete from trueup.settings
where
    name in (
        'booking_snapshot_age', 'booking_arrival_limit', 'sync_pending_limit', 'sync_failed_limit',
        'sync_retry_first', 'sync_retry_cap', 'sync_retry_attempts', 'sync_retry_lease',
        'appointment_notices', 'notice_days_limit', 'notice_companies_limit'
    );

drop index trueup.sync_failures_exhausted_idx;
drop index trueup.sync_failures_open_key;
alter table trueup.sync_failures
drop column claim_token,
drop column lease_expires_at;

drop table trueup.appointment_notice_floor;
drop table trueup.appointment_notices;
drop table trueup.former_bookings;
drop table trueup.booking_snapshots;
drop table trueup.booking_imports;
delete from trueup.tables
where
    name in (
        'appointment_notice_floor', 'appointment_notices', 'former_bookings', 'booking_snapshots', 'booking_imports'
    );
