"""The one snapshot of a run: taken on the primary or on a standby, and read by one connection or several."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from typing import NamedTuple

from trueup.errors import CheckFailedError, DatabaseError
from trueup.store import ServerSaid, Session, connect, translated

REPLICA_WAIT = 30.0
# SQLSTATEs with which a standby ends a query, or a session, whose snapshot stands in the way of replay
CONFLICTS = ("40001", "40P01")
_PAUSE = 0.05


class Snapshot(NamedTuple):
    """The transactions that a run has seen for sure, as ids of the primary, and the time, by its clock.

    `defined_at` is when the newest definition of a check that it has seen was deployed.
    """

    snapshot: str
    taken_at: datetime
    defined_at: datetime | None


class _Cluster(NamedTuple):
    system_identifier: str
    database: str
    in_recovery: bool


class _Registered(NamedTuple):
    snapshot: str
    taken_at: datetime
    defined_at: datetime | None
    position: str
    backend_pid: int
    backend_start: datetime


class _Replay(NamedTuple):
    reached: bool
    behind: str
    last_commit_at: datetime | None
    paused: bool


class _Holder:
    """The session in whose transaction the snapshot lives, for as long as others read it."""

    def __init__(self, holder: Session, name: str, *, on_standby: bool = False) -> None:
        self.session = holder
        self.name = name
        self.on_standby = on_standby
        self._lock = threading.Lock()
        self._lost: ServerSaid | None = None

    def lost(self) -> ServerSaid | None:
        """Return what ended the session, and the snapshot with it; None while it lives."""
        with self._lock:
            if self._lost is None:
                try:
                    self.session.value("is_read_only")
                except ServerSaid as error:
                    self._lost = error
            return self._lost


class Reader:
    """A connection that reads on the snapshot of a run, whatever it reads in a transaction of its own."""

    def __init__(self, own: Session, holder: _Holder | None = None) -> None:
        self._session = own
        self._holder = holder

    @property
    def is_replaceable(self) -> bool:
        """Whether the connection does nothing else, so that a new one may take its place."""
        return self._holder is not None

    @property
    def on_standby(self) -> bool:
        """Whether recovery may end what the connection reads."""
        return self._holder is not None and self._holder.on_standby

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction on the snapshot, in a new connection when the old one was lost."""
        if self._holder is None:
            with self._session.transaction():
                yield self._session
            return
        if self._session.is_closed:
            self._session = self._holder.session.sibling("check")
        begun = False
        try:
            with self._session.transaction(snapshot=self._holder.name):
                begun = True
                yield self._session
        except ServerSaid as error:
            if not begun and (lost := self._holder.lost()):
                raise lost from error
            raise

    def cancel(self) -> None:
        """End what the connection runs, from another thread."""
        self._session.cancel()

    def close(self) -> None:
        """End the connection, unless the run goes on with it."""
        if self._holder is not None:
            self._session.close()


class Standby:
    """A streaming standby of the database that a run files into."""

    def __init__(self, own: Session, wait: float) -> None:
        self.session = own
        self.wait = wait

    def follow(self, primary: Session) -> tuple[Snapshot, str]:
        """Take a snapshot that sees all that was committed on the primary before this call.

        Returns it with the name under which others read it. It is the primary's that is
        returned: the standby's own does not say which transactions were in progress, and
        would pass an open one for seen. Raises CheckFailedError when the standby has not
        come that far within `wait` seconds.
        """
        registered = primary.row("register_position", _Registered)
        assert registered is not None
        deadline = time.monotonic() + self.wait
        while True:
            replay = self.session.row("replay", _Replay, position=registered.position)
            if replay is None:
                raise DatabaseError("the replica was promoted and is no standby any more")
            if replay.reached:
                break
            if not time.monotonic() <= deadline:
                raise CheckFailedError(self._late(replay))
            time.sleep(_PAUSE)
        self.session.script("begin isolation level repeatable read, read only")
        # a standby that follows another timeline may be past the position and yet have another history
        if not self.session.value(
            "sees_run", backend_pid=registered.backend_pid, backend_start=registered.backend_start
        ):
            raise DatabaseError(
                "the replica does not follow this primary: it is past its position and has not seen this run "
                "begin; look at pg_stat_replication on the primary"
            )
        seen = Snapshot(registered.snapshot, registered.taken_at, registered.defined_at)
        return seen, self.session.value("export_snapshot")

    def _late(self, replay: _Replay) -> str:
        last = f", last commit {replay.last_commit_at:%Y-%m-%d %H:%M:%S%z}" if replay.last_commit_at else ""
        text = f"the replica is {replay.behind} behind{last}, and did not catch up within {self.wait:g} s"
        if replay.paused:
            return f"{text}: its replay is paused\nrun `select pg_wal_replay_resume()` on the replica"
        return f"{text}\nlook at pg_stat_replication on the primary, or give it longer with --replica-wait"

    def release(self) -> None:
        """Give the snapshot up, so that the standby goes on freely while the run files."""
        with suppress(ServerSaid):
            self.session.script("rollback")


@contextmanager
def standby(primary: Session, replica: str, wait: float = REPLICA_WAIT) -> Iterator[Standby]:
    """Connect to the standby at `replica`, a libpq URL or string.

    Raises DatabaseError when it is no standby, or not one of this very database.
    """
    try:
        own = Session(connect(replica, "check"), replica)
    except DatabaseError as error:
        reason = str(error).splitlines()[0].replace("the database", "the replica", 1)
        raise DatabaseError(f"{reason}\nname a streaming standby with --replica URL") from error
    with closing(own), translated():
        ours, theirs = primary.row("cluster", _Cluster), own.row("cluster", _Cluster)
        assert ours is not None
        assert theirs is not None
        if not theirs.in_recovery:
            raise DatabaseError(
                "the replica is not in recovery, so it is no standby; name the standby with --replica, and "
                "the primary with --database"
            )
        if theirs.system_identifier != ours.system_identifier:
            raise DatabaseError(
                f"the replica is a standby of another cluster (system identifier {theirs.system_identifier}, "
                f"the primary's is {ours.system_identifier}); name a streaming standby of the primary"
            )
        if theirs.database != ours.database:
            raise DatabaseError(
                f'the replica\'s URL names database "{theirs.database}", and the checks are of '
                f'"{ours.database}"; name the same database in both'
            )
        yield Standby(own, wait)


@contextmanager
def readers(
    filing: Session, jobs: int = 1, replica: Standby | None = None
) -> Iterator[tuple[Snapshot, list[Reader]]]:
    """Take the snapshot of a run, and give it with `jobs` connections that read on it.

    One connection on the primary is the filing session itself. Otherwise a session holds
    the snapshot in a transaction, and each reader is a connection of its own.
    """
    if replica is None:
        with filing.transaction(snapshot=True):
            snapshot = filing.row("snapshot", Snapshot)
            assert snapshot is not None
            if jobs == 1:
                yield snapshot, [Reader(filing)]
            else:
                with _opened(_Holder(filing, filing.value("export_snapshot")), jobs) as opened:
                    yield snapshot, opened
        return
    try:
        snapshot, name = replica.follow(filing)
        with _opened(_Holder(replica.session, name, on_standby=True), jobs) as opened:
            yield snapshot, opened
    finally:
        replica.release()


@contextmanager
def _opened(holder: _Holder, count: int) -> Iterator[list[Reader]]:
    opened: list[Reader] = []
    try:
        for _ in range(count):
            opened.append(Reader(holder.session.sibling("check"), holder))
        yield opened
    finally:
        for reader in opened:
            reader.close()
