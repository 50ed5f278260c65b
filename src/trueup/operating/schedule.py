"""When each job runs: the slots of a schedule, in its time zone. Knows no clock and no database.

A slot is an instant. Slots of a cron expression with a fixed hour follow the wall clock: a time
that a day does not have is run when the gap ends, one that a day has twice is run the first
time. Those with `*` as their hour follow the hours as they pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from trueup.errors import UsageError
from trueup.operating import config

KINDS = ("changed", "full", "queue", "notify", "report", "retention", "verify", "repair")
SHORTEST = timedelta(seconds=1)
# further than any zone has set its clocks
_SHIFT = timedelta(hours=4)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPELLED = (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Job:
    """One job of the schedule: what it does, when, and its options."""

    name: str
    does: str
    zone: str
    options: config.Job

    @property
    def timeout(self) -> timedelta:
        """How long a run may take."""
        return self.options.timeout

    @property
    def schedule(self) -> str:
        """Its times as people write them."""
        if self.options.every:
            return f"every {spelled(self.options.every)}"
        return f"{self.options.at} {self.zone}"

    def latest(self, now: datetime) -> datetime:
        """Return the last slot that is not after `now`."""
        if every := self.options.every:
            return _EPOCH + (now - _EPOCH) // every * every
        return next(slot for slot in self._cron(now + _SHIFT, reverse=True) if slot <= now)

    def next(self, after: datetime) -> datetime:
        """Return the first slot after an instant."""
        if every := self.options.every:
            return self.latest(after) + every
        return next(slot for slot in self._cron(after - _SHIFT) if slot > after)

    def due(self, slot: datetime) -> datetime:
        """Return when the run of the slot after this one is to have ended."""
        return self.next(slot) + self.timeout

    def _cron(self, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        from cronsim import CronSim

        assert self.options.at is not None
        for found in CronSim(self.options.at, start.astimezone(self._zone), reverse):
            yield found.astimezone(UTC)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


def jobs(run: config.Run, *, disabled: bool = False) -> dict[str, Job]:
    """Return the jobs that are enabled, or with `disabled` all of them, by name.

    Raises UsageError, naming the option, for a zone, a time or a kind that does not exist, and
    when the library for cron expressions is not installed.
    """
    try:
        ZoneInfo(run.zone)
    except (KeyError, OSError, ValueError):
        raise UsageError(
            f"run.zone: '{run.zone}' is no time zone here; write Europe/Berlin or UTC (the system's package "
            "is tzdata)"
        ) from None
    if run.watch_every < timedelta(milliseconds=100):
        raise UsageError("run.watch_every: at least 100 milliseconds, 0.1s")
    if run.silent_after < timedelta(seconds=4):
        raise UsageError("run.silent_after: at least 4s; a runner gives a sign of life four times in it")
    made = {name: _job(name, run.zone, options) for name, options in run.jobs.items()}
    return {name: job for name, job in made.items() if job.options.enabled or disabled}


def _job(name: str, zone: str, options: config.Job) -> Job:
    where = f"run.jobs.{name}"
    does = options.does
    if does not in KINDS:
        raise UsageError(f"{where}.does: '{does or ''}' is none of {', '.join(KINDS)}")
    if (options.at is None) == (options.every is None):
        raise UsageError(f"{where}: give either `at`, a cron expression, or `every`, a duration")
    if options.every is not None and options.every < SHORTEST:
        raise UsageError(f"{where}.every: at least a second")
    if options.connections < 1:
        raise UsageError(f"{where}.connections: at least 1")
    job = Job(name, does, zone, options)
    if options.at is not None:
        try:
            from cronsim import CronSimError
        except ModuleNotFoundError:
            raise UsageError("the schedule needs cronsim: install trueup[run]") from None
        try:
            job.next(_EPOCH)
        except CronSimError as error:
            raise UsageError(f"{where}.at: '{options.at}' is no cron expression: {error}") from None
        except StopIteration:
            raise UsageError(f"{where}.at: '{options.at}' is a time that never comes") from None
    return job


def spelled(length: timedelta) -> str:
    """Return a duration as people write it: 1h30m."""
    left = length.total_seconds()
    parts = []
    for unit, seconds in _SPELLED:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count:g}{unit}")
    return "".join(parts) or f"{left:g}s"
