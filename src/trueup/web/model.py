"""What the pages show: rows of the views trueup.console_*, already masked and in scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Me:
    """Who is signed in; `companies` None: all of them."""

    id: int
    name: str
    role: str
    companies: list[str] | None
    language: str | None
    method: str

    @property
    def writes(self) -> bool:
        """Whether this person decides anything."""
        return self.role != "viewer"


@dataclass(frozen=True)
class Attempt:
    """An attempt to sign in: its id and what the password must be, or the seconds to wait."""

    attempt_id: int | None
    password_hash: str | None
    wait: float | None


@dataclass(frozen=True)
class Item:
    """One item of the queue; `token` is there for who holds it."""

    id: int
    company_id: str | None
    reason: str
    entity_type: str
    entity_id: str
    description: str
    severity: str
    priority: int
    status: str
    due_at: datetime
    overdue: bool
    snoozed: bool
    snoozed_until: datetime | None
    assigned_to: str | None
    claimed_by: str | None
    claimed_at: datetime | None
    lease_expires_at: datetime | None
    held: bool
    token: UUID | None
    escalated_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    resolution_notes: str | None
    repair_id: int | None
    created_at: datetime
    updated_at: datetime

    @property
    def decided(self) -> bool:
        """Whether it is out of the queue."""
        return self.status in ("resolved", "dismissed")


@dataclass(frozen=True)
class Counts:
    """What waits, and what can be chosen in the filters."""

    open: int
    overdue: int
    snoozed: int
    mine: int
    reasons: list[str]
    companies: list[str]


@dataclass(frozen=True)
class Matter:
    """What an item is about now; `invariant` None: its reason is no check."""

    invariant: str | None
    explanation: str | None
    repair: str | None
    repairable: bool
    violated: bool | None
    evidence: dict[str, Any] | None
    metadata: dict[str, Any]
    alert_id: int | None
    alert_status: str | None


@dataclass(frozen=True)
class Row:
    """A row of the application; `content` None: it belongs to a company that is not the reader's."""

    relation: str
    entity_type: str
    table_name: str
    key_value: str
    content: dict[str, Any] | None
    columns: list[str]


@dataclass(frozen=True)
class Event:
    """A line of an item's history; `address` when it was done in the console."""

    event: str
    actor: str
    happened_at: datetime
    details: dict[str, Any]
    address: str | None


@dataclass(frozen=True)
class Preview:
    """What a repair would do: changes of rows, column by column, and the violations that end."""

    outcome: str | None
    reason: str | None
    changes: list[dict[str, Any]] | None
    ends: list[str] | None


@dataclass(frozen=True)
class Alert:
    """One alert."""

    id: int
    company_id: str | None
    alert_type: str
    severity: str
    gravity: int
    entity_type: str
    entity_id: str
    description: str
    metadata: dict[str, Any]
    invariant: str | None
    detected_at: datetime
    last_seen_at: datetime
    occurrences: int
    status: str
    snoozed: bool
    accepted: bool
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    snoozed_until: datetime | None
    snoozed_by: str | None
    accepted_by: str | None
    accepted_at: datetime | None
    accepted_reason: str | None
    accepted_until: datetime | None
    resolved_at: datetime | None
    resolution: str | None
    resolution_notes: str | None
    reopened_count: int
    reopened_at: datetime | None
    item_id: int | None


@dataclass(frozen=True)
class AlertCounts:
    """Open alerts, and what can be chosen in the filters."""

    open: int
    checks: list[str]
    companies: list[str]


@dataclass(frozen=True)
class Run:
    """One evaluation; counts over all companies are None for who may not see them."""

    id: int
    kind: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    duration: timedelta | None
    checks: int
    checks_failed: int
    violations: int | None
    opened: int | None
    resolved: int | None
    reopened: int | None
    error: str | None
    actor: str | None
    rate: float | None


@dataclass(frozen=True)
class Result:
    """What became of a check in a run."""

    check_name: str
    severity: str | None
    invariant: str | None
    outcome: str
    duration_ms: float
    rows_tested: int | None
    violations: int | None
    opened: int | None
    resolved: int | None
    error: str | None


@dataclass(frozen=True)
class Guard:
    """A guard, its mode, and the companies that have a mode of their own."""

    name: str
    mode: str
    changed_at: datetime
    changed_by: str
    severity: str
    invariant: str
    open_alerts: int
    companies: dict[str, str]


@dataclass(frozen=True)
class LogLine:
    """Who did what in the console."""

    id: int
    happened_at: datetime
    actor: str
    role: str | None
    address: str | None
    action: str
    item_id: int | None
    alert_id: int | None
    details: dict[str, Any]


@dataclass(frozen=True)
class User:
    """Who may sign in."""

    name: str
    role: str
    companies: list[str] | None
    language: str | None
    has_password: bool
    disabled_at: datetime | None
    last_seen_at: datetime | None
    sessions: int
