"""Two sessions at once: no interleaving may commit what a check would report.

Each race is run in both orders with the second session waiting for the first, which is
certain, and then many times with both let go together, which finds what nobody thought of.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

Connection = psycopg.Connection[tuple[Any, ...]]
Work = Sequence[str]

WAIT = 30.0
GUARDS = ("call_made_without_appointment", "call_outcome_without_appointment", "call_backlink_broken")
CHECKS = (
    *GUARDS,
    "call_linked_without_appointment",
    "call_appointment_not_flagged",
    "call_backlink_missing",
)
SYNC = ("appointments_sync_calls_insert", "appointments_sync_calls_update", "appointments_sync_calls_delete")


@pytest.fixture
def main(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "insert into public.companies (id, name) overriding system value values (1, 'a company')"
        )
        connection.execute("update trueup.guards set mode = 'enforce' where name = any(%s)", [list(GUARDS)])
        yield connection


def add_call(main: Connection) -> int:
    """Add a call that nobody has booked in and return its id."""
    return _id(
        main,
        "insert into public.calls (company_id, retell_call_id, direction) "
        "values (1, 'call_' || gen_random_uuid(), 'inbound') returning id",
    )


def add_appointment(main: Connection, call: int | None, *, deleted: bool = False) -> int:
    """Add an appointment on 22 October 2025 and return its id."""
    return _id(
        main,
        "insert into public.appointments (company_id, call_id, starts_at, ends_at, deleted_at) values "
        "(1, %s, '2025-10-22 12:00+00', '2025-10-22 12:45+00', case when %s then now() end) returning id",
        call,
        deleted,
    )


def soft(appointment: int) -> Work:
    return (f"update public.appointments set deleted_at = now() where id = {appointment}",)


def hard(appointment: int) -> Work:
    return (f"delete from public.appointments where id = {appointment}",)


def restore(appointment: int) -> Work:
    return (f"update public.appointments set deleted_at = null where id = {appointment}",)


def in_turn(database: str, first: Work, second: Work) -> list[str]:
    """Run `first`, start `second`, commit `first` once the other waits for it or is done.

    Returns the SQLSTATE of each, '' for one that committed.
    """
    with psycopg.connect(database) as holder, psycopg.connect(database) as other, _pool() as pool:
        for statement in first:
            holder.execute(statement.encode())
        later = pool.submit(_state, lambda: _commit(other, second))
        _until(lambda: later.done() or _waits(database, other.info.backend_pid))
        return [_state(holder.commit), later.result(WAIT)]


def together(database: str, *works: Work) -> list[str]:
    """Let all sessions go at once, and once more before they commit; return their SQLSTATEs.

    Nobody waits for a session that waits for a lock: a barrier that is not full in time is left.
    """
    barrier = threading.Barrier(len(works))

    def run(work: Work) -> str:
        def go() -> None:
            with psycopg.connect(database) as connection:
                _meet(barrier, WAIT)
                for statement in work:
                    connection.execute(statement.encode())
                _meet(barrier, 0.02)
                connection.commit()

        return _state(go)

    with _pool(len(works)) as pool:
        return list(pool.map(run, works))


def wrong(main: Connection) -> list[tuple[str, int]]:
    """Return what the checks on calls and appointments report: check and call."""
    return [
        (check, row[0])
        for check in CHECKS
        for row in main.execute(f"select v.entity_id from trueup.{check} as v".encode())
    ]


def flags(main: Connection, call: int) -> tuple[Any, ...]:
    """Return whether the call is flagged, the appointment it names, and its link status."""
    row = main.execute(
        "select c.appointment_made, c.appointment_id, c.appointment_link_status from public.calls as c "
        "where c.id = %s",
        [call],
    ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("left", [soft, hard], ids=["soft", "hard"])
@pytest.mark.parametrize("right", [soft, hard], ids=["soft", "hard"])
@pytest.mark.parametrize("named_first", [True, False])
def test_two_sessions_delete_the_two_appointments_of_a_call(
    database: str,
    main: Connection,
    left: Callable[[int], Work],
    right: Callable[[int], Work],
    named_first: bool,
) -> None:
    call = add_call(main)
    named, spare = add_appointment(main, call), add_appointment(main, call)
    works = [left(named), right(spare)]
    if not named_first:
        works.reverse()
    states = in_turn(database, *works)
    _repeat_deadlocked(database, works, states, allowed=hard in (left, right))
    assert flags(main, call) == (False, None, "unlinked")
    assert wrong(main) == []


@pytest.mark.parametrize("delete", [soft, hard], ids=["soft", "hard"])
@pytest.mark.parametrize("restore_first", [True, False])
def test_one_session_restores_an_appointment_while_another_deletes_the_other(
    database: str, main: Connection, delete: Callable[[int], Work], restore_first: bool
) -> None:
    call = add_call(main)
    deleted, kept = add_appointment(main, call, deleted=True), add_appointment(main, call)
    works = [restore(deleted), delete(kept)]
    if not restore_first:
        works.reverse()
    assert in_turn(database, *works) == ["", ""]
    assert flags(main, call) == (True, deleted, "linked")
    assert wrong(main) == []


CLAIMS = {
    "made": "update public.calls set appointment_made = true where id = {call}",
    "outcome": "update public.calls set session_outcome = 'appointment_booked' where id = {call}",
    "appointment": "update public.calls set appointment_id = {appointment} where id = {call}",
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("delete", [soft, hard], ids=["soft", "hard"])
@pytest.mark.parametrize("claim_first", [True, False])
def test_one_session_claims_an_appointment_while_another_deletes_it(
    database: str, main: Connection, claim: str, delete: Callable[[int], Work], claim_first: bool
) -> None:
    call = add_call(main)
    appointment = add_appointment(main, call)
    claiming = (claim.format(call=call, appointment=appointment),)
    if claim_first:
        # the deletion waits for the call, and takes the claim back
        assert in_turn(database, claiming, delete(appointment)) == ["", ""]
    else:
        # the claim waits for the deletion, and finds nothing to stand on
        states = in_turn(database, delete(appointment), claiming)
        assert states in (["", "23514"], ["", "23503"])
    assert flags(main, call) == (False, None, "unlinked")
    assert wrong(main) == []


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_guard_alone_holds_when_the_sync_is_gone(database: str, main: Connection, claim: str) -> None:
    """Without the sync the two sessions write no common row: only the guard's lock orders them."""
    refused = 0
    for _ in range(25):
        call = add_call(main)
        appointment = add_appointment(main, call)
        _plant_unflagged(main, call)
        states = together(database, (claim.format(call=call, appointment=appointment),), soft(appointment))
        assert set(states) <= {"", "23514"}
        refused += "23514" in states
    assert refused == 25
    assert [found for found in wrong(main) if found[0] in GUARDS] == []


def test_many_rounds_of_two_sessions_at_once(database: str, main: Connection) -> None:
    for _ in range(15):
        call = add_call(main)
        one, two = add_appointment(main, call), add_appointment(main, call)
        assert together(database, soft(one), soft(two)) == ["", ""]
        assert flags(main, call) == (False, None, "unlinked")
        assert together(database, restore(one), restore(two)) == ["", ""]
        assert together(database, restore(one), soft(two)) == ["", ""]
        assert flags(main, call) == (True, one, "linked")
        works = [hard(one), (CLAIMS["outcome"].format(call=call),)]
        assert set(together(database, *works)) <= {"", "23514"}
        assert flags(main, call)[0] is False
    assert wrong(main) == []


def test_eight_writers_on_twenty_calls_neither_deadlock_nor_mislead(database: str, main: Connection) -> None:
    """Each writer deletes, restores and moves its own appointments, one or ten in a statement."""
    calls = [add_call(main) for _ in range(20)]
    own = [[add_appointment(main, call) for call in calls] for _ in range(8)]
    barrier = threading.Barrier(8)

    def write(number: int) -> str:
        dice = random.Random(number)

        def go() -> None:
            with psycopg.connect(database, autocommit=True) as connection:
                _meet(barrier, WAIT)
                for _ in range(60):
                    ids = dice.sample(own[number], dice.choice([1, 10]))
                    if dice.random() < 0.8:
                        connection.execute(
                            "update public.appointments set deleted_at = "
                            "case when deleted_at is null then now() end where id = any(%s)",
                            [ids],
                        )
                    else:
                        connection.execute(
                            "update public.appointments set call_id = %s where id = any(%s)",
                            [dice.choice(calls), ids],
                        )

        return _state(go)

    with _pool(8) as pool:
        assert list(pool.map(write, range(8))) == [""] * 8
    assert wrong(main) == []
    assert main.execute("select count(*) from trueup.data_consistency_alerts").fetchone() == (0,)


@pytest.mark.one_server
def test_mixed_work_of_eight_clients_neither_deadlocks_nor_loses_an_update(database: str) -> None:
    """Ten seconds of what `benchmarks/writers.py --race` does for minutes."""
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "writers.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_writers", path)
    assert spec is not None
    assert spec.loader is not None
    writers = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = writers  # dataclasses look themselves up there
    spec.loader.exec_module(writers)
    found = writers.race(database, 10)
    # two hard deletes of one call's appointments may deadlock: the sync's header says why
    assert set(found["states"]) <= {"40P01"}
    assert found["states"].get("40P01", 0) <= found["done"]["hard_delete"] // 10
    assert (found["wrong"], found["stale"], found["lost"]) == ({}, [], 0)
    assert found["transactions"] > 100


BOOKING = (
    "insert into public.appointments (company_id, staff_id, starts_at, ends_at) "
    "values (1, {staff}, '2025-10-22 {start}+00', '2025-10-22 {end}+00')"
)


@pytest.mark.parametrize("earlier_first", [True, False])
def test_one_of_two_overlapping_bookings_of_a_member_of_staff_is_refused(
    database: str, main: Connection, earlier_first: bool
) -> None:
    staff = _id(main, "insert into public.staff (company_id, name) values (1, 'a member') returning id")
    works = [
        (BOOKING.format(staff=staff, start="12:00", end="12:45"),),
        (BOOKING.format(staff=staff, start="12:30", end="13:15"),),
    ]
    if not earlier_first:
        works.reverse()
    assert in_turn(database, *works) == ["", "23P01"]
    assert _count_bookings(main, staff) == 1


def test_overlapping_bookings_at_once_leave_one_and_adjacent_ones_both(
    database: str, main: Connection
) -> None:
    for _ in range(10):
        staff = _id(main, "insert into public.staff (company_id, name) values (1, 'a member') returning id")
        one, two, next_to_it = (
            (BOOKING.format(staff=staff, start=start, end=end),)
            for start, end in (("12:00", "12:45"), ("12:30", "13:15"), ("12:45", "13:30"))
        )
        states = together(database, one, two)
        # both inserted, each waits for the other: the server ends one as a deadlock
        assert sorted(states)[0] == ""
        assert sorted(states)[1] in ("23P01", "40P01")
        assert _count_bookings(main, staff) == 1
        main.execute("delete from public.appointments where staff_id = %s", [staff])
        assert together(database, one, next_to_it) == ["", ""]


def _plant_unflagged(main: Connection, call: int) -> None:
    """Make the call unflagged, and leave the sync and the fill switched off."""
    for trigger in SYNC:
        main.execute(f"alter table public.appointments disable trigger {trigger}".encode())
    main.execute("alter table public.calls disable trigger calls_fill_appointment")
    main.execute(
        "update public.calls set appointment_made = false, appointment_id = null, session_outcome = null, "
        "appointment_link_status = 'unlinked', appointment_linked_at = null where id = %s",
        [call],
    )


def _repeat_deadlocked(database: str, works: Sequence[Work], states: Sequence[str], *, allowed: bool) -> None:
    """Run again, as an application must, what the server ended as a deadlock; fail on anything else."""
    assert set(states) <= ({"", "40P01"} if allowed else {""})
    assert "" in states
    for work, state in zip(works, states, strict=True):
        if state:
            with psycopg.connect(database) as connection:
                _commit(connection, work)


def _commit(connection: Connection, work: Work) -> None:
    for statement in work:
        connection.execute(statement.encode())
    connection.commit()


def _state(act: Callable[[], None]) -> str:
    try:
        act()
    except errors.Error as error:
        return error.sqlstate or repr(error)
    return ""


def _meet(barrier: threading.Barrier, seconds: float) -> None:
    try:
        barrier.wait(seconds)
    except threading.BrokenBarrierError:
        if seconds == WAIT:
            raise


def _waits(database: str, pid: int) -> bool:
    with psycopg.connect(database, autocommit=True) as connection:
        return bool(
            connection.execute("select cardinality(pg_blocking_pids(%s)) > 0", [pid]).fetchone() == (True,)
        )


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline, "the second session neither waits nor ends"
        time.sleep(0.005)


@contextmanager
def _pool(size: int = 1) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(size) as pool:
        yield pool


def _id(main: Connection, statement: str, *values: object) -> int:
    row = main.execute(statement.encode(), values).fetchone()
    assert row is not None
    return int(row[0])


def _count_bookings(main: Connection, staff: int) -> int:
    return _id(main, "select count(*) from public.appointments where staff_id = %s", staff)
