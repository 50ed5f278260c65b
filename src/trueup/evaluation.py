"""Evaluate checks on one snapshot and file what they found.

The rows of each view are read with COPY, by one connection or several, on the primary or on
a standby, and gathered in a temporary table of the filing session, which files them from
there in one transaction more.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from trueup import __version__, packs
from trueup.durations import elapsed_ms
from trueup.errors import CatalogError, CheckFailedError, DatabaseError, TrueupError, UsageError
from trueup.fitting import fitted
from trueup.model import Progress, Rate, Result, Run, Violation, silent
from trueup.packs import Check, Pack
from trueup.revisions import refuse_newer
from trueup.snapshots import CONFLICTS, REPLICA_WAIT, Reader, Snapshot, Standby, readers, standby
from trueup.store import (
    SCHEMA,
    Copied,
    ServerSaid,
    Session,
    brief,
    literal,
    quoted,
    refuse_foreign,
    session,
    sqlstate,
    statement,
)
from trueup.tracking import LOCK_WAIT, Pending, TrackedTable, related, tracked_tables

logger = logging.getLogger(__name__)

MAX_ALERTS = 10_000
TIMEOUT = "5min"
EXAMPLES = 3
FEW_BYTES = 1 << 18
# seconds between two attempts to end what other connections run
PATIENCE = 0.2
TIMED_OUT = "57014"
HIDDEN = "42501"
# lock_not_available, deadlock_detected
LOCKED = ("55P03", "40P01")


class Filed(NamedTuple):
    superseded: bool
    flooded: bool
    violations: int
    opened: int
    reopened: int
    resolved: int
    missed: int | None


class _Finished(NamedTuple):
    id: int
    kind: str
    status: str
    started_at: datetime
    finished_at: datetime
    snapshot_at: datetime


class _Planned(NamedTuple):
    name: str
    planned_cost: Decimal | None


class _Table(NamedTuple):
    name: str
    bytes: int | None


class _EntityTable(NamedTuple):
    entity_type: str
    table_name: str
    company_column: str | None


class TimeLimit(NamedTuple):
    """The time of a check: its own limit, in milliseconds and as people write it, and what it took last."""

    name: str
    own: str | None = None
    spelled: str | None = None
    last_ms: float | None = None


@dataclass(frozen=True)
class _Count:
    """One scan of a table: all its rows and those of each predicate, of each company or of the whole."""

    table: str
    predicates: tuple[str, ...]
    is_by_company: bool = False
    company_column: str | None = None

    @property
    def query(self) -> str:
        """The query: company, rows, and the rows of each predicate."""
        if not self.is_by_company and len(self.predicates) == 1:
            # an index may know
            return f"select null, null, count(*) from {self.table} where {self.predicates[0]}"
        # the server counts the same only once
        counts = "".join(
            ", count(*)" if predicate == "true" else f", count(*) filter (where {predicate})"
            for predicate in self.predicates
        )
        if self.company_column is None:
            return f"select null, count(*){counts} from {self.table}"
        company = quoted(self.company_column)
        return f"select {company}::text, count(*){counts} from {self.table} group by {company}"


class _Task(NamedTuple):
    """What one connection reads in one transaction."""

    about: tuple[Check, ...] | _Count
    timeout: str
    read: Callable[[Session], Any]
    expected_ms: float | None = None


class _Answer(NamedTuple):
    """What a task brought back, or what ended it."""

    about: tuple[Check, ...] | _Count
    duration_ms: float
    found: Any = None
    error: ServerSaid | TrueupError | OSError | None = None
    on_standby: bool = False


def check(
    names: Iterable[str] = (),
    *,
    database: str | None = None,
    pack: Path | None = None,
    max_alerts: int = MAX_ALERTS,
    timeout: str = TIMEOUT,
    examples: int = EXAMPLES,
    jobs: int = 1,
    replica: str | None = None,
    replica_wait: float = REPLICA_WAIT,
    progress: Progress = silent,
) -> Run:
    """Evaluate the checks named (default: all) on one snapshot, file the alerts, return the run.

    A check that errors or exceeds its time is recorded in its result and resolves nothing;
    the others run. The time is trueup.checks.statement_timeout, or else `timeout` (a
    PostgreSQL interval). More than `max_alerts` new violations of one check are filed as one
    alert. Up to `examples` violations of each check are returned.

    With `jobs` > 1 so many more connections evaluate side by side. `progress` is called from
    their threads. With `replica`, the URL of a streaming standby, the checks are evaluated
    there, once it has replayed what was committed before the run began; it is waited for
    `replica_wait` seconds at most.

    Raises NotFoundError for an unknown name; UsageError for a number below its least, and for
    a `timeout` that the server reads as no time; DatabaseError when the database cannot be
    reached, is read only, or has no trueup, or when the replica is none of this database;
    CheckFailedError when the replica stays behind.
    """
    refuse_below(0, max_alerts=max_alerts, examples=examples, replica_wait=replica_wait)
    refuse_below(1, jobs=jobs)
    loaded = packs.load(pack)
    loaded.select(names)
    with ExitStack() as stack:
        connection = stack.enter_context(session(database, "check"))
        loaded = fitted(connection, loaded)
        selected = loaded.select(names)
        kind = "selected" if len(selected) < len(loaded.checks) else "full"
        require(connection, loaded)
        connection.milliseconds(timeout)
        elsewhere = None
        if replica is not None:
            elsewhere = stack.enter_context(standby(connection, replica, replica_wait))
        with recorded(connection, kind, len(selected)) as run_id:
            costs = planned(connection, selected)
            before = tracked_tables(connection)
            snapshot, results = evaluate(
                connection,
                selected,
                timeout=timeout,
                progress=progress,
                max_alerts=max_alerts,
                jobs=jobs,
                replica=elsewhere,
                populations=kind == "full",
            )
            results = [replace(result, planned_cost=costs.get(result.name)) for result in results]
            return file(
                connection,
                run_id,
                kind,
                selected,
                snapshot,
                results,
                before,
                max_alerts=max_alerts,
                examples=examples,
            )


def refuse_below(least: int, **given: float) -> None:
    """Raise UsageError for the first of the numbers given by name that is not `least` or more."""
    for name, number in given.items():
        if not number >= least:
            raise UsageError(f"{name}={number}: it is {least} or more")


def require(connection: Session, pack: Pack) -> None:
    """Raise DatabaseError unless the database has trueup and may be written to."""
    refuse_foreign(connection)
    if connection.value("is_read_only"):
        raise DatabaseError(
            "the database is read only (a standby, or default_transaction_read_only); connect to the primary"
        )
    refuse_newer(connection, pack)


@contextmanager
def recorded(connection: Session, kind: str, checks: int) -> Iterator[int]:
    """Begin a run and yield its id; an error inside is recorded with the run before it goes on."""
    run_id = connection.value("begin_run", kind=kind, version=__version__, checks=checks)
    began = time.monotonic()
    logger.debug("run begun", extra={"run_id": run_id, "kind": kind, "checks": checks})
    try:
        yield run_id
    except (ServerSaid, TrueupError, KeyboardInterrupt, SystemExit) as error:
        ended = {KeyboardInterrupt: "interrupted", SystemExit: "terminated"}.get(type(error))
        said = ended or str(error) or type(error).__name__
        # when the connection is gone, the next run finds this one abandoned
        with suppress(ServerSaid):
            connection.run("fail_run", run_id=run_id, error=said)
        # what it was is logged by whoever handles it
        logger.info("run failed", extra={"run_id": run_id, "kind": kind, "duration_ms": elapsed_ms(began)})
        raise


def planned(connection: Session, checks: list[Check]) -> dict[str, Decimal | None]:
    """Return what the planner expects each view to cost, and keep it where check_cost_high looks.

    Before the snapshot is taken, so that the run which would suffer is the one that reports it.
    """
    names = [item.name for item in checks]
    return {item.name: item.planned_cost for item in connection.rows("plan_checks", _Planned, names=names)}


def begin_evaluation(connection: Session) -> None:
    """Have empty tables for what is found; a session that stays open has them."""
    tables = connection.rows("evaluation_tables", _Table)
    if any(table.bytes is None for table in tables):
        connection.script(statement("begin_evaluation").decode())
        return
    for table in tables:
        if table.bytes:
            # a new file costs more than the rows that a pass leaves
            empty = "delete from" if table.bytes < FEW_BYTES else "truncate"
            connection.script(f"{empty} pg_temp.{table.name}")


def evaluate(
    connection: Session,
    checks: list[Check],
    *,
    timeout: str,
    progress: Progress,
    max_alerts: int | None = None,
    jobs: int = 1,
    replica: Standby | None = None,
    populations: bool = True,
) -> tuple[Snapshot, list[Result]]:
    """Read every view on one snapshot into pg_temp.trueup_violations; return the results, unfiled.

    With `populations` the entities of each company are counted too, for the rates, unless
    a check failed. Of a check with more than `max_alerts` violations without an alert no more than so
    many of them are put there: that is all that is filed of a flood, besides their number.
    """
    begin_evaluation(connection)
    # what is asked next, of repairs too, is asked of tables that may have grown since they were analysed
    connection.script("set plan_cache_mode = force_custom_plan")
    checks = with_candidates(connection, checks)
    limits = time_limits(connection, checks)
    entities = connection.rows("entity_populations", _EntityTable) if populations else []
    tasks = [_views(together, limits, timeout) for together in _together(checks, limits)]
    patience = _Patience(connection, checks, limits, timeout)
    counts = _counts(checks, entities)
    expected = _expected_ms(connection, counts, tasks) if jobs > 1 else [None] * len(counts)
    tasks += [_count(count, patience, ms) for count, ms in zip(counts, expected, strict=True)]
    found: dict[str, Result] = {}
    counted: list[_Answer] = []
    again: list[_Task] = []

    def begun(task: _Task) -> None:
        if not isinstance(task.about, _Count):
            progress(task.about[0].name, len(found), len(checks))

    def gather(answer: _Answer) -> None:
        if isinstance(answer.about, _Count):
            counted.append(answer)
        elif answer.error and answer.about[0].candidates:
            # whichever it was fails alone: the generated functions rest on the views of other checks, too
            again.extend(
                _views((replace(check, candidates=None),), limits, timeout) for check in answer.about
            )
        else:
            for check in answer.about:
                limit = limits[check.name].spelled or timeout
                found[check.name] = _gathered(
                    connection, check, answer, limit, max_alerts, is_rated=populations
                )

    with readers(connection, jobs, replica) as (snapshot, opened):
        with closing(_answers(opened, tasks, begun)) as answers:
            for answer in answers:
                gather(answer)
        again += [_count(count, patience) for answer in counted if answer.error for count in _apart(answer)]
        with closing(_answers(opened, again, begun)) as answers:
            for answer in answers:
                gather(answer)
        results = [
            _with_rows_tested(connection, check, found[check.name], counted, timeout) for check in checks
        ]
        if all(result.outcome == "complete" for result in results):
            _keep_populations(connection, entities, counted)
    progress("", len(checks), len(checks))
    return snapshot, results


def file(
    connection: Session,
    run_id: int,
    kind: str,
    checks: list[Check],
    snapshot: Snapshot,
    results: list[Result],
    before: list[TrackedTable],
    *,
    max_alerts: int,
    examples: int,
) -> Run:
    """File the evaluated results in one transaction and return the finished run.

    `before`: the tables that checks rest on, as they were when the snapshot was not yet taken.
    A run of all checks has judged every change that its snapshot could see: those are
    forgotten, and what it files without one of them to explain it is counted as missed.
    """
    with connection.transaction():
        connection.run("set_snapshot", run_id=run_id, snapshot=snapshot.snapshot, taken_at=snapshot.taken_at)
        pending = Pending(connection, checks, before)
        by_name = {check.name: check for check in checks}
        filed = [
            file_result(
                connection,
                run_id,
                result,
                max_alerts,
                examples,
                _expected(connection, by_name[result.name], pending),
            )
            for result in results
        ]
        record_results(connection, run_id, snapshot, filed)
        settle(connection, checks, pending, snapshot, filed)
        if kind != "selected":
            connection.run("forget_changes", run_id=run_id, names=list(by_name))
        if kind == "full":
            connection.run("sample_writes")
        is_whole = kind != "selected" and all(result.outcome not in ("error", "timeout") for result in filed)
        rates = connection.rows("file_rates", Rate, run_id=run_id) if is_whole else []
        run = finish_run(connection, run_id, filed, rates)
    tell(run)
    return run


def finish_run(connection: Session, run_id: int, results: list[Result], rates: Iterable[Rate] = ()) -> Run:
    """Record the end of a run with its totals, and return it."""
    broken = [result for result in results if result.outcome in ("error", "timeout")]
    finished = connection.row(
        "finish_run",
        _Finished,
        run_id=run_id,
        status="partial" if broken else "complete",
        failed=len(broken),
        violations=sum(result.violations for result in results),
        opened=sum(result.opened for result in results),
        resolved=sum(result.resolved for result in results),
        reopened=sum(result.reopened for result in results),
        error="; ".join(f"{result.name}: {result.error}" for result in broken) or None,
    )
    assert finished is not None
    return Run(
        finished.id,
        finished.kind,
        finished.status,
        finished.started_at,
        finished.finished_at,
        finished.snapshot_at,
        tuple(results),
        tuple(sorted(rates, key=lambda rate: (rate.company_id is not None, rate.company_id or ""))),
    )


def tell(run: Run) -> None:
    """Log a run that is filed: each check, and the whole."""
    for result in run.results:
        if result.outcome in ("error", "timeout"):
            logger.warning(
                "check failed",
                extra={
                    "run_id": run.id,
                    "check": result.name,
                    "outcome": result.outcome,
                    # its text, which is with the result, may quote a value
                    "sqlstate": result.sqlstate,
                    "duration_ms": result.duration_ms,
                },
            )
        elif result.outcome != "unjudged":
            has_changed = result.opened or result.reopened or result.resolved
            logger.log(
                logging.INFO if has_changed else logging.DEBUG,
                "check evaluated",
                extra={
                    "run_id": run.id,
                    "check": result.name,
                    "outcome": result.outcome,
                    "duration_ms": result.duration_ms,
                    "rows_tested": result.rows_tested,
                    "violations": result.violations,
                    "opened": result.opened,
                    "reopened": result.reopened,
                    "resolved": result.resolved,
                    "flooded": result.flooded,
                },
            )
    logger.info(
        "run finished",
        extra={
            "run_id": run.id,
            "kind": run.kind,
            "outcome": run.status,
            "duration_ms": round((run.finished_at - run.started_at).total_seconds() * 1000, 1),
            "checks": len(run.results),
            "violations": run.violations,
            "opened": sum(result.opened for result in run.results),
            "reopened": sum(result.reopened for result in run.results),
            "resolved": sum(result.resolved for result in run.results),
            "missed": run.missed,
        },
    )


def settle(
    connection: Session, checks: Iterable[Check], pending: Pending, snapshot: Snapshot, filed: list[Result]
) -> None:
    """Record which of the checks owe a full evaluation after these results, and why."""
    by_name = {check.name: check for check in checks}
    reasons: dict[str, str | None] = {}
    failed = set()
    for result in filed:
        if result.outcome in ("error", "timeout"):
            failed.add(result.name)
            reasons[result.name] = "its last evaluation failed"
        elif result.flooded:
            reasons[result.name] = "it had more new violations than are listed one by one"
        elif result.outcome == "complete":
            reasons[result.name] = pending.unnoted(by_name[result.name])
    if reasons:
        connection.run(
            "settle_checks",
            names=list(reasons),
            reasons=list(reasons.values()),
            failed=[name in failed for name in reasons],
            defined_at=snapshot.defined_at,
            snapshot=snapshot.snapshot,
        )


def partners(connection: Session, check: Check, entity: str, ids: Collection[str]) -> frozenset[str]:
    """Return the entities whose verdict follows from these: named by their violations, or naming them."""
    if not check.partners:
        return frozenset()
    return frozenset(connection.values("partners", name=check.name, entity_type=entity, ids=list(ids)))


def _expected(connection: Session, check: Check, pending: Pending) -> list[str] | None:
    """Return '<entity type> <key>' of what changes concern; None when that cannot tell what was missed."""
    if check.time or not check.sources or pending.full_reason(check):
        return None
    return [
        f"{entity} {key}"
        for entity, ids in pending.concerned(check).items()
        for key in ids | partners(connection, check, entity, ids)
    ]


def query_of(check: Check, *others: Check) -> str:
    """Return the query for what a check lists in all, in the columns of pg_temp.trueup_violations.

    Others with the same candidates can be asked together with it.
    """
    if check.candidates:
        branches = " union all ".join(
            f"select v.* from {quoted('trueup', 'violations_of_' + entity)}("
            f"array(select l.entity_id from listed as l where l.check_name = {literal(each.name)} "
            f"and l.entity_type = {literal(entity)}), array[{literal(each.name)}]) as v"
            for each in (check, *others)
            for entity in dict.fromkeys(population.entity for population in each.populations)
        )
        # a branch of the view for other checks alone is not run
        names = ", ".join(literal(each.name) for each in (check, *others))
        candidates = (
            f"select c.* from {quoted('trueup', check.candidates)} as c where c.check_name in ({names})"
        )
        return f"with listed as materialized ({candidates}) {branches}"
    return (
        f"select {literal(check.name)}, v.company_id::text, v.entity_type, v.entity_id::text, "
        f"v.description, v.evidence, {related(check.partners)} from {quoted('trueup', check.name)} as v"
    )


def read_view(connection: Session, check: Check) -> int:
    """Read the whole view of a check into pg_temp.trueup_violations; return the number of its rows."""
    return connection.count(f"insert into pg_temp.trueup_violations {query_of(check)}")


def time_limits(connection: Session, checks: Iterable[Check]) -> dict[str, TimeLimit]:
    """Return the time of each check, by name."""
    names = [check.name for check in checks]
    known = {limit.name: limit for limit in connection.rows("time_limits", TimeLimit, names=names)}
    return {name: known.get(name) or TimeLimit(name) for name in names}


def with_candidates(connection: Session, checks: list[Check]) -> list[Check]:
    """Return the checks; without candidates those that may list others than the candidates are for.

    Its own view or that of the candidates was edited by hand, or their file since it was deployed: which
    checks the candidates are for is read from the file.
    """
    views = {
        name: digest
        for check in checks
        if check.candidates
        for name, digest in (
            (check.name, check.checksum),
            (check.candidates, check.candidates_checksum),
        )
    }
    if not views:
        return checks
    try:
        # the server shows a view only when nobody holds its tables
        with connection.transaction(rollback=True):
            connection.set_local("lock_timeout", LOCK_WAIT)
            found = connection.values("views_as_deployed", names=list(views), checksums=list(views.values()))
    except ServerSaid as error:
        raise_lost(error)
        found = []
    known = set(found)
    return [
        replace(check, candidates=None)
        if check.candidates and not {check.name, check.candidates} <= known
        else check
        for check in checks
    ]


def _together(checks: list[Check], limits: dict[str, TimeLimit]) -> Iterable[tuple[Check, ...]]:
    """Divide the checks: together come those with the same candidates, unless one has a time of its own."""
    divided: dict[str, tuple[Check, ...]] = {}
    for check in checks:
        is_shared = check.candidates and limits[check.name].own is None
        key = f"candidates {check.candidates}" if is_shared else check.name
        divided[key] = (*divided.get(key, ()), check)
    return divided.values()


def _views(checks: tuple[Check, ...], limits: dict[str, TimeLimit], timeout: str) -> _Task:
    def read(reading: Session) -> dict[str, Copied]:
        copied = reading.copy_out(query_of(*checks))
        with ExitStack() as on_error:
            on_error.enter_context(closing(copied.file))
            refuse_rewritten(reading)
            on_error.pop_all()
        return copied.divided(check.name for check in checks)

    known = [limits[check.name].last_ms for check in checks]
    return _Task(
        checks,
        limits[checks[0].name].own or timeout,
        read,
        None if None in known else sum(ms for ms in known if ms is not None),
    )


class _Patience:
    """How long scans may take: as long as the most patient of the checks whose populations they count."""

    def __init__(
        self, connection: Session, checks: list[Check], limits: dict[str, TimeLimit], timeout: str
    ) -> None:
        self.timeout = timeout
        self._own: dict[tuple[str, str], int] = {}
        for check in checks:
            if own := limits[check.name].own:
                for population in check.populations:
                    counted = (population.table, population.predicate)
                    self._own[counted] = max(int(own), self._own.get(counted, 0))
        self._common = connection.milliseconds(timeout) if self._own else 0

    def with_scan(self, count: _Count) -> str:
        """Return the statement_timeout of a scan."""
        # the rates have always been worth a scan, however long
        if not count.predicates:
            return "0"
        own = max(self._own.get((count.table, predicate), 0) for predicate in count.predicates)
        return str(own) if own > self._common > 0 else self.timeout


def _expected_ms(connection: Session, counts: list[_Count], views: list[_Task]) -> list[float | None]:
    """Return how long each scan may take, None where nobody can tell.

    Nobody keeps what they took: all together they are taken for as long as the longest other task, and
    each for its share by the rows of its table and what is counted of each. One that begins too early
    costs less than a long one that is left for the end.
    """
    unknown: list[float | None] = [None] * len(counts)
    known = [task.expected_ms for task in views if task.expected_ms is not None]
    if not known:
        return unknown
    try:
        with connection.transaction():
            rows = connection.values("estimated_rows", names=[count.table for count in counts])
    except ServerSaid as error:
        # of a schema that the role may not use its own scan will tell
        raise_lost(error)
        return unknown
    shares = [
        None if of_table is None else of_table * max(len(count.predicates), 1)
        for count, of_table in zip(counts, rows, strict=True)
    ]
    ms_per_share = max(known) / max(sum(share or 0 for share in shares), 1)
    return [None if share is None else share * ms_per_share for share in shares]


def _count(count: _Count, patience: _Patience, expected_ms: float | None = None) -> _Task:
    def read(reading: Session) -> list[tuple[Any, ...]]:
        # for a lock nobody waits longer than for a check
        reading.set_local("lock_timeout", patience.timeout)
        counted = reading.tuples(count.query)
        refuse_rewritten(reading)
        return counted

    return _Task(count, patience.with_scan(count), read, expected_ms)


def _counts(checks: list[Check], entities: list[_EntityTable]) -> list[_Count]:
    """Return one scan for each table that holds a population or entities of the rates."""
    predicates: dict[str, dict[str, None]] = {entity.table_name: {} for entity in entities}
    for check in checks:
        for population in check.populations:
            predicates.setdefault(population.table, {})[population.predicate] = None
    company = {entity.table_name: entity.company_column for entity in entities}
    return [
        _Count(table, tuple(found), table in company, company.get(table))
        for table, found in predicates.items()
    ]


def _apart(answer: _Answer) -> list[_Count]:
    """Return the counts of a scan that failed one by one, so that one predicate fails its own checks only."""
    scan = answer.about
    assert isinstance(scan, _Count)
    apart = [_Count(scan.table, (predicate,)) for predicate in scan.predicates]
    if not scan.is_by_company:
        return apart if len(apart) > 1 else []
    return [*apart, replace(scan, predicates=())]


def _answers(
    readers: list[Reader], tasks: list[_Task], begun: Callable[[_Task], None]
) -> Generator[_Answer, None, None]:
    """Run the tasks, the longest first when there is a choice, and give the answers as they come.

    Queries run in threads even when there is but one connection: an interrupt in the middle
    of a COPY would leave the connection unusable, a cancelled one does not.
    """
    idle: SimpleQueue[Reader] = SimpleQueue()
    for reader in readers:
        idle.put(reader)

    def work(task: _Task) -> _Answer:
        reader = idle.get()
        try:
            begun(task)
            return _attempt(reader, task)
        finally:
            idle.put(reader)

    if len(readers) == 1:
        # the connection may be the filing session, which keeps each answer before the next
        rounds = [[task] for task in tasks]
    else:
        # one without a past may be long
        rounds = [sorted(tasks, key=lambda task: -(inf if task.expected_ms is None else task.expected_ms))]
    pool = ThreadPoolExecutor(len(readers))
    futures: list[Future[_Answer]] = []
    try:
        for together in rounds:
            futures = [pool.submit(work, task) for task in together]
            for future in as_completed(futures):
                yield future.result()
    finally:
        # interrupted, or a failure of the run itself: end what still runs
        pool.shutdown(wait=False, cancel_futures=True)
        while any(future.running() for future in futures):
            for reader in readers:
                reader.cancel()
            wait(futures, timeout=PATIENCE)


def _attempt(reader: Reader, task: _Task) -> _Answer:
    started = time.monotonic()
    found, failure = None, None
    try:
        # rows that a policy hides would count as right
        with reader.reading() as reading, reading.within(task.timeout, policies=_is_own(task.about)):
            found = task.read(reading)
    except (ServerSaid, TrueupError, OSError) as error:
        if _is_lost(error) and not reader.is_replaceable:
            raise
        failure = error
    return _Answer(task.about, (time.monotonic() - started) * 1000, found, failure, reader.on_standby)


def refuse_rewritten(reading: Session) -> None:
    """Raise CheckFailedError when a table that was read is empty to the snapshot, though it may not be."""
    if tables := reading.values("rewritten_tables"):
        raise CheckFailedError(
            f"{', '.join(tables)} was written anew (ALTER TABLE, TRUNCATE, VACUUM FULL) after the snapshot, "
            "which may find it empty; run it again"
        )


def _is_own(about: tuple[Check, ...] | _Count) -> bool:
    """Say whether a table of ours is counted: its policies hide nothing from who evaluates."""
    return isinstance(about, _Count) and about.table.startswith(f"{SCHEMA}.")


def _gathered(
    connection: Session,
    check: Check,
    answer: _Answer,
    limit: str,
    max_alerts: int | None,
    *,
    is_rated: bool,
) -> Result:
    """Put the rows of a check with the others; return its result, with its share of the time."""
    assert not isinstance(answer.about, _Count)
    started = time.monotonic()
    result = Result(check.name, check.severity, "complete", 0.0, invariant=check.invariant)
    error = answer.error
    if error is None:
        try:
            found: Copied = answer.found[check.name]
            with closing(found.file):
                _refuse_unknown_entities(check, found)
                if found.rows:
                    _keep(connection, check, found, max_alerts, is_rated=is_rated)
            result = replace(result, violations=found.rows)
        except (ServerSaid, CatalogError) as refused:
            if _is_lost(refused):
                raise
            error = refused
    if error:
        result = _failed(result, error, limit, on_standby=answer.on_standby)
    took = answer.duration_ms / len(answer.about)
    return replace(result, duration_ms=round(took + (time.monotonic() - started) * 1000, 1))


def _keep(
    connection: Session, check: Check, found: Copied, max_alerts: int | None, *, is_rated: bool
) -> None:
    rows: Iterable[bytes] = found.blocks()
    with connection.transaction():
        if max_alerts is not None and found.rows > max_alerts:
            rows = worth_filing(connection, check, found, max_alerts)
            if is_rated:
                connection.copy_in("pg_temp.trueup_flooded", map(_identity, found.lines()))
        connection.copy_in("pg_temp.trueup_violations", rows)


def _refuse_unknown_entities(check: Check, found: Copied) -> None:
    """Raise CatalogError for an entity of a type that the header does not name: no population counts it."""
    known = {entity.encode() for entity in check.entities}
    if others := {_fields(line)[2] for line in found.lines()} - known:
        raise CatalogError(unknown_entities(check, (other.decode() for other in others)))


def unknown_entities(check: Check, others: Iterable[str]) -> str:
    """Say which entities a check lists that its header does not name."""
    return f"lists entities of type {', '.join(sorted(others))}, and its header says {check.entity}"


def worth_filing(connection: Session, check: Check, found: Copied, max_alerts: int) -> Iterable[bytes]:
    """Return the rows of a flood that filing needs: those that have an alert, and `max_alerts` others.

    The others are counted, and the first of them shown.
    """
    with closing(connection.copy_out(_with_an_alert(check)).file) as listed:
        listed.seek(0)
        alerts = set(listed)
    unseen = set(alerts)
    known: list[bytes] = []
    others: list[bytes] = []
    for line in found.lines():
        *_, entity_type, entity_id = _fields(line)
        entity = entity_type + b"\t" + entity_id + b"\n"
        if entity in alerts:
            known.append(line)
            unseen.discard(entity)
        elif len(others) < max_alerts:
            others.append(line)
        elif not unseen:
            break
    return chain(known, others)


def _fields(line: bytes) -> list[bytes]:
    """Return the first columns of a row of pg_temp.trueup_violations: check, company, entity type and key."""
    return line.split(b"\t", 4)[:4]


def _identity(line: bytes) -> bytes:
    return b"\t".join(_fields(line)) + b"\n"


def _with_an_alert(check: Check) -> str:
    return (
        "select al.entity_type, al.entity_id from trueup.data_consistency_alerts as al "
        f"where al.alert_type = {literal(check.name)} and al.status <> 'resolved'"
    )


def _with_rows_tested(
    connection: Session, check: Check, result: Result, counted: list[_Answer], timeout: str
) -> Result:
    """Return a result with the size of its population; one that could not be counted fails its check."""
    if result.outcome != "complete" or not check.populations:
        return result
    rows = 0
    for population in check.populations:
        answer = next(
            answer
            # the last, because a failed scan was tried again predicate by predicate
            for answer in reversed(counted)
            if isinstance(answer.about, _Count)
            and answer.about.table == population.table
            and population.predicate in answer.about.predicates
        )
        if answer.error:
            connection.run("withdraw_violations", name=check.name)
            result = replace(result, violations=0)
            return _failed(result, answer.error, timeout, on_standby=answer.on_standby)
        assert isinstance(answer.about, _Count)
        column = 2 + answer.about.predicates.index(population.predicate)
        rows += sum(row[column] for row in answer.found)
    return replace(result, rows_tested=rows)


def _keep_populations(connection: Session, entities: list[_EntityTable], counted: list[_Answer]) -> None:
    for entity in entities:
        answer = next(
            answer
            for answer in reversed(counted)
            if isinstance(answer.about, _Count)
            and answer.about.is_by_company
            and answer.about.table == entity.table_name
        )
        if answer.error:
            raise answer.error
        connection.copy_rows(
            "pg_temp.trueup_populations", [(entity.entity_type, row[0], row[1]) for row in answer.found]
        )


def failed(result: Result, error: ServerSaid, limit: str) -> Result:
    """Return the result of a check that the server ended; raise the error when the connection is gone."""
    raise_lost(error)
    return _failed(result, error, limit)


def raise_lost(error: ServerSaid) -> None:
    """Raise the error when it says that the connection is gone."""
    if _is_lost(error):
        raise error


def _failed(
    result: Result, error: ServerSaid | TrueupError | OSError, limit: str, *, on_standby: bool = False
) -> Result:
    state = sqlstate(error)
    outcome, message = "error", str(error)
    if isinstance(error, ServerSaid):
        message = _reason(result.name, error)
        # the same SQLSTATE; in another language it is taken for a timeout
        if state == TIMED_OUT and "user request" not in message:
            outcome, message = "timeout", f"did not finish within {limit}"
        elif state == HIDDEN and "row-level security" in message:
            message += "; the role that runs checks must see all rows: alter role ... bypassrls"
        elif _is_lost(error):
            message = f"the connection that evaluated it was lost: {message}"
        elif on_standby and state in CONFLICTS:
            message += (
                "; set hot_standby_feedback = on or a longer max_standby_streaming_delay on the replica, "
                "or evaluate on the primary"
            )
    elif isinstance(error, OSError):
        message = f"no room for its rows in a temporary file: {error.strerror}; TMPDIR names another place"
    return replace(result, outcome=outcome, sqlstate=state, error=message)


def _is_lost(error: BaseException) -> bool:
    """Say whether the connection is gone, and not only the statement."""
    # another server's error, through a foreign table, may bear an SQLSTATE of lost connections
    return isinstance(error, ServerSaid) and (
        sqlstate(error) is None or error.diag.severity_nonlocalized in ("FATAL", "PANIC")
    )


def _reason(name: str, error: ServerSaid) -> str:
    message = error.diag.message_primary or brief(error)
    if sqlstate(error) == "23502" and error.diag.table_name == "trueup_violations":
        return f"the view lists a row whose {error.diag.column_name} is NULL"
    if sqlstate(error) == "42P01" and f"trueup.{name}" in message:
        return f"{message}; run `trueup migrate`"
    return message


def file_result(
    connection: Session,
    run_id: int,
    result: Result,
    max_alerts: int,
    examples: int,
    expected: list[str] | None,
) -> Result:
    """File what a whole view listed, and return the result with what was filed."""
    filed = None
    if result.outcome == "complete":
        filed = file_alone(
            connection,
            run_id=run_id,
            name=result.name,
            most=max_alerts,
            entity_type=None,
            entity_ids=None,
            expected=expected,
            total=result.violations,
        )
    if isinstance(filed, ServerSaid):
        result = unfiled(result, filed)
    elif filed:
        result = replace(
            result,
            outcome="superseded" if filed.superseded else "complete",
            opened=filed.opened,
            reopened=filed.reopened,
            resolved=filed.resolved,
            flooded=filed.flooded,
            missed=filed.missed,
            accepted=connection.value("accepted", name=result.name) if result.violations else 0,
            examples=tuple(connection.rows("examples", Violation, name=result.name, most=examples))
            if result.violations
            else (),
        )
    return result


def file_check(connection: Session, **parameters: Any) -> Filed:
    """File one check by trueup.file_violations; raises one of LOCKED when somebody is in its way."""
    filed = connection.row("file_check", Filed, **parameters)
    assert filed is not None
    return filed


def file_alone(connection: Session, **parameters: Any) -> Filed | ServerSaid:
    """File one check, or return who is in its way: in a savepoint, for the others are to be filed."""
    try:
        with connection.transaction():
            return file_check(connection, **parameters)
    except ServerSaid as error:
        if sqlstate(error) not in LOCKED:
            raise
        return error


def unfiled(result: Result, error: ServerSaid) -> Result:
    """Return the result of a check whose violations could not be filed: it is owed."""
    message = f"not filed, for others hold its alerts: {_reason(result.name, error)}"
    return replace(result, outcome="error", violations=0, sqlstate=sqlstate(error), error=message)


def record_results(connection: Session, run_id: int, snapshot: Snapshot, results: Iterable[Result]) -> None:
    """Keep results with their run."""
    kept = [{**vars(result), "examples": None} for result in results]
    if kept:
        connection.run(
            "record_results",
            run_id=run_id,
            snapshot_at=snapshot.taken_at,
            # numbers as text, for costs are numeric; letters as they are, for SQL_ASCII reads no escapes
            results=json.dumps(kept, default=str, ensure_ascii=False),
        )
