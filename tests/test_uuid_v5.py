"""trueup.uuid_v5 is uuid.uuid5, and one instant has one idempotency key however it is written."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from conftest import Databases
from hypothesis import given, settings
from hypothesis import strategies as st

NAMESPACE = uuid.UUID("ebdb8652-201e-4078-b9e7-abdd19bc8326")
# what PostgreSQL can store: no NUL, no lone surrogates
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)
NOON = datetime(2025, 10, 22, 12, tzinfo=UTC)

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="session")
def connection(databases: Databases) -> Iterator[Connection]:
    """A connection to a database at head, for functions that only compute."""
    name = databases.create(databases.migrated())
    with psycopg.connect(databases.server.url(name), autocommit=True) as made:
        yield made
    databases.drop(name)


def uuid_v5(connection: Connection, namespace: uuid.UUID, name: str) -> object:
    return scalar(connection, "select trueup.uuid_v5(%s, %s)", namespace, name)


def key(connection: Connection, *parts: object) -> object:
    types = ["bigint"] * 5 + ["timestamptz", "integer"]
    arguments = ", ".join(f"%s::{kind}" for kind in types[: len(parts)])
    return scalar(connection, f"select trueup.idempotency_key({arguments})", *parts)


def scalar(connection: Connection, statement: str, *parameters: object) -> object:
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


@settings(max_examples=300, deadline=None)
@given(namespace=st.uuids(), name=NAMES)
def test_uuid_v5_is_python_s(connection: Connection, namespace: uuid.UUID, name: str) -> None:
    assert uuid_v5(connection, namespace, name) == uuid.uuid5(namespace, name)


@pytest.mark.parametrize(
    "name", ["", "a", "Grüße, 東京 \U0001f4de", "x" * 1_000_000], ids=["empty", "a", "wide", "long"]
)
def test_uuid_v5_of_extremes(connection: Connection, name: str) -> None:
    assert uuid_v5(connection, NAMESPACE, name) == uuid.uuid5(NAMESPACE, name)


def test_uuid_v5_at_every_length_around_the_blocks(connection: Connection) -> None:
    rows = connection.execute(
        """
        select n, trueup.uuid_v5(%s, repeat('é', n / 2) || repeat('x', n %% 2))
        from generate_series(0, 260) as n
        """,
        [NAMESPACE],
    ).fetchall()
    assert rows == [(n, uuid.uuid5(NAMESPACE, "é" * (n // 2) + "x" * (n % 2))) for n in range(261)]


def test_uuid_v5_of_nothing_is_nothing(connection: Connection) -> None:
    assert scalar(connection, "select trueup.uuid_v5(null, 'name')") is None
    assert scalar(connection, "select trueup.uuid_v5(%s, null)", NAMESPACE) is None


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ((1, 2, 3, 7, 9, NOON), "v1|booking|1|2|3|customer:7|1761134400|0"),
        ((1, 2, 3, None, 9, NOON), "v1|booking|1|2|3|call:9|1761134400|0"),
        ((None, None, None, None, None, NOON), "v1|booking|-|-|-|-|1761134400|0"),
        ((1, 2, 3, 7, 9, NOON, 4), "v1|booking|1|2|3|customer:7|1761134400|4"),
        ((1, 2, 3, 7, 9, NOON + timedelta(milliseconds=500)), "v1|booking|1|2|3|customer:7|1761134400.5|0"),
        ((1, 2, 3, 7, 9, datetime.fromtimestamp(-10, UTC)), "v1|booking|1|2|3|customer:7|-10|0"),
    ],
)
def test_the_name_of_a_key(connection: Connection, parts: tuple[object, ...], name: str) -> None:
    assert key(connection, *parts) == uuid.uuid5(NAMESPACE, name)


def test_a_booking_without_a_start_has_no_key(connection: Connection) -> None:
    assert key(connection, 1, 2, 3, 7, 9, None) is None


@pytest.mark.parametrize(
    "spelling",
    [
        "2025-10-22 12:00:00+00",
        "2025-10-22T12:00:00.000Z",
        "2025-10-22 14:00:00+02:00",
        "2025-10-22 14:00 Europe/Berlin",
        "2025-10-22 12:00:00.000000 UTC",
        "Oct 22 2025 05:00 America/Los_Angeles",
    ],
)
def test_one_instant_in_any_spelling_has_one_key(connection: Connection, spelling: str) -> None:
    assert key(connection, 1, 2, 3, 7, None, spelling) == key(connection, 1, 2, 3, 7, None, NOON)


@settings(max_examples=50, deadline=None)
@given(
    instant=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    minutes=st.integers(-14 * 60, 14 * 60),
    session_zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]),
)
def test_one_instant_in_any_zone_has_one_key(
    connection: Connection, instant: datetime, minutes: int, session_zone: str
) -> None:
    expected = key(connection, 1, 2, 3, 7, None, instant)
    connection.execute("select set_config('timezone', %s, false)", [session_zone])
    elsewhere = instant.astimezone(timezone(timedelta(minutes=minutes)))
    assert key(connection, 1, 2, 3, 7, None, elsewhere.isoformat()) == expected
    connection.execute("reset timezone")


def test_every_part_makes_another_key(connection: Connection) -> None:
    parts: tuple[Any, ...] = (1, 2, 3, 7, None, NOON, 0)
    other: tuple[Any, ...] = (10, 20, 30, 70, 7, NOON + timedelta(seconds=1), 1)
    keys = {key(connection, *parts)}
    for place, value in enumerate(other):
        if place == 4:
            keys.add(key(connection, 1, 2, 3, None, value, NOON, 0))
        else:
            keys.add(key(connection, *parts[:place], value, *parts[place + 1 :]))
    assert len(keys) == 8
