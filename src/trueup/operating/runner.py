"""The runner: makes each slot of the schedule run once, however many runners are up.

The main thread keeps the time, one connection, and the heartbeat; every run has a thread and
connections of its own, named after runner and job, so that others can end them. What decides
is in the database: who inserted the running row of a slot runs it, by the clock of the server.

Changes are polled for, once a second and cheaply, and not told by NOTIFY: notifications in the
writers' transactions would make their commits queue for one lock of the whole server.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, NamedTuple

from trueup import __version__, packs
from trueup.changes import judge
from trueup.durations import elapsed_ms
from trueup.errors import BusyError, ConnectionLostError, NotFoundError, TrueupError, logged
from trueup.evaluation import require
from trueup.fitting import fitted
from trueup.operating import schedule, work
from trueup.operating.config import Configuration
from trueup.operating.schedule import Job
from trueup.packs import Pack
from trueup.signals import ending
from trueup.store import (
    ServerSaid,
    Session,
    connect,
    labelled,
    refuse_foreign,
    session,
    translated,
)

logger = logging.getLogger(__name__)

# seconds before a lost connection is tried again, at first and at most
SHORTEST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
# refusals of the server in a row, with the connection intact, after which the runner ends
MOST_REFUSALS = 10
# a slot that is run later than this is recorded as late
LATE_AFTER = timedelta(minutes=1)
# seconds that jobs which are released have to roll back
ROLLING_BACK = 5.0
# seconds after which the watch opens a new session: plans and memory of a backend do not grow for ever
SESSION_AGE = 600.0
STUCK = 3


class _Told(NamedTuple):
    """A signal came."""

    number: int


class _Ended(NamedTuple):
    """The thread of a run has ended."""

    run_id: int
    detail: dict[str, Any] | None
    error: BaseException | None


class _Claimed(NamedTuple):
    id: int
    attempt: int
    is_late: bool


class _Holder(NamedTuple):
    """Who has a slot; `outcome` is running, done, failed or abandoned."""

    outcome: str
    error: str
    said: str


class _Abandoned(NamedTuple):
    id: int
    job: str
    slot: datetime
    runner_id: int
    error: str


@dataclass
class _Running:
    """A run of this runner; `deadline` and `began` are of the monotonic clock."""

    id: int
    runner_id: int
    job: Job
    slot: datetime
    began: float
    deadline: float
    # why its sessions were ended by us
    ended: str | None = None
    is_released: bool = False
    failure: BaseException | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one slot: done, failed or abandoned; or taken: another runner does it or has done it."""

    job: str
    slot: datetime
    outcome: str
    detail: dict[str, Any] | None = None
    error: str | None = None


class Runner:
    """One process of the schedule. Raises UsageError for a schedule that does not fit."""

    def __init__(
        self, configuration: Configuration, *, database: str | None = None, pack: Path | None = None
    ) -> None:
        self.configuration = configuration
        self.options = configuration.run
        self.database = database
        self.pack = pack
        self.jobs = schedule.jobs(self.options)
        self.id = 0
        self.outcomes: list[Outcome] = []
        self._application = "trueup run"
        self._is_patient = True
        self._session: Session | None = None
        self._inbox: SimpleQueue[_Told | _Ended] = SimpleQueue()
        self._running: dict[int, _Running] = {}
        self._unwritten: list[tuple[_Running, Outcome]] = []
        self._settled: dict[str, datetime] = {}
        self._told: int | None = None
        self._grace_ends = 0.0
        self._beat_at = time.monotonic()
        self._trusts_until = 0.0
        self._retry_at = 0.0
        self._pause = SHORTEST_PAUSE
        self._refusals = 0
        self._watch: Watch | None = None

    @property
    def silence(self) -> float:
        """Seconds without a sign of life after which others give this runner up."""
        return self.options.silent_after.total_seconds()

    def run(self) -> int:
        """Run the schedule until a signal says to stop; return the exit code.

        Raises DatabaseError when the database cannot be reached at first, or has no trueup.
        """
        with _signals(self._signalled):
            self._connect()
            logger.info(
                "runner started",
                extra={"runner": self.id, "jobs": list(self.jobs), "zone": self.options.zone},
            )
            if self.options.watch:
                self._watch = Watch(self.configuration, lambda: self._labelled("watch"), self.pack)
                self._watch.start()
            try:
                self._loop(self._is_stopped)
            finally:
                if self._watch:
                    self._watch.stop()
                self._end()
        return 0

    def once(self, name: str, *, force: bool = False) -> Outcome:
        """Run the latest slot of one job, or with `force` one of now, and return what became of it.

        Raises NotFoundError for a job that the configuration does not have, ConnectionLostError when
        it was told to stop and nobody could be told what became of the job.
        """
        known = schedule.jobs(self.options, disabled=True)
        if name not in known:
            raise NotFoundError(f"no job {name}; the configuration has {', '.join(known)}")
        job = known[name]
        self._application = f"trueup run --once {name}"
        self._is_patient = False
        self.jobs = {}
        with _signals(self._signalled):
            connection = self._connect()
            try:
                with translated():
                    now = connection.value("clock")
                    self._register(connection, job, now, is_enabled=job.options.enabled and not force)
                    self._abandon(connection)
                    slot = now if force else job.latest(now)
                    if not self._claim(connection, job, slot, is_asked=True, is_forced=force):
                        return self._held(connection, name, slot)
                self._loop(lambda: not (self._running or self._unwritten) or self._is_stopped())
            finally:
                self._end()
        if not self.outcomes:
            raise ConnectionLostError(f"the database is away: how job {name} ended is not recorded")
        return self.outcomes[-1]

    def _held(self, connection: Session, name: str, slot: datetime) -> Outcome:
        """Return what became of a slot that could not be claimed: a failure is one for all who ask."""
        holder = connection.row("slot_holder", _Holder, job=name, slot=slot)
        if holder is None or holder.outcome in ("running", "done"):
            return Outcome(name, slot, "taken", error=holder.said if holder else None)
        error = f"{holder.error} ({holder.said}; --force runs it again)"
        return Outcome(name, slot, holder.outcome, error=error)

    # -- the loop ------------------------------------------------------------------------------

    def _loop(self, is_over: Callable[[], bool]) -> None:
        while True:
            wait = self._step()
            if is_over():
                return
            try:
                event = self._inbox.get(timeout=max(wait, 0.01))
            except Empty:
                continue
            if isinstance(event, _Told):
                self._stop(event.number)
            else:
                self._ended(event)

    def _step(self) -> float:
        """Do what is due; return the seconds until something else will be."""
        limit = self.silence if self._told is None else self._release()
        now = time.monotonic()
        if self._session is None and now < self._retry_at:
            return min(self._retry_at - now, limit)
        try:
            with translated():
                connection = self._session or self._connect()
                waits = [limit, self._beat(connection), self._end_late(connection)]
                self._write(connection)
                if self._told is None:
                    waits.append(self._claim_due(connection))
                self._refusals, self._pause = 0, SHORTEST_PAUSE
                return min(waits)
        except ConnectionLostError as error:
            return min(self._disconnected(error), limit)
        except TrueupError as error:
            self._refusals += 1
            if self._refusals >= MOST_REFUSALS:
                raise
            return min(self._disconnected(error), limit)

    def _connect(self) -> Session:
        """Connect, and register this runner unless the others still know it."""
        text = labelled(self.database, f"trueup run {self.id or ''}".strip(), self.options.silent_after)
        connection = Session(connect(text, "run"), text)
        try:
            with translated():
                refuse_foreign(connection)
                if not (self.id and self._is_known(connection)):
                    if self.id:
                        logger.warning("given up by others", extra={"runner": self.id})
                    self.id = connection.value(
                        "register_runner",
                        host=socket.gethostname(),
                        pid=os.getpid(),
                        version=__version__,
                        application=self._application,
                        silent_after=self.options.silent_after,
                    )
                now = connection.value("clock")
                for job in self.jobs.values():
                    self._register(connection, job, now)
                if self.jobs and (count := connection.run("retire_jobs", names=list(self.jobs))):
                    logger.warning("jobs taken off the schedule", extra={"runner": self.id, "count": count})
        except BaseException:
            connection.close()
            raise
        if self._retry_at:
            logger.info("connection is back", extra={"runner": self.id})
        self._session = connection
        return connection

    def _register(self, connection: Session, job: Job, now: datetime, *, is_enabled: bool = True) -> None:
        connection.run(
            "register_job",
            name=job.name,
            does=job.does,
            schedule=job.schedule,
            timeout=job.timeout,
            is_enabled=is_enabled,
            due_at=job.due(job.latest(now)),
        )

    def _is_known(self, connection: Session) -> bool:
        vouched = [run.id for run in self._running.values() if time.monotonic() < run.deadline]
        return connection.value("beat_runner", runner_id=self.id, run_ids=vouched) is not None

    def _disconnected(self, error: TrueupError) -> float:
        """Give the connection up; return the seconds until the next try."""
        logger.log(
            logging.WARNING if self._session is not None else logging.INFO,
            "connection lost",
            extra={"runner": self.id, **logged(error)},
        )
        if self._session is not None:
            with suppress(ServerSaid):
                self._session.close()
        self._session = None
        pause = self._pause * random.uniform(0.5, 1.5)
        # back before the others, who may have been quicker, take the silence for an end
        self._pause = min(self._pause * 2, LONGEST_PAUSE, self.silence / 8)
        self._retry_at = time.monotonic() + pause
        return pause

    def _beat(self, connection: Session) -> float:
        """Give a sign of life, and look after the others."""
        now = time.monotonic()
        if now >= self._beat_at:
            if not self._is_known(connection):
                raise ConnectionLostError("this runner had been silent for too long")
            self._abandon(connection)
            self._beat_at = now + self.silence / 4
            self._settled.clear()
        return self._beat_at - now

    def _abandon(self, connection: Session) -> None:
        """Give up who is silent, unless something kept this runner's own sign of life as well.

        What did, a lock on the table or a server that stood still, may have kept those of the others,
        who are asked again a silence later.
        """
        now = time.monotonic()
        if now - self._beat_at > self.silence / 4:
            self._trusts_until = now + self.silence
        if now < self._trusts_until:
            return
        for lost in connection.rows(
            "abandon_job_runs", _Abandoned, runner_id=self.id, is_patient=self._is_patient
        ):
            logger.error(
                "run abandoned",
                extra={
                    "job": lost.job,
                    "slot": lost.slot.isoformat(),
                    "run_id": lost.id,
                    "runner": lost.runner_id,
                    "reason": lost.error,
                },
            )

    # -- slots ---------------------------------------------------------------------------------

    def _claim_due(self, connection: Session) -> float:
        """Start what is due and nobody has; return the seconds until the next slot."""
        now = connection.value("clock")
        waits = [self.silence]
        busy = {run.job.name for run in self._running.values()}
        for job in self.jobs.values():
            slot = job.latest(now)
            if job.name not in busy and self._settled.get(job.name) != slot:
                self._settled[job.name] = slot
                self._claim(connection, job, slot)
            waits.append((job.next(now) - now).total_seconds())
        return min(waits)

    def _claim(
        self,
        connection: Session,
        job: Job,
        slot: datetime,
        *,
        is_asked: bool = False,
        is_forced: bool = False,
    ) -> bool:
        claimed = connection.row(
            "claim_slot",
            _Claimed,
            job=job.name,
            slot=slot,
            runner_id=self.id,
            ending=self.options.silent_after,
            late_after=LATE_AFTER,
            is_asked=is_asked,
            is_forced=is_forced,
        )
        if claimed is None:
            return False
        began = time.monotonic()
        run = _Running(claimed.id, self.id, job, slot, began, began + job.timeout.total_seconds())
        self._running[run.id] = run
        logger.info(
            "job started",
            extra={
                "job": run.job.name,
                "slot": run.slot.isoformat(),
                "run_id": run.id,
                "runner": self.id,
                "attempt": claimed.attempt,
                "late": claimed.is_late,
            },
        )
        task = work.Task(job, slot, self.configuration, self._labelled(job.name), self.pack)
        Thread(target=self._work, args=(run.id, task), name=job.name, daemon=True).start()
        return True

    def _work(self, run_id: int, task: work.Task) -> None:
        """Do a job, in a thread of its own."""
        detail: dict[str, Any] | None = None
        error: BaseException | None = None
        try:
            with translated():
                detail = work.perform(task)
        except BaseException as raised:
            error = raised
        self._inbox.put(_Ended(run_id, detail, error))

    def _ended(self, event: _Ended) -> None:
        run = self._running.pop(event.run_id, None)
        if run is None:
            return
        error = event.error
        if error is None:
            outcome = Outcome(run.job.name, run.slot, "done", event.detail)
        elif run.is_released:
            outcome = Outcome(run.job.name, run.slot, "abandoned", error=run.ended)
        elif run.ended:
            outcome = Outcome(run.job.name, run.slot, "failed", error=run.ended)
        else:
            # a job whose connection was lost did nothing wrong, and is tried once more
            kind = "abandoned" if isinstance(error, ConnectionLostError) else "failed"
            outcome = Outcome(run.job.name, run.slot, kind, error=_line(error))
        if outcome.error is not None:
            run.failure = TrueupError(run.ended) if run.ended else error
        self._unwritten.append((run, outcome))

    def _write(self, connection: Session) -> None:
        """Record the ends of runs; those that a lost connection kept from it included."""
        while self._unwritten:
            run, outcome = self._unwritten[0]
            written = connection.value(
                "finish_slot",
                run_id=run.id,
                outcome=outcome.outcome,
                error=run.failure and _recorded(run.failure),
                detail=None
                if outcome.detail is None
                else json.dumps(outcome.detail, default=str, ensure_ascii=False),
                is_released=run.is_released,
                due_at=run.job.due(run.slot),
            )
            del self._unwritten[0]
            if outcome.outcome == "abandoned":
                self._settled.pop(run.job.name, None)
            self.outcomes = [*self.outcomes[-99:], outcome]
            if error := run.failure:
                logger.error(
                    "job failed",
                    extra={
                        "job": run.job.name,
                        "slot": run.slot.isoformat(),
                        "run_id": run.id,
                        "runner": self.id,
                        "outcome": outcome.outcome,
                        "recorded": written is not None,
                        **logged(error),
                    },
                )
                continue
            logger.info(
                "job finished",
                extra={
                    "job": run.job.name,
                    "slot": run.slot.isoformat(),
                    "run_id": run.id,
                    "runner": self.id,
                    # false: others had given it up
                    "recorded": written is not None,
                    "duration_ms": elapsed_ms(run.began),
                },
            )

    def _end_late(self, connection: Session) -> float:
        """End what is over its time; return the seconds until something will be."""
        now = time.monotonic()
        left = [self.silence]
        for run in self._running.values():
            if now < run.deadline:
                left.append(run.deadline - now)
            elif run.ended is None:
                run.ended = f"took longer than its timeout of {schedule.spelled(run.job.timeout)}"
                connection.value("end_runner_sessions", runner_id=run.runner_id, job=run.job.name)
            elif now > run.deadline + self.silence / 2 and not run.is_released:
                # a thread cannot be ended: the process is, and others take over
                logger.error(
                    "job is stuck",
                    extra={
                        "job": run.job.name,
                        "slot": run.slot.isoformat(),
                        "run_id": run.id,
                        "runner": self.id,
                    },
                )
                logging.shutdown()
                os._exit(STUCK)
        return min(left)

    # -- the end -------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        """Take a signal note, in its handler; a second one ends the process at once.

        Not a second SIGHUP: a terminal that is closed and its shell may both send it.
        """
        if self._told is not None:
            if number == self._told == signal.SIGHUP:
                return
            os._exit(128 + number)
        self._told = number
        self._inbox.put(_Told(number))

    def _stop(self, number: int) -> None:
        logger.info(
            "told to stop",
            extra={"runner": self.id, "signal": signal.Signals(number).name, "count": len(self._running)},
        )
        if self._watch:
            self._watch.stop()
        self._grace_ends = time.monotonic() + self.options.grace.total_seconds()

    def _release(self) -> float:
        """Give up, once the grace is over, what is still running; return the seconds until then.

        The sessions are ended first, so that nothing of the run is done after others may begin it.
        """
        now = time.monotonic()
        if now < self._grace_ends:
            return self._grace_ends - now
        for run in list(self._running.values()):
            if not run.is_released:
                run.is_released, run.ended = True, "released: its runner was told to stop"
                if self._session is not None:
                    with suppress(ServerSaid):
                        self._session.value("end_runner_sessions", runner_id=run.runner_id, job=run.job.name)
            elif now > self._grace_ends + ROLLING_BACK:
                self._ended(_Ended(run.id, None, ConnectionLostError("did not end")))
        return 0.2

    def _is_stopped(self) -> bool:
        """Whether nothing is left to do, or nothing can be done about it."""
        if self._told is None or self._running:
            return False
        return not self._unwritten or time.monotonic() > self._grace_ends + 2 * ROLLING_BACK

    def _end(self) -> None:
        """Say that this runner has ended, if anybody can be told."""
        if self._session is not None:
            with suppress(ServerSaid):
                self._session.run("stop_runner", runner_id=self.id)
                self._session.close()
            self._session = None
        logger.info("runner ended", extra={"runner": self.id})

    def _labelled(self, name: str) -> str:
        return labelled(self.database, f"trueup run {self.id} {name}", self.options.silent_after)


class Watch:
    """Judges changes as they come, in a thread and a session of its own."""

    def __init__(self, configuration: Configuration, database: Callable[[], str], pack: Path | None) -> None:
        self.configuration = configuration
        self.every = configuration.run.watch_every.total_seconds()
        self.database = database
        self.pack = pack
        self._seen: str | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further pass."""
        self._stopped.set()

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stopped.wait(self.every):
            try:
                with session(self.database(), "run") as connection:
                    loaded = fitted(connection, packs.load(self.pack))
                    require(connection, loaded)
                    pause = SHORTEST_PAUSE
                    self._look(connection, loaded)
            except Exception as error:  # whatever it is, the watch goes on, and the job changed is the net
                logger.warning("watch interrupted", extra={**logged(error)})
                if self._stopped.wait(pause * random.uniform(0.5, 1.5)):
                    return
                pause = min(pause * 2, LONGEST_PAUSE)

    def _look(self, connection: Session, pack: Pack) -> None:
        """Look for changes until the session is old enough."""
        # the server may be another by now, that counts transactions from before
        self._seen = None
        opened = time.monotonic()
        rest = 0.0
        while not self._stopped.wait(max(self.every, rest)) and time.monotonic() - opened < SESSION_AGE:
            rest = 0.0
            changes = connection.record("changes_since", seen=self._seen)
            if changes["is_any"]:
                began = time.monotonic()
                self._judge(connection, pack, changes["snapshot"])
                # changes that keep coming are judged together: half of the time at most goes into passes
                rest = time.monotonic() - began

    def _judge(self, connection: Session, pack: Pack, snapshot: str) -> None:
        began = time.monotonic()
        try:
            run = judge(connection, pack, wait=0)
        except BusyError:
            return  # somebody else is judging; what they leave is found at the next look
        self._seen = snapshot
        opened = sum(result.opened + result.reopened for result in run.results)
        resolved = sum(result.resolved for result in run.results)
        logger.log(
            logging.INFO if opened or resolved else logging.DEBUG,
            "changes judged",
            extra={
                "run_id": run.id,
                "opened": opened,
                "resolved": resolved,
                "duration_ms": elapsed_ms(began),
            },
        )
        if opened or resolved:
            try:
                work.tell(self.configuration, self.database(), self.pack)
            except Exception as error:  # the job notify tries again, and is missed when it cannot
                logger.warning("notifications failed", extra={**logged(error)})


def _line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _recorded(error: BaseException) -> str:
    """Return what everybody may read who reads the schedule: no text that may quote a row."""
    said = logged(error)
    return said.pop("reason", None) or " ".join(said.values())


@contextmanager
def _signals(handler: Callable[[int], None]) -> Iterator[None]:
    """Have the signals that tell it to end call the handler inside the block."""
    before = {number: signal.signal(number, lambda number, _: handler(number)) for number in ending()}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@dataclass(frozen=True)
class JobState:
    """A job as runners registered it, with its latest run."""

    name: str
    does: str
    schedule: str
    is_enabled: bool
    due_at: datetime
    done_at: datetime | None
    slot: datetime | None
    outcome: str | None
    is_late: bool | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    runner: str | None


@dataclass(frozen=True)
class Up:
    """A runner that gave a sign of life lately."""

    id: int
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True)
class Line:
    """A job of the configuration: when it comes next (None: it is disabled), and what is known of it."""

    name: str
    does: str
    schedule: str
    next_at: datetime | None
    state: JobState | None


@dataclass(frozen=True)
class Listing:
    """The schedule as configured, and the runners that are up."""

    jobs: tuple[Line, ...]
    runners: tuple[Up, ...]


def listing(configuration: Configuration, *, database: str | None = None) -> Listing:
    """Return the jobs of the configuration with their next times, and how they ended last."""
    known = schedule.jobs(configuration.run, disabled=True)
    with session(database, "run --list") as connection:
        refuse_foreign(connection)
        now = connection.value("clock")
        states = {state.name: state for state in connection.rows("job_states", JobState)}
        up = connection.rows("runners_up", Up)
    return Listing(
        tuple(
            Line(
                job.name,
                job.does,
                job.schedule,
                job.next(now) if job.options.enabled else None,
                states.get(job.name),
            )
            for job in known.values()
        ),
        tuple(up),
    )


def retire(*, database: str | None = None) -> int:
    """Take all jobs off the schedule; return how many. The next `trueup run` puts its own back."""
    with session(database, "run --retire") as connection:
        refuse_foreign(connection)
        return connection.run("retire_jobs", names=[])
