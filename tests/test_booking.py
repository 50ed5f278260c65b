"""Booking, moving and cancelling: once, whole, inside one company, however many ask at once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from helpers import Pool, eventually, plant, sql, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors

import trueup
from trueup.booking import AsyncBookings, Booked, Bookings, Fault
from trueup.errors import RefusedError

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
# whole, because it is written and compared; ahead, because the phone agent books ahead
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=30)

WORLD = """
select factory.company(1), factory.company(2);
select factory.branch(1);
select factory.staff(1), factory.staff(2), factory.staff(9, company_id => 2);
select factory.service(1), factory.service(2, duration_minutes => 30), factory.service(9, company_id => 2);
select factory.customer(n, name => 'Erika Muster ' || n, phone => '+49301000' || n) from generate_series(1, 60) as n;
select factory.customer(99, company_id => 2, phone => '+4930100099');
select factory.call(n, customer_id => n, from_number => '+49301000' || n, customer_link_status => 'linked',
    customer_link_method => 'phone_match', customer_link_confidence => 100, customer_linked_at => '2025-10-20 09:00:00+00')
from generate_series(1, 60) as n;
select factory.call(n) from generate_series(71, 72) as n;
select factory.call(99, company_id => 2);
update trueup.guards set mode = 'enforce';
"""


@pytest.fixture
def world(database: str) -> Iterator[str]:
    """Two companies with staff, services, customers and their calls; every guard enforces."""
    sql(database, WORLD)
    yield database
    assert violations(database) == []


@pytest.fixture
def desk(world: str) -> Bookings:
    """The functions, each call in a transaction of its own."""
    return Bookings(Pool(world))


def violations(url: str) -> list[tuple[str, int]]:
    """Return what any check finds but the two on a layer nobody operates."""
    run = trueup.check(database=url)
    return [
        (result.name, int(example.entity_id))
        for result in run.results
        if result.name not in ("check_not_run", "review_overdue")
        for example in result.examples
    ]


def count(url: str, table: str = "public.appointments", condition: str = "true") -> int:
    return int(value(url, f"select count(*) from {table} where {condition}"))


def refused(act: Callable[[], object]) -> tuple[str | None, str]:
    """Return SQLSTATE and detail of a refusal."""
    with pytest.raises(RefusedError) as told:
        act()
    return told.value.sqlstate, told.value.detail or str(told.value)


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Begin all at the same moment; return what each returned, or its SQLSTATE."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait(60)
        try:
            return work()
        except errors.Error as error:
            return error.sqlstate
        except RefusedError as error:
            return error.sqlstate

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def waits(url: str) -> bool:
    """Tell whether a session of the database waits for a lock."""
    return bool(
        value(
            url,
            "select exists (select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())",
        )
    )


def test_a_booking_writes_appointment_and_call(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, branch_id=1, booking_uid="uid-3")
    assert booked == Booked(
        booked.appointment_id,
        False,
        trueup.booking.idempotency_key(1, 1, 1, 3, 3, NOON),
        3,
        NOON,
        NOON + timedelta(minutes=45),
        "confirmed",
    )
    assert sql(
        world,
        "select a.customer_id, a.source, a.calcom_booking_uid, a.calcom_sync_status, c.appointment_made, c.appointment_id = a.id,"
        " c.appointment_link_status, c.session_outcome, c.booking_confirmed, c.booking_id"
        " from public.appointments as a join public.calls as c on a.call_id = c.id",
    ) == [(3, "retell", "uid-3", "synced", True, True, "linked", "appointment_booked", True, "uid-3")]
    assert desk.validate(1, 3, booked.appointment_id, "uid-3") == []
    assert desk.validate(1, 3, booked.appointment_id) == []


def test_a_retry_gets_the_same_appointment(world: str, desk: Bookings) -> None:
    first = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)
    other_zone = NOON.astimezone(timezone(timedelta(hours=-7)))
    assert desk.book(1, other_zone, service_id=1, staff_id=1, call_id=3) == replace(first, replayed=True)
    # by the customer's key from another call, which the appointment does not go over to (D2)
    again = desk.book(1, NOON, service_id=1, staff_id=1, customer_id=3, call_id=4)
    assert (again.appointment_id, again.replayed, again.call_id) == (first.appointment_id, True, 3)
    assert count(world) == 1


def test_cancelled_and_booked_again_is_the_next_generation(world: str, desk: Bookings) -> None:
    keys = []
    for generation in range(3):
        booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)
        assert not booked.replayed
        assert booked.idempotency_key == trueup.booking.idempotency_key(1, 1, 1, 3, 3, NOON, generation)
        assert desk.book(1, NOON, service_id=1, staff_id=1, call_id=3) == replace(booked, replayed=True)
        keys.append(booked.idempotency_key)
        desk.cancel(1, booked.appointment_id)
    assert len(set(keys)) == 3


def test_fifty_sessions_book_one_request_at_once(world: str) -> None:
    desk = Bookings(Pool(world))
    answers = at_once([lambda: desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u")] * 50)
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 49
    assert len({replace(answer, replayed=True) for answer in answers}) == 1
    assert count(world) == 1


def test_fifty_requests_for_one_slot(world: str) -> None:
    desk = Bookings(Pool(world))
    answers = at_once(
        [
            partial(
                desk.book, 1, NOON + number * timedelta(seconds=30), service_id=1, staff_id=1, call_id=number
            )
            for number in range(1, 51)
        ]
    )
    assert answers.count("23P01") == 49
    assert count(world) == 1


def test_many_staff_customers_and_retries_at_once_neither_hang_nor_deadlock(world: str) -> None:
    """Bookings, moves and cancellations by everybody of everybody's: told, never ended by the server."""
    desk = Bookings(Pool(world))
    booked = [
        desk.book(
            1, NOON + number * HOUR, service_id=2, staff_id=1 + number % 2, customer_id=number, call_id=number
        )
        for number in range(1, 9)
    ]

    def work(number: int) -> Callable[[], Any]:
        mine = booked[number % 8]
        to = NOON + ((number * 7) % 16) * HOUR / 2 + HOUR
        match number % 4:
            case 0:
                return lambda: desk.book(1, to, service_id=2, staff_id=1, customer_id=1 + number % 8)
            case 1:
                return lambda: desk.reschedule(1, mine.appointment_id, to, call_id=1 + (number * 3) % 8)
            case 2:
                return lambda: desk.cancel(1, mine.appointment_id, call_id=1 + (number * 5) % 8)
        return lambda: desk.book(
            1,
            NOON + (1 + number % 8) * HOUR,
            service_id=2,
            staff_id=2,
            call_id=1 + number % 8,
            booking_uid=f"u{number % 8}",
        )

    for _ in range(3):
        answers = at_once([work(number) for number in range(40)])
        told = {answer for answer in answers if isinstance(answer, str)}
        assert told <= {"23P01", "TU202", "TU203", "TU204"}


def test_a_near_duplicate_is_refused_and_named(desk: Bookings) -> None:
    first = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)
    state, detail = refused(
        lambda: desk.book(1, NOON + timedelta(minutes=5), service_id=1, staff_id=2, customer_id=3)
    )
    assert (state, detail) == ("TU203", f"Near-duplicate of appointment {first.appointment_id}.")
    state, detail = refused(
        lambda: desk.book(1, NOON + timedelta(minutes=5), service_id=1, staff_id=1, customer_id=3)
    )
    assert state == "TU203"
    assert f"Staff 1 is booked for appointment {first.appointment_id}." in detail
    # another service, a moment later, for somebody else, of another customer: all meant
    desk.book(1, NOON, service_id=2, staff_id=2, customer_id=3)
    desk.book(1, NOON + timedelta(minutes=5, seconds=1), service_id=1, customer_id=3)
    child = desk.book(1, NOON, service_id=1, customer_id=3, booked_for="child")
    desk.book(1, NOON, service_id=1, customer_id=4)
    # two children under one idempotency name: the second is no retry of the first
    other = desk.book(1, NOON, service_id=1, customer_id=3, booked_for="other child")
    assert not other.replayed
    assert desk.book(1, NOON, service_id=1, customer_id=3, booked_for="child") == replace(
        child, replayed=True
    )


def test_two_near_duplicates_at_once_are_one(world: str, desk: Bookings) -> None:
    for round_ in range(5):
        at = NOON + round_ * HOUR
        answers = at_once(
            [
                partial(desk.book, 1, at, service_id=1, staff_id=1, customer_id=3),
                partial(desk.book, 1, at + timedelta(minutes=3), service_id=1, staff_id=2, customer_id=3),
            ]
        )
        assert sorted(str(answer)[:5] for answer in answers) == ["Booke", "TU203"]
    assert count(world) == 5


def test_a_move_and_a_booking_that_would_be_near_duplicates(world: str, desk: Bookings) -> None:
    """The one that moved has not committed: the other waits for it, and is told."""
    moving = desk.book(1, NOON + HOUR, service_id=1, staff_id=1, customer_id=3)
    with psycopg.connect(world) as first, ThreadPoolExecutor(1) as pool:
        Bookings(first).reschedule(1, moving.appointment_id, NOON)
        booking = pool.submit(
            refused,
            partial(desk.book, 1, NOON + timedelta(minutes=3), service_id=1, staff_id=2, customer_id=3),
        )
        eventually(lambda: booking.done() or waits(world))
        first.commit()
        assert booking.result(20)[0] == "TU203"
    # and the other way round
    with psycopg.connect(world) as first, ThreadPoolExecutor(1) as pool:
        Bookings(first).book(1, NOON + 4 * HOUR, service_id=1, staff_id=2, customer_id=3)
        move = pool.submit(
            refused,
            partial(desk.reschedule, 1, moving.appointment_id, NOON + 4 * HOUR + timedelta(minutes=3)),
        )
        eventually(lambda: move.done() or waits(world))
        first.commit()
        assert move.result(20)[0] == "TU203"


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ({"call_id": 3}, {"call_id": 3}, "40001"),
        ({"customer_id": 3}, {"customer_id": 3}, "23505"),
        ({"customer_id": 3}, {"customer_id": 4}, "23P01"),
    ],
    ids=["call", "customer", "slot"],
)
def test_a_snapshot_from_before_the_booking_books_nothing_twice(
    world: str, desk: Bookings, first: dict[str, Any], second: dict[str, Any], state: str
) -> None:
    with psycopg.connect(world) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("select 1")
        desk.book(1, NOON, service_id=1, staff_id=1, **first)
        with pytest.raises(psycopg.Error) as told:
            Bookings(old).book(1, NOON, service_id=1, staff_id=1, **second)
        assert told.value.sqlstate == state


@pytest.mark.one_server
def test_staff_who_are_taken_are_named(desk: Bookings) -> None:
    early = desk.book(1, NOON - 5 * HOUR, NOON + QUARTER, service_id=1, staff_id=1, customer_id=1)
    late = desk.book(1, NOON + QUARTER, service_id=1, staff_id=1, customer_id=2)
    with pytest.raises(errors.ExclusionViolation) as told:
        desk.book(1, NOON, service_id=1, staff_id=1, customer_id=3)
    assert told.value.diag.constraint_name == "appointments_staff_id_excl"
    assert told.value.diag.table_name == "appointments"
    assert f"{early.appointment_id}, {late.appointment_id}" in (told.value.diag.message_detail or "")
    # half-open: one ends when the other begins
    desk.book(1, late.ends_at, service_id=1, staff_id=1, customer_id=3)


def test_the_constraint_itself_refuses_what_was_not_seen(world: str, desk: Bookings) -> None:
    """A row written past the function, not yet committed, still cannot be doubled."""
    with psycopg.connect(world) as other:
        other.execute(
            "insert into public.appointments (company_id, staff_id, starts_at, ends_at) values (1, 1, %s, %s)",
            [NOON, NOON + HOUR],
        )
        with ThreadPoolExecutor(1) as pool:
            booking = pool.submit(
                lambda: desk.book(1, NOON + QUARTER, service_id=1, staff_id=1, customer_id=3)
            )
            eventually(lambda: waits(world))
            other.commit()
            with pytest.raises(errors.ExclusionViolation):
                booking.result(20)
    assert count(world) == 1


def test_no_row_of_another_company_is_found(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)
    wrong: list[Callable[[], object]] = [
        lambda: desk.book(1, NOON, service_id=9, customer_id=1),
        lambda: desk.book(1, NOON, NOON + HOUR, service_id=9, customer_id=1),
        lambda: desk.book(1, NOON, service_id=1, staff_id=9),
        lambda: desk.book(1, NOON, service_id=1, customer_id=99),
        lambda: desk.book(1, NOON, service_id=1, call_id=99),
        lambda: desk.book(2, NOON, service_id=9, branch_id=1),
        lambda: desk.book(77, NOON, service_id=1),
        lambda: desk.cancel(2, booked.appointment_id),
        lambda: desk.cancel(1, booked.appointment_id, call_id=99),
        lambda: desk.reschedule(2, booked.appointment_id, NOON + HOUR),
        lambda: desk.reschedule(1, booked.appointment_id, NOON + HOUR, call_id=99),
        lambda: desk.validate(2, 3, booked.appointment_id),
        lambda: desk.fail(2, 3, "timeout"),
        lambda: desk.fail(1, 12345, "timeout"),
    ]
    for act in wrong:
        assert refused(act)[0] == "TU200"
    assert count(world) == 1
    assert desk.validate(2, 99, booked.appointment_id)[0].reason == "appointment_not_found"


def test_a_call_books_for_its_customer_or_says_for_whom(world: str, desk: Bookings) -> None:
    state, _ = refused(lambda: desk.book(1, NOON, service_id=1, staff_id=1, customer_id=4, call_id=3))
    assert state == "TU205"
    desk.book(1, NOON, service_id=1, staff_id=1, customer_id=4, call_id=3, booked_for="daughter")
    assert count(world) == 1


def test_a_blank_person_is_nobody(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, customer_id=3, booked_for=" ", metadata={"a": 1})
    again = desk.book(1, NOON, service_id=1, customer_id=3, metadata={"booked_for": ""})
    assert again == replace(booked, replayed=True)
    assert desk.book(1, NOON, service_id=1, customer_id=3).replayed
    state, _ = refused(
        lambda: desk.book(1, NOON + timedelta(minutes=5), service_id=1, customer_id=3, booked_for="")
    )
    assert state == "TU203"
    # near miss: spaces around somebody are none of the name
    child = desk.book(1, NOON, service_id=1, customer_id=3, booked_for=" child ")
    assert desk.book(1, NOON, service_id=1, customer_id=3, booked_for="child") == replace(
        child, replayed=True
    )
    assert sql(world, "select metadata from public.appointments order by id") == [
        ({"a": 1},),
        ({"booked_for": "child"},),
    ]
    blank = desk.book(1, NOON, service_id=1, customer_id=4, metadata={"booked_for": " "})
    assert value(world, "select metadata from public.appointments where id = %s", blank.appointment_id) == {}


def test_no_company_is_assumed(world: str) -> None:
    for company in ("null", "null::bigint"):
        with pytest.raises(psycopg.Error, match="none is given"):
            sql(
                world,
                f"select * from trueup.book_appointment({company}, %s, p_service_id => 1, p_call_id => 3)",
                NOON,
            )
    assert count(world) == 0


def test_two_companies_with_one_booking_uid(world: str, desk: Bookings) -> None:
    one = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="shared")
    two = desk.book(2, NOON, service_id=9, staff_id=9, call_id=99, booking_uid="shared")
    assert one.appointment_id != two.appointment_id
    assert not two.replayed
    assert sql(
        world, "select c.company_id, c.booking_id from public.calls as c where c.booking_confirmed order by 1"
    ) == [(1, "shared"), (2, "shared")]


def test_the_booking_uid_may_come_later(world: str, desk: Bookings) -> None:
    """Booked here first, then at the provider: the second call completes the first."""
    first = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)
    again = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u", booking_number=7)
    assert again == replace(first, replayed=True)
    assert sql(
        world,
        "select a.calcom_booking_uid, a.calcom_booking_id, a.calcom_sync_status, c.booking_confirmed, c.booking_id"
        " from public.appointments as a join public.calls as c on a.call_id = c.id",
    ) == [("u", 7, "synced", True, "u")]
    state, detail = refused(
        lambda: desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="another")
    )
    assert state == "TU202"
    assert "under booking uid u" in detail
    assert refused(lambda: desk.book(1, NOON, NOON + HOUR, service_id=1, staff_id=1, call_id=3))[0] == "TU202"


def test_the_providers_event_was_quicker(world: str, desk: Bookings) -> None:
    """The appointment is there, of no call yet: it is this call's, and not booked twice."""
    sql(
        world,
        "insert into public.appointments (company_id, customer_id, service_id, starts_at, ends_at, calcom_booking_uid, source)"
        " values (1, 3, 1, %s, %s, 'u', 'calcom')",
        NOON,
        NOON + 3 * QUARTER,
    )
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u")
    assert (booked.replayed, booked.call_id) == (True, 3)
    assert desk.validate(1, 3, booked.appointment_id, "u") == []
    assert count(world) == 1


def test_a_uid_that_stands_for_something_else(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u")
    state, detail = refused(
        lambda: desk.book(1, NOON + HOUR, service_id=1, staff_id=1, call_id=4, booking_uid="u")
    )
    assert state == "TU202"
    assert "It is confirmed" in detail
    desk.cancel(1, booked.appointment_id)
    assert (
        refused(lambda: desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u"))[0]
        == "TU202"
    )
    # booked anew at the provider, it has a new one
    assert not desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u2").replayed
    assert value(world, "select booking_id from public.calls where id = 3") == "u2"


def test_a_request_that_names_nobody_is_one_request(world: str) -> None:
    desk = Bookings(Pool(world))
    answers = at_once([partial(desk.book, 1, NOON, service_id=1)] * 10)
    assert len({answer.appointment_id for answer in answers}) == 1
    assert count(world) == 1


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["book", "confirm", "reschedule", "cancel", "fail", "delete"]),
        st.integers(1, 3),  # whose call and appointment
        st.integers(0, 4),  # which quarter of an hour
        st.integers(1, 2),  # by whom
    ),
    max_size=12,
)
WRONG = """
select v.entity_id from trueup.appointment_duplicate as v
union all select v.entity_id from trueup.appointment_staff_overlap as v
union all select v.entity_id from trueup.appointment_modification_mismatch as v
union all select v.entity_id from trueup.appointment_cancel_contradicts as v
union all select v.entity_id from trueup.appointment_call_mismatch as v
union all select v.entity_id from trueup.call_appointment_not_flagged as v
union all select v.entity_id from trueup.call_backlink_broken as v
union all select v.entity_id from trueup.call_backlink_missing as v
union all select v.entity_id from trueup.call_booked_without_appointment as v
union all select v.entity_id from trueup.call_failed_but_booked as v
union all select v.entity_id from trueup.call_linked_without_appointment as v
union all select v.entity_id from trueup.call_made_without_appointment as v
union all select v.entity_id from trueup.call_outcome_contradicts_flag as v
union all select v.entity_id from trueup.call_outcome_without_appointment as v
"""


@pytest.mark.one_server
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_whatever_is_done_twice_is_done_once_and_all_agrees(
    world: str, operations: list[tuple[str, int, int, int]]
) -> None:
    """Any row of operations, each sent twice: the second answer is the first, and no check fires."""
    with psycopg.connect(world) as connection:
        desk = Bookings(connection)

        def answer(what: str, who: int, quarter: int, staff: int) -> Any:
            newest = connection.execute(
                "select max(id) from public.appointments where call_id = %s", [who]
            ).fetchone()
            appointment = (newest and newest[0]) or 0
            at = NOON + quarter * QUARTER
            try:
                with connection.transaction():
                    match what:
                        case "book":
                            return desk.book(1, at, service_id=2, staff_id=staff, call_id=who)
                        case "confirm":
                            return desk.book(
                                1,
                                at,
                                service_id=2,
                                staff_id=staff,
                                call_id=who,
                                booking_uid=f"{at}{staff}{who}",
                            )
                        case "reschedule":
                            return desk.reschedule(1, appointment, at, call_id=1 + who % 3)
                        case "cancel":
                            return desk.cancel(1, appointment, call_id=1 + who % 3)
                        case "fail":
                            return desk.fail(1, who, "timeout")
                    # somebody deletes, and the provider's word goes with it
                    connection.execute(
                        "update public.calls set booking_confirmed = false where id = %s", [who]
                    )
                    connection.execute(
                        "update public.appointments set deleted_at = now() where call_id = %s", [who]
                    )
                    return None
            except (RefusedError, errors.ExclusionViolation) as error:
                return error.sqlstate

        for operation in operations:
            first, again = answer(*operation), answer(*operation)
            assert again == (
                first if first is None or isinstance(first, str) else replace(first, replayed=True)
            )
            connection.execute("set constraints all immediate")
            connection.execute("set constraints all deferred")
        assert connection.execute(WRONG.encode()).fetchall() == []
        connection.rollback()


@pytest.mark.one_server
@pytest.mark.parametrize(
    "wrong",
    [
        {"ends_at": NOON},
        {"ends_at": NOON - HOUR},
        {"starts_at": datetime(2025, 10, 22, 12, tzinfo=UTC)},
        {"starts_at": NOON + timedelta(days=400)},
        {"service_id": None},
        {"status": "cancelled"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_makes_no_sense_is_refused_and_nothing_written(
    world: str, desk: Bookings, wrong: dict[str, Any]
) -> None:
    given = {"starts_at": NOON, "service_id": 1, "staff_id": 1, "call_id": 3, **wrong}
    assert refused(lambda: desk.book(1, **given))[0] == "TU205"
    assert count(world) == 0
    assert count(world, "public.calls", "appointment_made") == 0


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        ("1, null", "TU205"),
        ("1, 'infinity'", "TU205"),
        ("1, '2025-10-22 12:00Z', 'infinity'", "TU205"),
        ("1, '2025-10-22 12:00Z', p_service_id => 1, p_metadata => '[]'", "TU205"),
        ("1, '2025-10-22 12:00Z', p_service_id => 1, p_source => 'telepathy'", "23514"),
        ("1, 'yesterday evening'", "22007"),
    ],
)
def test_bad_input_is_one_clear_error(world: str, arguments: str, state: str) -> None:
    with pytest.raises(psycopg.Error) as told:
        sql(world, f"select * from trueup.book_appointment({arguments})")
    assert told.value.sqlstate == state
    assert count(world) == 0


def test_metadata_encoded_twice_is_decoded(world: str, desk: Bookings) -> None:
    sql(
        world,
        "select * from trueup.book_appointment(1, %s, p_service_id => 1, p_customer_id => 3, p_metadata => %s)",
        NOON,
        json.dumps(json.dumps({"booked_for": "child"})),
    )
    assert value(world, "select metadata from public.appointments") == {"booked_for": "child"}
    assert desk.book(1, NOON, service_id=1, customer_id=3, metadata={"booked_for": "child"}).replayed


def test_what_the_provider_has_taken_is_booked_whenever_it_is(world: str, desk: Bookings) -> None:
    """A booking that exists is stored and reported, not lost."""
    past = datetime(2025, 10, 22, 12, tzinfo=UTC)
    booked = desk.book(1, past, service_id=1, staff_id=1, call_id=3, booking_uid="u", status="completed")
    assert violations(world) == [("appointment_times_invalid", booked.appointment_id)]
    sql(
        world,
        "update public.calls set booking_confirmed = false where id = 3; delete from public.appointments",
    )


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("spelled", "utc"),
    [
        # the hour that comes twice, each of the two, and the hour that never comes
        ("2025-10-26 02:30 CEST", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("2025-10-26 02:30 CET", datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        ("2025-10-26 02:30 Europe/Berlin", datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        ("2026-03-29 02:30 Europe/Berlin", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_booking_in_a_night_when_the_clocks_change(
    world: str, desk: Bookings, spelled: str, utc: datetime
) -> None:
    call = "select * from trueup.book_appointment(1, %s, p_service_id => 1, p_staff_id => 1, p_customer_id => 3, p_status => 'completed')"
    with psycopg.connect(world, autocommit=True) as connection:
        connection.execute("set timezone = 'Europe/Berlin'")
        connection.execute(call.encode(), [spelled])
    again = desk.book(1, utc, service_id=1, staff_id=1, customer_id=3, status="completed")
    assert again.replayed
    assert (again.starts_at, again.ends_at - again.starts_at) == (utc, timedelta(minutes=45))
    assert again.idempotency_key == trueup.booking.idempotency_key(1, 1, 1, 3, None, utc)


def test_the_hour_that_comes_twice_holds_two_appointments(world: str, desk: Bookings) -> None:
    """02:30 and 02:30 an hour later are two instants, and no overlap; from 01:45 to 03:00 are 135 minutes."""
    for fold in (0, 1):
        at = datetime(2025, 10, 26, 2, 15, fold=fold, tzinfo=BERLIN)
        assert not desk.book(1, at, service_id=1, staff_id=1, customer_id=3, status="completed").replayed
    long = desk.book(
        1,
        datetime(2025, 10, 26, 1, 45, tzinfo=BERLIN),
        datetime(2025, 10, 26, 3, 0, tzinfo=BERLIN),
        staff_id=2,
        customer_id=4,
        status="completed",
    )
    assert long.ends_at - long.starts_at == timedelta(minutes=135)


def test_moving_over_the_change_of_the_clocks_keeps_the_duration(world: str, desk: Bookings) -> None:
    booked = desk.book(
        1, datetime(2026, 3, 28, 1, 30, tzinfo=BERLIN), service_id=1, staff_id=1, customer_id=3
    )
    moved = desk.reschedule(1, booked.appointment_id, datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN))
    assert moved.ends_at.astimezone(BERLIN).time().isoformat() == "03:15:00"
    assert moved.ends_at - moved.starts_at == timedelta(minutes=45)
    sql(world, "update public.appointments set status = 'completed'")


def test_a_move_keeps_the_appointment_and_tells_from_where(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="old")
    moved = desk.reschedule(
        1, booked.appointment_id, NOON + HOUR, call_id=4, reason="late", actor="agent", booking_uid="new"
    )
    assert (moved.replayed, moved.previous_starts_at, moved.ends_at) == (
        False,
        NOON,
        NOON + HOUR + 3 * QUARTER,
    )
    again = desk.reschedule(1, booked.appointment_id, NOON + HOUR, call_id=4, booking_uid="new")
    assert again == replace(moved, replayed=True)
    assert sql(
        world,
        "select a.call_id, a.calcom_booking_uid, a.previous_starts_at, m.call_id, m.old_starts_at, m.new_starts_at, m.reason, m.actor"
        " from public.appointments as a join public.appointment_modifications as m on m.appointment_id = a.id",
    ) == [(3, "new", NOON, 4, NOON, NOON + HOUR, "late", "agent")]
    # there and back is two moves, and not a retry of the first
    assert not desk.reschedule(1, booked.appointment_id, NOON).replayed
    assert count(world, "public.appointment_modifications") == 2


def test_a_moved_booking_has_a_number_of_its_own(world: str, desk: Bookings) -> None:
    """The old number under the new uid would make the provider's next event one of another booking."""
    booking = "select calcom_booking_uid, calcom_booking_id from public.appointments"
    booked = desk.book(1, NOON, service_id=1, call_id=3, booking_uid="a", booking_number=11)
    desk.reschedule(1, booked.appointment_id, NOON + HOUR)
    assert sql(world, booking) == [("a", 11)]
    desk.reschedule(1, booked.appointment_id, NOON, booking_uid="b", booking_number=12)
    assert sql(world, booking) == [("b", 12)]
    desk.reschedule(1, booked.appointment_id, NOON + HOUR, booking_uid="c")
    assert sql(world, booking) == [("c", None)]
    cancelled = {
        "triggerEvent": "BOOKING_CANCELLED",
        "createdAt": "2025-10-21T09:00:00.000Z",
        "payload": {"uid": "c", "bookingId": 13, "status": "CANCELLED"},
    }
    sql(world, "select * from trueup.receive_event('calcom', %s)", json.dumps(cancelled))
    sql(world, "select * from trueup.process_events()")
    assert value(world, "select status from public.appointments") == "cancelled"


def test_a_late_retry_of_the_booking_gets_the_moved_appointment(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)
    desk.reschedule(1, booked.appointment_id, NOON + HOUR)
    late = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)
    assert (late.appointment_id, late.replayed, late.starts_at) == (booked.appointment_id, True, NOON + HOUR)
    # another call that wants the old slot for the same customer gets it
    other = desk.book(1, NOON, service_id=1, staff_id=1, customer_id=3, call_id=71)
    assert not other.replayed
    assert other.idempotency_key == trueup.booking.idempotency_key(1, 1, 1, 3, 71, NOON, 1)


def test_a_move_is_refused_where_a_booking_would_be(world: str, desk: Bookings) -> None:
    one = desk.book(1, NOON, service_id=1, staff_id=1, customer_id=1)
    two = desk.book(1, NOON + HOUR, service_id=1, staff_id=1, customer_id=2)
    three = desk.book(1, NOON + 2 * HOUR, service_id=1, staff_id=2, customer_id=1)
    with pytest.raises(errors.ExclusionViolation, match="appointments_staff_id_excl"):
        desk.reschedule(1, two.appointment_id, NOON + QUARTER)
    assert refused(lambda: desk.reschedule(1, three.appointment_id, NOON))[0] == "TU203"
    assert refused(lambda: desk.reschedule(1, one.appointment_id, NOON, NOON - HOUR))[0] == "TU205"
    # how long it would be is unknown when it has no end
    sql(world, "update public.appointments set ends_at = 'infinity' where id = %s", three.appointment_id)
    assert refused(lambda: desk.reschedule(1, three.appointment_id, NOON + 4 * HOUR))[0] == "TU205"
    # over its own old place it may be moved
    desk.reschedule(1, one.appointment_id, NOON + timedelta(minutes=5))
    state, _ = refused(lambda: desk.reschedule(1, one.appointment_id, NOON - HOUR, previous_starts_at=NOON))
    assert state == "TU204"
    desk.cancel(1, one.appointment_id)
    assert refused(lambda: desk.reschedule(1, one.appointment_id, NOON))[0] == "TU204"
    assert count(world, "public.appointment_modifications") == 2


@pytest.mark.one_server
def test_what_the_agent_booked_is_moved_ahead_and_not_too_far(world: str, desk: Bookings) -> None:
    by_agent = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3).appointment_id
    past, far = NOON - timedelta(days=33), NOON + timedelta(days=5 * 365)
    state, said = refused(lambda: desk.reschedule(1, by_agent, past, call_id=3))
    assert (state, "the phone agent books ahead" in said) == ("TU205", True)
    assert refused(lambda: desk.reschedule(1, by_agent, far, call_id=3))[0] == "TU205"
    assert count(world, "public.appointment_modifications") == 0
    # what the provider has taken exists, and what people enter is theirs to know
    assert desk.reschedule(1, by_agent, far, call_id=3, booking_uid="taken").starts_at == far
    by_hand = desk.book(1, NOON, service_id=1, staff_id=1, customer_id=4).appointment_id
    assert desk.reschedule(1, by_hand, past).starts_at == past
    assert [name for name, _ in violations(world)] == ["appointment_times_invalid"]
    sql(world, "delete from public.appointment_modifications; delete from public.appointments")


def test_what_the_agent_booked_may_end_later_when_it_has_begun(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, call_id=3).appointment_id
    begun = datetime.now(UTC) - QUARTER
    sql(
        world,
        "update public.appointments set created_at = %s - interval '1 day', starts_at = %s, ends_at = %s",
        begun,
        begun,
        begun + HOUR,
    )
    longer = desk.reschedule(1, booked, begun, begun + HOUR + QUARTER)
    assert (longer.starts_at, longer.ends_at) == (begun, begun + HOUR + QUARTER)
    assert refused(lambda: desk.reschedule(1, booked, begun + timedelta(minutes=1)))[0] == "TU205"


def test_the_later_of_two_moves_comes_later_in_the_chain(world: str) -> None:
    """A transaction that began first and moves last: the time of the modification is not that of its begin."""
    booked = Bookings(Pool(world)).book(1, NOON, service_id=1, staff_id=1, call_id=3)
    with psycopg.connect(world) as early:
        early.execute("select now()")
        Bookings(Pool(world)).reschedule(1, booked.appointment_id, NOON + HOUR)
        Bookings(early).reschedule(1, booked.appointment_id, NOON + 2 * HOUR)
    assert count(world, "trueup.appointment_modification_mismatch") == 0


def test_a_cancellation_by_another_call(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u")
    done = desk.cancel(1, booked.appointment_id, call_id=4, reason="ill")
    assert not done.replayed
    assert desk.cancel(1, booked.appointment_id, call_id=5) == replace(done, replayed=True)
    assert sql(
        world,
        "select a.status, a.call_id, m.call_id, m.kind, m.reason, c.appointment_made, c.appointment_id = a.id"
        " from public.appointments as a join public.calls as c on a.call_id = c.id"
        " join public.appointment_modifications as m on m.appointment_id = a.id",
    ) == [("cancelled", 3, 4, "cancel", "ill", True, True)]
    desk.book(1, NOON, service_id=1, staff_id=1, call_id=6)
    sql(world, "update public.appointments set status = 'completed' where call_id = 6")
    assert (
        refused(lambda: desk.cancel(1, value(world, "select id from public.appointments where call_id = 6")))[
            0
        ]
        == "TU204"
    )


def test_a_legacy_spelling_is_moved_and_cancelled(database: str) -> None:
    sql(database, WORLD + "select factory.legacy('appointments_status_vocabulary')")
    desk = Bookings(Pool(database))
    plant(
        database,
        "select factory.appointment(n, customer_id => n, status => 'scheduled') from generate_series(1, 2) as n;"
        "select factory.appointment(3, customer_id => 3, status => 'Completed')",
    )
    assert desk.reschedule(1, 1, NOON).starts_at == NOON
    assert not desk.cancel(1, 2).replayed
    assert refused(lambda: desk.cancel(1, 3))[0] == "TU204"
    assert sql(database, "select status from public.appointments order by id") == [
        ("confirmed",),
        ("cancelled",),
        ("Completed",),
    ]


def test_every_reason_of_validation(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u")
    unlinked = desk.book(1, NOON + HOUR, service_id=1, staff_id=1, customer_id=7)

    def reasons(*arguments: Any) -> list[str]:
        return [fault.reason for fault in desk.validate(1, *arguments)]

    assert reasons(3, booked.appointment_id, "u") == []
    assert desk.validate(1, 3, None) == [Fault("appointment_not_found", "company 1 has no appointment NULL")]
    assert reasons(3, 12345, "u") == ["appointment_not_found"]
    assert reasons(3, unlinked.appointment_id) == ["appointment_not_linked", "booking_id_mismatch"]
    assert reasons(4, booked.appointment_id) == ["appointment_wrong_call", "call_flags_inconsistent"]
    assert reasons(3, booked.appointment_id, "another") == ["booking_id_mismatch"]
    sql(world, "update trueup.settings set value = '1 microsecond' where name = 'booking_validation_window'")
    assert reasons(3, booked.appointment_id, "u") == ["appointment_too_old"]
    sql(world, "update trueup.settings set value = default_value")
    sql(world, "update public.calls set booking_failed = true where id = 3")
    assert reasons(3, booked.appointment_id, "u") == ["call_flags_inconsistent"]
    sql(world, "update public.calls set booking_failed = false where id = 3")


def test_a_failed_booking_is_all_of_it(world: str, desk: Bookings) -> None:
    sql(
        world,
        "update public.calls set appointment_link_status = 'pending_creation', booking_id = 'u' where id = 3",
    )
    failed = desk.fail(1, 3, "the provider answered 500", actor="agent")
    assert desk.fail(1, 3, "the provider answered 500") == replace(failed, replayed=True)
    assert sql(
        world,
        "select appointment_made, appointment_link_status, session_outcome, booking_confirmed, booking_failed,"
        " booking_failure_reason, requires_manual_processing, booking_id from public.calls where id = 3",
    ) == [(False, "creation_failed", "creation_failed", False, True, "the provider answered 500", True, "u")]
    assert sql(world, "select id, entity_id, occurrences from trueup.data_consistency_alerts") == [
        (failed.alert_id, "3", 1)
    ]
    assert sql(world, "select id, reason, entity_id, priority from trueup.manual_review_queue") == [
        (failed.queue_item_id, "provider_booking_failed", "3", 2)
    ]
    # no run takes the alert for one of a check that found nothing
    assert trueup.check(database=world).violations == 0
    assert value(world, "select status from trueup.data_consistency_alerts") == "open"
    # a new attempt that succeeds outranks the failure, and the person's decision closes the alert
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u2")
    assert desk.validate(1, 3, booked.appointment_id, "u2") == []
    claim = trueup.review.next_item("ann", database=world)
    assert claim is not None
    trueup.review.resolve(claim.item.id, claim.token, database=world)
    assert value(world, "select status from trueup.data_consistency_alerts") == "resolved"


def test_a_booking_that_is_there_has_not_failed(world: str, desk: Bookings) -> None:
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u")
    state, detail = refused(lambda: desk.fail(1, 3, "timeout"))
    assert (state, str(booked.appointment_id) in detail) == ("TU204", True)
    assert refused(lambda: desk.fail(1, 3, " "))[0] == "TU205"
    desk.cancel(1, booked.appointment_id)
    # the cancelled one was made, whatever became of the next attempt
    assert not desk.fail(1, 3, "timeout").replayed
    assert sql(
        world,
        "select appointment_made, session_outcome, booking_confirmed, booking_failed from public.calls where id = 3",
    ) == [(True, "appointment_booked", True, True)]
    assert desk.fail(1, 3, "timeout").replayed


def test_a_failure_is_told_outside_the_transaction_that_failed(world: str, desk: Bookings) -> None:
    desk.book(1, NOON, service_id=1, staff_id=1, customer_id=1)
    with psycopg.connect(world) as connection:
        inside = Bookings(connection)
        with pytest.raises(errors.ExclusionViolation):
            inside.book(1, NOON, service_id=1, staff_id=1, call_id=3)
        with pytest.raises(errors.InFailedSqlTransaction):
            inside.fail(1, 3, "slot taken")
        connection.rollback()
        inside.fail(1, 3, "slot taken")
        connection.rollback()
    assert count(world, "trueup.manual_review_queue") == 0
    desk.fail(1, 3, "slot taken")
    assert count(world, "trueup.manual_review_queue") == 1
    assert count(world, "trueup.data_consistency_alerts") == 1


def test_failing_and_booking_at_once_end_in_agreement(world: str, desk: Bookings) -> None:
    for number in range(1, 13):
        answers = at_once(
            [
                partial(desk.fail, 1, number, "timeout"),
                partial(
                    desk.book,
                    1,
                    NOON + number * HOUR,
                    service_id=1,
                    staff_id=1,
                    call_id=number,
                    booking_uid=f"u{number}",
                ),
            ]
        )
        assert not isinstance(answers[1], str)
        assert answers[0] == "TU204" or answers[0].call_id == number
    assert count(world, "public.calls", "booking_failed or not appointment_made and id <= 12") == 0


def test_an_application_with_its_role_alone(world: str) -> None:
    """trueup_app may book and read nothing."""
    name = f"{value(world, 'select current_database()')}_app"
    sql(world, f"create role {name} login in role trueup_app")
    try:
        app = Bookings(Pool(world.replace("postgres@", f"{name}@")))
        booked = app.book(1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u")
        assert app.validate(1, 3, booked.appointment_id, "u") == []
        app.reschedule(1, booked.appointment_id, NOON + HOUR)
        app.cancel(1, booked.appointment_id)
        app.fail(1, 4, "timeout")
        assert value(world, "select min(m.actor) from public.appointment_modifications as m") == name
        for forbidden in (
            "select 1 from public.calls",
            "select 1 from trueup.idempotency_keys",
            "select trueup.settle_request(1, 'retry')",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                sql(world.replace("postgres@", f"{name}@"), forbidden)
    finally:
        sql(world, f"drop owned by {name}; drop role {name}")


def test_the_same_asynchronously(world: str) -> None:
    async def go() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(world, autocommit=True) as connection:
            desk = AsyncBookings(connection)
            booked = await desk.book(
                1, NOON, service_id=1, staff_id=1, call_id=3, booking_uid="u", metadata={"a": 1}
            )
            faults = await desk.validate(1, 3, booked.appointment_id, "u")
            moved = await desk.reschedule(1, booked.appointment_id, NOON + HOUR, call_id=4)
            done = await desk.cancel(1, booked.appointment_id)
            return [
                booked.replayed,
                faults,
                moved.previous_starts_at,
                done.replayed,
                (await desk.fail(1, 5, "x")).call_id,
            ]

    assert asyncio.run(go()) == [False, [], NOON, False, 5]
