"""Judge what has changed since the last pass: cost follows the changes, not the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from trueup import packs
from trueup.errors import BusyError, CheckFailedError
from trueup.evaluation import (
    EXAMPLES,
    LOCKED,
    MAX_ALERTS,
    TIMEOUT,
    Filed,
    TimeLimit,
    begin_evaluation,
    failed,
    file_alone,
    file_check,
    file_result,
    finish_run,
    partners,
    raise_lost,
    read_view,
    record_results,
    recorded,
    refuse_below,
    refuse_rewritten,
    require,
    settle,
    tell,
    time_limits,
    unfiled,
    unknown_entities,
    with_candidates,
)
from trueup.fitting import fitted
from trueup.locks import acquire
from trueup.model import Progress, Result, Run, Violation, silent
from trueup.packs import Check, Pack
from trueup.snapshots import Snapshot
from trueup.store import ServerSaid, Session, quoted, session, sqlstate
from trueup.tracking import Pending, driven

WAIT = 60.0
# how often a pass begins again: a check has failed, or a table was written anew meanwhile
RETRIES = 2
# 'changes' in ASCII: the key of the advisory lock that one pass at a time holds
PASS_LOCK = 0x6368616E676573

_FileOne = Callable[..., Filed | ServerSaid]


class _Open(NamedTuple):
    name: str
    entity_type: str
    entity_id: str


class _Touched(NamedTuple):
    name: str
    entity_type: str


class _ToFile(NamedTuple):
    name: str
    entity_type: str
    entity_id: str
    is_violation: bool


class _Read(NamedTuple):
    name: str
    violations: int


class _Standing(NamedTuple):
    name: str
    violations: int
    accepted: int


@dataclass
class _Scope:
    """What a pass judges of one check: some entities, by type, or (full) all of them."""

    entities: dict[str, frozenset[str]] = field(default_factory=dict)
    full: str | None = None

    def add(self, entity: str, ids: Collection[str]) -> None:
        if ids:
            self.entities[entity] = self.entities.get(entity, frozenset()).union(ids)


def check_changed(
    *,
    database: str | None = None,
    pack: Path | None = None,
    max_alerts: int = MAX_ALERTS,
    timeout: str = TIMEOUT,
    examples: int = EXAMPLES,
    wait: float = WAIT,
    progress: Progress = silent,
) -> Run:
    """Judge again the entities that changes since the last pass concern, file the alerts, return the run.

    Afterwards the alerts are those that a full run would have left. In the result,
    `violations` are all that are open, `examples` those found now. A check is evaluated in
    full when its changes are not known one by one (trueup.checks.owes_full says why); one
    whose verdict follows from no table is left to full runs.

    One pass at a time: another one waits up to `wait` seconds. Raises BusyError when it waits
    in vain, DatabaseError when the database cannot be reached, is read only, or has no trueup,
    UsageError when the server reads `timeout` as no time, and for a number below zero.
    """
    refuse_below(0, max_alerts=max_alerts, examples=examples, wait=wait)
    loaded = packs.load(pack)
    with session(database, "check --changed") as connection:
        loaded = fitted(connection, loaded)
        require(connection, loaded)
        connection.milliseconds(timeout)
        return judge(
            connection,
            loaded,
            max_alerts=max_alerts,
            timeout=timeout,
            examples=examples,
            wait=wait,
            progress=progress,
        )


def judge(
    connection: Session,
    pack: Pack,
    *,
    max_alerts: int = MAX_ALERTS,
    timeout: str = TIMEOUT,
    examples: int = EXAMPLES,
    wait: float = WAIT,
    progress: Progress = silent,
) -> Run:
    """Make one pass in a session that may stay open for the next one; the rest is as for `check_changed`."""

    def evaluated(apart: bool) -> _Pass:
        begin_evaluation(connection)
        with connection.transaction(snapshot=True):
            snapshot = connection.row("snapshot", Snapshot)
            assert snapshot is not None
            connection.set_local("statement_timeout", timeout)
            pending = Pending(connection, pack.checks, apart=apart)
            work = _Pass(connection, pack, snapshot, pending, timeout, max_alerts, apart)
            work.evaluate(progress)
            refuse_rewritten(connection)
        return work

    def attempted() -> _Pass:
        # to ask each check apart would cost more than a small pass takes: only when one of them has failed
        apart = False
        for _ in range(RETRIES):
            try:
                return evaluated(apart)
            except CheckFailedError:
                pass  # a later snapshot sees what is there now
            except ServerSaid as error:
                raise_lost(error)
                if apart:
                    raise
                apart = True
        return evaluated(apart)

    def filed(work: _Pass, run_id: int, file_one: _FileOne) -> Run:
        snapshot = work.snapshot
        with connection.transaction():
            # asked before what is filed is looked for: a run that is done by now has filed, and is seen
            others = connection.value(
                "set_snapshot", run_id=run_id, snapshot=snapshot.snapshot, taken_at=snapshot.taken_at
            )
            results = work.file(run_id, examples, file_one)
            settle(connection, pack.checks, work.pending, snapshot, results)
            # a run that began earlier may still file what it saw then: the changes are judged again after it
            if not others:
                names = [check.name for check in pack.checks]
                connection.run("forget_changes", run_id=run_id, names=names)
            return work.finish(run_id, results)

    with _alone(connection, wait), recorded(connection, "changed", len(pack.checks)) as run_id:
        work = attempted()
        try:
            run = filed(work, run_id, file_check)
        except ServerSaid as error:
            if sqlstate(error) not in LOCKED:
                raise
            # somebody is in the way of one of them
            run = filed(work, run_id, file_alone)
        tell(run)
        return run


@contextmanager
def _alone(connection: Session, wait: float) -> Iterator[None]:
    if holder := acquire(connection, PASS_LOCK, wait):
        raise BusyError(
            f"another pass over the changes is running ({holder}); waited {wait:g} s, nothing was judged"
        )
    try:
        yield
    finally:
        # a connection that is gone holds no lock
        with suppress(ServerSaid):
            connection.value("unlock", key=PASS_LOCK)


@dataclass
class _Pass:
    """One pass: what each check has to look at, what it found, and what is filed of it.

    `apart`: each check is asked by itself, in a savepoint, so that one that fails fails alone.
    Otherwise it ends the attempt.
    """

    connection: Session
    pack: Pack
    snapshot: Snapshot
    pending: Pending
    timeout: str
    max_alerts: int
    apart: bool
    listed: int = 0
    scopes: dict[str, _Scope] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def evaluate(self, progress: Progress) -> None:
        """Find the violations among what has changed, into pg_temp.trueup_violations."""
        checks = driven(self.pack.checks)
        by_name = {check.name: check for check in checks}
        for check in checks:
            full = self.pending.full_reason(check)
            self.scopes[check.name] = _Scope({} if full else self.pending.concerned(check), full)
        for ended in self.connection.rows("acceptances_ended", _Open):
            if ended.name not in self.scopes:
                continue
            if self._is_known(by_name[ended.name], ended.entity_type):
                self.scopes[ended.name].add(ended.entity_type, {ended.entity_id})
            else:
                self._judge_whole(ended)
        asked = self._asked(checks)
        self._judge([check for check in checks if asked[check.name]], asked)
        more = {check.name: self._partners(check) for check in checks if check.partners}
        # what time begins is read whole below
        self._judge([check for check in checks if more.get(check.name) and check.time != "begins"], more)
        for name, entities in more.items():
            for entity, ids in entities.items():
                self.scopes[name].add(entity, ids)
        whole = with_candidates(self.connection, self._whole(checks))
        limits = time_limits(self.connection, whole)
        begun = self._evaluate_begun(
            [check for check in whole if not self.scopes[check.name].full and limits[check.name].own is None]
        )
        for done, check in enumerate(whole):
            progress(check.name, done, len(whole))
            if check.name not in begun:
                self._evaluate_view(check, limits[check.name])
        self._refuse_unknown_entities(whole)
        self._narrow([check for check in checks if check.time and not self.scopes[check.name].full])

    def _is_known(self, check: Check, entity: str) -> bool:
        """Say whether the check can be judged about entities of a type: not about that of its floods."""
        is_read_whole = check.time == "begins"
        return entity in check.entities and (is_read_whole or entity in self.pending.entities)

    def _judge_whole(self, alert: _Open) -> None:
        scope = self.scopes[alert.name]
        scope.full = scope.full or f"it has an alert of type {alert.entity_type}, which no change can concern"

    def _judge(self, checks: list[Check], scopes: dict[str, dict[str, frozenset[str]]]) -> None:
        """Ask the generated functions about some entities: one statement for checks that ask the same."""
        together: dict[tuple[str, frozenset[str]], list[Check]] = {}
        for check in checks:
            for entity, ids in scopes[check.name].items():
                together.setdefault((entity, ids), []).append(check)
        for (entity, some), asking in together.items():
            if not self.apart:
                self._ask(entity, some, asking)
                continue
            for check in asking:
                if check.name in self.results and self.results[check.name].outcome != "changed":
                    continue  # it has failed for others
                try:
                    with self.connection.transaction():
                        self._ask(entity, some, [check])
                except ServerSaid as error:
                    self._fail(check, error)

    def _ask(self, entity: str, ids: Collection[str], checks: list[Check]) -> None:
        started = time.monotonic()
        key = self.pending.entities[entity]
        self.listed += self.connection.count(
            "insert into pg_temp.trueup_violations "
            f"select v.* from {quoted('trueup', 'violations_of_' + entity)}"
            f"(%(ids)s::text[]::{key.key_type}[], %(checks)s::text[]) as v",
            ids=list(ids),
            checks=[check.name for check in checks],
        )
        took = (time.monotonic() - started) * 1000 / len(checks)
        for check in checks:
            self._note(check, took, len(ids))

    def _note(self, check: Check, took: float, judged: int) -> None:
        before = self.results.get(check.name) or Result(
            check.name, check.severity, "changed", 0.0, invariant=check.invariant, rows_tested=0
        )
        self.results[check.name] = replace(
            before,
            duration_ms=round(before.duration_ms + took, 1),
            rows_tested=(before.rows_tested or 0) + judged,
        )

    def _fail(self, check: Check, error: ServerSaid) -> None:
        self.connection.run("withdraw_violations", name=check.name)
        self.results[check.name] = failed(
            Result(check.name, check.severity, "changed", 0.0, invariant=check.invariant),
            error,
            self.timeout,
        )

    def _partners(self, check: Check) -> dict[str, frozenset[str]]:
        scope = self.scopes[check.name]
        if scope.full:
            return {}
        found = {
            entity: partners(self.connection, check, entity, ids) - ids
            for entity, ids in scope.entities.items()
        }
        return {entity: ids for entity, ids in found.items() if ids}

    def _whole(self, checks: list[Check]) -> list[Check]:
        """Return the checks to read whole: they owe it, time may have begun something, or they flood."""
        # what was withdrawn since counts here, and floods nothing
        may_flood = self.listed > self.max_alerts
        for name in self.connection.values("flooding", most=self.max_alerts) if may_flood else ():
            self.scopes[name].full = "it had more new violations than are listed one by one"
        return [
            check
            for check in checks
            if (self.scopes[check.name].full or check.time == "begins")
            and (check.name not in self.results or self.results[check.name].outcome == "changed")
        ]

    def _evaluate_begun(self, checks: list[Check]) -> frozenset[str]:
        """Read the views that every pass reads in one statement; return which: none where each is apart."""
        if self.apart or not checks:
            return frozenset()
        started = time.monotonic()
        rows = self.connection.rows("read_begun", _Read, names=[check.name for check in checks])
        read = {row.name: row.violations for row in rows}
        took = round((time.monotonic() - started) * 1000 / len(checks), 1)
        for check in checks:
            self.results[check.name] = Result(
                check.name,
                check.severity,
                "complete",
                took,
                invariant=check.invariant,
                violations=read.get(check.name, 0),
            )
        return frozenset(check.name for check in checks)

    def _evaluate_view(self, check: Check, limit: TimeLimit) -> None:
        started = time.monotonic()
        result = Result(check.name, check.severity, "complete", 0.0, invariant=check.invariant)
        if check.name in self.results:
            self.connection.run("withdraw_violations", name=check.name)
        try:
            with self.connection.transaction(), self.connection.within(limit.own or self.timeout):
                result = replace(result, violations=read_view(self.connection, check))
        except ServerSaid as error:
            if check.candidates:
                raise_lost(error)
                self._evaluate_view(replace(check, candidates=None), limit)
                return
            result = failed(result, error, limit.spelled or self.timeout)
        self.results[check.name] = replace(result, duration_ms=round((time.monotonic() - started) * 1000, 1))

    def _refuse_unknown_entities(self, whole: list[Check]) -> None:
        """Fail the checks whose views, read whole, list entities of types that their headers do not name."""
        found = [check for check in whole if self.results[check.name].violations]
        if not found:
            return
        known = [(check.name, entity) for check in found for entity in check.entities]
        unknown: dict[str, set[str]] = {}
        for row in self.connection.rows(
            "unknown_entities",
            _Touched,
            names=[name for name, _ in known],
            entity_types=[entity for _, entity in known],
        ):
            unknown.setdefault(row.name, set()).add(row.entity_type)
        for check in found:
            if others := unknown.get(check.name):
                self.connection.run("withdraw_violations", name=check.name)
                self.results[check.name] = replace(
                    self.results[check.name],
                    outcome="error",
                    violations=0,
                    error=unknown_entities(check, others),
                )

    def _asked(self, checks: list[Check]) -> dict[str, dict[str, frozenset[str]]]:
        """Return what to ask about, by check: what changes concern, and what time may have ended."""
        asked = {}
        for check in checks:
            scope = self.scopes[check.name]
            is_read_whole = scope.full or check.time == "begins"
            asked[check.name] = _Scope({} if is_read_whole else dict(scope.entities))
        ends = {
            check.name: check for check in checks if check.time == "ends" and not self.scopes[check.name].full
        }
        for standing in self.connection.rows("open_alerts_of", _Open, names=list(ends)):
            if self._is_known(ends[standing.name], standing.entity_type):
                asked[standing.name].add(standing.entity_type, {standing.entity_id})
            else:
                self._judge_whole(standing)
        return {name: {} if self.scopes[name].full else scope.entities for name, scope in asked.items()}

    def _narrow(self, checks: list[Check]) -> None:
        """Keep of checks that time drives what is new, gone, or changed: the rest is as it was.

        Of one that follows no column nobody knows what has changed: all of it is kept.
        """
        judged = [
            check
            for check in checks
            if check.name in self.results and self.results[check.name].outcome not in ("error", "timeout")
        ]
        for turned in self.connection.rows(
            "turned_by_time",
            _Open,
            names=[check.name for check in judged],
            followed_by_none=[check.name for check in judged if not check.sources],
        ):
            self.scopes[turned.name].add(turned.entity_type, {turned.entity_id})
        for check in judged:
            result = self.results[check.name]
            keep = [
                f"{entity} {key}" for entity, ids in self.scopes[check.name].entities.items() for key in ids
            ]
            if result.violations or check.time == "ends":
                self.connection.run("keep_violations", name=check.name, keep=keep)
            self.results[check.name] = replace(result, outcome="changed", violations=0, rows_tested=len(keep))

    def file(self, run_id: int, examples: int, file_one: _FileOne) -> list[Result]:
        """File what was judged and return its results; a check with nothing to file costs nothing."""
        touched = self._touched()
        filed, kept = [], []
        # each check is locked until the end: in the order of full runs, or one of both waits for the other
        for name, result in sorted(self.results.items()):
            scope = self.scopes[name]
            if scope.full and result.outcome == "complete":
                result = file_result(
                    self.connection, run_id, result, self.max_alerts, examples, expected=None
                )
                kept.append(result)
            elif result.outcome == "changed":
                for entity in scope.entities:
                    ids = touched.get((name, entity))
                    if ids and result.outcome == "changed":
                        result = self._file_some(run_id, result, entity, ids, file_one)
                if result.violations:
                    found = self.connection.rows("examples", Violation, name=name, most=examples)
                    result = replace(result, examples=tuple(found))
                if result.violations or result.opened or result.reopened or result.resolved or result.error:
                    kept.append(result)
            else:
                kept.append(result)
            filed.append(result)
        record_results(self.connection, run_id, self.snapshot, kept)
        return filed

    def _touched(self) -> dict[tuple[str, str], set[str]]:
        """Return the entities of which each check has something to file: violations, alerts, questions."""
        names = [name for name, result in self.results.items() if result.outcome == "changed"]
        # most checks look at the same
        scopes = {scope for name in names for scope in self.scopes[name].entities.items()}
        judged = {(entity, key) for entity, ids in scopes for key in ids}
        rows = self.connection.rows(
            "touched_alerts",
            _ToFile,
            names=names,
            entity_types=[entity for entity, _ in judged],
            entity_ids=[key for _, key in judged],
        )
        found: dict[tuple[str, str], set[str]] = {}
        for row in rows:
            # a view may spell a key in another way than what was noted of it: 5, and not 5.00
            if row.is_violation or row.entity_id in self.scopes[row.name].entities.get(row.entity_type, ()):
                found.setdefault((row.name, row.entity_type), set()).add(row.entity_id)
        return found

    def _file_some(
        self,
        run_id: int,
        result: Result,
        entity: str,
        ids: set[str],
        file_one: _FileOne,
    ) -> Result:
        filed = file_one(
            self.connection,
            run_id=run_id,
            name=result.name,
            most=self.max_alerts,
            entity_type=entity,
            entity_ids=list(ids),
            expected=None,
            total=None,
        )
        if isinstance(filed, ServerSaid):
            return unfiled(result, filed)
        return replace(
            result,
            outcome="superseded" if filed.superseded else result.outcome,
            violations=result.violations + filed.violations,
            opened=result.opened + filed.opened,
            reopened=result.reopened + filed.reopened,
            resolved=result.resolved + filed.resolved,
        )

    def finish(self, run_id: int, filed: list[Result]) -> Run:
        """Record the end of the pass; every check's result says what is open of it now."""
        standing = {row.name: row for row in self.connection.rows("standing", _Standing)}
        judged = {result.name: result for result in filed}
        results = []
        for check in self.pack.checks:
            now = standing.get(check.name) or _Standing(check.name, 0, 0)
            result = judged.get(check.name)
            if result is None:
                result = Result(
                    check.name,
                    check.severity,
                    "changed" if check.name in self.scopes else "unjudged",
                    0.0,
                    invariant=check.invariant,
                    rows_tested=0 if check.name in self.scopes else None,
                    violations=now.violations,
                    accepted=now.accepted,
                )
            elif result.outcome not in ("complete", "error", "timeout"):
                result = replace(result, violations=now.violations, accepted=now.accepted)
            results.append(result)
        return finish_run(self.connection, run_id, results)
