"""The report: how consistent the data is, what changed in a period, and what is left for people.

All of it is one frozen `Report`, read in one read-only snapshot; HTML, Markdown and JSON
are three ways to print it. docs/report.md says what each figure means and which keys the
JSON has.

State (the rate, what is open, the queue, guards) is as of the snapshot; what was new,
resolved, repaired and run is of the period. Nothing of a row of the application is shown
but its key: alerts hold masked values, and of the evidence of repairs only the names of
its facts are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trueup import __version__
from trueup.errors import NotFoundError, UsageError
from trueup.store import Session, refuse_foreign, session

T = TypeVar("T")

FORMS = ("html", "md", "json")
PERIOD = timedelta(days=7)
# rows of one list; what is left out is counted
MOST = 12
# steps of the charts
STEPS = 120
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Listed(Generic[T]):
    """The first rows of a list, and how many more there are."""

    items: tuple[T, ...]
    more: int

    @classmethod
    def of(cls, found: Sequence[T], most: int = MOST) -> Listed[T]:
        """Return the first `most` of what was found."""
        return cls(tuple(found[:most]), max(len(found) - most, 0))


@dataclass(frozen=True)
class Verdict:
    """The report in plain words; level is good, attention, bad or unknown."""

    level: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Consistency:
    """Share of entities without an open critical or warning alert, in per cent, cut to two decimals.

    `population` is what the last run of every check counted, at `measured_at`. All None
    when there was none. `before` is the rate at the beginning of the period.
    """

    rate: Decimal | None
    population: int | None
    wrong: int | None
    tables: tuple[str, ...]
    measured_at: datetime | None
    run_id: int | None
    before: Decimal | None


@dataclass(frozen=True)
class Point:
    """The rate that one run of every check measured; `follows` False: runs are missing before it."""

    measured_at: datetime
    checks: int
    population: int
    wrong: int
    rate: Decimal
    follows: bool = True


@dataclass(frozen=True)
class Flow:
    """Alerts that were new, came back and were resolved in one step of the period."""

    begins_at: datetime
    new: int
    reopened: int
    resolved: int


@dataclass(frozen=True)
class Totals:
    """Open alerts by severity (accepted ones apart), and what the period brought."""

    critical: int
    warning: int
    info: int
    accepted: int
    snoozed: int
    unlisted: int
    new: int
    reopened: int
    resolved: int
    repaired: int
    undone: int

    @property
    def open(self) -> int:
        """Open alerts that nobody has accepted."""
        return self.critical + self.warning + self.info


@dataclass(frozen=True)
class CheckState:
    """One check: what is open of it, what the period brought, and how its last evaluation ended.

    state is violated, clean, or unknown: it was never evaluated, or its last evaluation
    failed. `open` includes accepted and snoozed alerts; `unlisted` violations were counted in
    one alert. Not `is_check`: alerts of this name are filed by something else than a check.
    """

    name: str
    invariant: str
    severity: str
    entity: str
    population: str
    repair: str
    prevented: str
    is_check: bool
    open: int
    accepted: int
    snoozed: int
    unlisted: int
    new: int
    reopened: int
    resolved: int
    open_since: datetime | None
    outcome: str | None
    sqlstate: str | None
    evaluated_at: datetime | None
    rows_tested: int | None
    duration_ms: float | None
    evaluations: int
    longest_ms: float | None
    failures: int

    @property
    def state(self) -> str:
        """violated, clean or unknown."""
        if self.is_check and self.outcome != "complete":
            return "unknown"
        return "violated" if self.open else "clean"


@dataclass(frozen=True)
class Company:
    """One company: its rate, None where no run has counted it, and its open alerts."""

    company_id: str
    rate: Decimal | None
    population: int | None
    wrong: int | None
    critical: int
    warning: int
    info: int


@dataclass(frozen=True)
class Cause:
    """Open alerts that read alike, numbers aside."""

    name: str
    severity: str
    cause: str
    alerts: int
    first_at: datetime
    example: str


@dataclass(frozen=True)
class Writer:
    """An application and role whose writes guards reported in the period."""

    application: str
    role: str
    alerts: int
    checks: int


@dataclass(frozen=True)
class Repair:
    """Corrections of one check for one reason; `evidence` names the facts that prove them."""

    name: str
    reason: str
    repairs: int
    undone: int
    actors: int
    last_at: datetime
    examples: tuple[str, ...]
    example_ids: tuple[int, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """Queue items of one reason."""

    reason: str
    priority: int
    items: int
    overdue: int
    oldest_at: datetime
    due_at: datetime
    example_ids: tuple[int, ...]


@dataclass(frozen=True)
class Queue:
    """The review queue: what waits, for how long, and how quickly people decided in the period.

    `ages` counts open items younger than 4 hours, 1, 3, 7 days, and older. `settled` items
    were closed by a run or a repair because the violation was gone; `decided_in_time` of the
    `decided` were decided before they were due.
    """

    open: int
    held: int
    snoozed: int
    overdue: int
    oldest_s: float | None
    median_age_s: float | None
    ages: tuple[int, ...]
    arrived: int
    decided: int
    decided_in_time: int
    settled: int
    median_decision_s: float | None
    reasons: Listed[Reason]

    @property
    def in_time(self) -> Decimal | None:
        """Per cent of the decisions made in time; None without decisions."""
        return _share(self.decided_in_time, self.decided) if self.decided else None


@dataclass(frozen=True)
class GuardState:
    """A guard, its mode, the open alerts of its check, and the companies that have a mode of their own."""

    name: str
    mode: str
    changed_at: datetime
    changed_by: str
    invariant: str
    open: int
    companies: dict[str, str]


@dataclass(frozen=True)
class Runs:
    """Runs of one kind in the period."""

    kind: str
    runs: int
    complete: int
    partial: int
    failed: int
    last_at: datetime
    longest_s: float | None


@dataclass(frozen=True)
class Gap:
    """A time in which `missed` runs of every check were due and none was complete."""

    begins_at: datetime
    ends_at: datetime
    missed: int


@dataclass(frozen=True)
class Job:
    """What the scheduler ran of one job in the period; a slot may be abandoned and done again."""

    job: str
    slots: int
    done: int
    failed: int
    abandoned: int
    last_at: datetime


@dataclass(frozen=True)
class Report:
    """Everything a report says; all counts of lists are of the whole, the lists themselves are cut."""

    database: str
    server: str
    version: str
    company: str | None
    zone: str
    taken_at: datetime
    since: datetime
    until: datetime
    verdict: Verdict
    notes: tuple[str, ...]
    consistency: Consistency
    totals: Totals
    trend: tuple[Point, ...]
    flow: tuple[Flow, ...]
    step_s: float
    checks: tuple[CheckState, ...]
    companies: Listed[Company]
    causes: tuple[Cause, ...]
    writers: tuple[Writer, ...]
    repairs: Listed[Repair]
    queue: Queue
    guards: tuple[GuardState, ...]
    runs: tuple[Runs, ...]
    gaps: Listed[Gap]
    missed: int
    jobs: tuple[Job, ...]

    @property
    def violated(self) -> list[CheckState]:
        """What has open alerts, the gravest and most numerous first."""
        order = ("critical", "warning", "info")
        found = [check for check in self.checks if check.open]
        return sorted(found, key=lambda c: (order.index(c.severity), -c.open - c.unlisted, c.name))

    @property
    def unknown(self) -> list[CheckState]:
        """The checks that could not be evaluated."""
        return [check for check in self.checks if check.state == "unknown"]

    @property
    def clean(self) -> list[CheckState]:
        """The checks that were evaluated and have nothing open."""
        return [check for check in self.checks if check.is_check and check.state == "clean"]

    @property
    def slowest(self) -> list[CheckState]:
        """The checks that took longest in the period."""
        timed = [check for check in self.checks if check.longest_ms is not None]
        return sorted(timed, key=lambda check: -(check.longest_ms or 0))[:8]

    def exit_code(self, fail_under: Decimal | None) -> int:
        """Return 1 for a rate below `fail_under`, 3 when that cannot be known, else 0."""
        if fail_under is None:
            return 0
        if self.consistency.rate is None:
            return 3
        if self.consistency.rate < fail_under:
            return 1
        return 3 if self.unknown else 0


class _Facts(NamedTuple):
    database: str
    server: str
    taken_at: datetime
    check_interval: timedelta
    tables: list[str]
    run_id: int | None
    measured_at: datetime | None


class _Rate(NamedTuple):
    company_id: str | None
    population: int
    wrong: int
    rate: Decimal


class _Measured(NamedTuple):
    measured_at: datetime
    checks: int
    population: int
    wrong: int
    rate: Decimal


class _Open(NamedTuple):
    company_id: str | None
    critical: int
    warning: int
    info: int


def build(
    *,
    database: str | None = None,
    pack: Path | None = None,
    since: datetime | timedelta | None = None,
    until: datetime | None = None,
    company: str | None = None,
    zone: str | None = None,
    timeout: timedelta | None = None,
) -> Report:
    """Read a report in one snapshot; changes nothing.

    `since` is an instant, or a time before `until` (default: seven days); `until` is the
    server's now, or earlier. An instant without an offset is meant in `zone`, an IANA name
    (default: the zone of this machine), in which the report also tells times. `pack` is
    taken because every job has one; the catalogue that counts is the database's. No
    statement takes longer than `timeout` (default: as long as it takes).

    Raises UsageError for a period that is none and an unknown zone, NotFoundError for a
    company that no run and no alert knows, DatabaseError when the database cannot be
    reached or has no trueup.
    """
    del pack
    place = _zone(zone)
    with session(database, "report") as connection:
        refuse_foreign(connection)
        with connection.transaction(snapshot=True):
            if timeout is not None:
                connection.set_local("statement_timeout", f"{timeout.total_seconds():.3f}s")
            facts = connection.row("report_facts", _Facts)
            assert facts is not None
            if company is not None and not connection.value("knows_company", company=company):
                raise NotFoundError(f"no run and no alert knows company {company}")
            begins, ends = _period(facts.taken_at, since, until, place)
            return _read(connection, facts, begins, ends, company, place)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"'{name}' is no time zone; write one as Europe/Berlin or UTC") from None


def _period(
    now: datetime, since: datetime | timedelta | None, until: datetime | None, place: tzinfo | None
) -> tuple[datetime, datetime]:
    ends = min(_aware(until, place), now) if until else now
    since = PERIOD if since is None else since
    try:
        begins = ends - since if isinstance(since, timedelta) else _aware(since, place)
    except OverflowError:
        raise UsageError("the period begins before all time; give a shorter one") from None
    if begins >= ends:
        raise UsageError(f"the period ends ({ends:%Y-%m-%d %H:%M %z}) before it begins")
    return begins.astimezone(place), ends.astimezone(place)


def _aware(moment: datetime, place: tzinfo | None) -> datetime:
    if moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=place) if place else moment.astimezone()


def _step(length: timedelta) -> timedelta:
    """Return the width of one step: hours for a day or two, else whole days."""
    if length <= 3 * DAY:
        return timedelta(hours=1) if length > DAY / 2 else timedelta(minutes=15)
    return DAY * ceil(length / DAY / STEPS)


def _begins(since: datetime, until: datetime, step: timedelta, place: tzinfo | None) -> list[datetime]:
    """Return when each step begins, the first at midnight. Days go by the clock: some have 23 or 25 hours."""
    at = datetime.combine(since.date(), time())
    if step >= DAY:
        return [_aware(at + number * step, place) for number in range((until.date() - at.date()) // step + 1)]
    first = _aware(at, place).astimezone(UTC)
    return [first + number * step for number in range((until - first) // step + 1)]


def _read(
    connection: Session,
    facts: _Facts,
    since: datetime,
    until: datetime,
    company: str | None,
    place: tzinfo | None,
) -> Report:
    period = {"since": since, "until": until, "company": company}
    step = _step(until - since)
    begins = _begins(since, until, step, place)
    rates = connection.rows("report_rates", _Rate, run_id=facts.run_id, company=company)
    whole = next((rate for rate in rates if rate.company_id == company), None)
    trend = connection.rows("report_trend", _Measured, most=STEPS, begins=begins, **period)
    before = trend.pop(0) if trend and trend[0].measured_at < since else None
    checks = [
        _local(each, place)
        for each in connection.rows("report_checks", CheckState, taken_at=facts.taken_at, **period)
    ]
    opened = connection.rows("report_severities", _Open, company=company)
    repairs = connection.rows("report_repairs", Repair, **period)
    gaps = connection.rows("report_gaps", Gap, since=since, until=until, interval=facts.check_interval)
    queue = _queue(connection, facts, period, place)
    totals = Totals(
        sum(each.critical for each in opened),
        sum(each.warning for each in opened),
        sum(each.info for each in opened),
        sum(check.accepted for check in checks),
        sum(check.snoozed for check in checks),
        sum(check.unlisted for check in checks),
        sum(check.new for check in checks),
        sum(check.reopened for check in checks),
        sum(check.resolved for check in checks),
        sum(repair.repairs - repair.undone for repair in repairs),
        sum(repair.undone for repair in repairs),
    )
    consistency = Consistency(
        whole.rate if whole else None,
        whole.population if whole else None,
        whole.wrong if whole else None,
        tuple(name.replace("_", " ") for name in facts.tables),
        _at(facts.measured_at, place),
        facts.run_id,
        before.rate if before else None,
    )
    jobs = connection.rows("report_jobs", Job, since=since, until=until)
    unknown = [check.name for check in checks if check.state == "unknown"]
    missed = sum(gap.missed for gap in gaps)
    points = tuple(_points(trend, step, facts.check_interval, place))
    notes = tuple(_notes(facts, consistency, totals, points, unknown, missed, company))
    return Report(
        database=facts.database,
        server=facts.server,
        version=__version__,
        company=company,
        zone=str(place) if place else f"{facts.taken_at.astimezone():%Z}",
        taken_at=facts.taken_at.astimezone(place),
        since=since,
        until=until,
        verdict=_verdict(facts, consistency, totals, queue, until - since, unknown, company),
        notes=notes,
        consistency=consistency,
        totals=totals,
        trend=points,
        flow=tuple(
            _local(each, place) for each in connection.rows("report_flow", Flow, begins=begins, **period)
        ),
        step_s=step.total_seconds(),
        checks=tuple(checks),
        companies=Listed.of(_companies(rates, opened)),
        causes=tuple(
            _local(each, place)
            for each in connection.rows("report_causes", Cause, company=company, most=MOST)
        ),
        writers=tuple(connection.rows("report_writers", Writer, most=MOST, **period)),
        repairs=Listed.of([_local(each, place) for each in repairs], 2 * MOST),
        queue=queue,
        guards=tuple(
            _local(each, place) for each in connection.rows("report_guards", GuardState, company=company)
        ),
        runs=tuple(
            _local(each, place) for each in connection.rows("report_runs", Runs, since=since, until=until)
        ),
        gaps=Listed.of([_local(each, place) for each in gaps], 6),
        missed=missed,
        jobs=tuple(_local(each, place) for each in jobs),
    )


def _at(moment: datetime | None, place: tzinfo | None) -> datetime | None:
    return moment.astimezone(place) if moment else None


def _local(row: T, place: tzinfo | None) -> T:
    """Return a row of ours with its instants in the zone of the report, its arrays as tuples."""
    made: dict[str, Any] = {}
    for each in fields(row):  # type: ignore[arg-type]
        value = getattr(row, each.name)
        made[each.name] = _at(value, place) if isinstance(value, datetime) else value
        if isinstance(value, list):
            made[each.name] = tuple(value)
    return type(row)(**made)


def _share(part: int, whole: int) -> Decimal:
    """Return per cent of a whole that is not 0, cut to two decimals."""
    return Decimal(10000 * part // whole) / 100


def _points(
    trend: Iterable[_Measured], step: timedelta, interval: timedelta, place: tzinfo | None
) -> Iterable[Point]:
    """Yield the points of the trend; one that comes too long after the one before does not follow it."""
    longest = 1.5 * max(step, interval)
    last: datetime | None = None
    for each in trend:
        follows = last is not None and each.measured_at - last <= longest
        last = each.measured_at
        yield Point(last.astimezone(place), each.checks, each.population, each.wrong, each.rate, follows)


def _queue(connection: Session, facts: _Facts, period: dict[str, Any], place: tzinfo | None) -> Queue:
    found = connection.record("report_queue", taken_at=facts.taken_at, **period)
    reasons = connection.rows("report_reasons", Reason, taken_at=facts.taken_at, company=period["company"])
    found["ages"] = tuple(found["ages"])
    return Queue(**found, reasons=Listed.of([_local(each, place) for each in reasons]))


def _companies(rates: Iterable[_Rate], opened: Iterable[_Open]) -> list[Company]:
    """Return every company of which there is something to say, that with most violations first."""
    counted = {each.company_id: each for each in opened if each.company_id is not None}
    measured = {rate.company_id: rate for rate in rates if rate.company_id is not None}
    found = []
    for name in [*measured, *(key for key in counted if key not in measured)]:
        rate, alerts = measured.get(name), counted.get(name)
        found.append(
            Company(
                name,
                rate.rate if rate else None,
                rate.population if rate else None,
                rate.wrong if rate else None,
                alerts.critical if alerts else 0,
                alerts.warning if alerts else 0,
                alerts.info if alerts else 0,
            )
        )
    return sorted(found, key=lambda c: (-c.critical, -c.warning, -c.info, -(c.population or 0), c.company_id))


def _verdict(
    facts: _Facts,
    consistency: Consistency,
    totals: Totals,
    queue: Queue,
    length: timedelta,
    unknown: Sequence[str],
    company: str | None,
) -> Verdict:
    whose = f" of company {company}" if company is not None else ""
    if consistency.rate is None:
        first = f"How consistent the data{whose} is, nobody can say yet: no run has evaluated every check."
    elif not consistency.population:
        first = f"There are no rows{whose} to judge yet, so nothing disagrees: 100 %."
    else:
        what = joined([*consistency.tables[:3], *(["other records"] if consistency.tables[3:] else [])])
        first = (
            f"{consistency.rate} % of {consistency.population:,} {what}{whose} agree with every rule; "
            f"{counted(consistency.wrong or 0, 'does', 'do')} not."
            if consistency.wrong
            else f"All {consistency.population:,} {what}{whose} agree with every rule: 100 %."
        )
    waiting = (
        f"{counted(queue.open, 'question waits', 'questions wait')} for a person"
        + (f", {queue.overdue:,} of them past the time set" if queue.overdue else "")
        if queue.open
        else "nothing waits for a person"
    )
    grave = [(totals.critical, "critical"), (totals.warning, "warning"), (totals.info, "for information")]
    alerts = (
        f"{counted(totals.open, 'alert is', 'alerts are')} open ("
        + ", ".join(f"{number:,} {name}" for number, name in grave if number)
        + ")"
        if totals.open
        else "No alert is open"
    )
    second = f"{alerts}, and {waiting}."
    period = span(length.total_seconds())
    third = (
        f"In {period}, {counted(totals.new + totals.reopened, 'alert was', 'alerts were')} opened and "
        f"{counted(totals.resolved, 'was', 'were')} resolved; "
        if totals.new or totals.reopened or totals.resolved
        else f"In {period}, nothing was opened or resolved; "
    ) + (
        f"{counted(totals.repaired, 'correction was', 'corrections were')} made, each on evidence."
        if totals.repaired
        else "nothing was corrected."
    )
    sentences = [first, second, third]
    late = facts.measured_at is None or facts.taken_at - facts.measured_at > 2 * facts.check_interval
    if unknown and consistency.rate is not None:
        sentences.append(
            f"{counted(len(unknown), 'check', 'checks')} could not be evaluated: of what "
            f"{'it looks' if len(unknown) == 1 else 'they look'} for, nothing is known."
        )
    if late and facts.measured_at is not None:
        ago = span((facts.taken_at - facts.measured_at).total_seconds())
        sentences.append(f"Everything was last checked {ago} ago, which is too long.")
    if consistency.rate is None:
        level = "unknown"
    elif totals.critical:
        level = "bad"
    elif unknown or late:
        level = "unknown"
    else:
        level = "attention" if totals.warning or queue.overdue else "good"
    return Verdict(level, tuple(sentences))


def _notes(
    facts: _Facts,
    consistency: Consistency,
    totals: Totals,
    trend: Sequence[Point],
    unknown: Sequence[str],
    missed: int,
    company: str | None,
) -> Iterable[str]:
    """Yield what limits the figures."""
    if consistency.rate is None and company is not None and facts.run_id is not None:
        yield f"The last run of every check counted no row of company {company}."
    elif consistency.rate is None:
        yield "`trueup check` evaluates every check; until it has, there is no rate."
    if totals.unlisted:
        yield (
            f"{totals.unlisted:,} violations are counted and not listed one by one, because too many were "
            "found at once. The rate counts each as a row of its own; "
            "those of single companies leave them out."
        )
    if missed:
        yield (
            f"{counted(missed, 'full run', 'full runs')} did not take place in the period or did not end; "
            "the trend has a gap there."
        )
    numbers = sorted({point.checks for point in trend})
    if len(numbers) > 1:
        yield (
            f"The number of checks changed in the period, from {trend[0].checks} to {trend[-1].checks}: "
            "more checks can find more."
        )
    if totals.accepted:
        yield (
            f"{counted(totals.accepted, 'open alert is', 'open alerts are')} accepted by a person as known, "
            "and lower no rate."
        )
    if unknown and consistency.rate is None:
        yield f"{counted(len(unknown), 'check was', 'checks were')} never evaluated completely, or failed."


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun or verb."""
    return f"{number:,} {one if number == 1 else many}"


def joined(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "rows"


def span(seconds: float | None) -> str:
    """Return a length of time in its largest unit, as people say it."""
    if seconds is None:
        return "\N{EN DASH}"
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * unit or (unit == 86400 and seconds >= unit):
            return counted(round(seconds / unit), name, f"{name}s")
    return counted(round(seconds), "second", "seconds")


def render(report: Report, form: str) -> str:
    """Return the report as html (one file that needs no other), md or json (docs/report.md)."""
    from trueup.operating import report_pages

    return report_pages.render(report, form)


def save(text: str, file: Path) -> None:
    """Write a rendered report; a reader sees the old file or the new one, never half of it."""
    if not file.name:
        raise UsageError("--output names no file")
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
