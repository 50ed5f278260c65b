"""The circuit breaker: ask before a provider is called, and tell how it went.

The state machine is in the database (trueup.circuit_allow, trueup.circuit_report), which
every process asks; nothing is decided here but what an exception means. A closed circuit
is asked once a second at most. When the database cannot be asked, the call is made.
"""

from __future__ import annotations

import inspect
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from trueup.calling import AsyncDatabase, Database, StoreError, rows, rows_async
from trueup.errors import CircuitOpenError, UsageError, logged
from trueup.names import unknown
from trueup.store import Session, refuse_foreign, session

P = ParamSpec("P")
T = TypeVar("T")

MODES = ("automatic", "shadow", "force_open", "force_closed")
# for how long, in seconds, a closed circuit may be taken to be closed still
LONGEST_MEMORY = 1.0

logger = logging.getLogger(__name__)

Refusals = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]


@dataclass(frozen=True)
class Verdict:
    """What trueup.circuit_allow answered.

    `permit` goes back with the report; without one there is nothing to report. `retry_after`
    is None when the call is allowed, and when only a person can change the answer. `state` is
    'unknown' when the database could not be asked.
    """

    allowed: bool
    permit: str | None
    state: str
    mode: str
    epoch: int
    reason: str
    retry_at: datetime | None
    retry_after: timedelta | None


@dataclass(frozen=True)
class Report:
    """What trueup.circuit_report answered: whether it counted, and the state since."""

    counted: bool
    state: str
    epoch: int


UNASKED = Verdict(True, None, "unknown", "unknown", 0, "the database cannot be asked", None, None)


class Attempt:
    """One call of the provider. Say how it went where no exception tells it."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.outcome = "success"
        self._began = time.monotonic()

    def refused(self) -> None:
        """The provider answered no for a good reason ("slot taken", 4xx): neither success nor failure."""
        self.outcome = "refusal"

    def failed(self) -> None:
        """The provider did not do its work, although nothing is raised here."""
        self.outcome = "failure"

    @property
    def duration(self) -> timedelta:
        """The time since the call was allowed."""
        return timedelta(seconds=time.monotonic() - self._began)


class _Breaker:
    """What the two forms have in common: memory, counters, what an exception means."""

    def __init__(
        self,
        database: Any,
        key: str,
        *,
        refusals: Refusals = (),
        memory: float = LONGEST_MEMORY,
        reporter: str | None = None,
    ) -> None:
        """Name the circuit `key` in a database, given as a pool or a connection in autocommit.

        `refusals` are the exceptions by which the provider says no for a good reason, as
        classes or as a predicate; other exceptions are failures. `memory`, in seconds, is for
        how long a closed circuit is not asked again. `reporter` names this process for the
        quorum. Raises UsageError for a connection whose reports would join a transaction.
        """
        if getattr(database, "autocommit", True) is not True:
            raise UsageError(
                f"circuit {key}: a connection must be in autocommit, or a report is lost with the "
                "transaction that failed; give a pool or a connection of its own"
            )
        self.database = database
        self.key = key
        self.failed_open = 0
        """Calls that were made without asking, because the database could not be asked."""
        self.unreported = 0
        """Calls whose outcome could not be told."""
        self._refusals = refusals
        self._memory = min(memory, LONGEST_MEMORY)
        self._reporter = reporter or f"{socket.gethostname()}:{os.getpid()}"
        self._closed: tuple[Verdict, float] | None = None
        self._forgotten = 0.0
        self._is_lost = False
        self._state: str | None = None
        self._lock = threading.Lock()

    def _remembered(self) -> Verdict | None:
        closed = self._closed
        return closed[0] if closed and time.monotonic() < closed[1] else None

    def _answered(self, verdict: Verdict, asked: float) -> Verdict:
        self._seen(verdict.state, verdict.reason)
        with self._lock:
            self._is_lost = False
            # not what was asked before somebody was told that it is over
            if verdict.state == "closed" and asked > self._forgotten:
                self._closed = verdict, asked + self._memory
        return verdict

    def _reported(self, report: Report, outcome: str) -> Report:
        self._seen(report.state, outcome)
        with self._lock:
            self._is_lost = False
            if report.state != "closed" or outcome == "failure":
                self._forget()
        return report

    def _seen(self, state: str, reason: str) -> None:
        with self._lock:
            before, self._state = self._state, state
        if state != before:
            logger.log(
                # the first word of a circuit that works is no news
                logging.DEBUG if (before, state) == (None, "closed") else logging.INFO,
                "circuit changed",
                extra={"circuit": self.key, "before": before, "state": state, "reason": reason},
            )

    def _forget(self) -> None:
        self._closed, self._forgotten = None, time.monotonic()

    def _lost(self, error: Exception, what: str) -> None:
        """Count what the database was not asked or told, and say so once until it is back."""
        with self._lock:
            if what == "asked":
                self.failed_open += 1
            else:
                self.unreported += 1
            tell, self._is_lost = not self._is_lost, True
            self._forget()
        if tell:
            # calls are made all the same
            logger.warning(
                "circuit unreachable", extra={"circuit": self.key, "unable": what, **logged(error)}
            )

    def _begun(self, verdict: Verdict) -> Attempt:
        if not verdict.allowed:
            raise CircuitOpenError(self.key, verdict.reason, verdict.retry_after)
        return Attempt(verdict)

    def _meant(self, attempt: Attempt, error: BaseException) -> None:
        """Keep what an exception says of the provider."""
        if isinstance(error, CircuitOpenError) or not isinstance(error, Exception):
            attempt.outcome = "abandoned"  # another circuit was open, or cancelled: nothing was learned
            return
        attempt.outcome = "failure"
        if self._is_refusal(error):
            attempt.outcome = "refusal"

    def _is_refusal(self, error: Exception) -> bool:
        if isinstance(self._refusals, (type, tuple)):
            return isinstance(error, self._refusals)
        return self._refusals(error)

    def _told(self, permit: str, outcome: str, duration: timedelta | None) -> dict[str, Any]:
        return {"permit": permit, "outcome": outcome, "duration": duration, "reporter": self._reporter}


class Circuit(_Breaker):
    """A circuit for synchronous callers; threads may share one.

    As a context manager, `with circuit.attempt():` around the call of the provider; as a
    decorator, `@circuit` on the function that makes it.
    """

    database: Database

    def allow(self) -> Verdict:
        """Ask whether the provider may be called now. Raises RefusedError for a bad key."""
        if remembered := self._remembered():
            return remembered
        asked = time.monotonic()
        try:
            (verdict,) = rows(self.database, "circuit_allow", Verdict, key=self.key)
        except StoreError as error:
            self._lost(error, "asked")
            return UNASKED
        return self._answered(verdict, asked)

    def report(self, permit: str | None, outcome: str, duration: timedelta | None = None) -> Report | None:
        """Tell how a call went; None when there is no permit, or nobody to tell it to."""
        if permit is None:
            return None
        try:
            (report,) = rows(self.database, "circuit_report", Report, **self._told(permit, outcome, duration))
        except StoreError as error:
            self._lost(error, "told")
            return None
        return self._reported(report, outcome)

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """Call the provider inside, and report how the block ended. Raises CircuitOpenError."""
        attempt = self._begun(self.allow())
        try:
            yield attempt
        except BaseException as error:
            self._meant(attempt, error)
            raise
        finally:
            self.report(attempt.verdict.permit, attempt.outcome, attempt.duration)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Make every call of a function an attempt."""
        if inspect.iscoroutinefunction(function):
            raise UsageError(f"circuit {self.key}: {function.__name__} is asynchronous, use AsyncCircuit")

        @wraps(function)
        def attempted(*arguments: P.args, **named: P.kwargs) -> T:
            with self.attempt():
                return function(*arguments, **named)

        return attempted


class AsyncCircuit(_Breaker):
    """A circuit for asynchronous callers: `async with circuit.attempt():`, or `@circuit`."""

    database: AsyncDatabase

    async def allow(self) -> Verdict:
        """Ask whether the provider may be called now. Raises RefusedError for a bad key."""
        if remembered := self._remembered():
            return remembered
        asked = time.monotonic()
        try:
            (verdict,) = await rows_async(self.database, "circuit_allow", Verdict, key=self.key)
        except StoreError as error:
            self._lost(error, "asked")
            return UNASKED
        return self._answered(verdict, asked)

    async def report(
        self, permit: str | None, outcome: str, duration: timedelta | None = None
    ) -> Report | None:
        """Tell how a call went; None when there is no permit, or nobody to tell it to."""
        if permit is None:
            return None
        told = self._told(permit, outcome, duration)
        try:
            (report,) = await rows_async(self.database, "circuit_report", Report, **told)
        except StoreError as error:
            self._lost(error, "told")
            return None
        return self._reported(report, outcome)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Attempt]:
        """Call the provider inside, and report how the block ended. Raises CircuitOpenError."""
        attempt = self._begun(await self.allow())
        try:
            yield attempt
        except BaseException as error:
            self._meant(attempt, error)
            raise
        finally:
            await self.report(attempt.verdict.permit, attempt.outcome, attempt.duration)

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """Make every call of an asynchronous function an attempt."""

        @wraps(function)
        async def attempted(*arguments: P.args, **named: P.kwargs) -> T:
            async with self.attempt():
                return await function(*arguments, **named)

        return attempted


@dataclass(frozen=True)
class State:
    """A circuit as the database knows it; instants by its clock."""

    key: str
    state: str
    mode: str
    reason: str | None
    epoch: int
    failure_count: int
    success_count: int
    last_failure_at: datetime | None
    state_changed_at: datetime
    opened_at: datetime | None
    retry_at: datetime | None
    mode_changed_at: datetime | None
    mode_changed_by: str | None


@dataclass(frozen=True)
class Event:
    """A change of state or mode."""

    happened_at: datetime
    old_state: str | None
    new_state: str
    reason: str | None
    actor: str | None


@dataclass(frozen=True)
class Traffic:
    """The calls of the last hour: how many ended how, and how long they took on average."""

    outcome: str
    calls: int
    slow: int
    average_ms: float | None


@dataclass(frozen=True)
class Detail:
    """A circuit with the numbers that govern it, its traffic, and its history, newest first."""

    state: State
    rules: dict[str, Any]
    traffic: tuple[Traffic, ...]
    events: tuple[Event, ...]


def list_circuits(*, database: str | None = None) -> list[State]:
    """Return the circuits that ever failed or were ordered something, those not closed first."""
    with session(database, "circuit list") as connection:
        return _states(connection)


def show(key: str, *, database: str | None = None) -> Detail:
    """Return one circuit with its history. Raises NotFoundError, with the nearest keys."""
    with session(database, "circuit show") as connection, connection.transaction():
        state = _state(connection, key)
        return Detail(
            state,
            connection.record("circuit_rules", key=key),
            tuple(connection.rows("circuit_traffic", Traffic, key=key)),
            tuple(connection.rows("circuit_events", Event, key=key)),
        )


def set_mode(
    key: str,
    mode: str,
    reason: str | None = None,
    actor: str | None = None,
    *,
    database: str | None = None,
) -> State:
    """Order what a circuit does; the key need not have been heard of. Raises UsageError for no mode."""
    if mode not in MODES:
        raise UsageError(f"a circuit has no mode {mode}; the modes are {', '.join(MODES)}")
    with session(database, f"circuit {mode}") as connection, connection.transaction():
        _refuse_without_circuits(connection)
        connection.run("change_circuit_mode", key=key, mode=mode, reason=reason, actor=actor)
        found = _state(connection, key)
    logger.info("circuit mode set", extra={"circuit": key, "mode": mode})
    return found


def _states(connection: Session) -> list[State]:
    _refuse_without_circuits(connection)
    return connection.rows("circuits", State)


def _state(connection: Session, key: str) -> State:
    states = _states(connection)
    for state in states:
        if state.key == key:
            return state
    raise unknown("circuit", key, [state.key for state in states], "`trueup circuit list`")


def _refuse_without_circuits(connection: Session) -> None:
    refuse_foreign(connection)
    if not connection.value("has_circuits"):
        raise UsageError("this database has no circuits: its pack has no circuit breaker")
