"""The circuit breaker: every transition, alone and at once, against a model, and from Python."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from helpers import connected, run, sql, value
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from psycopg.rows import dict_row

import trueup
from trueup.circuit import AsyncCircuit, Circuit, Verdict
from trueup.errors import CircuitOpenError, RefusedError, UsageError

KEY = "appointment_booking:service:7"
MATTERS = "current_state, failure_count, success_count, epoch, mode"


class RefusalError(Exception):
    """The provider says that the slot is taken."""


class Pool:
    """Lends connections in turn; those who come when all are lent wait."""

    def __init__(self, url: str, size: int = 1) -> None:
        self.free: queue.Queue[psycopg.Connection[Any]] = queue.Queue()
        self.all = [psycopg.connect(url) for _ in range(size)]
        for connection in self.all:
            self.free.put(connection)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self.free.get()
        try:
            with connection.transaction():
                yield connection
        finally:
            self.free.put(connection)

    def close(self) -> None:
        for connection in self.all:
            connection.close()


@pytest.fixture
def pool(database: str) -> Iterator[Pool]:
    made = Pool(database)
    yield made
    made.close()


class Unreachable:
    """A pool whose server is away until it is told otherwise."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_away = True

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        url = "host=/nowhere dbname=x" if self.is_away else self.url
        with psycopg.connect(url, connect_timeout=2) as connection:
            yield connection

    @asynccontextmanager
    async def connections(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with await psycopg.AsyncConnection.connect("host=/nowhere dbname=x") as connection:
            yield connection


def one(url: str, text: str, *parameters: Any) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        row = connection.execute(text.encode(), parameters or None).fetchone()
    assert row is not None
    return row


def allow(url: str, key: str = KEY) -> dict[str, Any]:
    return one(url, "select * from trueup.circuit_allow(%s)", key)


def report(url: str, permit: str, outcome: str, seconds: float = 0, who: str = "a") -> dict[str, Any]:
    return one(
        url,
        "select * from trueup.circuit_report(%s, %s, make_interval(secs => %s), %s)",
        permit,
        outcome,
        seconds,
        who,
    )


def call(url: str, outcome: str, seconds: float = 0, who: str = "a", key: str = KEY) -> dict[str, Any]:
    permit = allow(url, key)["permit"]
    assert permit is not None
    return report(url, permit, outcome, seconds, who)


def state(url: str) -> dict[str, Any]:
    return one(url, "select * from trueup.circuit_breaker_states where service_key = %s", KEY)


def events(url: str) -> list[tuple[Any, ...]]:
    return sql(url, "select old_state, new_state from trueup.circuit_breaker_events order by id")


AGE = """
update trueup.circuit_breaker_states
set open_until = open_until - s.back, probe_expires_at = probe_expires_at - s.back,
    opened_at = opened_at - s.back, state_changed_at = state_changed_at - s.back
from (select make_interval(secs => %(seconds)s) as back) as s
where service_key = %(key)s
"""
AGE_METRICS = """
update trueup.circuit_breaker_metrics
set happened_at = happened_at - make_interval(secs => %(seconds)s)
where service_key = %(key)s
"""


def later(url: str, seconds: float, key: str = KEY) -> None:
    """Let time pass: for the circuit everything is longer ago now."""
    with psycopg.connect(url, autocommit=True) as connection:
        for text in (AGE, AGE_METRICS):
            connection.execute(text.encode(), {"seconds": seconds, "key": key})


def rules(url: str, key: str = KEY, **numbers: Any) -> None:
    """Let a circuit differ from the settings."""
    names = ", ".join(numbers)
    holders = ", ".join(["%s"] * len(numbers))
    sql(
        url,
        f"insert into trueup.circuit_breaker_settings (service_key, {names}) values (%s, {holders})",
        key,
        *numbers.values(),
    )


def opened(url: str) -> None:
    for _ in range(3):
        call(url, "failure")
    assert state(url)["current_state"] == "open"


def half_open(url: str) -> str:
    """Open a circuit, let its time pass, and return the permit of the probe."""
    opened(url)
    later(url, 31)
    found = allow(url)
    assert (found["state"], found["reason"]) == ("half_open", "probe")
    return str(found["permit"])


# closed


def test_a_circuit_never_heard_of_is_closed_and_leaves_nothing(database: str) -> None:
    found = allow(database)
    assert (found["allowed"], found["state"], found["epoch"], found["retry_at"]) == (True, "closed", 0, None)
    assert value(database, "select count(*) from trueup.circuit_breaker_states") == 0
    assert value(database, "select count(*) from trueup.circuit_breaker_metrics") == 0


def test_a_closed_circuit_answers_in_a_read_only_transaction(database: str) -> None:
    call(database, "failure")
    with psycopg.connect(database) as connection:
        connection.read_only = True
        row = connection.execute("select allowed from trueup.circuit_allow(%s)", (KEY,)).fetchone()
    assert row == (True,)


def test_successes_write_no_state(database: str) -> None:
    assert call(database, "success") == {"counted": True, "state": "closed", "epoch": 0}
    assert value(database, "select count(*) from trueup.circuit_breaker_states") == 0
    call(database, "failure")
    call(database, "success")
    before = state(database)
    ctid = "select ctid::text from trueup.circuit_breaker_states"
    where = value(database, ctid)
    call(database, "success")
    assert state(database) == before
    assert value(database, ctid) == where


def test_three_failures_in_a_row_open(database: str) -> None:
    for outcome in ("failure", "failure", "success", "failure", "failure"):
        assert call(database, outcome)["state"] == "closed"
    assert call(database, "failure") == {"counted": True, "state": "open", "epoch": 1}
    assert events(database) == [("closed", "open")]
    found = allow(database)
    assert (found["allowed"], found["permit"], found["reason"]) == (False, None, "open")
    assert timedelta(seconds=25) < found["retry_after"] <= timedelta(seconds=30)
    assert (
        value(database, "select count(*) from trueup.circuit_breaker_metrics where outcome = 'rejected'") == 1
    )


@pytest.mark.parametrize("outcome", ["refusal", "abandoned"])
def test_what_is_not_counted_is_neither_failure_nor_success(database: str, outcome: str) -> None:
    for each in ("failure", "failure", outcome):
        call(database, each)
    assert state(database)["failure_count"] == 2
    for _ in range(30):
        assert call(database, outcome)["counted"] is False
    assert state(database)["current_state"] == "closed"
    assert call(database, "failure")["state"] == "open"


def test_a_share_of_failures_opens_when_there_are_enough_calls(database: str) -> None:
    for _ in range(9):
        call(database, "failure")
        call(database, "success")
    assert state(database)["current_state"] == "closed", "18 calls have no share"
    call(database, "success")
    assert call(database, "failure")["state"] == "open"
    reason = "select reason from trueup.circuit_breaker_events"
    assert value(database, reason) == "10 of 20 calls in 00:01:00 failed or were slow"


def test_what_is_past_has_no_share(database: str) -> None:
    for _ in range(9):
        call(database, "failure")
        call(database, "success")
    later(database, 61)
    call(database, "success")
    assert call(database, "failure")["state"] == "closed"


def test_a_closed_circuit_begins_anew(database: str) -> None:
    """Calls of an epoch that is over are not judged again, however young."""
    permit = half_open(database)
    report(database, permit, "success")
    call(database, "success")
    assert state(database)["current_state"] == "closed"
    for _ in range(9):
        call(database, "failure")
        call(database, "success")
    assert call(database, "failure")["state"] == "closed"
    assert call(database, "success")["state"] == "closed"
    assert call(database, "failure")["state"] == "open"


def test_slow_calls_have_their_share_and_end_a_row_of_failures(database: str) -> None:
    call(database, "failure")
    call(database, "failure")
    call(database, "success", seconds=11)
    assert state(database)["failure_count"] == 0
    rules(database, share_calls=5, slow="1 second")
    call(database, "success", seconds=0.9)
    assert call(database, "success", seconds=1.1)["state"] == "open"
    assert state(database)["last_failure_at"] is not None


def test_a_quorum_must_have_seen_it(database: str) -> None:
    rules(database, quorum=2)
    for _ in range(5):
        assert call(database, "failure", who="a")["state"] == "closed"
    call(database, "success", who="b")
    for _ in range(3):
        assert call(database, "failure", who="a")["state"] == "closed"
    assert call(database, "failure", who="b")["state"] == "open"


def test_a_setting_governs_all_and_a_row_one(database: str) -> None:
    sql(database, "update trueup.settings set value = '1' where name = 'circuit_failures'")
    rules(database, failures=2)
    assert call(database, "failure", key="other")["state"] == "open"
    assert call(database, "failure")["state"] == "closed"
    assert call(database, "failure")["state"] == "open"


def test_without_a_number_its_rule_is_off(database: str) -> None:
    sql(database, "delete from trueup.settings where name like 'circuit%'")
    for _ in range(30):
        assert call(database, "failure")["state"] == "closed"


# open


def test_one_probe_when_the_time_is_over(database: str) -> None:
    opened(database)
    later(database, 29)
    assert not allow(database)["allowed"]
    later(database, 2)
    assert allow(database)["reason"] == "probe"
    second = allow(database)
    assert (second["allowed"], second["state"]) == (False, "half_open")
    assert second["retry_after"] <= timedelta(minutes=1)


def test_two_successful_probes_close(database: str) -> None:
    permit = half_open(database)
    assert report(database, permit, "success") == {"counted": True, "state": "half_open", "epoch": 2}
    second = allow(database)
    assert second["reason"] == "probe"
    assert second["permit"] != permit
    assert report(database, second["permit"], "success") == {"counted": True, "state": "closed", "epoch": 3}
    found = state(database)
    assert (found["failure_count"], found["success_count"], found["opened_at"]) == (0, 0, None)
    assert events(database) == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]
    assert allow(database)["allowed"]


@pytest.mark.parametrize(("outcome", "seconds"), [("failure", 0), ("success", 11)])
def test_a_bad_probe_opens_again_for_twice_as_long(database: str, outcome: str, seconds: float) -> None:
    permit = half_open(database)
    since = state(database)["opened_at"]
    for wait in (60, 120, 240, 300, 300):
        report(database, permit, outcome, seconds)
        found = state(database)
        assert found["current_state"] == "open"
        assert found["open_until"] - found["state_changed_at"] == timedelta(seconds=wait)
        assert found["opened_at"] == since, "it has not been closed since"
        later(database, wait + 1)
        since -= timedelta(seconds=wait + 1)
        permit = allow(database)["permit"]
    report(database, permit, "success")
    call(database, "success")
    for _ in range(3):
        call(database, "failure")
    found = state(database)
    assert found["open_until"] - found["state_changed_at"] == timedelta(seconds=30)


@pytest.mark.parametrize("outcome", ["refusal", "abandoned"])
def test_a_probe_that_says_nothing_goes_to_the_next_caller(database: str, outcome: str) -> None:
    permit = half_open(database)
    assert report(database, permit, outcome)["counted"] is False
    assert state(database)["current_state"] == "half_open"
    assert allow(database)["reason"] == "probe"


# permits


def test_a_probe_that_is_not_reported_is_given_again(database: str) -> None:
    permit = half_open(database)
    later(database, 61)
    second = allow(database)
    assert second["reason"] == "probe"
    assert report(database, permit, "failure")["counted"] is False, "it was given to somebody else"
    assert state(database)["current_state"] == "half_open"
    assert report(database, second["permit"], "success")["counted"] is True
    assert events(database)[-1] == ("half_open", "half_open")


def test_a_late_probe_counts_while_nobody_took_it(database: str) -> None:
    permit = half_open(database)
    later(database, 61)
    assert report(database, permit, "failure")["state"] == "open"


def test_a_killed_prober_is_followed_by_another(database: str) -> None:
    opened(database)
    later(database, 31)
    with psycopg.connect(database, autocommit=True) as prober:
        prober.execute("select * from trueup.circuit_allow(%s)", (KEY,))
        sql(database, "select pg_terminate_backend(%s)", prober.info.backend_pid)
    assert not allow(database)["allowed"]
    later(database, 61)
    assert allow(database)["reason"] == "probe"


def test_a_prober_killed_before_its_commit_took_nothing(database: str) -> None:
    opened(database)
    later(database, 31)
    with connected(database, 1) as (prober,):
        prober.execute("select * from trueup.circuit_allow(%s)", (KEY,))
        second = allow(f"{database}&options=-cstatement_timeout%3D5s")
        assert (second["allowed"], second["state"]) == (False, "open"), "refused, and not made to wait"
        sql(database, "select pg_terminate_backend(%s)", prober.info.backend_pid)
    deadline = time.monotonic() + 10
    while not allow(database)["allowed"]:
        assert time.monotonic() < deadline
    assert state(database)["epoch"] == 2


@pytest.mark.parametrize("outcome", ["success", "failure", "refusal", "abandoned"])
def test_a_late_report_changes_nothing(database: str, outcome: str) -> None:
    old = allow(database)["permit"]
    permit = half_open(database)
    before = state(database)
    assert report(database, old, outcome)["counted"] is False
    assert state(database) == before
    report(database, permit, "success")
    call(database, "success")
    before = state(database)
    for late in (old, permit):
        assert report(database, late, outcome) == {"counted": False, "state": "closed", "epoch": 3}
    assert state(database) == before
    kept = "select count(*) from trueup.circuit_breaker_metrics where outcome = %s and epoch < 3"
    assert value(database, kept, outcome) >= 2


def test_a_probe_is_reported_once(database: str) -> None:
    permit = half_open(database)
    assert report(database, permit, "success")["counted"] is True
    assert report(database, permit, "success")["counted"] is False
    assert state(database)["current_state"] == "half_open"


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("select trueup.circuit_allow(null)", "a circuit needs a key"),
        ("select trueup.circuit_allow(' ')", "a circuit needs a key"),
        ("select trueup.circuit_report(null, 'success')", "this is no permit of a circuit: null"),
        ("select trueup.circuit_report('k', 'success')", "this is no permit"),
        ("select trueup.circuit_report('0.x.k', 'success')", "this is no permit"),
        ("select trueup.circuit_report('99999999999999999999..k', 'success')", "this is no permit"),
        ("select trueup.circuit_report('0..k', 'well')", 'circuit k: a call has no outcome "well"'),
        ("select trueup.circuit_report('0..k', null)", "circuit k: a call has no outcome null"),
        ("select trueup.circuit_report('0..k', 'rejected')", "no outcome"),
        ("select trueup.circuit_report('0..k', 'success', '-1 s')", "circuit k: a call cannot last"),
        ("select trueup.set_circuit_mode('', 'shadow')", "a circuit needs a key"),
        ("select trueup.set_circuit_mode('k', 'closed')", 'a circuit has no mode "closed"'),
        ("select trueup.set_circuit_mode('k', null)", "a circuit has no mode null"),
    ],
)
def test_bad_input_is_one_clear_error(database: str, statement: str, says: str) -> None:
    with pytest.raises(psycopg.Error, match=says) as refused:
        sql(database, statement)
    assert refused.value.sqlstate == "TU501"
    assert value(database, "select count(*) from trueup.circuit_breaker_metrics") == 0


@pytest.mark.parametrize("key", ["a.b.c", "1..2", "x'y\"z", "%s %%", "Größe ✓", "a\nb", "k" * 500])
def test_a_key_is_any_text(database: str, key: str) -> None:
    for _ in range(3):
        call(database, "failure", key=key)
    assert not allow(database, key)["allowed"]


# orders


def order(url: str, mode: str, reason: str | None = None) -> dict[str, Any]:
    return one(url, "select * from trueup.set_circuit_mode(%s, %s, %s, 'ann')", KEY, mode, reason)


def test_forced_open_allows_nothing_until_it_is_ordered_otherwise(database: str) -> None:
    permit = allow(database)["permit"]
    order(database, "force_open", "provider moves house")
    later(database, 100_000)
    found = allow(database)
    assert (found["allowed"], found["state"], found["reason"]) == (False, "open", "forced open")
    assert (found["retry_at"], found["retry_after"]) == (None, None)
    assert report(database, permit, "success")["counted"] is False
    assert order(database, "automatic")["current_state"] == "closed"
    assert allow(database)["allowed"]


def test_forced_closed_allows_everything(database: str) -> None:
    opened(database)
    order(database, "force_closed")
    for _ in range(5):
        assert call(database, "failure")["counted"] is False
    assert allow(database)["reason"] == "forced closed"
    order(database, "automatic")
    assert call(database, "failure")["state"] == "closed", "what was reported meanwhile is no row"


def test_a_shadow_decides_and_refuses_nothing(database: str) -> None:
    order(database, "shadow")
    opened(database)
    found = allow(database)
    assert (found["allowed"], found["state"], found["reason"]) == (True, "open", "open")
    assert report(database, found["permit"], "success")["counted"] is False, "it would not have been made"
    assert (
        value(database, "select count(*) from trueup.circuit_breaker_metrics where outcome = 'rejected'") == 1
    )
    later(database, 31)
    probe = allow(database)
    assert probe["reason"] == "probe"
    assert allow(database)["allowed"]
    report(database, probe["permit"], "success")
    assert call(database, "success")["state"] == "closed"
    assert events(database)[1:] == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


def test_a_shadow_that_becomes_real_stays_open(database: str) -> None:
    order(database, "shadow")
    opened(database)
    order(database, "automatic")
    assert not allow(database)["allowed"]


def test_an_order_twice_is_one_order(database: str) -> None:
    first = order(database, "force_open", "first")
    assert order(database, "force_open", "second") == first
    assert events(database) == [("closed", "open")]
    told = sql(database, "select reason, actor from trueup.circuit_breaker_events")
    assert told == [("mode force_open, not automatic: first", "ann")]


# at once


def at_once(url: str, count: int, work: Callable[[psycopg.Connection[Any], int], Any]) -> list[Any]:
    """Let sessions do something at the same moment; return what each did."""
    barrier = threading.Barrier(count)
    found: list[Any] = [None] * count

    def session(number: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("select 1")
            barrier.wait()
            found[number] = work(connection, number)

    threads = [threading.Thread(target=session, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def reporting(permits: list[str], outcome: str) -> Callable[[psycopg.Connection[Any], int], Any]:
    def work(connection: psycopg.Connection[Any], number: int) -> Any:
        return connection.execute(
            "select counted from trueup.circuit_report(%s, %s)", (permits[number % len(permits)], outcome)
        ).fetchall()[0][0]

    return work


def allowing(connection: psycopg.Connection[Any], _: int) -> Any:
    return connection.execute("select reason from trueup.circuit_allow(%s)", (KEY,)).fetchall()[0][0]


ROUNDS = 8


def test_two_last_failures_at_once_open_once(database: str) -> None:
    for number in range(ROUNDS):
        sql(database, "truncate trueup.circuit_breaker_states, trueup.circuit_breaker_events")
        sql(database, "truncate trueup.circuit_breaker_metrics")
        call(database, "failure")
        call(database, "failure")
        permit = str(allow(database)["permit"])
        counted = at_once(database, 2, reporting([permit], "failure"))
        assert sorted(counted) == [False, True], number
        assert events(database) == [("closed", "open")]
        assert state(database)["failure_count"] == 3


def test_first_failures_at_once_are_all_counted(database: str) -> None:
    """Nobody has a row to lock yet."""
    for _ in range(ROUNDS):
        sql(database, "truncate trueup.circuit_breaker_states, trueup.circuit_breaker_metrics")
        permit = str(allow(database)["permit"])
        assert at_once(database, 2, reporting([permit], "failure")) == [True, True]
        assert state(database)["failure_count"] == 2


def test_a_failure_and_a_success_at_once(database: str) -> None:
    for _ in range(ROUNDS):
        sql(database, "truncate trueup.circuit_breaker_states, trueup.circuit_breaker_metrics")
        call(database, "failure")
        call(database, "failure")
        permit = str(allow(database)["permit"])

        def work(connection: psycopg.Connection[Any], number: int, permit: str = permit) -> Any:
            return reporting([permit], ("failure", "success")[number])(connection, number)

        counted = at_once(database, 2, work)
        found = state(database)
        # whoever came first: opened by the failure, or the row ended by the success
        assert (found["current_state"], found["failure_count"], counted) in [
            ("open", 3, [True, False]),
            ("closed", 1, [True, True]),
            ("open", 3, [True, True]),
        ]


def test_one_of_those_who_ask_at_once_probes(database: str) -> None:
    opened(database)
    for _ in range(ROUNDS):
        later(database, 301)
        reasons = at_once(database, 4, allowing)
        assert reasons.count("probe") == 1, reasons
        report(database, probe_permit(database), "failure")
        assert state(database)["current_state"] == "open"


def probe_permit(url: str) -> str:
    return str(
        value(
            url,
            "select epoch || '.' || probe_permit || '.' || service_key from trueup.circuit_breaker_states",
        )
    )


def test_one_of_those_who_ask_at_once_probes_after_an_expiry(database: str) -> None:
    half_open(database)
    for _ in range(ROUNDS):
        later(database, 61)
        assert at_once(database, 4, allowing).count("probe") == 1


@pytest.mark.parametrize(
    ("outcome", "ends"), [("failure", "open"), ("success", "closed"), ("refusal", "half_open")]
)
def test_a_probe_reported_twice_at_once_counts_once(database: str, outcome: str, ends: str) -> None:
    rules(database, successes=1)
    for _ in range(ROUNDS):
        sql(database, "truncate trueup.circuit_breaker_states, trueup.circuit_breaker_events")
        permit = half_open(database)
        counted = at_once(database, 2, reporting([permit], outcome))
        assert sorted(counted) == ([False, False] if outcome == "refusal" else [False, True])
        assert state(database)["current_state"] == ends
        assert len(events(database)) == (2 if outcome == "refusal" else 3)


def test_a_report_and_the_next_caller_at_once(database: str) -> None:
    """The probe is reported while somebody asks whether it has expired: one of the two has it."""
    for _ in range(ROUNDS):
        sql(database, "truncate trueup.circuit_breaker_states, trueup.circuit_breaker_events")
        permit = half_open(database)
        later(database, 61)

        def work(connection: psycopg.Connection[Any], number: int, permit: str = permit) -> Any:
            return (
                allowing(connection, number) if number else reporting([permit], "failure")(connection, number)
            )

        counted, reason = at_once(database, 2, work)
        assert state(database)["current_state"] == ("open" if counted else "half_open")
        assert (reason == "probe") is not counted


def test_orders_at_once_are_one_order(database: str) -> None:
    for mode in ("force_open", "force_closed", "shadow", "automatic"):
        before = len(events(database))

        def work(connection: psycopg.Connection[Any], _: int, mode: str = mode) -> Any:
            connection.execute("select trueup.set_circuit_mode(%s, %s)", (KEY, mode))

        at_once(database, 4, work)
        assert len(events(database)) == before + 1


def test_successes_wait_for_nobody(database: str) -> None:
    """A report in a transaction that stays open makes no other success wait."""
    call(database, "failure")
    call(database, "success")
    permit = allow(database)["permit"]
    with psycopg.connect(database) as open_one, psycopg.connect(database, autocommit=True) as other:
        other.execute("set statement_timeout = '3s'")
        for connection in (open_one, other):
            connection.execute("select * from trueup.circuit_report(%s, 'success')", (permit,))


# against a model


@dataclass
class Model:
    """The machine of DOMAIN, section 6, in a few lines, with a clock of its own."""

    quorum: int
    state: str = "closed"
    mode: str = "automatic"
    epoch: int = 0
    failures: int = 0
    successes: int = 0
    opens: int = 0
    until: float = 0
    probe: int | None = None
    expires: float = 0
    now: float = 0
    calls: list[tuple[float, int, bool, str]] = field(default_factory=list)

    FAILURES, SHARE, WINDOW, CALLS = 3, 0.5, 45, 6
    OPEN, MOST, PROBE, SUCCESSES = 32.5, 125, 25, 2

    def allow(self, number: int) -> tuple[bool, bool]:
        """Return whether the call is allowed, and whether it is the probe."""
        if self.mode in ("automatic", "shadow"):
            if self.state == "open" and self.now > self.until:
                self._move("half_open")
                self.successes = 0
            if self.state == "half_open" and (self.probe is None or self.now > self.expires):
                self.probe, self.expires = number, self.now + self.PROBE
                return True, True
        return self.state == "closed" or self.mode == "shadow", False

    def report(self, number: int, epoch: int, outcome: str, slow: bool, who: str) -> bool:
        """Return whether the report counted."""
        slow = slow and outcome == "success"
        bad = slow or outcome == "failure"
        if outcome in ("success", "failure"):
            self.calls.append((self.now, epoch, bad, who))
        if epoch != self.epoch or self.mode.startswith("force"):
            return False
        if self.state == "closed":
            if outcome == "failure":
                self.failures += 1
            elif outcome == "success":
                self.failures = 0
            if bad and self._is_enough():
                self._open()
            return outcome in ("success", "failure")
        if self.probe != number:
            return False
        self.probe = None
        if bad:
            self.failures += outcome == "failure"
            self._open()
        elif outcome == "success":
            self.successes += 1
            if self.successes >= self.SUCCESSES:
                self._move("closed")
                self.failures = self.successes = self.opens = 0
        return outcome in ("success", "failure")

    def order(self, mode: str) -> None:
        if mode == self.mode:
            return
        if mode.startswith("force") or self.mode.startswith("force"):
            self._move("open" if mode == "force_open" else "closed")
            self.failures = self.successes = self.opens = 0
            self.until, self.probe = 0, None
        self.mode = mode

    def _is_enough(self) -> bool:
        window = [each for each in self.calls if each[0] > self.now - self.WINDOW and each[1] == self.epoch]
        bad = [each for each in window if each[2]]
        if len({each[3] for each in bad}) < self.quorum:
            return False
        share = len(window) >= self.CALLS and len(bad) >= self.SHARE * len(window)
        return self.failures >= self.FAILURES or share

    def _open(self) -> None:
        self.until = self.now + min(self.OPEN * 2**self.opens, self.MOST)
        self.opens += 1
        self._move("open")

    def _move(self, state: str) -> None:
        self.state, self.epoch = state, self.epoch + 1


_keys = itertools.count()


class Machine(RuleBasedStateMachine):
    """Does the same to a circuit and to the model, and compares what both say."""

    permits = Bundle("permits")
    connection: psycopg.Connection[Any]

    @initialize(quorum=st.sampled_from([1, 1, 2]))
    def begin(self, quorum: int) -> None:
        self.key = f"key {next(_keys)}"
        self.model = Model(quorum)
        self.numbers = itertools.count()
        self.connection.execute(
            """
            insert into trueup.circuit_breaker_settings
                (service_key, failures, failure_share, share_window, share_calls, slow, open_time, open_time_most,
                 probe_time, successes, quorum)
            values (%s, 3, 0.5, '45 s', 6, '1 s', '32.5 s', '125 s', '25 s', 2, %s)
            """,
            (self.key, quorum),
        )

    @rule(target=permits)
    def allow(self) -> tuple[int, int, str | None]:
        return self._allow()

    def _allow(self) -> tuple[int, int, str | None]:
        number = next(self.numbers)
        row = self._row("select allowed, reason, epoch, permit from trueup.circuit_allow(%s)", self.key)
        assert (row[0], row[1] == "probe") == self.model.allow(number)
        assert row[2] == self.model.epoch
        return number, row[2], row[3]

    outcomes = st.sampled_from(
        ["success", "success", "failure", "failure", "failure", "refusal", "abandoned"]
    )

    @rule(permit=consumes(permits), outcome=outcomes, slow=st.booleans(), who=st.sampled_from("ab"))
    def report(self, permit: tuple[int, int, str | None], outcome: str, slow: bool, who: str) -> None:
        self._report(permit, outcome, slow, who)

    @rule(permit=permits, outcome=outcomes, who=st.sampled_from("ab"))
    def report_again(self, permit: tuple[int, int, str | None], outcome: str, who: str) -> None:
        self._report(permit, outcome, False, who)

    @rule(outcomes=st.lists(st.sampled_from(["success", "failure"]), min_size=1, max_size=8))
    def calls(self, outcomes: list[str]) -> None:
        """Make what takes many steps likely: a few calls one after the other."""
        for outcome in outcomes:
            self._report(self._allow(), outcome, False, "a")

    @rule(seconds=st.sampled_from([10, 20, 40, 80, 160]))
    def wait(self, seconds: int) -> None:
        # no sum of these comes near a limit: 25, 32.5, 45, 65 and 125 seconds
        self.model.now += seconds
        for text in (AGE, AGE_METRICS):
            self.connection.execute(text.encode(), {"seconds": seconds, "key": self.key})

    @rule(mode=st.sampled_from(["automatic", "automatic", "shadow", "force_open", "force_closed"]))
    def order(self, mode: str) -> None:
        self.connection.execute("select trueup.set_circuit_mode(%s, %s)", (self.key, mode))
        self.model.order(mode)

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "key"):
            return
        rows = self.connection.execute(
            f"select {MATTERS} from trueup.circuit_breaker_states where service_key = %s".encode(),
            (self.key,),
        ).fetchall()
        model = self.model
        expected = (model.state, model.failures, model.successes, model.epoch, model.mode)
        assert (rows[0] if rows else ("closed", 0, 0, 0, "automatic")) == expected

    def _report(self, permit: tuple[int, int, str | None], outcome: str, slow: bool, who: str) -> None:
        number, epoch, text = permit
        if text is None:
            return
        row = self._row(
            "select counted, state, epoch from trueup.circuit_report(%s, %s, make_interval(secs => %s), %s)",
            text,
            outcome,
            2 if slow else 0.5,
            who,
        )
        counted = self.model.report(number, epoch, outcome, slow, who)
        assert row == (counted, self.model.state, self.model.epoch)

    def _row(self, text: str, *parameters: Any) -> tuple[Any, ...]:
        found = self.connection.execute(text.encode(), parameters).fetchone()
        assert found is not None
        return tuple(found)


@pytest.mark.one_server
def test_the_machine_does_what_the_model_does(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        Machine.connection = connection
        run_machine(
            Machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


# from Python


def fail() -> None:
    raise TimeoutError("no answer")


@pytest.mark.one_server
def test_a_hundred_threads_probe_one_at_a_time(database: str) -> None:
    """The service fails all the while: after the opening it is called once in each half-open window."""
    rules(database, open_time="200 ms", open_time_most="200 ms")
    pool = Pool(database, 12)
    circuit = Circuit(pool, KEY, memory=0)
    made: list[Verdict] = []
    refused: list[CircuitOpenError] = []
    barrier = threading.Barrier(100)
    end = time.monotonic() + 4

    def work() -> None:
        barrier.wait()
        while time.monotonic() < end:
            try:
                with circuit.attempt() as attempt:
                    made.append(attempt.verdict)
                    fail()
            except CircuitOpenError as error:
                refused.append(error)
                time.sleep(0.02)
            except TimeoutError:
                pass

    threads = [threading.Thread(target=work) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    probes = [verdict.epoch for verdict in made if verdict.reason == "probe"]
    others = {verdict.epoch for verdict in made if verdict.reason != "probe"}
    windows = value(
        database, "select count(*) from trueup.circuit_breaker_events where new_state = 'half_open'"
    )
    assert others == {0}, "only before it opened"
    assert len(probes) == len(set(probes)) == windows
    assert windows >= 3
    assert len(refused) > len(probes)


def test_attempts_and_what_exceptions_mean(database: str, pool: Pool) -> None:
    circuit = Circuit(pool, KEY, refusals=RefusalError)

    def ends(error: BaseException | None) -> None:
        with circuit.attempt():
            if error is not None:
                raise error

    ends(None)
    for error in (RefusalError("taken"), TimeoutError("late"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            ends(error)
    with circuit.attempt() as attempt:
        attempt.refused()
    with circuit.attempt() as attempt:
        attempt.failed()
    rows = sql(
        database, "select outcome, reporter, duration_ms >= 0 from trueup.circuit_breaker_metrics order by id"
    )
    assert [row[0] for row in rows] == ["success", "refusal", "failure", "abandoned", "refusal", "failure"]
    assert len({row[1] for row in rows}) == 1
    assert all(row[2] for row in rows)


def test_a_predicate_says_what_a_refusal_is(database: str, pool: Pool) -> None:
    circuit = Circuit(pool, KEY, refusals=lambda error: "taken" in str(error))
    for text in ("taken", "gone"):
        with pytest.raises(ValueError, match=text), circuit.attempt():
            raise ValueError(text)
    assert sql(database, "select outcome from trueup.circuit_breaker_metrics order by id") == [
        ("refusal",),
        ("failure",),
    ]


def test_a_predicate_that_fails_leaves_a_failure(database: str, pool: Pool) -> None:
    circuit = Circuit(pool, KEY, refusals=lambda error: bool(1 / 0))
    with pytest.raises(ZeroDivisionError), circuit.attempt():
        fail()
    assert state(database)["failure_count"] == 1


def test_another_circuit_that_is_open_is_no_failure_of_this_one(database: str, pool: Pool) -> None:
    order(database, "force_open")
    with pytest.raises(CircuitOpenError), Circuit(pool, "outer").attempt(), Circuit(pool, KEY).attempt():
        pass
    assert ("outer", "abandoned") in sql(
        database, "select service_key, outcome from trueup.circuit_breaker_metrics"
    )


def test_the_decorator_refuses_when_open(pool: Pool) -> None:
    called = []

    @Circuit(pool, KEY)
    def book(slot: int, *, name: str = "") -> str:
        """Book a slot."""
        called.append((slot, name))
        raise TimeoutError

    for _ in range(3):
        with pytest.raises(TimeoutError):
            book(1, name="x")
    with pytest.raises(CircuitOpenError, match=f"circuit {KEY} is not closed") as refused:
        book(1)
    assert called == [(1, "x")] * 3
    assert book.__doc__ == "Book a slot."
    assert refused.value.key == KEY
    assert refused.value.retry_after is not None
    assert timedelta(0) < refused.value.retry_after <= timedelta(seconds=30)


def test_a_person_closed_it_and_no_time_is_told(database: str, pool: Pool) -> None:
    order(database, "force_open")
    with (
        pytest.raises(CircuitOpenError, match="trueup circuit show") as refused,
        Circuit(pool, KEY).attempt(),
    ):
        pass
    assert refused.value.retry_after is None


def test_a_closed_circuit_is_asked_once_a_second(database: str, pool: Pool) -> None:
    circuit = Circuit(pool, KEY, memory=5)
    assert circuit.allow().state == "closed"
    order(database, "force_open")
    assert circuit.allow().allowed, "remembered"
    time.sleep(1.1)
    assert not circuit.allow().allowed, "for a second at most"
    order(database, "automatic")
    assert circuit.allow().allowed, "that it is open is not remembered"


def test_a_failure_is_not_remembered_over(database: str, pool: Pool) -> None:
    circuit = Circuit(pool, KEY)
    for _ in range(3):
        with pytest.raises(TimeoutError), circuit.attempt():
            fail()
    with pytest.raises(CircuitOpenError), circuit.attempt():
        pass
    assert value(database, "select current_state from trueup.circuit_breaker_states") == "open"


def test_an_unreachable_store_lets_calls_through_and_counts(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Unreachable(database)
    circuit = Circuit(store, KEY)
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        with circuit.attempt() as attempt:
            assert attempt.verdict.state == "unknown"
    with pytest.raises(TimeoutError), circuit.attempt():
        fail()
    assert (circuit.failed_open, circuit.unreported) == (4, 0)
    assert len(caplog.records) == 1, "told once"
    store.is_away = False
    with circuit.attempt() as attempt:
        assert attempt.verdict.state == "closed"
        store.is_away = True
    assert (circuit.failed_open, circuit.unreported) == (4, 1)
    assert len(caplog.records) == 2, "and again when it was back in between"


def test_the_own_error_is_not_hidden_by_a_store_that_went_away(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        circuit = Circuit(connection, KEY)
        end = "select pg_terminate_backend(%s)"

        @circuit
        def book() -> None:
            sql(database, end, connection.info.backend_pid)
            fail()

        with pytest.raises(TimeoutError):
            book()
        assert circuit.unreported == 1
        assert circuit.allow().state == "unknown"


def test_a_report_does_not_join_a_transaction_that_fails(database: str, pool: Pool) -> None:
    @Circuit(pool, KEY)
    def book(connection: psycopg.Connection[Any]) -> None:
        connection.execute("insert into public.companies (name) values ('x')")
        fail()

    with pytest.raises(TimeoutError), psycopg.connect(database) as connection:
        book(connection)
    assert state(database)["failure_count"] == 1
    assert value(database, "select count(*) from public.companies") == 0
    with psycopg.connect(database) as connection, pytest.raises(UsageError, match="must be in autocommit"):
        Circuit(connection, KEY)


def test_a_bad_key_is_an_error_and_not_a_store_that_is_away(pool: Pool) -> None:
    with pytest.raises(RefusedError, match="a circuit needs a key"), Circuit(pool, " ").attempt():
        pass


def test_asynchronously(database: str) -> None:
    async def calls() -> AsyncCircuit:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            circuit = AsyncCircuit(connection, KEY, refusals=(RefusalError,))

            @circuit
            async def book(error: Exception | None) -> str:
                if error:
                    raise error
                return "booked"

            assert await book(None) == "booked"
            with pytest.raises(RefusalError):
                await book(RefusalError())
            task = asyncio.create_task(hang(circuit))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await book(TimeoutError())
            with pytest.raises(CircuitOpenError):
                await book(None)
            return circuit

    async def hang(circuit: AsyncCircuit) -> None:
        async with circuit.attempt():
            await asyncio.sleep(60)

    circuit = asyncio.run(calls())
    assert circuit.failed_open == 0
    assert [
        row[0] for row in sql(database, "select outcome from trueup.circuit_breaker_metrics order by id")
    ] == [
        "success",
        "refusal",
        "abandoned",
        *["failure"] * 3,
        "rejected",
    ]


def test_asynchronously_without_a_store() -> None:
    class Away:
        connection = Unreachable("").connections

    async def calls() -> AsyncCircuit:
        circuit = AsyncCircuit(Away(), KEY)
        async with circuit.attempt():
            pass
        return circuit

    assert asyncio.run(calls()).failed_open == 1


def test_an_asynchronous_function_needs_the_asynchronous_circuit(pool: Pool) -> None:
    async def book() -> None: ...

    with pytest.raises(UsageError, match="use AsyncCircuit"):
        Circuit(pool, KEY)(book)


# from the command line


@pytest.mark.one_server
def test_the_commands(database: str) -> None:
    assert run("circuit", "list", url=database).stdout == "no circuit ever failed\n"
    done = run("circuit", "force-open", KEY, "--reason", "moves house", "--as", "ann", url=database)
    assert done.stdout == f"circuit {KEY} is open, mode force_open\n"
    assert not allow(database)["allowed"]
    shown = run("circuit", "show", KEY, url=database).stdout
    for text in ("mode", "force_open", "by ann", "moves house", "3 failures in a row", "rejected"):
        assert text in shown
    for mode, says in (
        ("force-closed", "is closed, mode force_closed"),
        ("shadow", "is closed, mode shadow"),
        ("automatic", "is closed, mode automatic"),
        ("automatic", "is closed, mode automatic"),
    ):
        assert says in run("circuit", mode, KEY, url=database).stdout
    assert len(events(database)) == 4
    listed = json.loads(run("circuit", "list", "--format", "json", url=database).stdout)
    assert [(each["key"], each["state"], each["mode"]) for each in listed] == [(KEY, "closed", "automatic")]
    assert json.loads(run("circuit", "show", KEY, "--format", "json", url=database).stdout)["events"]


def test_a_circuit_nobody_knows(database: str) -> None:
    call(database, "failure")
    done = run("circuit", "show", KEY[:-1], url=database)
    assert done.returncode == 2
    assert f"did you mean {KEY}?" in done.stderr


def test_a_key_does_not_steer_the_terminal(database: str) -> None:
    call(database, "failure", key="\x1b[31mred")
    assert "\x1b" not in run("circuit", "list", url=database).stdout


# who may, and what else uses the tables


def test_an_application_allows_and_reports_and_orders_nothing(database: str) -> None:
    name = f"app_{value(database, 'select current_database()')}"
    sql(database, f"create role {name} login in role trueup_app")
    try:
        url = database.replace("postgres@", f"{name}@")
        for _ in range(3):
            call(url, "failure")
        assert not allow(url)["allowed"]
        for refused in (
            "select trueup.set_circuit_mode('k', 'force_closed')",
            "update trueup.circuit_breaker_states set current_state = 'closed'",
            "select * from trueup.circuit_breaker_settings",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                sql(url, refused)
    finally:
        sql(database, f"drop owned by {name}; drop role {name}")


def test_a_long_open_circuit_is_one_alert_that_resolves(database: str) -> None:
    opened(database)
    trueup.check(database=database)
    alerts = (
        "select entity_id, status from trueup.data_consistency_alerts where alert_type = 'circuit_open_long'"
    )
    assert sql(database, alerts) == []
    later(database, 601)
    for _ in range(2):
        trueup.check_changed(database=database)
    assert sql(database, alerts) == [(KEY, "open")]
    for _ in range(2):
        call(database, "success")
    trueup.check_changed(database=database)
    assert sql(database, alerts) == [(KEY, "resolved")]


def test_the_revision_goes_down_and_up_again_with_circuits_in_it(database: str) -> None:
    permit = half_open(database)
    report(database, permit, "abandoned")
    order(database, "shadow")
    kept = "select service_key, current_state, failure_count, epoch from trueup.circuit_breaker_states"
    before = sql(database, kept)
    trueup.rollback("bookings@bookings_0005", database=database)
    assert sql(database, kept) == before
    trueup.migrate(database=database)
    assert sql(database, kept) == before
    assert trueup.verify(database=database).ok
    assert allow(database)["reason"] == "probe"
