"""Requests that lead outside the database: begun once, told once, and never tried again blindly."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from conftest import Databases
from helpers import Pool, sql, value
from hypothesis import given, settings
from hypothesis import strategies as st

import trueup
from trueup.booking import AsyncBookings, Bookings, Request, idempotency_key
from trueup.errors import RefusedError

Connection = psycopg.Connection[Any]
KEY = uuid.UUID("00000000-0000-0000-0000-000000000001")
PARAMETERS = {"service": 1, "at": "2025-10-22T12:00:00Z"}
LEASE = timedelta(seconds=30)
IDS = st.none() | st.integers(0, 2**63 - 1)
INSTANTS = st.datetimes(
    datetime(1900, 1, 1),
    datetime(2200, 1, 1),
    timezones=st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14))),
)


@pytest.fixture
def desk(database: str) -> Bookings:
    """The functions, each call in a transaction of its own."""
    sql(database, "select factory.company(1), factory.company(2)")
    return Bookings(Pool(database))


@pytest.fixture(scope="session")
def connection(databases: Databases) -> Iterator[Connection]:
    """A connection to a database at head, for functions that only compute."""
    name = databases.create(databases.migrated())
    with psycopg.connect(databases.server.url(name), autocommit=True) as made:
        yield made
    databases.drop(name)


def begin(desk: Bookings, scope: str = "payment", company_id: int | None = 1, **more: Any) -> Request:
    return desk.begin_request(
        company_id, scope, KEY, more.pop("parameters", PARAMETERS), more.pop("lease", LEASE)
    )


def finish(
    desk: Bookings, request: Request, outcome: str = "success", scope: str = "payment", result: Any = None
) -> str:
    assert request.token is not None
    return desk.finish_request(1, scope, KEY, request.token, outcome, result)  # type: ignore[arg-type]


def expire(url: str) -> None:
    """Let the leases end, as time would."""
    sql(url, "update trueup.idempotency_keys set lease_expires_at = clock_timestamp() - interval '1 second'")


def stuck(url: str) -> list[int]:
    return [
        row[0] for row in sql(url, "select v.entity_id from trueup.idempotency_key_stuck as v order by 1")
    ]


def queued(url: str) -> list[tuple[Any, ...]]:
    return sql(
        url,
        "select q.entity_type, q.entity_id from trueup.manual_review_queue as q where q.reason = 'idempotency_key_stuck'",
    )


@settings(max_examples=200, deadline=None)
@given(ids=st.tuples(*[IDS] * 5), starts_at=INSTANTS, generation=st.integers(0, 99))
def test_the_key_is_the_same_in_python(
    connection: Connection, ids: tuple[int | None, ...], starts_at: datetime, generation: int
) -> None:
    row = connection.execute(
        "select trueup.idempotency_key(%s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::timestamptz, %s)",
        [*ids, starts_at, generation],
    ).fetchone()
    company_id, service_id, staff_id, customer_id, call_id = ids
    computed = idempotency_key(company_id, service_id, staff_id, customer_id, call_id, starts_at, generation)
    assert row == (computed,)


@settings(max_examples=50, deadline=None)
@given(starts_at=INSTANTS, hours=st.integers(-14, 14))
def test_an_instant_has_one_key_in_whatever_zone(starts_at: datetime, hours: int) -> None:
    elsewhere = starts_at.astimezone(timezone(timedelta(hours=hours)))
    assert idempotency_key(1, 2, 3, 4, 5, elsewhere) == idempotency_key(1, 2, 3, 4, 5, starts_at)


@pytest.mark.parametrize(
    "spelled",
    [
        "2025-10-22 12:00Z",
        "2025-10-22T14:00:00+02:00",
        "2025-10-22 14:00 Europe/Berlin",
        "2025-10-22 08:00:00.000-0400",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
def test_an_instant_has_one_key_however_it_is_written(
    connection: Connection, spelled: str, zone: str
) -> None:
    connection.execute("select set_config('timezone', %s, false)", [zone])
    row = connection.execute(
        "select trueup.idempotency_key(1, 2, 3, 4, 5, %s::timestamptz)", [spelled]
    ).fetchone()
    assert row == (idempotency_key(1, 2, 3, 4, 5, datetime(2025, 10, 22, 12, tzinfo=UTC)),)


def test_a_start_without_a_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        idempotency_key(1, 2, 3, 4, 5, datetime(2025, 10, 22, 12))


def test_begun_running_finished_replayed(database: str, desk: Bookings) -> None:
    first = begin(desk)
    assert (first.outcome, first.attempt, first.taken_over, first.result) == ("new", 1, False, None)
    running = begin(desk)
    assert (running.outcome, running.token, running.lease_expires_at) == (
        "running",
        None,
        first.lease_expires_at,
    )
    assert finish(desk, first, result={"uid": "a"}) == "finished"
    for _ in range(2):
        assert begin(desk) == Request("replay", None, 1, False, {"uid": "a"}, None)
    assert finish(desk, first, "failure") == "finished", "told twice, the first counts"
    assert begin(desk).result == {"uid": "a"}
    assert stuck(database) == []


def test_the_order_of_parameters_is_no_difference_and_their_values_are(desk: Bookings) -> None:
    first = begin(desk)
    assert begin(desk, parameters=dict(reversed(PARAMETERS.items()))).outcome == "running"
    for _ in range(2):
        with pytest.raises(RefusedError, match="with other parameters") as told:
            begin(desk, parameters={**PARAMETERS, "service": 2})
        assert told.value.sqlstate == "TU202"
        finish(desk, first)


def test_companies_and_scopes_share_no_key(desk: Bookings) -> None:
    """Another company that sends the same key is told nothing, and neither is one without a company."""
    finish(desk, begin(desk), result={"uid": "a"})
    others = [begin(desk, company_id=2), begin(desk, company_id=None), begin(desk, scope="cancellation")]
    assert [other.outcome for other in others] == ["new"] * 3
    assert begin(desk, company_id=None).outcome == "running"


def test_an_expired_lease_is_taken_over_once(database: str, desk: Bookings) -> None:
    first = begin(desk)
    expire(database)
    assert len(stuck(database)) == 1
    second = begin(desk)
    assert (second.outcome, second.attempt, second.taken_over) == ("new", 2, True)
    assert stuck(database) == []
    with pytest.raises(RefusedError, match="another runner has taken over") as told:
        finish(desk, first)
    assert told.value.sqlstate == "TU201"
    expire(database)
    assert begin(desk).outcome == "unknown"
    assert begin(desk).outcome == "unknown"
    (request_id,) = stuck(database)
    assert queued(database) == [("request", str(request_id))]
    # the last runner lives after all, and nobody else knows better; who was taken over does not
    assert finish(desk, second, "transient") == "unknown"
    with pytest.raises(RefusedError):
        finish(desk, first)
    assert finish(desk, second, result={"uid": "a"}) == "finished"
    assert begin(desk).result == {"uid": "a"}
    assert stuck(database) == []


def test_who_holds_an_expired_lease_that_nobody_took_may_tell(database: str, desk: Bookings) -> None:
    first = begin(desk)
    expire(database)
    assert finish(desk, first, result=1) == "finished"
    assert begin(desk).result == 1


@pytest.mark.parametrize(
    ("scope", "outcome", "told", "then"),
    [
        ("payment", "success", "finished", "replay"),
        ("payment", "failure", "finished", "replay"),
        ("payment", "transient", "finished", "replay"),
        ("payment", "unknown", "unknown", "unknown"),
        ("booking", "success", "finished", "replay"),
        ("booking", "failure", "finished", "replay"),
        ("booking", "transient", "retry", "new"),
        ("booking", "unknown", "unknown", "unknown"),
        ("cancellation", "success", "finished", "replay"),
        ("cancellation", "failure", "unknown", "unknown"),
        ("cancellation", "transient", "retry", "new"),
        ("cancellation", "unknown", "unknown", "unknown"),
    ],
)
def test_what_a_failure_means_is_the_policy(
    database: str, desk: Bookings, scope: str, outcome: str, told: str, then: str
) -> None:
    first = begin(desk, scope)
    for _ in range(2):
        assert finish(desk, first, outcome, scope, "what happened") == told
    assert bool(queued(database)) == (told == "unknown")
    expire(database)
    # what must be completed is not forgotten when nobody asks again
    assert bool(stuck(database)) == (told == "unknown" or (scope, outcome) == ("cancellation", "transient"))
    again = begin(desk, scope)
    assert (again.outcome, again.taken_over) == (then, False)
    assert again.result == (None if then == "new" else "what happened")
    if then == "new":
        assert again.attempt == 2
        with pytest.raises(RefusedError):
            finish(desk, first, "success", scope)
        assert finish(desk, again, "success", scope) == "finished"


def test_a_policy_is_data(database: str, desk: Bookings) -> None:
    sql(
        database,
        "insert into trueup.request_policies (scope, policy, lease) values ('payment', 'retry', '1 hour')",
    )
    first = begin(desk, lease=None)
    assert first.lease_expires_at is not None
    assert first.lease_expires_at > datetime.now(UTC) + timedelta(minutes=59)
    assert finish(desk, first, "transient") == "retry"


def test_a_person_settles_what_nobody_knows(database: str, desk: Bookings) -> None:
    finish(desk, begin(desk), "unknown")
    trueup.check(database=database)
    claim = trueup.review.next_item("ann", database=database)
    assert claim is not None
    request_id = int(claim.item.entity_id)
    with pytest.raises(RefusedError, match="still violates"):
        trueup.review.resolve(claim.item.id, claim.token, database=database)
    sql(database, "select trueup.settle_request(%s, 'success', '\"booked\"')", request_id)
    sql(database, "select trueup.settle_request(%s, 'success', '\"booked\"')", request_id)
    trueup.review.resolve(claim.item.id, claim.token, database=database)
    assert (
        value(
            database,
            "select al.status from trueup.data_consistency_alerts as al where al.alert_type = 'idempotency_key_stuck'",
        )
        == "resolved"
    )
    assert begin(desk).result == "booked"


def test_what_is_settled_is_not_told_otherwise(database: str, desk: Bookings) -> None:
    first = begin(desk)
    finish(desk, first, "unknown")
    sql(database, "select trueup.settle_request(v.entity_id, 'retry') from trueup.idempotency_key_stuck as v")
    with pytest.raises(RefusedError):
        finish(desk, first)
    assert begin(desk).outcome == "new"


def test_a_failure_is_told_outside_the_transaction_that_failed(database: str, desk: Bookings) -> None:
    request = begin(desk)
    with psycopg.connect(database) as connection:
        inside = Bookings(connection)
        finish(inside, request, "failure")
        connection.rollback()
    assert begin(desk).outcome == "running", "told inside, it rolled back too"
    finish(desk, request, "failure", result="refused")
    assert begin(desk) == Request("replay", None, 1, False, "refused", None)


def test_of_fifty_that_begin_at_once_one_is_new(database: str) -> None:
    desk = Bookings(Pool(database))
    barrier = threading.Barrier(50)

    def go(_: int) -> str:
        barrier.wait(60)
        return begin(desk, company_id=None).outcome

    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(go, range(50)))
    assert sorted(outcomes) == ["new"] + ["running"] * 49
    expire(database)
    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(go, range(50)))
    assert sorted(outcomes) == ["new"] + ["running"] * 49


def test_the_second_waits_for_a_first_that_has_not_committed(database: str, desk: Bookings) -> None:
    with psycopg.connect(database) as connection, ThreadPoolExecutor(1) as pool:
        first = begin(Bookings(connection))
        second = pool.submit(begin, desk)
        finish(Bookings(connection), first, result="done")
        connection.commit()
        assert second.result(20) == Request("replay", None, 1, False, "done", None)


def test_a_snapshot_from_before_is_no_answer(database: str, desk: Bookings) -> None:
    with psycopg.connect(database) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("select 1")
        begin(desk)
        with pytest.raises(psycopg.errors.SerializationFailure):
            begin(Bookings(old))


@pytest.mark.parametrize(
    "call",
    [
        "trueup.begin_request(1, '', gen_random_uuid(), 'x')",
        "trueup.begin_request(1, 'a', null, 'x')",
        "trueup.begin_request(1, 'a', gen_random_uuid(), ' ')",
        "trueup.begin_request(1, 'a', gen_random_uuid(), 'x', '0 seconds')",
        "trueup.begin_request(1, 'a', gen_random_uuid(), 'x', '-1 hour')",
        "trueup.finish_request(1, 'a', gen_random_uuid(), gen_random_uuid(), 'done')",
        "trueup.finish_request(1, 'a', gen_random_uuid(), gen_random_uuid(), null)",
        "trueup.finish_request(1, 'a', gen_random_uuid(), gen_random_uuid())",
        "trueup.settle_request(1, 'done')",
        "trueup.settle_request(1, 'success')",
    ],
)
def test_what_makes_no_sense_is_refused(database: str, call: str) -> None:
    with pytest.raises(psycopg.Error) as told:
        sql(database, f"select * from {call}")
    assert told.value.sqlstate in ("TU200", "TU205")
    assert value(database, "select count(*) from trueup.idempotency_keys") == 0


def test_what_is_finished_is_reaped_and_nothing_else(database: str, desk: Bookings) -> None:
    for scope, outcome in (
        ("a", "success"),
        ("booking", "transient"),
        ("cancellation", "transient"),
        ("b", "unknown"),
    ):
        finish(desk, begin(desk, scope), outcome, scope)
    begin(desk, "c")
    age = "interval '91 days'"
    sql(
        database,
        f"update trueup.idempotency_keys set created_at = created_at - {age}, finished_at = finished_at - {age},"
        f" lease_expires_at = lease_expires_at - {age}",
    )
    trueup.prune(database=database, apply=True)
    assert sql(database, "select scope from trueup.idempotency_keys order by 1") == [
        ("b",),
        ("c",),
        ("cancellation",),
    ]


def test_the_same_asynchronously(database: str) -> None:
    async def go() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            desk = AsyncBookings(connection)
            first = await desk.begin_request(None, "payment", KEY, PARAMETERS)
            assert first.token is not None
            told = await desk.finish_request(None, "payment", KEY, first.token, "success", [1])
            return [first, told, await desk.begin_request(None, "payment", KEY, PARAMETERS)]

    first, told, again = asyncio.run(go())
    assert told == "finished"
    assert again == replace(first, outcome="replay", token=None, result=[1], lease_expires_at=None)
