"""What each kind of job does: the commands of the same name, as functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from trueup import events, review
from trueup.changes import check_changed
from trueup.errors import CheckFailedError
from trueup.evaluation import check
from trueup.inspection import verify
from trueup.model import Run
from trueup.operating import notify, report
from trueup.operating.config import Configuration
from trueup.operating.schedule import Job
from trueup.repairing import repair
from trueup.retention import prune
from trueup.store import session

ACTOR = "trueup run"
# how many names of checks or objects an error lists
NAMED = 5


@dataclass(frozen=True)
class Task:
    """What a job is given: itself, its slot, and where to work."""

    job: Job
    slot: datetime
    configuration: Configuration
    database: str | None
    pack: Path | None


def perform(task: Task) -> dict[str, Any]:
    """Do the work of a job; return what to keep about it.

    Raises TrueupError when it failed. Violations are no failure: they are alerts.
    """
    return _KINDS[task.job.does](task)


def tell(configuration: Configuration, database: str | None, pack: Path | None) -> dict[str, Any]:
    """Send the notifications that are due; a channel that fails is no failure of the job.

    What was said is in trueup.notifications, where rows have a company, and not repeated here.
    """
    delivery = notify.deliver(database=database, configuration=configuration, pack=pack)
    return {
        "sent": delivery.sent,
        "waiting": delivery.waiting,
        "errors": delivery.errors,
        "busy": delivery.busy,
    }


def _changed(task: Task) -> dict[str, Any]:
    return _outcome(check_changed(database=task.database, pack=task.pack))


def _full(task: Task) -> dict[str, Any]:
    run = check(
        task.job.options.checks,
        database=task.database,
        pack=task.pack,
        jobs=task.job.options.connections,
    )
    detail = _outcome(run)
    return detail if task.job.options.checks else {**detail, **_report(task)}


def _outcome(run: Run) -> dict[str, Any]:
    """Return what a run found. One with checks that could not run is done: check_not_run tells of those."""
    broken = [result.name for result in run.results if result.outcome in ("error", "timeout")]
    return {
        "run_id": run.id,
        "violations": run.violations,
        "opened": sum(result.opened + result.reopened for result in run.results),
        "resolved": sum(result.resolved for result in run.results),
        "missed": run.missed,
        **({"checks_failed": broken} if broken else {}),
    }


def _report(task: Task) -> dict[str, Any]:
    """Write the report of the day beside the others, when a directory is configured."""
    settings = task.configuration.report
    if settings.directory is None:
        return {}
    made = report.build(
        database=task.database,
        pack=task.pack,
        since=settings.since,
        zone=settings.zone or task.configuration.run.zone,
    )
    path = settings.directory / f"trueup-{task.slot:%Y-%m-%d-%H%M}.html"
    report.save(report.render(made, "html"), path)
    return {"report": str(path)}


def _queue(task: Task) -> dict[str, Any]:
    """Move late items up, hand over what is tried out, and try again what waits in the inbox."""
    detail: dict[str, Any] = {"escalated": len(review.escalate(ACTOR, database=task.database))}
    with session(task.database, "run queue") as connection:
        has_events = connection.value("has_events")
        if connection.value("has_sync_failures"):
            detail["handed_over"] = connection.value("hand_over_sync_failures")
    if has_events:
        events.retry(status="parked", database=task.database)
        done = events.process(database=task.database)
        detail["events"] = {"processed": done.processed, "parked": done.parked, "dead": done.dead}
    return detail


def _notify(task: Task) -> dict[str, Any]:
    return tell(task.configuration, task.database, task.pack)


def _retention(task: Task) -> dict[str, Any]:
    return {"deleted": prune(database=task.database, apply=True).rows}


def _verify(task: Task) -> dict[str, Any]:
    problems = verify(database=task.database, pack=task.pack).problems
    if problems:
        named = ", ".join(f"{problem.what} {problem.action}" for problem in problems[:NAMED])
        raise CheckFailedError(f"{len(problems)} problems: {named}; `trueup migrate` mends them")
    return {}


def _repair(task: Task) -> dict[str, Any]:
    done = repair(
        task.job.options.checks,
        database=task.database,
        pack=task.pack,
        apply=True,
        max_changes=task.job.options.max_changes,
        actor=ACTOR,
    )
    return {"run_id": done.run.id, "corrected": done.corrected, "review": done.review}


_KINDS: dict[str, Callable[[Task], dict[str, Any]]] = {
    "changed": _changed,
    "full": _full,
    "notify": _notify,
    "queue": _queue,
    "repair": _repair,
    "report": _report,
    "retention": _retention,
    "verify": _verify,
}
