"""Call functions of the layer on what the application already has: a connection or a pool, sync or async.

trueup.booking, trueup.events and trueup.circuit are typed names over this; nothing
is decided in Python. A call on a connection joins the transaction that is open on it,
if there is one; a call on a pool is a transaction of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from trueup.store import OWN_CLASS, SCHEMA, connect, connect_async, explained

T = TypeVar("T")


class Pool(Protocol):
    """What psycopg_pool.ConnectionPool has, and all that is asked of it."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """Lend a connection; commit when the block ends, roll back when it raises."""


class AsyncPool(Protocol):
    """What psycopg_pool.AsyncConnectionPool has, and all that is asked of it."""

    def connection(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """Lend a connection; commit when the block ends, roll back when it raises."""


Connection = psycopg.Connection[Any]
AsyncConnection = psycopg.AsyncConnection[Any]
Database = Connection | Pool
AsyncDatabase = AsyncConnection | AsyncPool
# what goes wrong between here and the function: no connection, no answer, no right to ask
StoreError = psycopg.Error
# what a connection raises that is no more
ConnectionLost = (psycopg.OperationalError, psycopg.InterfaceError)


def rows(database: Database, function: str, row: type[T], /, **arguments: Any) -> list[T]:
    """Call a function that returns a table; return its rows as instances of `row`, a dataclass.

    `arguments` are named as the function's parameters without `p_`; those left out take the
    function's defaults. Raises RefusedError when the function refuses (SQLSTATE TU…), and
    what psycopg raises for everything else.
    """
    with _lent(database) as connection, _refusals(), connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(_call(function, arguments), arguments).fetchall()


def value(database: Database, function: str, /, **arguments: Any) -> Any:
    """Call a function that returns one value; return it. Arguments and errors are those of `rows`."""
    with _lent(database) as connection, _refusals(), connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_call(function, arguments), arguments).fetchone()


async def rows_async(database: AsyncDatabase, function: str, row: type[T], /, **arguments: Any) -> list[T]:
    """Do what `rows` does, on an asynchronous connection or pool."""
    async with _lent_async(database) as connection:
        with _refusals():
            async with connection.cursor(row_factory=class_row(row)) as cursor:
                await cursor.execute(_call(function, arguments), arguments)
                return await cursor.fetchall()


async def value_async(database: AsyncDatabase, function: str, /, **arguments: Any) -> Any:
    """Do what `value` does, on an asynchronous connection or pool."""
    async with _lent_async(database) as connection:
        with _refusals():
            async with connection.cursor(row_factory=scalar_row) as cursor:
                await cursor.execute(_call(function, arguments), arguments)
                return await cursor.fetchone()


@contextmanager
def listening(database: str | None, channel: str) -> Iterator[Connection]:
    """Give a connection in autocommit that listens on a channel; `database` as in `store.session`."""
    with connect(database, "listener") as connection:
        connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        yield connection


def payloads(connection: Connection, seconds: float) -> list[str]:
    """Return what has been notified since the last call, or what comes first within some seconds."""
    return [notify.payload for notify in connection.notifies(timeout=seconds, stop_after=1)]


@asynccontextmanager
async def listening_async(database: str | None, channel: str) -> AsyncIterator[AsyncConnection]:
    """Do what `listening` does, asynchronously."""
    async with await connect_async(database, "listener") as connection:
        await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        yield connection


async def payloads_async(connection: AsyncConnection, seconds: float) -> list[str]:
    """Do what `payloads` does, asynchronously."""
    return [notify.payload async for notify in connection.notifies(timeout=seconds, stop_after=1)]


def _call(function: str, arguments: dict[str, Any]) -> sql.Composed:
    return sql.SQL("select * from {}({})").format(
        sql.Identifier(SCHEMA, function),
        sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(f"p_{name}"), sql.Placeholder(name))
            for name in arguments
        ),
    )


@contextmanager
def _lent(database: Database) -> Iterator[psycopg.Connection[Any]]:
    if isinstance(database, psycopg.Connection):
        yield database
    else:
        with database.connection() as connection:
            yield connection


@asynccontextmanager
async def _lent_async(database: AsyncDatabase) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    if isinstance(database, psycopg.AsyncConnection):
        yield database
    else:
        async with database.connection() as connection:
            yield connection


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(OWN_CLASS):
            raise
        raise explained(error) from error
