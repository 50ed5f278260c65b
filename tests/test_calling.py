"""Functions of the layer, called on what an application has: connection or pool, sync or async."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from helpers import Pool

from trueup import calling
from trueup.errors import RefusedError


class AsyncPool:
    """A pool of one asynchronous connection, which it opens when it lends it."""

    def __init__(self, url: str) -> None:
        self.url = url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            yield connection


QUEUED = {"reason": "test", "entity_type": "call", "entity_id": "1", "description": "look at it"}


def queued(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from trueup.manual_review_queue").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.one_server
def test_a_call_on_a_connection_joins_its_transaction(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert calling.value(connection, "queue_review", **QUEUED) > 0
        connection.rollback()
    assert queued(database) == 0


@pytest.mark.one_server
def test_a_call_on_a_pool_is_a_transaction_of_its_own(database: str) -> None:
    assert calling.value(Pool(database), "queue_review", **QUEUED) > 0
    assert queued(database) == 1


@pytest.mark.one_server
def test_the_same_asynchronously(database: str) -> None:
    async def call() -> tuple[int, int]:
        async with await psycopg.AsyncConnection.connect(database) as connection:
            first = await calling.value_async(connection, "queue_review", **QUEUED)
        return first, await calling.value_async(AsyncPool(database), "queue_review", **QUEUED)

    first, again = asyncio.run(call())
    assert first == again
    assert queued(database) == 1


def test_a_refusal_has_its_sqlstate_and_other_errors_are_psycopgs(database: str) -> None:
    with pytest.raises(RefusedError, match="review item 7 does not exist") as refused:
        calling.value(
            Pool(database),
            "dismiss_review",
            item_id=7,
            token="00000000-0000-0000-0000-000000000000",
            notes="x",
        )
    assert refused.value.sqlstate == "TU002"
    with pytest.raises(psycopg.errors.UndefinedFunction):
        calling.value(Pool(database), "no_such_function")
