"""Waiting for locks without making others wait: short timeouts, retried with backoff, within a budget."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from trueup.durations import elapsed_ms
from trueup.errors import DatabaseError, MigrationError, TrueupError
from trueup.store import ServerSaid, Session, explained, session, sqlstate

T = TypeVar("T")

logger = logging.getLogger(__name__)

# 'trueup' in ASCII: the key of the advisory lock that one migration at a time holds
MIGRATION_LOCK = 0x747275657570
LOCK_NOT_AVAILABLE = "55P03"
DEADLOCK = "40P01"
ATTEMPTS = 8
# seconds: a statement that waits this long is looked at, and how often
LOOK_AFTER = 0.2
LOOK_EVERY = 0.5


def retried(
    connection: Session,
    work: Callable[[], T],
    doing: Callable[[], str],
    attempts: int | None = None,
    states: Collection[str] = (LOCK_NOT_AVAILABLE,),
) -> T:
    """Return what `work` returns, trying again with backoff and jitter while a lock is not granted.

    Only these SQLSTATEs are tried again, and no longer than the session's budget for waiting
    lasts. Raises MigrationError with what `doing` says and who held the lock.
    """
    attempts = attempts or ATTEMPTS
    for attempt in range(1, attempts + 1):
        began = time.monotonic()
        with watched(connection) as blockers:
            try:
                return work()
            except ServerSaid as error:
                if sqlstate(error) not in states:
                    raise
                refused = error
        pause = min(0.1 * 2**attempt, 5) * random.uniform(0.5, 1.5)
        connection.waited += time.monotonic() - began
        if attempt == attempts or connection.waited + pause > connection.lock_budget:
            raise MigrationError(
                f"no lock was granted in {attempt} attempts, {connection.waited:.0f} s of waiting in all; "
                f"{doing()}" + (f", blocked by {'; '.join(blockers)}" if blockers else "") + "\n"
                "nothing is half done: end that transaction, then run the command again"
            ) from refused
        # who they are is told when it is given up; what they run may quote a row
        logger.warning(
            "lock not granted",
            extra={
                "attempt": attempt,
                "attempts": attempts,
                "blockers": len(blockers),
                "duration_ms": elapsed_ms(began),
                "pause_ms": round(pause * 1000),
            },
        )
        time.sleep(pause)
        connection.waited += pause
    raise AssertionError("unreachable")


@contextmanager
def watched(connection: Session) -> Iterator[list[str]]:
    """Note who keeps this session waiting, looking from another one once the wait has lasted.

    When a lock is not granted in time, whoever held it can no longer be told from the rest.
    """
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        if done.wait(LOOK_AFTER):
            return
        with suppress(ServerSaid, TrueupError):
            other = connection.sibling("watch")
            try:
                while True:
                    if found := other.values("blockers", pids=connection.pids):
                        seen[:] = found
                    if done.wait(LOOK_EVERY):
                        return
            finally:
                other.close()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


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
        connection.script(f"set lock_timeout = '{lock_timeout or connection.lock_timeout}'")
        try:
            connection.script(statement)
        finally:
            if not connection.is_closed:
                connection.script(f"set lock_timeout = '{connection.lock_timeout}'")

    def holders() -> str:
        found = connection.values("table_holders", tables=list(tables))
        return f"{statement}; " + (
            "held by " + "; ".join(found) if found else "the transaction that held it has ended since"
        )

    try:
        retried(connection, once, holders, attempts)
    except ServerSaid as error:
        raise MigrationError(f"{statement}\n{explained(error)}") from error


def limit_waiting(connection: Session) -> None:
    """Take from the settings how long this session waits for a lock, at once and in all."""
    if connection.value("has_trueup") and len(found := connection.values("lock_limits")) == 2:
        connection.lock_timeout = f"{round(found[0] * 1000)}ms"
        connection.lock_budget = found[1]


class Turn:
    """The migration lock, held by a session of its own."""

    def __init__(self, connection: Session) -> None:
        self._connection = connection

    def go_on(self) -> None:
        """Raise MigrationError when the lock was lost, for then somebody else may be migrating."""
        held = False
        with suppress(ServerSaid):
            held = self._connection.value("holds_lock", key=MIGRATION_LOCK)
        if not held:
            raise MigrationError(
                "the session that held the migration lock is gone, so another migration may have begun; "
                "stopped between two steps, run the command again"
            )


@contextmanager
def one_at_a_time(database: str | None, wait: float) -> Iterator[Turn]:
    """Hold the migration lock on a connection of its own; wait at most `wait` seconds for it.

    Raises MigrationError naming the holder, DatabaseError when nothing can hold the lock
    because a pooler hands the statements of one session to several server processes.
    """
    with session(database, "migration lock") as connection:
        refuse_pooler(connection)
        if holder := acquire(connection, MIGRATION_LOCK, wait):
            raise MigrationError(
                f"another migration is running ({holder}); waited {wait:g} s, nothing was changed"
            )
        turn = Turn(connection)
        turn.go_on()
        yield turn


def acquire(connection: Session, key: int, wait: float) -> str | None:
    """Take an advisory lock of the session; return who holds it when `wait` seconds were not enough.

    Polled, because a session that blocks in pg_advisory_lock holds a snapshot, for
    which `create index concurrently` of the holder would wait: a deadlock.
    """
    began = time.monotonic()
    deadline = began + wait
    has_waited = False
    while not connection.value("try_lock", key=key):
        if time.monotonic() >= deadline:
            return connection.value("lock_holder", key=key) or "a session that has ended since"
        has_waited = True
        time.sleep(0.1)
    if has_waited:
        logger.info("turn waited for", extra={"duration_ms": elapsed_ms(began)})
    return None


def refuse_pooler(connection: Session) -> None:
    """Raise DatabaseError when a pooler in transaction mode is between this session and the server.

    Nothing is in between when the server process that answers is the one that the
    connection was opened with. A pooler in session mode is as good as none: two sessions
    that are open at once never share a process, and each keeps its own.
    """
    own = connection.value("backend_pid")
    if own == connection.pids[0]:
        return
    other = connection.sibling("pooler")
    try:
        for _ in range(2):
            found = [connection.value("backend_pid"), other.value("backend_pid")]
            if found[0] != own or found[1] == own:
                raise DatabaseError(
                    "this address is a pooler in transaction mode: the statements of one session reach "
                    "several server processes, and neither the lock that lets one migration run at a time "
                    "nor a timeout would hold; nothing was changed\n"
                    "connect to the server itself, or to a pool in session mode"
                )
    finally:
        other.close()
