"""The runner or the server killed in the middle: nothing half done, nothing lost, nothing double."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest
from conftest import FACTORY
from helpers import eventually, launch, plant, sql, value

import trueup
from trueup import server

CALLS = 400
FAULTS = f"""
select factory.company(1);
select factory.call(id => i, booking_id => 'uid-' || i, appointment_made => true, session_outcome => 'appointment_rescheduled')
from generate_series(1, {CALLS}) as i;
select factory.appointment(id => i, call_id => null, calcom_booking_uid => 'uid-' || i, starts_at => '2025-10-22 12:00+00'::timestamptz + i * interval '1 hour', status => 'completed')
from generate_series(1, {CALLS}) as i
"""
CHECK = "call_made_without_appointment"


def consistent(url: str) -> tuple[int, int]:
    """Assert that calls, journal and alerts agree; return how many calls are repaired and how many not."""
    linked = value(url, "select count(*) from public.appointments as a where a.call_id is not null")
    journalled = value(url, "select count(*) from trueup.repairs as r where r.check_name = %s", CHECK)
    mended = value(
        url,
        "select count(*) from trueup.data_consistency_alerts where alert_type = %s and resolution = 'repaired'",
        CHECK,
    )
    images = value(
        url,
        "select count(distinct rc.repair_id) from trueup.repair_changes as rc "
        "where rc.table_name = 'public.appointments' and rc.after ->> 'call_id' is not null",
    )
    assert linked == journalled == mended == images
    assert value(url, "select count(*) from trueup.call_made_without_appointment") == CALLS - linked
    return linked, CALLS - linked


@pytest.mark.one_server
def test_runner_killed_during_repair(database: str) -> None:
    plant(database, FAULTS)
    runner = launch("repair", CHECK, "--apply", url=database)
    eventually(lambda: value(database, "select count(*) from trueup.repairs") >= 20)
    runner.kill()
    runner.communicate()
    eventually(
        lambda: (
            value(database, "select count(*) from pg_stat_activity where application_name = 'trueup repair'")
            == 0
        )
    )
    done, left = consistent(database)
    assert done >= 20
    assert left > 0
    trueup.repair([CHECK], database=database, apply=True)
    assert consistent(database) == (CALLS, 0)
    runs = sql(database, "select cr.status, cr.repairs is null from trueup.check_runs as cr order by cr.id")
    assert runs == [("partial", True), ("complete", False)], (
        "the evaluation was filed, the repair not finished"
    )
    said = value(database, "select cr.error from trueup.check_runs as cr where cr.status = 'partial'")
    assert said == "interrupted while repairing: its session ended; what was repaired stays repaired"


@pytest.mark.one_server
def test_a_repair_at_work_is_no_interrupted_one(database: str) -> None:
    plant(database, FAULTS)
    runner = launch("repair", CHECK, "--apply", url=database)
    eventually(lambda: value(database, "select count(*) from trueup.repairs") >= 1)
    runner.send_signal(signal.SIGSTOP)
    trueup.check(["call_duplicate"], database=database)
    assert value(database, "select status from trueup.check_runs where kind = 'repair'") == "complete"
    runner.kill()
    runner.communicate()
    eventually(
        lambda: (
            value(database, "select count(*) from pg_stat_activity where application_name = 'trueup repair'")
            == 0
        )
    )
    trueup.check(["call_duplicate"], database=database)
    assert value(database, "select status from trueup.check_runs where kind = 'repair'") == "partial"


@pytest.mark.one_server
def test_runner_killed_during_check(database: str) -> None:
    plant(database, FAULTS)
    sql(
        database,
        """
        create or replace view trueup.check_not_run as
        select null::text as company_id, 'check' as entity_type, 1::bigint as entity_id, 'x' as description, '{}'::jsonb as evidence
        from (select pg_sleep(30)) as s
        """,
    )
    runner = launch("check", url=database)
    eventually(
        lambda: value(database, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == 1
    )
    runner.kill()
    runner.communicate()
    sql(database, "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")
    assert value(database, "select count(*) from trueup.data_consistency_alerts") == 0
    trueup.migrate(database=database)
    trueup.check(database=database)
    assert (
        value(database, "select count(*) from trueup.data_consistency_alerts where alert_type = %s", CHECK)
        == CALLS
    )
    statuses = sql(database, "select cr.status from trueup.check_runs as cr order by cr.id")
    assert statuses == [("abandoned",), ("complete",)]


def test_server_killed_during_repair(open_directory: Path) -> None:
    """The postmaster dies by SIGKILL; after a restart the next run finishes the work."""
    data = open_directory / "cluster"
    started = server.start(data, die_with_parent=True)
    try:
        url = started.url()
        trueup.migrate(database=url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FACTORY.read_bytes())
        plant(url, FAULTS)
        runner = launch("repair", CHECK, "--apply", url=url)
        eventually(lambda: value(url, "select count(*) from trueup.repairs") >= 20)
        os.kill(started.pid, signal.SIGKILL)
        _, error = runner.communicate(timeout=60)
        assert runner.returncode == 4, error
        assert "connection was lost" in error
        assert "Traceback" not in error
        eventually(lambda: not server.status(data).running)
        started = server.start(data, die_with_parent=True)
        url = started.url()
        done, left = consistent(url)
        assert done > 0
        assert left > 0
        trueup.repair([CHECK], database=url, apply=True)
        assert consistent(url) == (CALLS, 0)
    finally:
        server.stop(data, "immediate")
