"""Waiting for locks without making others wait: short timeouts, retried with backoff."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from trueup.errors import MigrationError
from trueup.store import LOCK_TIMEOUT, ServerSaid, Session, explained, session, sqlstate

T = TypeVar("T")

# 'trueup' in ASCII: the key of the advisory lock that one migration at a time holds
MIGRATION_LOCK = 0x747275657570
LOCK_NOT_AVAILABLE = "55P03"
ATTEMPTS = 8


def retried(work: Callable[[], T], describe: Callable[[], str], attempts: int | None = None) -> T:
    """Return what `work` returns, trying again with backoff and jitter while a lock is not granted."""
    attempts = attempts or ATTEMPTS
    for attempt in range(attempts):
        try:
            return work()
        except ServerSaid as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            if attempt == attempts - 1:
                raise MigrationError(
                    f"no lock was granted in {attempts} attempts; {describe()}\n"
                    "nothing is half done: end that transaction, then run the command again"
                ) from error
            time.sleep(min(0.2 * 2**attempt, 5) * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")


def patiently(
    connection: Session,
    statement: str,
    tables: Sequence[str],
    *,
    lock_timeout: str | None = None,
    attempts: int | None = None,
) -> None:
    """Run one statement in a transaction of its own, or outside one when it is concurrent.

    Raises MigrationError, naming what held the lock or what the server said.
    """

    def once() -> None:
        connection.script(f"set lock_timeout = '{lock_timeout or LOCK_TIMEOUT}'")
        try:
            connection.script(statement)
        finally:
            connection.script("reset lock_timeout")

    def describe() -> str:
        holders = connection.values("table_holders", tables=list(tables))
        return "held by " + ("; ".join(holders) or "a transaction that has ended since")

    try:
        retried(once, describe, attempts)
    except ServerSaid as error:
        raise MigrationError(f"{statement}\n{explained(error)}") from error


@contextmanager
def one_at_a_time(database: str | None, wait: float) -> Iterator[None]:
    """Hold the migration lock on a connection of its own; wait at most `wait` seconds for it.

    Raises MigrationError naming the holder.
    """
    with session(database, "migration lock") as connection:
        if holder := acquire(connection, MIGRATION_LOCK, wait):
            raise MigrationError(
                f"another migration is running ({holder}); waited {wait:g} s, nothing was changed"
            )
        yield


def acquire(connection: Session, key: int, wait: float) -> str | None:
    """Take an advisory lock of the session; return who holds it when `wait` seconds were not enough.

    Polled, because a session that blocks in pg_advisory_lock holds a snapshot, for
    which `create index concurrently` of the holder would wait: a deadlock.
    """
    deadline = time.monotonic() + wait
    while not connection.value("try_lock", key=key):
        if time.monotonic() >= deadline:
            return connection.value("lock_holder", key=key) or "a session that has ended since"
        time.sleep(0.1)
    return None
