"""Correct what evidence allows, one entity at a time, and hand the rest to people.

Everything that decides is in SQL (trueup.apply_repair); here is the order, the budget,
the transactions and the counting.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from trueup import packs
from trueup.deploy import DistantTable
from trueup.durations import elapsed_ms
from trueup.errors import RefusedError
from trueup.evaluation import (
    EXAMPLES,
    LOCKED,
    MAX_ALERTS,
    TIMEOUT,
    evaluate,
    file,
    planned,
    recorded,
    require,
)
from trueup.fitting import fitted
from trueup.model import Progress, Run, silent
from trueup.packs import Check
from trueup.store import LOCK_TIMEOUT, ServerSaid, Session, session, sqlstate
from trueup.tracking import tracked_tables

logger = logging.getLogger(__name__)

MAX_CHANGES = 1000
MAX_SHARE = 0.05


@dataclass(frozen=True)
class Outcome:
    """What became of one violating entity: clean, corrected, review or busy, and why."""

    check_name: str
    entity_type: str
    entity_id: str
    outcome: str
    reason: str
    repair_id: int | None


@dataclass(frozen=True)
class CheckRepairs:
    """The outcomes of one check, counted, and its reasons with how often each occurred."""

    name: str
    repair: str
    candidates: int
    corrected: int
    review: int
    clean: int
    busy: int
    reasons: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Repairs:
    """What a repair did, or (applied False) would do; `run` is the evaluation it started from."""

    run: Run
    applied: bool
    checks: tuple[CheckRepairs, ...]

    @property
    def corrected(self) -> int:
        """Entities corrected."""
        return sum(check.corrected for check in self.checks)

    @property
    def review(self) -> int:
        """Entities handed to people."""
        return sum(check.review for check in self.checks)

    def exit_code(self) -> int:
        """Return 3 when a check could not run, 1 when something critical was not corrected, else 0."""
        if self.run.exit_code("never"):
            return 3
        critical = {result.name for result in self.run.results if result.severity == "critical"}
        return int(any(check.review + check.busy for check in self.checks if check.name in critical))


@dataclass(frozen=True)
class JournalEntry:
    """An applied repair: which entity, why, by whom, how many rows, and whether it was undone."""

    id: int
    repaired_at: datetime
    check_name: str
    entity_type: str
    entity_id: str
    reason: str
    actor: str
    changed_rows: int
    undone_at: datetime | None
    undone_by: str | None


@dataclass(frozen=True)
class RowChange:
    """A row that a repair would change: the columns that differ, masked, and None where there is no row."""

    table_name: str
    key_value: str
    operation: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True)
class Preview:
    """What the repair of one entity would do.

    `outcome` is clean, corrected, review or busy, with its reason; `resolved` are the violations
    of any check that would be gone, as '<check> <entity type> <key>'.
    """

    outcome: str
    reason: str
    changes: tuple[RowChange, ...]
    resolved: tuple[str, ...]


@dataclass(frozen=True)
class Undone:
    """What an undo put back, and the constraints it had to set back to NOT VALID."""

    repair_id: int
    rows_restored: int
    constraints_loosened: list[str]


class _Candidate(NamedTuple):
    entity_type: str
    entity_id: str


class _Previewed(NamedTuple):
    outcome: str
    reason: str
    changes: list[dict[str, Any]]
    resolved: list[str]


def repair(
    names: Iterable[str] = (),
    *,
    database: str | None = None,
    pack: Path | None = None,
    apply: bool = False,
    max_changes: int | None = None,
    actor: str | None = None,
    timeout: str = TIMEOUT,
    max_alerts: int = MAX_ALERTS,
    progress: Progress = silent,
) -> Repairs:
    """Repair the violations of the checks named (default: all) and return what became of each.

    Either way it begins as a full `check` does, and files the alerts. Without `apply`, a
    dry run: every repair is carried out by itself and rolled back, so the application's
    tables stay as they are; one that builds on another may be counted differently. With
    it, each entity is one transaction; what cannot be corrected goes to
    trueup.manual_review_queue. Entities whose alert a person has accepted are left alone, and are
    in no budget.

    `max_changes` is the budget (default: 1,000, or 5 per cent of all entities if that is
    more). Raises RefusedError when more entities than that would be repaired (nothing is
    applied, and one alert says so), and where rows of an entity are in another database.
    """
    began = time.monotonic()
    loaded = packs.load(pack)
    loaded.select(names)
    with session(database, "repair") as connection:
        loaded = fitted(connection, loaded)
        selected = loaded.select(names)
        require(connection, loaded)
        connection.milliseconds(timeout)
        if distant := connection.rows("distant_entities", DistantTable):
            raise RefusedError(
                "nothing is repaired here:\n"
                + "".join(f"  {table.reason}\n" for table in distant)
                + "a repair needs its journal, which is a trigger on those rows; run `trueup repair` in the "
                "database that holds them"
            )
        connection.script(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        order = {
            name: place
            for place, name in enumerate(connection.values("repair_order", names=[c.name for c in selected]))
        }
        chosen = sorted(
            (c for c in selected if c.populations and c.name in order), key=lambda c: order[c.name]
        )
        # every check is evaluated: the budget is a share of all entities, and the run files all alerts
        with recorded(connection, "repair", len(loaded.checks)) as run_id:
            costs = planned(connection, list(loaded.checks))
            before = tracked_tables(connection)
            snapshot, results = evaluate(connection, list(loaded.checks), timeout=timeout, progress=progress)
            results = [replace(result, planned_cost=costs.get(result.name)) for result in results]
            connection.run("begin_repairs")
            _keep_budget(connection, run_id, chosen, loaded.repairs, max_changes, apply)
            run = file(
                connection,
                run_id,
                "repair",
                list(loaded.checks),
                snapshot,
                results,
                before,
                max_alerts=max_alerts,
                examples=EXAMPLES,
            )
            try:
                done = _repair_all(connection, run, chosen, loaded.repairs, actor, apply, progress)
            except BaseException:
                with suppress(ServerSaid):
                    connection.run("interrupt_repairs", run_id=run_id)
                raise
            connection.run("record_repairs", run_id=run_id, repairs=json.dumps(_counts(done, apply)))
    repairs = Repairs(run, apply, tuple(done))
    logger.info(
        "repair finished",
        extra={
            "run_id": run.id,
            "applied": apply,
            "corrected": repairs.corrected,
            "review": repairs.review,
            "duration_ms": elapsed_ms(began),
        },
    )
    return repairs


def journal(names: Iterable[str] = (), *, database: str | None = None, most: int = 20) -> list[JournalEntry]:
    """Return the newest `most` applied repairs, of the checks named or of all, with the ids `undo` takes."""
    with session(database, "repair --list") as connection:
        return connection.rows("journal", JournalEntry, names=list(names), most=most)


def preview(check: str, entity_type: str, entity_id: str, *, database: str | None = None) -> Preview:
    """Return what the repair of one entity would change; it is carried out and undone at once.

    Raises RefusedError for a name that is no check's.
    """
    with session(database, "repair preview") as connection:
        found = connection.row(
            "preview_repair", _Previewed, check=check, entity_type=entity_type, entity_id=entity_id
        )
    assert found is not None
    return Preview(
        found.outcome,
        found.reason,
        tuple(RowChange(**change) for change in found.changes),
        tuple(found.resolved),
    )


def undo(repair_id: int, *, database: str | None = None, actor: str | None = None) -> Undone:
    """Put back every row that a repair changed.

    Raises RefusedError, with nothing changed, when one of them has changed since, or
    the repair was undone before.
    """
    with session(database, "repair --undo") as connection, connection.transaction():
        connection.set_local("lock_timeout", LOCK_TIMEOUT)
        undone = connection.row("undo_repair", Undone, repair_id=repair_id, actor=actor)
    assert undone is not None
    logger.info("repair undone", extra={"repair_id": repair_id, "rows": undone.rows_restored})
    return undone


def _keep_budget(
    connection: Session,
    run_id: int,
    checks: list[Check],
    repairs: frozenset[str],
    max_changes: int | None,
    apply: bool,
) -> None:
    wanted = connection.value(
        "count_candidates", names=[check.name for check in checks if check.name in repairs]
    )
    share = int(connection.value("entities_total") * MAX_SHARE)
    budget = max(MAX_CHANGES, share) if max_changes is None else max_changes
    if wanted <= budget:
        if apply:
            connection.run("within_budget", run_id=run_id)
        return
    if apply:
        connection.value("over_budget", wanted=wanted, budget=budget, run_id=run_id)
    raise RefusedError(
        f"{wanted} entities violate a check with a repair, and the budget is {budget}: nothing was changed\n"
        f"find out what happened first; to go on, repair fewer checks at once or give --max-changes {wanted}"
    )


def _repair_all(
    connection: Session,
    run: Run,
    checks: list[Check],
    repairs: frozenset[str],
    actor: str | None,
    apply: bool,
    progress: Progress,
) -> list[CheckRepairs]:
    total = sum(
        result.violations for result in run.results if result.name in {check.name for check in checks}
    )
    attempted = 0
    done = []
    for check in checks:
        outcomes: Counter[str] = Counter()
        reasons: Counter[tuple[str, str]] = Counter()
        for candidate in _candidates(connection, check.name):
            outcome = _repair_one(
                connection, run.id, check.name, candidate, actor, apply, check.name in repairs
            )
            outcomes[outcome.outcome] += 1
            reasons[outcome.outcome, outcome.reason] += 1
            attempted += 1
            progress(check.name, attempted, total)
        if outcomes:
            logger.info(
                "check repaired",
                extra={
                    "run_id": run.id,
                    "check": check.name,
                    "applied": apply,
                    "corrected": outcomes["corrected"],
                    "review": outcomes["review"],
                    "clean": outcomes["clean"],
                    "busy": outcomes["busy"],
                },
            )
            done.append(
                CheckRepairs(
                    check.name,
                    check.repair,
                    outcomes.total(),
                    corrected=outcomes["corrected"],
                    review=outcomes["review"],
                    clean=outcomes["clean"],
                    busy=outcomes["busy"],
                    reasons=tuple((*key, count) for key, count in reasons.most_common(20)),
                )
            )
    progress("", total, total)
    return done


def _repair_one(
    connection: Session,
    run_id: int,
    check: str,
    candidate: _Candidate,
    actor: str | None,
    apply: bool,
    correct: bool,
) -> Outcome:
    try:
        with connection.transaction(rollback=not apply):
            outcome = connection.row(
                "apply_repair",
                Outcome,
                check=check,
                entity_type=candidate.entity_type,
                entity_id=candidate.entity_id,
                actor=actor,
                run_id=run_id,
                correct=correct,
            )
    except ServerSaid as error:
        # its item in the review queue, which is written last
        if sqlstate(error) not in LOCKED:
            raise
        return Outcome(
            check,
            candidate.entity_type,
            candidate.entity_id,
            "busy",
            "somebody else holds its review item",
            None,
        )
    assert outcome is not None
    return outcome


def _candidates(connection: Session, check: str) -> Iterator[_Candidate]:
    after = _Candidate("", "")
    while True:
        page = connection.rows(
            "candidates",
            _Candidate,
            name=check,
            after_length=len(after.entity_id),
            after_id=after.entity_id,
            after_type=after.entity_type,
        )
        yield from page
        if not page:
            return
        after = page[-1]


def _counts(done: list[CheckRepairs], apply: bool) -> dict[str, object]:
    return {
        "applied": apply,
        "checks": {
            item.name: {
                "corrected": item.corrected,
                "review": item.review,
                "clean": item.clean,
                "busy": item.busy,
            }
            for item in done
        },
    }
