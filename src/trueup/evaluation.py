"""Evaluate checks on one snapshot and file what they found.

The violations stay on the server: each view is read into a temporary table inside a
read-only repeatable-read transaction, and filed from there in one transaction more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from trueup import __version__, packs
from trueup.errors import DatabaseError, TrueupError
from trueup.model import Rate, Result, Run, Violation
from trueup.packs import Check, Pack
from trueup.store import ServerSaid, Session, literal, quoted, session, sqlstate, statement
from trueup.tracking import Pending, related

MAX_ALERTS = 10_000
TIMEOUT = "5min"
EXAMPLES = 3
TIMED_OUT = "57014"

# called as (what is being done, how many done, how many in all)
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Snapshot:
    snapshot: str
    taken_at: datetime


@dataclass(frozen=True)
class Filed:
    superseded: bool
    flooded: bool
    violations: int
    opened: int
    reopened: int
    resolved: int
    missed: int | None


@dataclass(frozen=True)
class Finished:
    id: int
    kind: str
    status: str
    started_at: datetime
    finished_at: datetime
    snapshot_at: datetime


@dataclass(frozen=True)
class _EntityTable:
    entity_type: str
    table_name: str
    company_column: str | None


def check(
    names: Iterable[str] = (),
    *,
    database: str | None = None,
    pack: Path | None = None,
    max_alerts: int = MAX_ALERTS,
    timeout: str = TIMEOUT,
    examples: int = EXAMPLES,
    progress: Progress = silent,
) -> Run:
    """Evaluate the checks named (default: all) on one snapshot, file the alerts, return the run.

    A check that errors or exceeds `timeout` (a PostgreSQL interval, per check) is
    recorded in its result and resolves nothing; the others run. More than `max_alerts`
    new violations of one check are filed as one alert. Up to `examples` violations of
    each check are returned.

    Raises NotFoundError for an unknown name; DatabaseError when the database cannot be
    reached, is read only, or has no trueup.
    """
    loaded = packs.load(pack)
    selected = loaded.select(names)
    kind = "selected" if len(selected) < len(loaded.checks) else "full"
    with session(database, "check") as connection:
        require(connection, loaded)
        with recorded(connection, kind, len(selected)) as run_id:
            snapshot, results = evaluate(connection, selected, timeout=timeout, progress=progress)
            return file(
                connection,
                run_id,
                kind,
                selected,
                snapshot,
                results,
                max_alerts=max_alerts,
                examples=examples,
            )


def require(connection: Session, pack: Pack) -> None:
    """Raise DatabaseError unless the database has trueup and may be written to."""
    from trueup.migration import refuse_newer

    if not connection.value("has_trueup"):
        raise DatabaseError(
            "this is not a trueup database (no schema trueup); run `trueup migrate`, or `trueup adopt` for "
            "one that already holds an application's tables"
        )
    if connection.value("is_read_only"):
        raise DatabaseError(
            "the database is read only (a standby, or default_transaction_read_only); connect to the primary"
        )
    refuse_newer(connection, pack)


@contextmanager
def recorded(connection: Session, kind: str, checks: int) -> Iterator[int]:
    """Begin a run and yield its id; an error inside is recorded with the run before it goes on."""
    connection.run("abandon_runs")
    run_id = connection.value("begin_run", kind=kind, version=__version__, checks=checks)
    try:
        yield run_id
    except (ServerSaid, TrueupError, KeyboardInterrupt) as error:
        # when the connection is gone, the next run finds this one abandoned
        with suppress(ServerSaid):
            connection.run("fail_run", run_id=run_id, error=str(error) or type(error).__name__)
        raise


def evaluate(
    connection: Session, checks: list[Check], *, timeout: str, progress: Progress
) -> tuple[Snapshot, list[Result]]:
    """Read every view on one snapshot into pg_temp.trueup_violations; return the results, unfiled."""
    connection.script("set client_min_messages = warning")
    connection.script(statement("begin_evaluation").decode())
    results = []
    tested: dict[tuple[str, str], int] = {}
    with connection.transaction(snapshot=True):
        snapshot = connection.row("snapshot", Snapshot)
        assert snapshot is not None
        for done, item in enumerate(checks):
            progress(item.name, done, len(checks))
            results.append(_evaluate(connection, item, timeout, tested))
        if all(result.outcome == "complete" for result in results):
            connection.set_local("statement_timeout", "0")
            for table in connection.rows("entity_populations", _EntityTable):
                company = quoted(table.company_column) + "::text" if table.company_column else "null"
                connection.script(
                    "insert into pg_temp.trueup_populations "
                    f"select {literal(table.entity_type)}, {company}, count(*) "
                    f"from {table.table_name} group by 2"
                )
    progress("", len(checks), len(checks))
    return snapshot, results


def file(
    connection: Session,
    run_id: int,
    kind: str,
    checks: list[Check],
    snapshot: Snapshot,
    results: list[Result],
    *,
    max_alerts: int,
    examples: int,
) -> Run:
    """File the evaluated results in one transaction and return the finished run.

    A run of all checks has judged every change that its snapshot could see: those are
    forgotten, and what it files without one of them to explain it is counted as missed.
    """
    with connection.transaction():
        connection.run("set_snapshot", run_id=run_id, snapshot=snapshot.snapshot, taken_at=snapshot.taken_at)
        pending = Pending(connection)
        expected = {check.name: _expected(connection, check, pending) for check in checks}
        filed = [
            file_result(connection, run_id, snapshot, result, max_alerts, examples, expected[result.name])
            for result in results
        ]
        settle(connection, checks, pending, snapshot, filed)
        if kind != "selected":
            connection.run("forget_changes", run_id=run_id)
        broken = [result for result in filed if result.outcome in ("error", "timeout")]
        rates = (
            connection.rows("file_rates", Rate, run_id=run_id) if kind != "selected" and not broken else []
        )
        finished = connection.row(
            "finish_run",
            Finished,
            run_id=run_id,
            status="partial" if broken else "complete",
            failed=len(broken),
            violations=sum(result.violations for result in filed),
            opened=sum(result.opened for result in filed),
            resolved=sum(result.resolved for result in filed),
            reopened=sum(result.reopened for result in filed),
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
        tuple(filed),
        tuple(sorted(rates, key=lambda rate: (rate.company_id is not None, rate.company_id or ""))),
    )


def settle(
    connection: Session, checks: Iterable[Check], pending: Pending, snapshot: Snapshot, filed: list[Result]
) -> None:
    """Record which of the checks owe a full evaluation after these results, and why."""
    by_name = {check.name: check for check in checks}
    reasons: dict[str, str | None] = {}
    for result in filed:
        if result.outcome in ("error", "timeout"):
            reasons[result.name] = "its last evaluation failed"
        elif result.flooded:
            reasons[result.name] = "it had more new violations than are listed one by one"
        elif result.outcome == "complete":
            reasons[result.name] = pending.unnoted(by_name[result.name])
    if reasons:
        connection.run(
            "settle_checks", names=list(reasons), reasons=list(reasons.values()), taken_at=snapshot.taken_at
        )


def partners(connection: Session, check: Check, entity: str, ids: Collection[str]) -> set[str]:
    """Return the entities whose verdict follows from these: named by their violations, or naming them."""
    if not check.partners:
        return set()
    return set(connection.values("partners", name=check.name, entity_type=entity, ids=list(ids)))


def _expected(connection: Session, check: Check, pending: Pending) -> list[str] | None:
    """Return '<entity type> <key>' of what changes concern; None when that cannot tell what was missed."""
    if check.time or not check.sources or pending.full_reason(check):
        return None
    return [
        f"{entity} {key}"
        for entity, ids in pending.concerned(check).items()
        for key in ids | partners(connection, check, entity, ids)
    ]


def _evaluate(connection: Session, item: Check, timeout: str, tested: dict[tuple[str, str], int]) -> Result:
    started = time.monotonic()
    result = Result(item.name, item.severity, "complete", 0.0, invariant=item.invariant)
    try:
        with connection.transaction():
            connection.set_local("statement_timeout", timeout)
            violations = read_view(connection, item)
            for population in item.populations:
                key = (population.table, population.predicate)
                if key not in tested:
                    tested[key] = connection.counted(population.table, population.predicate)
            rows_tested = (
                sum(tested[p.table, p.predicate] for p in item.populations) if item.populations else None
            )
            result = replace(result, violations=violations, rows_tested=rows_tested)
    except ServerSaid as error:
        result = failed(result, item, error, timeout)
    return replace(result, duration_ms=round((time.monotonic() - started) * 1000, 1))


def read_view(connection: Session, item: Check) -> int:
    """Read the whole view of a check into pg_temp.trueup_violations; return the number of its rows."""
    return connection.count(
        "insert into pg_temp.trueup_violations "
        f"select {literal(item.name)}, v.company_id::text, v.entity_type, v.entity_id::text, "
        f"v.description, v.evidence, {related(item.partners)} from {quoted('trueup', item.name)} as v"
    )


def failed(result: Result, item: Check, error: ServerSaid, timeout: str) -> Result:
    """Return the result of a check that the server ended; raise the error when the connection is gone."""
    state = sqlstate(error)
    if state is None or state.startswith(("57P", "08")):
        raise error
    if state == TIMED_OUT:
        return replace(result, outcome="timeout", sqlstate=state, error=f"did not finish within {timeout}")
    return replace(result, outcome="error", sqlstate=state, error=_reason(item, error))


def _reason(item: Check, error: ServerSaid) -> str:
    message = error.diag.message_primary or str(error)
    if sqlstate(error) == "23502" and error.diag.table_name == "trueup_violations":
        return f"the view lists a row whose {error.diag.column_name} is NULL"
    if sqlstate(error) == "42P01" and f"trueup.{item.name}" in message:
        return f"{message}; run `trueup migrate`"
    return message


def file_result(
    connection: Session,
    run_id: int,
    snapshot: Snapshot,
    result: Result,
    max_alerts: int,
    examples: int,
    expected: list[str] | None,
) -> Result:
    """File what a whole view listed, record the result, and return it with what was filed."""
    if result.outcome == "complete":
        filed = connection.row(
            "file_check",
            Filed,
            run_id=run_id,
            name=result.name,
            most=max_alerts,
            entity_type=None,
            entity_ids=None,
            expected=expected,
        )
        assert filed is not None
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
    record_result(connection, run_id, snapshot, result)
    return result


def record_result(connection: Session, run_id: int, snapshot: Snapshot, result: Result) -> None:
    """Keep a result with its run."""
    connection.run(
        "record_result",
        run_id=run_id,
        snapshot_at=snapshot.taken_at,
        **{
            field: getattr(result, field)
            for field in (
                "name",
                "outcome",
                "duration_ms",
                "rows_tested",
                "violations",
                "opened",
                "resolved",
                "reopened",
                "flooded",
                "missed",
                "sqlstate",
                "error",
            )
        },
    )
