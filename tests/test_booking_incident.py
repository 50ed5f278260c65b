"""What went wrong in October 2025, done again as it was done then, and with the functions.

Each test does it the naive way first and finds the fault, on the database of then: guards off, and
without the index or constraint that stands in the way today. The numbers are those of the lessons.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from helpers import Pool, sql, value
from psycopg import errors

from trueup.booking import Bookings, idempotency_key
from trueup.errors import RefusedError

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=30)
ENDS = NOON + timedelta(minutes=45)
INSERT = """
    insert into public.appointments (company_id, customer_id, service_id, staff_id, starts_at, ends_at, idempotency_key)
    values (%s, %s, 1, %s, %s, %s, %s) returning id
"""


@pytest.fixture
def then(database: str) -> str:
    """The database as it was then, with two companies."""
    sql(
        database,
        """
        select factory.company(1), factory.company(2);
        select factory.staff(1), factory.service(1), factory.service(9, company_id => 2);
        select factory.customer(1, phone => '+49301000'), factory.customer(2, company_id => 2, phone => '+49302000');
        select factory.call(1, session_outcome => 'appointment_booked'), factory.call(2), factory.call(3);
        select factory.legacy('appointments_idempotency_key_key', 'appointments_staff_id_excl');
        update trueup.guards set mode = 'off';
        """,
    )
    return database


@pytest.fixture
def now(then: str) -> Callable[[], Bookings]:
    """What makes it the database of today, and the functions on it."""

    def today() -> Bookings:
        sql(
            then,
            "delete from public.appointments; update trueup.guards set mode = 'enforce'",
        )
        return Bookings(Pool(then))

    return today


def count(url: str, condition: str = "true") -> int:
    return int(value(url, f"select count(*) from public.appointments as a where {condition}"))


def both(work: Callable[[threading.Barrier], Any]) -> list[Any]:
    """Do it in two sessions at the same moment."""
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda _: work(barrier), range(2)))


def test_lesson_1_a_flag_without_evidence_is_a_phantom_booking(
    then: str, now: Callable[[], Bookings]
) -> None:
    """The outcome says booked, so set made = true."""
    phantoms = "select array_agg(v.entity_id) from trueup.call_made_without_appointment as v"
    sql(then, "update public.calls set appointment_made = true where session_outcome = 'appointment_booked'")
    assert value(then, phantoms) == [1]

    sql(then, "update public.calls set appointment_made = false, session_outcome = null where id = 1")
    desk = now()
    booked = desk.book(1, NOON, service_id=1, staff_id=1, call_id=1)
    desk.fail(1, 2, "nobody answered")
    assert value(then, phantoms) is None
    assert sql(
        then,
        "select c.id, c.appointment_made, c.appointment_id, c.session_outcome from public.calls as c where c.id < 3 order by 1",
    ) == [(1, True, booked.appointment_id, "appointment_booked"), (2, False, None, "creation_failed")]


def test_lesson_7_check_then_insert_books_twice(then: str, now: Callable[[], Bookings]) -> None:
    key = idempotency_key(1, 1, 1, 1, None, NOON)

    def naive(barrier: threading.Barrier) -> None:
        with psycopg.connect(then) as connection:
            seen = connection.execute(
                "select 1 from public.appointments as a where a.idempotency_key = %s", [key]
            ).fetchone()
            barrier.wait(20)
            if not seen:
                connection.execute(INSERT, [1, 1, 1, NOON, ENDS, key])

    both(naive)
    assert count(then) == 2

    desk = now()

    def function(barrier: threading.Barrier) -> int:
        barrier.wait(20)
        return desk.book(1, NOON, service_id=1, staff_id=1, customer_id=1).appointment_id

    assert len(set(both(function))) == 1
    assert count(then) == 1


def test_lesson_7_a_key_of_raw_text_differs_with_the_zone(then: str, now: Callable[[], Bookings]) -> None:
    spellings = [
        NOON.isoformat(),
        NOON.astimezone(datetime.now().astimezone().tzinfo).isoformat(),
        f"{NOON:%Y-%m-%d} 14:00+02:00",
    ]
    for text in spellings:
        key = uuid.uuid5(uuid.NAMESPACE_URL, f"1|1|{text}")
        if not value(
            then, "select exists (select 1 from public.appointments as a where a.idempotency_key = %s)", key
        ):
            sql(then, INSERT, 1, 1, 1, NOON, ENDS, key)
    assert count(then) > 1

    now()
    found = [
        value(
            then,
            "select b.appointment_id from trueup.book_appointment(1, %s, p_service_id => 1, p_staff_id => 1, p_customer_id => 1) as b",
            text,
        )
        for text in spellings
    ]
    assert len(set(found)) == 1
    assert count(then) == 1


def test_lesson_7_a_random_key_in_an_emergency_is_no_key(then: str, now: Callable[[], Bookings]) -> None:
    def naive(start: str) -> uuid.UUID:
        try:
            return idempotency_key(1, 1, 1, 1, None, datetime.fromisoformat(start))
        except ValueError:
            return uuid.uuid4()

    for _ in range(2):
        sql(then, INSERT, 1, 1, 1, NOON, ENDS, naive("2025-10-22T14:00"))
    assert count(then) == 2

    desk = now()
    for _ in range(2):
        with pytest.raises(ValueError, match="no time zone"):
            desk.book(1, NOON.replace(tzinfo=None), service_id=1, staff_id=1, call_id=2)
    assert count(then) == 0


def test_lesson_7_a_cancelled_booking_is_returned_for_ever(then: str, now: Callable[[], Bookings]) -> None:
    key = idempotency_key(1, 1, 1, 1, None, NOON)

    def naive() -> int:
        found = sql(then, "select a.id from public.appointments as a where a.idempotency_key = %s", key)
        return int((found or sql(then, INSERT, 1, 1, 1, NOON, ENDS, key))[0][0])

    first = naive()
    sql(then, "update public.appointments set status = 'cancelled'")
    assert naive() == first
    assert count(then, "a.status = 'confirmed'") == 0

    desk = now()
    booked = desk.book(1, NOON, service_id=1, staff_id=1, customer_id=1)
    desk.cancel(1, booked.appointment_id)
    again = desk.book(1, NOON, service_id=1, staff_id=1, customer_id=1)
    assert again.appointment_id != booked.appointment_id
    assert count(then, "a.status = 'confirmed'") == 1


def test_lesson_8_company_1_by_default(then: str, now: Callable[[], Bookings]) -> None:
    company_id = None
    sql(then, INSERT, company_id or 1, 1, 1, NOON, ENDS, None)
    assert count(then, "a.company_id = 1") == 1

    now()
    with pytest.raises(psycopg.Error, match="none is given") as told:
        sql(
            then,
            "select * from trueup.book_appointment(%s::bigint, %s, p_service_id => 1, p_customer_id => 1)",
            company_id,
            NOON,
        )
    assert told.value.sqlstate == "TU205"
    assert count(then) == 0


def test_lesson_8_a_search_in_all_companies(then: str, now: Callable[[], Bookings]) -> None:
    """Company 1 is called by somebody whom only company 2 knows."""
    anybody = value(then, "select k.id from public.customers as k where k.phone_normalized = '+49302000'")
    with psycopg.connect(then) as connection:
        connection.execute(
            "alter table public.appointments drop constraint appointments_company_id_customer_id_fkey"
        )
        connection.execute(INSERT, [1, anybody, 1, NOON, ENDS, None])
        leaked = connection.execute("select v.entity_type from trueup.tenant_mismatch as v").fetchall()
        assert leaked == [("appointment",)]
        connection.rollback()

    desk = now()
    with pytest.raises(RefusedError, match=f"customer {anybody} does not exist in company 1") as told:
        desk.book(1, NOON, service_id=1, staff_id=1, customer_id=anybody)
    assert told.value.sqlstate == "TU200"


def test_lesson_10_a_tool_call_that_is_retried_is_told_slot_taken_by_its_own_booking(
    then: str, now: Callable[[], Bookings]
) -> None:
    """The first answer came after 10 seconds; the agent had asked again by then."""

    def naive() -> str:
        taken = value(
            then,
            "select exists (select 1 from public.appointments as a where a.staff_id = 1 and a.starts_at < %s and a.ends_at > %s)",
            ENDS,
            NOON,
        )
        if taken:
            return "slot taken"
        sql(then, INSERT, 1, 1, 1, NOON, ENDS, None)
        return "booked"

    assert [naive(), naive()] == ["booked", "slot taken"]

    desk = now()
    first = desk.book(1, NOON, service_id=1, staff_id=1, call_id=2)
    # the second time the agent knows who is calling
    sql(then, "update public.calls set customer_id = 1 where id = 2")
    second = desk.book(1, NOON, service_id=1, staff_id=1, call_id=2)
    assert (second.appointment_id, second.replayed) == (first.appointment_id, True)
    # and somebody else is told the truth
    with pytest.raises(errors.ExclusionViolation):
        desk.book(1, NOON, service_id=1, staff_id=1, call_id=3)


class Provider:
    """A calendar provider that books and then answers 400, or not at all."""

    def __init__(self) -> None:
        self.bookings: list[str] = []

    def book(self) -> str:
        self.bookings.append(f"uid{len(self.bookings)}")
        raise TimeoutError("400, or no answer")


def test_lesson_10_an_unknown_outcome_is_no_failure(then: str, now: Callable[[], Bookings]) -> None:
    naive = Provider()
    for _ in range(3):
        try:
            naive.book()
            break
        except TimeoutError:
            continue
    assert len(naive.bookings) == 3

    desk, provider = now(), Provider()
    key = idempotency_key(1, 1, 1, None, 2, NOON)
    outcomes = []
    for _ in range(3):
        request = desk.begin_request(1, "booking", key, {"call": 2})
        outcomes.append(request.outcome)
        if request.outcome == "new":
            assert request.token is not None
            try:
                provider.book()
            except TimeoutError:
                desk.finish_request(1, "booking", key, request.token, "unknown")
    assert outcomes == ["new", "unknown", "unknown"]
    assert len(provider.bookings) == 1
    assert (
        value(
            then,
            "select q.severity from trueup.manual_review_queue as q where q.reason = 'idempotency_key_stuck'",
        )
        == "critical"
    )
    # a person finds the booking at the provider, and the agent's retry gets it
    sql(
        then,
        "select trueup.settle_request(v.entity_id, 'success', %s) from trueup.idempotency_key_stuck as v",
        '{"uid": "uid0"}',
    )
    found = desk.begin_request(1, "booking", key, {"call": 2})
    assert (found.outcome, found.result) == ("replay", {"uid": "uid0"})
    assert (
        desk.book(1, NOON, service_id=1, staff_id=1, call_id=2, booking_uid=found.result["uid"]).call_id == 2
    )
