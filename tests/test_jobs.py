"""How a run reads: several connections on one snapshot, limits, one scan for all counts, and what it imports."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import nan
from typing import Any

import psycopg
import pytest
from helpers import TRUEUP, eventually, launch, plant, run, sql, value

import trueup
from trueup import packs
from trueup.errors import UsageError
from trueup.evaluation import _Count, _counts, _expected_ms, _Task, evaluate
from trueup.model import Result, Run, silent
from trueup.store import session

SLOW, OTHER = "call_made_without_appointment", "call_backlink_missing"
FAULTS = """
select factory.company(1);
select factory.call(id => i, appointment_made => true, session_outcome => 'appointment_rescheduled')
from generate_series(1, 5) as i;
select factory.call(id => 6, call_type => null)
"""
ALERTS = """
select al.alert_type, al.entity_id, al.status, al.occurrences
from trueup.data_consistency_alerts as al
order by al.alert_type, al.entity_id
"""


def result(checked: Run, name: str) -> Result:
    return next(item for item in checked.results if item.name == name)


def replace_view(
    url: str, name: str, description: str, more: str = "", evidence: str = "'{}'::jsonb"
) -> None:
    sql(
        url,
        f"""
        create or replace view trueup.{name} as
        select null::bigint as company_id, 'call' as entity_type, 1::bigint as entity_id,
               {description} as description, {evidence} as evidence
        {more}
        """,
    )


@contextmanager
def ended_by_force(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Give a process that may hang."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def facts(checked: Run) -> list[tuple[Any, ...]]:
    return [(r.name, r.outcome, r.violations, r.rows_tested, r.opened, r.examples) for r in checked.results]


def test_many_connections_find_what_one_finds(database: str) -> None:
    plant(database, FAULTS)
    several = trueup.check(database=database, jobs=3)
    filed = sql(database, ALERTS)
    sql(database, "delete from trueup.data_consistency_alerts")
    one = trueup.check(database=database)
    assert facts(several) == facts(one)
    assert several.rates == one.rates
    assert filed == sql(database, ALERTS)
    assert {r.outcome for r in one.results} == {"complete"}
    assert result(one, SLOW).violations == 5


def test_all_connections_see_one_snapshot(database: str) -> None:
    for name in (SLOW, OTHER):
        replace_view(
            database,
            name,
            "pg_current_snapshot()::text",
            "from (select pg_sleep(0.5)) as s",
            "jsonb_build_object('pid', pg_backend_pid(), 'rows', (select count(*) from public.companies))",
        )
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(database, autocommit=True) as writer:
            while not over.is_set():
                writer.execute("insert into public.companies (name) values ('Salon')")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        checked = trueup.check([SLOW, OTHER], database=database, jobs=2)
    finally:
        over.set()
        thread.join()
    first, second = (result(checked, name).examples[0] for name in (SLOW, OTHER))
    assert first.description == second.description
    assert first.evidence is not None
    assert second.evidence is not None
    assert first.evidence["pid"] != second.evidence["pid"]
    assert first.evidence["rows"] == second.evidence["rows"]


def test_a_connection_that_dies_fails_its_check_alone(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    replace_view(database, SLOW, "pg_terminate_backend(pg_backend_pid())::text || pg_sleep(5)")
    checked = trueup.check(database=database, jobs=2)
    lost = result(checked, SLOW)
    assert (lost.outcome, lost.violations) == ("error", 0)
    assert "the connection that evaluated it was lost" in (lost.error or "")
    assert {r.outcome for r in checked.results if r.name != SLOW} == {"complete"}
    assert checked.exit_code("never") == 3
    assert {row[2] for row in sql(database, ALERTS)} == {"open"}


def test_the_filing_session_that_dies_ends_the_run(database: str) -> None:
    replace_view(database, SLOW, "pg_terminate_backend(pg_backend_pid())::text || pg_sleep(5)")
    with pytest.raises(trueup.errors.DatabaseError, match="the connection was lost"):
        trueup.check(database=database)


def test_the_longest_check_begins_first(database: str) -> None:
    names = [check.name for check in packs.load().checks if check.population.startswith("calls where")]
    last = names[-1]
    trueup.check(database=database)
    sql(database, "update trueup.check_results set duration_ms = 1000000 where check_name = %s", last)
    for name in names:
        sql(database, f"drop view trueup.{name} cascade")
        replace_view(database, name, "clock_timestamp()::text")
    checked = trueup.check(names, database=database, jobs=2, examples=1)
    begun = {r.name: r.examples[0].description for r in checked.results}
    assert sorted(names, key=lambda name: begun[name]).index(last) < 4


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_ends_all_connections(database: str, jobs: str) -> None:
    for name in (SLOW, OTHER):
        replace_view(database, name, "'x'", "from (select pg_sleep(60)) as s")
    runner = launch("check", SLOW, OTHER, "--jobs", jobs, url=database)
    sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
    eventually(lambda: value(database, sleeping) == int(jobs))
    runner.send_signal(signal.SIGINT)
    _, said = runner.communicate(timeout=20)
    assert runner.returncode == 130
    assert "interrupted" in said
    eventually(
        lambda: (
            value(database, "select count(*) from pg_stat_activity where application_name like 'trueup %%'")
            == 0
        )
    )
    assert sql(database, "select cr.status from trueup.check_runs as cr") == [("failed",)]


def test_many_violations_pass_through(database: str) -> None:
    sql(
        database,
        f"""
        create or replace view trueup.{SLOW} as
        select null::bigint as company_id, 'call' as entity_type, i::bigint as entity_id,
               repeat('☃\n\t\\', 20) || i as description, jsonb_build_object('i', i) as evidence
        from generate_series(1, 30000) as i
        """,
    )
    checked = trueup.check([SLOW], database=database, jobs=2, max_alerts=50000)
    assert (checked.violations, checked.results[0].opened) == (30000, 30000)
    text = "select al.description, al.metadata from trueup.data_consistency_alerts as al where al.entity_id = '77'"
    assert sql(database, text) == [("☃\n\t\\" * 20 + "77", {"i": 77})]


def test_a_check_may_have_a_limit_of_its_own(database: str) -> None:
    replace_view(database, SLOW, "'x'", "from (select pg_sleep(0.5)) as s")
    replace_view(database, OTHER, "'x'", "from (select pg_sleep(30)) as s")
    sql(database, "update trueup.checks set statement_timeout = '1 minute' where name = %s", SLOW)
    sql(database, "update trueup.checks set statement_timeout = '200 ms' where name = %s", OTHER)
    checked = trueup.check([SLOW, OTHER], database=database, timeout="100ms")
    assert result(checked, SLOW).outcome == "complete"
    assert result(checked, OTHER).error == "did not finish within 00:00:00.2"
    trueup.migrate(database=database)
    kept = "select ch.statement_timeout::text from trueup.checks as ch where ch.name = %s"
    assert value(database, kept, OTHER) == "00:00:00.2"
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(database, "update trueup.checks set statement_timeout = '0' where name = %s", SLOW)


@pytest.mark.parametrize(("own", "outcome"), [("1 minute", "complete"), ("100 ms", "timeout")])
def test_a_population_is_counted_as_patiently_as_its_check_is_read(
    database: str, own: str, outcome: str
) -> None:
    plant(database, FAULTS)
    loaded = packs.load().checks
    [check] = [
        replace(check, population="calls where pg_sleep(0.05) is not null")
        for check in loaded
        if check.name == SLOW
    ]
    sql(database, "update trueup.checks set statement_timeout = %s where name = %s", own, SLOW)
    with session(database, "test") as connection:
        _, [counted] = evaluate(connection, [check], timeout="200ms", progress=silent)
        assert counted.outcome == outcome
        _, [counted] = evaluate(connection, [check], timeout="0", progress=silent)
        assert counted.outcome == "complete"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_table_that_the_role_may_not_name_fails_its_check_alone(database: str, jobs: int) -> None:
    sql(
        database,
        "create schema hidden; create table hidden.things (id bigint primary key, company_id bigint)",
    )
    checks = [
        replace(check, population="hidden.things") if check.name == SLOW else check
        for check in packs.load().checks
        if check.name in (SLOW, OTHER)
    ]
    # what a check took is known from its last run
    trueup.check([SLOW, OTHER], database=database)
    with session(database + "&options=-crole%3Dtrueup_runner", "test") as connection:
        _, results = evaluate(connection, checks, timeout="1min", progress=silent, jobs=jobs)
    assert {r.name: r.error for r in results} == {SLOW: "permission denied for schema hidden", OTHER: None}


def test_rows_are_estimated_once_for_each_partition(database: str) -> None:
    sql(
        database,
        """
        create table public.big (id bigint, d integer) partition by list (d);
        create table public.big_1 partition of public.big for values in (1);
        create table public.big_2 partition of public.big for values in (2) partition by list (id);
        create table public.big_2_rest partition of public.big_2 default;
        insert into public.big select i, 1 + i % 2 from generate_series(1, 1000) as i;
        analyze public.big;
        create table public.fresh (id bigint) with (autovacuum_enabled = off);
        create table "Odd ""name" as select i from generate_series(1, 7) as i;
        analyze "Odd ""name";
        """,
    )
    names = ["public.big", "public.fresh", '"Odd ""name"', "public.gone", "public.big_2"]
    with session(database, "test") as connection:
        assert connection.values("estimated_rows", names=names) == [1000, None, 7, None, 500]


def test_scans_are_expected_to_take_as_long_as_the_longest_view(database: str) -> None:
    sql(
        database,
        """
        create table public.big as select i from generate_series(1, 600) as i;
        create table public.small as select i from generate_series(1, 200) as i;
        create table public.fresh (id bigint) with (autovacuum_enabled = off);
        analyze public.big;
        analyze public.small;
        """,
    )
    counts = [
        _Count("public.big", ("i > 1", "i > 2", "i > 3")),
        _Count("public.small", ("true",)),
        _Count("public.fresh", ("true",)),
    ]
    views = [_Task((), "0", lambda _: None, ms) for ms in (7.0, 1000.0, None)]
    with session(database, "test") as connection:
        assert _expected_ms(connection, counts, views) == [900, 100, None]
        # nothing to go by
        assert _expected_ms(connection, counts, views[2:]) == [None, None, None]


def test_a_lock_of_a_partition_that_no_check_is_about_keeps_nobody_waiting(database: str) -> None:
    sql(
        database,
        "create table public.log (d integer) partition by range (d);"
        "create table public.log_1 partition of public.log for values from (0) to (10)",
    )
    with psycopg.connect(database) as other:
        other.execute("lock table public.log_1 in access exclusive mode")
        with ended_by_force(launch("check", SLOW, "--jobs", "2", url=database)) as waiting:
            waiting.communicate(timeout=30)
    assert waiting.returncode == 0


@pytest.mark.one_server
def test_a_table_that_others_hold_costs_a_run_the_time_of_a_check(database: str) -> None:
    with psycopg.connect(database) as other:
        other.execute("lock table public.calls in access exclusive mode")
        with ended_by_force(launch("check", "--timeout", "50ms", url=database)) as waiting:
            waiting.communicate(timeout=120)
    assert waiting.returncode == 3
    assert trueup.check(database=database).exit_code("never") == 0


def test_a_statement_that_somebody_cancels_is_no_timeout(database: str) -> None:
    replace_view(database, SLOW, "'x'", "from (select pg_sleep(60)) as s")
    found: list[Run] = []
    running = threading.Thread(target=lambda: found.append(trueup.check([SLOW, OTHER], database=database)))
    running.start()
    cancelled = (
        "select count(pg_cancel_backend(a.pid)) from pg_stat_activity as a "
        "where a.datname = current_database() and a.wait_event = 'PgSleep'"
    )
    eventually(lambda: value(database, cancelled) > 0)
    running.join()
    assert (result(found[0], SLOW).outcome, result(found[0], OTHER).outcome) == ("error", "complete")
    assert result(found[0], SLOW).error == "canceling statement due to user request"


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated"), (signal.SIGHUP, "terminated")],
)
def test_a_run_that_is_told_to_end_has_failed(database: str, number: int, said: str) -> None:
    replace_view(database, SLOW, "'x'", "from (select pg_sleep(60)) as s")
    runner = launch("check", SLOW, url=database)
    eventually(
        lambda: value(database, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") > 0
    )
    runner.send_signal(number)
    runner.communicate(timeout=30)
    assert runner.returncode == 128 + number
    last = "select cr.status, cr.error from trueup.check_runs as cr order by cr.id desc limit 1"
    assert sql(database, last) == [("failed", said)]


@pytest.mark.one_server
def test_nohup_keeps_a_run_from_the_end_of_its_terminal(database: str) -> None:
    replace_view(database, SLOW, "'x'", "from (select pg_sleep(2)) as s")
    runner = subprocess.Popen(
        ["nohup", TRUEUP, "check", SLOW, "--database", database],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(
        lambda: value(database, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") > 0
    )
    runner.send_signal(signal.SIGHUP)
    assert runner.wait(30) >= 0
    assert value(database, "select status from trueup.check_runs") == "complete"


@pytest.mark.one_server
@pytest.mark.parametrize(
    "options",
    [
        ("check", "--replica", ""),
        ("check", "--replica-wait", "inf"),
        ("check", "--max-alerts", "99999999999999999999"),
        ("check", "--examples", "99999999999999999999"),
        ("explain", SLOW, "--entities", "99999999999999999999"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_before_anything_is_read(
    database: str, options: tuple[str, ...]
) -> None:
    before = value(database, "select count(*) from trueup.check_runs")
    assert run(*options, url=database).returncode == 2
    assert value(database, "select count(*) from trueup.check_runs") == before


@pytest.mark.parametrize("given", [{"max_alerts": -1}, {"examples": -1}])
def test_a_program_cannot_ask_for_less_than_nothing(given: dict[str, Any]) -> None:
    (name,) = given
    for checked in (trueup.check, trueup.check_changed):
        with pytest.raises(UsageError, match=f"{name}=-1: it is 0 or more"):
            checked(database="postgresql://nobody@127.0.0.1:1/none", **given)


@pytest.mark.parametrize("given", [{"jobs": 0}, {"replica_wait": -1}, {"replica_wait": nan}])
def test_a_full_run_needs_a_connection_and_waits_no_negative_time(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"it is [01] or more"):
        trueup.check(database="postgresql://nobody@127.0.0.1:1/none", **given)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_population_that_cannot_be_counted_fails_its_check_alone(database: str, jobs: int) -> None:
    plant(database, FAULTS)
    checks = [
        replace(check, population="calls where 1 / (id - id) = 1") if check.name == SLOW else check
        for check in packs.load().checks
    ]
    with session(database, "test") as connection:
        _, results = evaluate(connection, checks, timeout="1min", progress=silent, jobs=jobs)
        left = connection.tuples("select distinct v.check_name from pg_temp.trueup_violations as v")
    failed = [(r.name, r.outcome, r.error, r.violations) for r in results if r.outcome != "complete"]
    assert failed == [(SLOW, "error", "division by zero", 0)]
    assert (SLOW,) not in left
    typed = next(r for r in results if r.name == "call_type_missing")
    assert (typed.rows_tested, typed.violations) == (6, 1)


def test_a_table_is_read_once_for_all_its_counts() -> None:
    loaded = packs.load()
    tables = {population.table for check in loaded.checks for population in check.populations}
    counts = _counts(list(loaded.checks), [])
    assert sorted(count.table for count in counts) == sorted(tables)


PROBE = """
import atexit, sys
heavy = ("alembic", "sqlalchemy", "jinja2", "mako")
atexit.register(lambda: sys.stderr.write("heavy: " + " ".join(n for n in heavy if n in sys.modules) + "\\n"))
from trueup.cli import main
main(sys.argv[1:])
"""


def imported(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


def test_help_imports_nothing_heavy() -> None:
    assert imported("--help") == "heavy: "
    assert imported("check", "--help") == "heavy: "


@pytest.mark.one_server
@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif", "prometheus"])
def test_a_check_imports_nothing_heavy(database: str, form: str) -> None:
    assert imported("check", "--database", database, "--format", form) == "heavy: "
