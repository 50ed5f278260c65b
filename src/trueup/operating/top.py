"""What goes on right now: runs, open alerts, the queue, breakers, jobs, and who waits for a lock.

One look is one short transaction that only reads, and never waits for a lock or a slow
answer: who migrates or runs checks meanwhile does not notice it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trueup.store import Session, connect, refuse_foreign, translated

# rows of each part; a screen has no room for more
MOST = 20
LOCK_TIMEOUT = "500ms"
STATEMENT_TIMEOUT = "5s"


@dataclass(frozen=True)
class Facts:
    """Where and when it is; what waits in the queue; the statements whose changes no pass has judged yet."""

    database: str
    server: str
    now: datetime
    has_circuits: bool
    waiting: int
    held: int
    overdue: int
    snoozed: int
    oldest: datetime | None
    changes: int
    changes_since: datetime | None
    rate: Decimal | None


@dataclass(frozen=True)
class Alerts:
    """What is open of one check, or of what an application reports."""

    check_name: str
    severity: str
    alerts: int


@dataclass(frozen=True)
class RunLine:
    """A run; `seconds` until now while it is running, None when nobody knows."""

    id: int
    kind: str
    status: str
    started_at: datetime
    seconds: float | None
    checks: int
    checks_failed: int
    violations: int
    opened: int
    resolved: int


@dataclass(frozen=True)
class CircuitLine:
    """A circuit that is not closed, or that somebody has ordered what to do."""

    key: str
    state: str
    mode: str
    failure_count: int
    since: datetime


@dataclass(frozen=True)
class JobLine:
    """The newest run of a job."""

    job: str
    slot: datetime
    outcome: str
    started_at: datetime
    seconds: float


@dataclass(frozen=True)
class RunnerLine:
    """A runner, and for how long it has said nothing."""

    host: str
    pid: int
    version: str
    silent_seconds: float


@dataclass(frozen=True)
class LockLine:
    """A session that waits for a lock, and who keeps it waiting."""

    pid: int
    username: str | None
    application: str
    relation: str
    mode: str
    seconds: float
    blockers: list[int]


@dataclass(frozen=True)
class Frame:
    """One look at everything, on one snapshot."""

    facts: Facts
    alerts: tuple[Alerts, ...]
    runs: tuple[RunLine, ...]
    circuits: tuple[CircuitLine, ...]
    jobs: tuple[JobLine, ...]
    runners: tuple[RunnerLine, ...]
    locks: tuple[LockLine, ...]


class Watch:
    """A connection that looks again and again, and is opened anew when it was lost."""

    def __init__(self, database: str | None) -> None:
        """Name the database as in `store.session`; nothing is opened yet."""
        self._database = database
        self._session: Session | None = None

    def look(self) -> Frame:
        """Return what goes on now.

        Raises TrueupError when the database cannot be reached, is not ours, or does not answer in
        time; the next look begins anew.
        """
        try:
            with translated():
                if self._session is None or self._session.is_closed:
                    self._session = _opened(self._database)
                return read(self._session)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        if self._session:
            self._session.close()
        self._session = None


def _opened(database: str | None) -> Session:
    opened = Session(connect(database, "top"), database)
    try:
        opened.script(f"set lock_timeout = '{LOCK_TIMEOUT}'; set statement_timeout = '{STATEMENT_TIMEOUT}'")
        refuse_foreign(opened)
    except BaseException:
        opened.close()
        raise
    return opened


def read(connection: Session) -> Frame:
    """Return what goes on now, in one transaction that only reads."""
    with connection.transaction(snapshot=True):
        facts = connection.row("top_facts", Facts)
        assert facts is not None
        return Frame(
            facts,
            tuple(connection.rows("top_alerts", Alerts)),
            tuple(connection.rows("top_runs", RunLine, most=MOST)),
            tuple(connection.rows("top_circuits", CircuitLine, most=MOST)) if facts.has_circuits else (),
            tuple(connection.rows("top_jobs", JobLine, most=MOST)),
            tuple(connection.rows("top_runners", RunnerLine, most=MOST)),
            tuple(connection.rows("top_locks", LockLine, most=MOST)),
        )
