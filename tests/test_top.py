"""The live view: what it shows, at any size, and how it begins and ends on a real terminal."""

from __future__ import annotations

import json
import re
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from helpers import eventually, run, sql
from rows import factory, queue
from terminal import ENTERED, LEFT, Terminal

import trueup
from trueup.cli_top import ORDERS, drawn
from trueup.errors import TrueupError
from trueup.operating.top import (
    Alerts,
    CircuitLine,
    Facts,
    Frame,
    JobLine,
    LockLine,
    RunLine,
    RunnerLine,
    Watch,
)

pytestmark = pytest.mark.one_server

NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
AN_ALERT = (
    "insert into trueup.data_consistency_alerts (alert_type, severity, entity_type, entity_id, description)"
    " values ('payment_lost', 'critical', 'call', %s, 'x')"
)


def full(size: int, nasty: str = "") -> Frame:
    """Return a frame with `size` of everything."""
    return Frame(
        Facts("shop", "18.1", NOW, True, 1, 1, 1, 1, NOW - timedelta(hours=5), 3, NOW, Decimal("99.98")),
        tuple(Alerts(f"check_{n}{nasty}", "warning", n) for n in range(size)),
        tuple(RunLine(n, "full", "failed", NOW, None, 61, 1, 2, 3, 4) for n in range(size)),
        tuple(CircuitLine(f"key_{n}{nasty}", "open", "automatic", 3, NOW) for n in range(size)),
        tuple(JobLine(f"job_{n}", NOW, "running", NOW, 3.0) for n in range(size)),
        tuple(RunnerLine(f"host_{n}", n, "1.0", 100.0) for n in range(size)),
        tuple(LockLine(n, "ann", nasty, "public.calls", "ShareLock", 5.0, [7]) for n in range(size)),
    )


@pytest.mark.parametrize("size", [0, 1, 40])
@pytest.mark.parametrize(("height", "width"), [(24, 80), (12, 60), (5, 20), (60, 250), (24, 150)])
def test_a_frame_fits_any_terminal(size: int, height: int, width: int) -> None:
    lines = drawn(full(size), full(size), width=width, height=height, trouble="lost")
    assert len(lines) <= height
    assert lines[0].plain.startswith("trueup top")


def test_every_part_is_seen_on_a_small_terminal() -> None:
    text = "\n".join(line.plain for line in drawn(full(40), full(1), width=80, height=40))
    for title in ("ALERTS", "RUNS", "WAITING", "CIRCUITS", "RUNNERS", "JOBS"):
        assert re.search(rf"^{title}.*\n  \S*\s*\S", text, re.M), title
    assert text.count("more") == 6
    assert "780 warning (+780)" in text, "change since the first frame"


def test_nothing_steers_the_terminal_and_orders_differ() -> None:
    nasty = "\x1b[2J\x07\n[bold]x[/bold]"
    lines = drawn(full(3, nasty), full(3, nasty), width=200, height=None)
    text = "\n".join(line.plain for line in lines)
    assert "\x1b" not in text
    assert "[bold]x[/bold]" in text
    now, first = full(3), full(0)
    orders = {
        order: [line.plain for line in drawn(now, first, width=80, height=None, order=order)]
        for order in ORDERS
    }
    assert "check_2" in orders["number"][5]
    assert "ALERTS by change" in orders["change"][4]


def test_one_look_in_a_pipe(database: str) -> None:
    with factory(database) as db:
        queue(db, "something", "1")
        # late, but snoozed: that is not overdue
        db.execute(
            "update trueup.manual_review_queue"
            " set due_at = now() - interval '1 hour', snoozed_until = now() + interval '1 hour'"
        )
        db.execute(AN_ALERT, ("1",))
        db.execute(
            "insert into trueup.circuit_breaker_states (service_key, mode) values ('calendar', 'force_closed')"
        )
    trueup.check(["call_backlink_missing"], database=database)
    done = run("top", "--once", url=database, COLUMNS="")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "open alerts  1 critical   0 warning   0 info" in done.stdout
    assert "queue        1 waiting, 0 held, 0 overdue, 1 snoozed, the oldest" in done.stdout
    assert re.search(r"critical  payment_lost +1$", done.stdout, re.M)
    assert re.search(r"1  selected  complete", done.stdout)
    assert re.search(r"calendar +closed +force_closed", done.stdout)
    frame = json.loads(run("top", "--once", "--format", "json", url=database).stdout)
    assert frame["alerts"] == [{"check_name": "payment_lost", "severity": "critical", "alerts": 1}]
    refused = run("top", url=database)
    assert (refused.returncode, "--once prints one look" in refused.stderr) == (2, True)


def test_it_is_for_databases_with_trueup(empty_database: str) -> None:
    done = run("top", "--once", url=empty_database)
    assert (done.returncode, "this is not a trueup database" in done.stderr) == (4, True)


def test_who_waits_for_a_lock_is_seen_and_top_waits_for_nobody(database: str) -> None:
    with factory(database) as db:
        db.execute("select factory.call(id => 1)")
    with (
        closing(Watch(database)) as watch,
        psycopg.connect(database) as holder,
        psycopg.connect(database, autocommit=True) as waiter,
    ):
        holder.execute("select 1 from public.calls where id = 1 for update")
        thread = threading.Thread(
            target=lambda: waiter.execute("update public.calls set status = 'ended' where id = 1")
        )
        thread.start()
        try:
            eventually(lambda: bool(watch.look().locks))
            (lock,) = watch.look().locks
        finally:
            holder.rollback()
            thread.join()
        assert (lock.pid, lock.relation, lock.blockers) == (
            waiter.info.backend_pid, "calls", [holder.info.backend_pid],
        )  # fmt: skip
        assert watch.look().locks == ()
        holder.execute("lock table trueup.data_consistency_alerts in access exclusive mode")
        with pytest.raises(TrueupError, match="a lock was not granted in time"):
            watch.look()
        holder.rollback()
        assert watch.look().alerts == ()


def test_jobs_and_runners_where_there_is_a_scheduler(database: str) -> None:
    with closing(Watch(database)) as watch:
        assert watch.look().runners == ()
    sql(
        database,
        "insert into trueup.jobs (name, does, schedule, timeout, due_at) values ('changes', 'changed', 'x', '1 min', now());"
        " with r as (insert into trueup.runners (host, pid, version, application, silent_after, heartbeat_at)"
        " values ('db1', 7, '1.0', 'x', '1 min', clock_timestamp() - interval '10 min') returning id)"
        " insert into trueup.job_runs (job, slot, runner_id, deadline_at, outcome, finished_at)"
        # an earlier slot that ran later is the newest run
        " select 'changes', timestamptz '2026-01-01', r.id, clock_timestamp(), 'done', clock_timestamp() from r"
        " union all select 'changes', timestamptz '2025-12-31', r.id, clock_timestamp(), 'running', null from r",
    )
    text = run("top", "--once", url=database).stdout
    assert re.search(r"^  changes +running +slot", text, re.M)
    assert re.search(r"^  db1:7 +1\.0 +heard of 10 min ago$", text, re.M)

    # however many died, the one that is up is seen
    sql(
        database,
        "insert into trueup.runners (host, pid, version, application, silent_after, heartbeat_at)"
        " select 'dead', i, '1.0', 'x', interval '1 min', clock_timestamp() - interval '2 hours'"
        " from generate_series(1, 60) as i"
        " union all select 'alive', 1, '1.0', 'x', interval '1 min', clock_timestamp()",
    )
    assert re.search(r"^  alive:1 +1\.0", run("top", "--once", url=database).stdout, re.M)


def test_it_draws_resizes_and_ends(database: str) -> None:
    with factory(database) as db, Terminal("top", "--every", "0.5s", url=database) as terminal:
        terminal.until("open alerts  0 critical")
        assert ENTERED in terminal.raw
        db.execute(AN_ALERT, ("1",))
        terminal.until("1 critical (+1)")
        terminal.press("s")
        terminal.until("ALERTS by number")
        terminal.press("p")
        terminal.until("paused")
        db.execute(AN_ALERT, ("2",))
        before = len(terminal.raw)
        terminal.resize(30, 150)
        terminal.until("paused")
        assert "q ends, p pauses, s sorts" in terminal.raw[before:]
        terminal.press("p")
        terminal.until("2 critical (+2)")
        terminal.press("q")
        assert terminal.end() == 0
        assert LEFT in terminal.raw


def test_it_survives_a_lost_connection_and_ends_on_an_interrupt(database: str) -> None:
    with factory(database) as db, Terminal("top", "--every", "0.5s", url=database, NO_COLOR="1") as terminal:
        terminal.until("open alerts  0 critical")
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'trueup top' and datname = current_database()"
        )
        terminal.until("as it was; trying again: the connection was lost")
        db.execute(AN_ALERT, ("1",))
        terminal.until("1 critical (+1)")
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.raw), "no colour was asked for"
        terminal.press("\x03")
        assert terminal.end() == 0
