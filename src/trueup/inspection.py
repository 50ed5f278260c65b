"""Look without touching: what is deployed, what differs, what last ran, what the catalogue says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

from trueup import backfilling, deploy, ledger, packs
from trueup.deploy import Change, ConstraintState
from trueup.fitting import fitted
from trueup.ledger import LIMIT, Deployment
from trueup.migration import edited_revisions
from trueup.revisions import current, pending_revisions, refuse_newer
from trueup.store import Session, refuse_foreign, session


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue: an invariant, what prevents it being broken, and what repairs it."""

    name: str
    severity: str
    entity: str
    invariant: str
    prevented: str
    repair: str
    guard: bool
    population: str
    cost: str


@dataclass(frozen=True)
class Verification:
    """Whether everything of ours exists, is enabled and equal to its file.

    `problems` are what `trueup migrate` mends; `notes` are facts that are no fault,
    such as a constraint that legacy rows keep from being validated.
    """

    problems: tuple[Change, ...]
    notes: tuple[Change, ...]

    @property
    def ok(self) -> bool:
        """No problem was found."""
        return not self.problems

    @property
    def waiting(self) -> int:
        """How many constraints are not valid yet, or wait for rows to be clean: `enforce` is for them."""
        return sum(
            note.action == "not valid" or (note.action == "missing" and not note.what.startswith("role "))
            for note in self.notes
        )


@dataclass(frozen=True)
class LastRun:
    """The newest run of one kind."""

    id: int
    kind: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    violations: int
    checks_failed: int
    rate: Any


@dataclass(frozen=True)
class GuardMode:
    """A guard, its mode, since when, and the companies that have a mode of their own."""

    name: str
    mode: str
    changed_at: datetime
    companies: dict[str, str]


@dataclass(frozen=True)
class Drift:
    """An object of ours that is not as it was deployed: different, disabled or missing.

    `diff` of one that is different is a unified diff from what was deployed from `file` to
    what the catalogue holds, both as the server prints them; empty when nobody kept the former.
    """

    kind: str
    identity: str
    file: str
    state: str
    diff: str


@dataclass(frozen=True)
class Schedule:
    """What `trueup run` is at: how many runners are up, the job due next, and the jobs that are late."""

    runners_up: int
    next_job: str | None
    next_due_at: datetime | None
    overdue: list[str]


@dataclass(frozen=True)
class Status:
    """The state of the layer in one database.

    `left_out` are triggers and constraints that cannot be there, with the reasons. `drift` is
    what somebody changed by hand, `edited` the revisions whose files are not those that ran.
    `schedule` is None where no job is on it.
    """

    server: str
    database: str
    revisions: tuple[str, ...]
    pending_revisions: tuple[str, ...]
    pending_files: tuple[Change, ...]
    constraints: dict[str, int]
    guards: tuple[GuardMode, ...]
    runs: tuple[LastRun, ...]
    open_alerts: dict[str, int]
    open_reviews: int
    left_out: tuple[Change, ...] = ()
    drift: tuple[Drift, ...] = ()
    edited: tuple[str, ...] = ()
    schedule: Schedule | None = None


class _Drifted(NamedTuple):
    kind: str
    identity: str
    file: str
    state: str
    deployed: str | None
    live: str | None


class _Facts(NamedTuple):
    server: str
    database: str
    open_alerts: dict[str, int]
    open_reviews: int


class _Role(NamedTuple):
    name: str
    is_there: bool


class _Stray(NamedTuple):
    kind: str
    identity: str


def catalog(*, pack: Path | None = None) -> list[Entry]:
    """Return the catalogue of a pack, the layer's own checks included; needs no database."""
    loaded = packs.load(pack)
    return [
        Entry(
            check.name,
            check.severity,
            check.entity,
            check.invariant,
            check.prevented,
            check.repair,
            check.name in loaded.guards,
            check.population,
            check.cost,
        )
        for check in loaded.checks
    ]


def status(*, database: str | None = None, pack: Path | None = None) -> Status:
    """Return revisions, pending files, guard modes, last runs and what is open; changes nothing."""
    loaded = packs.load(pack)
    with session(database, "status") as connection:
        loaded = fitted(connection, loaded)
        refuse_foreign(connection)
        facts = connection.row("status_facts", _Facts)
        assert facts is not None
        refuse_newer(connection, loaded)
        constraints: dict[str, int] = {}
        for constraint in connection.rows("constraint_states", ConstraintState):
            constraints[constraint.state] = constraints.get(constraint.state, 0) + 1
        return Status(
            facts.server,
            facts.database,
            current(connection),
            tuple(pending_revisions(connection, loaded)),
            (
                *(
                    Change("deploy", file.name, reason)
                    for file, reason in deploy.pending_files(
                        connection, loaded, deploy.object_states(connection)
                    )
                ),
                *(
                    Change("backfill", fill.name, fill.table)
                    for fill in backfilling.pending(connection, loaded)
                ),
            ),
            constraints,
            tuple(connection.rows("guard_modes", GuardMode)),
            tuple(connection.rows("last_runs", LastRun)),
            facts.open_alerts,
            facts.open_reviews,
            tuple(deploy.left_out(connection, loaded)),
            tuple(_drift(connection)),
            tuple(edited_revisions(connection, loaded)),
            _schedule(connection),
        )


def _schedule(connection: Session) -> Schedule | None:
    # not there yet in a database that waits for its migration
    needed = ["jobs_overview", "runners_overview"]
    if len(connection.values("present_tables", names=needed)) < len(needed):
        return None
    return connection.row("status_schedule", Schedule)


def history(*, database: str | None = None, limit: int = LIMIT) -> list[Deployment]:
    """Return what was deployed, newest first: who, when, from where, and how it ended."""
    with session(database, "history") as connection:
        refuse_foreign(connection)
        return ledger.deployments(connection, limit)


def _drift(connection: Session) -> list[Drift]:
    if not connection.value("can_read_states") or not connection.value("has_deployments"):
        return []
    found = []
    for item in connection.rows("drifted", _Drifted):
        lines = unified_diff(
            (item.deployed or "").splitlines(),
            (item.live or "").splitlines(),
            f"{item.file} ({item.identity})",
            "database",
            lineterm="",
        )
        shown = "\n".join(lines) if item.state == "different" and item.deployed else ""
        found.append(Drift(item.kind, item.identity, item.file, item.state, shown))
    return found


def verify(*, database: str | None = None, pack: Path | None = None) -> Verification:
    """Compare everything of ours with its file and its registration; changes nothing."""
    loaded = packs.load(pack)
    with session(database, "verify") as connection:
        loaded = fitted(connection, loaded)
        refuse_foreign(connection)
        refuse_newer(connection, loaded)
        problems = [Change("missing", f"revision {name}") for name in pending_revisions(connection, loaded)]
        problems += [
            Change("edited", line.partition(":")[0], line.partition(": ")[2])
            for line in edited_revisions(connection, loaded)
        ]
        problems += [
            Change("missing", f"table trueup.{name}") for name in connection.values("missing_tables")
        ]
        problems += [
            Change("unfinished", f"backfill {fill.name}", fill.table)
            for fill in backfilling.pending(connection, loaded)
        ]
        states = deploy.object_states(connection)
        generated = deploy.generated(connection, loaded)
        problems += [
            Change("differs", file.name, why)
            for file, why in deploy.pending_files(connection, loaded, states)
        ]
        problems += [
            Change("differs", items[0].identity, why)
            for items, _, why in deploy.pending_generated(generated, states)
        ]
        problems += _constraints(connection, problem=True)
        notes = _constraints(connection, problem=False) + deploy.left_out(connection, loaded)
        ours = list(loaded.objects)
        ours += [item for items, _ in generated for item in items]
        problems += [
            Change(
                "unknown",
                f"trigger {stray.name} on {stray.table_name}",
                "calls a function of ours, stands in no file",
            )
            for stray in connection.rows(
                "stray_triggers", deploy.Named, known=[o.identity for o in ours if o.kind == "trigger"]
            )
        ]
        notes += [
            Change("unknown", f"{stray.kind} {stray.identity}", "in schema trueup, but stands in no file")
            for stray in connection.rows(
                "stray_objects", _Stray, known=[f"{o.kind} {o.identity}" for o in ours]
            )
        ]
        for role in connection.rows("missing_roles", _Role):
            if role.is_there:
                problems.append(
                    Change("missing", f"grants to role {role.name}", "`trueup migrate` gives them")
                )
            else:
                notes.append(
                    Change(
                        "missing", f"role {role.name}", "`trueup migrate` by a superuser makes and grants it"
                    )
                )
        notes += [
            Change("off", f"guard {guard.name}")
            for guard in connection.rows("guard_modes", GuardMode)
            if guard.mode == "off"
        ]
    return Verification(tuple(problems), tuple(notes))


def _constraints(connection: Session, *, problem: bool) -> list[Change]:
    found = []
    states = connection.rows("constraint_states", ConstraintState)
    valid = {state.name for state in states if state.state == "valid"}
    for state in states:
        waits = state.state == "not valid" or (
            state.state == "missing"
            and (
                (state.check_name is not None and (state.kind == "unique index" or state.must_be_built))
                or (state.waits_for is not None and state.waits_for not in valid)
            )
        )
        if state.state not in ("valid", "left out") and waits != problem:
            found.append(
                Change(
                    state.state, f"{state.kind} {state.name} on {state.table_name}", state.check_name or ""
                )
            )
    return found
