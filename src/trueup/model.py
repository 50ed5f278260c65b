"""What the use cases return: frozen values, the same for the command line and for a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

SEVERITIES = ("critical", "warning", "info")

# called as (what is being done, how many done, how many in all)
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Change:
    """One thing a deployment, an adoption or an enforcement did, would do, or left alone."""

    action: str
    what: str
    detail: str = ""


@dataclass(frozen=True)
class ObjectState:
    """A view, function or trigger of ours; state is deployed, missing, different or disabled.

    Not of the current release: deployed before a major upgrade of the server, so that
    what the catalogue prints cannot be compared.
    """

    kind: str
    identity: str
    file: str
    file_checksum: str
    state: str
    is_current_release: bool


@dataclass(frozen=True)
class ConstraintState:
    """A constraint or index of ours on an application's table.

    state is valid, not valid, missing, different, invalid (an unfinished index), or left
    out, because it cannot be there; `left_out` is the reason. One that must be built
    cannot be added NOT VALID. One that was there is the application's own.
    """

    name: str
    table_name: str
    kind: str
    definition: str
    check_name: str | None
    waits_for: str | None
    state: str
    left_out: str | None
    is_partitioned: bool
    must_be_built: bool
    was_there: bool


@dataclass(frozen=True)
class Difference:
    """The violations of one check before and after a migration; entities that came and went."""

    check_name: str
    before: int
    after: int
    appeared: int
    disappeared: int

    @property
    def grew(self) -> bool:
        """There are more violations than before."""
        return self.after > self.before


@dataclass(frozen=True)
class Migration:
    """What `migrate` did, or with a dry run would do: revisions, files, constraints.

    `sql` is the script of a dry run, empty otherwise; `warnings` are the server's.
    `checked` are the checks that were counted before and after, `differences` those of
    them whose violations changed. `rolled_back` is the revision that was taken back
    because of them, and then `revisions` holds those that stay.
    """

    revisions: tuple[str, ...]
    changes: tuple[Change, ...]
    sql: str = ""
    warnings: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    rolled_back: str | None = None

    @property
    def grew(self) -> bool:
        """Some check has more violations than before."""
        return any(difference.grew for difference in self.differences)


@dataclass(frozen=True)
class Violation:
    """One row of a check view; keys as text, evidence as the view gives it."""

    check_name: str
    company_id: str | None
    entity_type: str
    entity_id: str
    description: str
    evidence: dict[str, Any] | None


@dataclass(frozen=True)
class Result:
    """What one check found in one run.

    outcome is complete, error, timeout or superseded (a run with a newer snapshot had
    already filed it); in a pass over changes also changed (judged where something had
    changed, and `violations` are all that are open) or unjudged (only a full run judges
    it). `missed` of what was opened, reopened or resolved no recorded change explains;
    None where nobody can tell. `accepted` of the `violations` are known and accepted by a
    person. rows_tested is the population; None for a check on the layer itself.
    Durations are milliseconds; planned_cost is the planner's, None when nothing was planned.
    """

    name: str
    severity: str
    outcome: str
    duration_ms: float
    invariant: str = ""
    rows_tested: int | None = None
    violations: int = 0
    accepted: int = 0
    opened: int = 0
    reopened: int = 0
    resolved: int = 0
    flooded: bool = False
    missed: int | None = None
    sqlstate: str | None = None
    error: str | None = None
    planned_cost: Decimal | None = None
    examples: tuple[Violation, ...] = ()

    @property
    def failing(self) -> int:
        """Violations that nobody has accepted."""
        return self.violations - self.accepted


@dataclass(frozen=True)
class Rate:
    """Consistency of one company, or of all (company_id None): per cent of `population` not wrong."""

    company_id: str | None
    population: int
    wrong: int
    rate: Decimal


@dataclass(frozen=True)
class Run:
    """One evaluation of a set of checks on one snapshot."""

    id: int
    kind: str
    status: str
    started_at: datetime
    finished_at: datetime
    snapshot_at: datetime
    results: tuple[Result, ...]
    rates: tuple[Rate, ...] = ()

    @property
    def violations(self) -> int:
        """Violations of all checks, accepted ones included."""
        return sum(result.violations for result in self.results)

    @property
    def missed(self) -> int:
        """Alerts that passes over the changes should have opened or resolved, and had not."""
        return sum(result.missed or 0 for result in self.results)

    @property
    def rate(self) -> Decimal | None:
        """Overall consistency rate in per cent; None unless every check was evaluated."""
        return next((rate.rate for rate in self.rates if rate.company_id is None), None)

    def exit_code(self, fail_on: str = "critical") -> int:
        """Return 3 when a check could not run, 1 for a failing one at or above `fail_on`, else 0."""
        if any(result.outcome in ("error", "timeout") for result in self.results):
            return 3
        if fail_on == "never":
            return 0
        counted = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
        return int(any(result.failing and result.severity in counted for result in self.results))


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
