"""Sessions that the threads of the console share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from trueup.errors import DatabaseError
from trueup.store import ServerSaid, Session, connect, literal, translated

# seconds that a request waits for a session of others to come free
PATIENCE = 5.0
LOCK_TIMEOUT = timedelta(seconds=3)


class Pool:
    """At most `size` sessions; one that was lost is replaced when it is next needed."""

    def __init__(self, database: str | None, size: int, timeout: timedelta) -> None:
        self._database = database
        self._timeout = timeout
        self._free: list[Session] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(size)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Lend a session in autocommit. Raises DatabaseError when there is none to be had."""
        if not self._slots.acquire(timeout=PATIENCE):
            raise DatabaseError("every session with the database is busy; try again")
        try:
            with translated():
                session = self._take()
                try:
                    yield session
                finally:
                    if session.is_idle:
                        with self._lock:
                            self._free.append(session)
                    else:
                        session.close()
        finally:
            self._slots.release()

    def close(self) -> None:
        """End the sessions that nobody uses."""
        with self._lock:
            free, self._free = self._free, []
        for session in free:
            session.close()

    def _take(self) -> Session:
        with self._lock:
            session = self._free.pop() if self._free else None
        if session is not None:
            try:
                session.value("backend_pid")
                return session
            except ServerSaid:
                # the server was restarted: the others are gone, too
                session.close()
                self.close()
        session = Session(connect(self._database, "web"), self._database)
        for name, limit in (
            ("statement_timeout", self._timeout),
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", 2 * self._timeout),
        ):
            session.script(f"set {name} = {literal(str(int(limit.total_seconds() * 1000)))}")
        return session
