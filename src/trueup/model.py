"""What a run of checks returns: frozen values, the same for the command line and for a program."""

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
