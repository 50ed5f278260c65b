"""A run that evaluates on a streaming standby and files on the primary."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import postgres as servers
import psycopg
import pytest
from conftest import Databases
from helpers import eventually, plant, run, sql, value

import trueup
from trueup import server, snapshots
from trueup.errors import CheckFailedError, DatabaseError
from trueup.model import Result, Run
from trueup.store import session

CHECK, OTHER = "call_made_without_appointment", "call_type_missing"
FAULTS = """
select factory.company(1);
select factory.call(id => i, appointment_made => true, session_outcome => 'appointment_rescheduled')
from generate_series(1, 5) as i;
select factory.call(id => 6, call_type => null)
"""
MENDED = "update public.calls set appointment_made = false where id = {}"
STATES = """
select al.entity_id, al.status
from trueup.data_consistency_alerts as al
where al.alert_type = 'call_made_without_appointment'
order by al.entity_id
"""
SLEEPING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
# the check as it is, after a moment in which its snapshot grows old
SLOW = """
create or replace view trueup.call_made_without_appointment as
select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
from public.calls as c
cross join (select pg_sleep(1.5)) as s
where c.appointment_made
"""


@pytest.fixture(scope="module")
def standby(databases: Databases) -> Iterator[servers.Postgres]:
    """A streaming standby of the server of the tests."""
    if databases.server.binaries is None:
        pytest.skip("a standby can be made of a server only that the tests started")
    databases.migrated()
    with servers.standby(databases.server) as started:
        yield started


@pytest.fixture
def replica(database: str, standby: servers.Postgres) -> str:
    """URL of the test's database on the standby, which has it."""
    name = value(database, "select current_database()")
    url = standby.url(name)
    eventually(lambda: caught_up(database, standby))
    return url


def caught_up(database: str, standby: servers.Postgres) -> bool:
    position = value(database, "select pg_current_wal_insert_lsn()::text")
    return bool(
        value(standby.admin_url, "select coalesce(pg_last_wal_replay_lsn() >= %s::pg_lsn, false)", position)
    )


@pytest.fixture
def paused(replica: str) -> Iterator[str]:
    """URL of the standby while it replays nothing."""
    sql(replica, "select pg_wal_replay_pause()")
    eventually(lambda: value(replica, "select pg_get_wal_replay_pause_state()") == "paused")
    yield replica
    sql(replica, "select pg_wal_replay_resume()")


def result(checked: Run, name: str = CHECK) -> Result:
    return next(item for item in checked.results if item.name == name)


class Running(threading.Thread):
    """A run in a thread; `checked` is its outcome, `error` what it raised."""

    checked: Run
    error: BaseException | None = None

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__()
        self.names, self.options = names, options
        self.start()

    def run(self) -> None:
        try:
            self.checked = trueup.check(self.names, **self.options)
        except BaseException as error:
            self.error = error


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_standby_finds_what_the_primary_finds(database: str, replica: str, jobs: int) -> None:
    plant(database, FAULTS)
    there = trueup.check(database=database, replica=replica, jobs=jobs)
    here = trueup.check(database=database)
    assert {r.outcome for r in there.results} == {"complete"}
    assert [(r.name, r.violations, r.rows_tested, r.examples) for r in there.results] == [
        (r.name, r.violations, r.rows_tested, r.examples) for r in here.results
    ]
    assert there.rates == here.rates
    assert (result(there).opened, result(here).opened) == (5, 0)
    sql(database, MENDED.format(2))
    again = trueup.check(database=database, replica=replica, jobs=jobs)
    assert result(again).resolved == 1
    assert dict(sql(database, STATES)) == {
        "1": "open",
        "2": "resolved",
        "3": "open",
        "4": "open",
        "5": "open",
    }


def test_the_views_are_read_on_the_standby(database: str, replica: str) -> None:
    sql(
        database,
        f"""
        create or replace view trueup.{CHECK} as
        select null::bigint as company_id, 'call' as entity_type, 1::bigint as entity_id,
               'in recovery: ' || pg_is_in_recovery() as description, '{{}}'::jsonb as evidence
        """,
    )
    checked = trueup.check([CHECK], database=database, replica=replica)
    assert result(checked).examples[0].description == "in recovery: true"
    assert result(trueup.check([CHECK], database=database)).examples[0].description == "in recovery: false"


def test_it_waits_for_the_standby_to_catch_up(database: str, paused: str) -> None:
    plant(database, FAULTS)
    running = Running(database=database, replica=paused)
    waiting = "select count(*) from pg_stat_activity where application_name = 'trueup check'"
    eventually(lambda: value(paused, waiting) == 1)
    assert running.is_alive()
    sql(paused, "select pg_wal_replay_resume()")
    running.join()
    assert result(running.checked).opened == 5


@pytest.mark.one_server
def test_a_standby_that_stays_behind_resolves_nothing(database: str, replica: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    sql(database, MENDED.format(1))
    eventually(lambda: value(replica, "select not appointment_made from public.calls where id = 1"))
    sql(replica, "select pg_wal_replay_pause()")
    eventually(lambda: value(replica, "select pg_get_wal_replay_pause_state()") == "paused")
    try:
        sql(database, MENDED.format(2))
        with pytest.raises(
            CheckFailedError, match=r"kB behind, last commit .* within 0.3 s: its replay is paused"
        ):
            trueup.check(database=database, replica=replica, replica_wait=0.3)
        done = run("check", "--replica", replica, "--replica-wait", "0.1", url=database)
        assert done.returncode == 3
        assert "pg_wal_replay_resume" in done.stderr
    finally:
        sql(replica, "select pg_wal_replay_resume()")
    assert {state for _, state in sql(database, STATES)} == {"open"}
    last = "select cr.status, cr.error like 'the replica is % behind%' from trueup.check_runs as cr order by cr.id desc limit 1"
    assert sql(database, last) == [("failed", True)]
    trueup.check(database=database, replica=replica)
    assert [entity for entity, state in sql(database, STATES) if state == "resolved"] == ["1", "2"]


@pytest.mark.one_server
def test_what_somebody_decides_while_the_run_waits_is_left_alone(database: str, replica: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    sql(database, SLOW)
    sql(database, MENDED.format(1))
    sql(database, MENDED.format(2))
    running = Running(CHECK, database=database, replica=replica)
    eventually(lambda: value(replica, SLEEPING) == 1)
    alert = value(database, "select al.id from trueup.data_consistency_alerts as al where al.entity_id = '2'")
    trueup.alerts.acknowledge(alert, database=database, actor="ada")
    running.join()
    states = dict(sql(database, STATES))
    assert (states["1"], states["2"], states["3"]) == ("resolved", "acknowledged", "open")


def test_a_transaction_that_was_open_has_not_been_seen(database: str, replica: str) -> None:
    """Its violation is not in the standby's snapshot, its alert is there when the run files.

    The standby's own snapshot does not list the transactions in progress: by it, the alert
    would count as seen, and be resolved.
    """
    sql(database, SLOW)
    plant(database, "select factory.company(1)")
    with psycopg.connect(database) as writer:
        writer.execute("select factory.behind_the_back(true)")
        writer.execute(
            "select factory.call(id => 9, appointment_made => true, session_outcome => 'appointment_rescheduled')"
        )
        writer.execute(
            "select trueup.file_alert(%s, '1', 'call', '9', 'filed with the write', '{}'::jsonb)", (CHECK,)
        )
        # later ones end first, so that the open one lies below what the standby has seen
        sql(database, "insert into public.companies (name) values ('Salon')")
        running = Running(CHECK, database=database, replica=replica)
        eventually(lambda: value(replica, SLEEPING) == 1)
        writer.commit()
    running.join()
    assert running.checked.violations == 0
    assert sql(database, STATES) == [("9", "open")]
    seen = trueup.check([CHECK], database=database, replica=replica)
    assert (seen.violations, result(seen).opened, result(seen).resolved) == (1, 0, 0)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_conflict_with_recovery_says_what_to_set(database: str, replica: str, jobs: int) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    sql(database, SLOW.replace("1.5", "20"))
    sql(database, "update public.calls set appointment_made = false")
    sql(replica, "alter system set max_standby_streaming_delay = '100ms'")
    sql(replica, "select pg_reload_conf()")
    try:
        running = Running(CHECK, OTHER, database=database, replica=replica, jobs=jobs)
        eventually(lambda: value(replica, SLEEPING) == 1)
        sql(database, "delete from public.calls where id = 5")
        sql(database, "vacuum public.calls")
        running.join(timeout=15)
        assert not running.is_alive()
    finally:
        sql(replica, "alter system reset max_standby_streaming_delay")
        sql(replica, "select pg_reload_conf()")
    ended = result(running.checked)
    assert (ended.outcome, ended.sqlstate) == ("error", "40001")
    assert "conflict with recovery" in (ended.error or "")
    assert "hot_standby_feedback" in (ended.error or "")
    assert "max_standby_streaming_delay" in (ended.error or "")
    assert running.checked.exit_code("never") == 3
    assert {state for _, state in sql(database, STATES)} == {"open"}


def test_what_is_no_standby_of_this_database_is_refused(
    database: str, replica: str, standby: servers.Postgres, databases: Databases
) -> None:
    for url, reason in (
        (database, "the replica is not in recovery, so it is no standby"),
        (standby.url(databases.migrated()), "the replica's URL names database \"trueup_test_"),
        (f"{replica}&port=1", "cannot reach the replica"),
    ):
        with pytest.raises(DatabaseError, match=reason):
            trueup.check(database=database, replica=url)
    done = run("check", "--replica", database, url=database)
    assert done.returncode == 4
    assert "no standby" in done.stderr
    assert value(database, "select count(*) from trueup.check_runs") == 0


def test_a_standby_of_another_cluster_is_refused(standby: servers.Postgres) -> None:
    with (
        server.temporary(binaries=standby.binaries) as other,
        session(other.url(), "test") as primary,
        pytest.raises(DatabaseError, match="a standby of another cluster"),
        snapshots.standby(primary, standby.admin_url),
    ):
        pass


def test_the_runner_role_may(database: str, replica: str, standby: servers.Postgres) -> None:
    """Neither superuser nor replication is needed, on either side."""
    login = f"nightly_{value(database, 'select current_database()')}"
    sql(database, f"create role {login} login in role trueup_runner")
    try:
        eventually(lambda: caught_up(database, standby))
        there, here = (url.replace("postgres@", f"{login}@", 1) for url in (replica, database))
        checked = trueup.check(database=here, replica=there, jobs=2)
        assert {r.outcome for r in checked.results} == {"complete"}
    finally:
        sql(database, f"drop role {login}")
