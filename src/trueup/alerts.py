"""Alerts: one row per violation, and what people say about it.

Acknowledge, snooze and accept are states that people set; a run leaves them alone,
except that an acceptance ends with its date or when the evidence changes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trueup.errors import NotFoundError, UsageError
from trueup.names import unknown
from trueup.packs import SEVERITIES
from trueup.store import Session, session

logger = logging.getLogger(__name__)

STATUSES = ("open", "acknowledged", "snoozed", "accepted", "resolved", "all")


@dataclass(frozen=True)
class Alert:
    """One alert; `metadata` is the evidence its check gave when it was last seen."""

    id: int
    company_id: str | None
    alert_type: str
    severity: str
    entity_type: str
    entity_id: str
    description: str
    metadata: dict[str, Any]
    detected_at: datetime
    last_seen_at: datetime
    occurrences: int
    status: str
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    snoozed_until: datetime | None
    snoozed_by: str | None
    accepted_by: str | None
    accepted_at: datetime | None
    accepted_reason: str | None
    accepted_until: datetime | None
    auto_corrected: bool
    corrected_at: datetime | None
    resolved_at: datetime | None
    resolution: str | None
    resolution_notes: str | None
    reopened_count: int
    reopened_at: datetime | None
    first_run_id: int | None
    last_run_id: int | None
    resolved_run_id: int | None


def list_alerts(
    status: str = "open",
    check: str | None = None,
    severity: str | None = None,
    company: str | None = None,
    entity_id: str | None = None,
    limit: int = 100,
    *,
    database: str | None = None,
) -> list[Alert]:
    """Return alerts, the gravest and newest first.

    `open` leaves out what is snoozed; `snoozed` and `accepted` are those alone. Raises
    NotFoundError, with the nearest names, for a check that no alert can have.
    """
    if status not in STATUSES:
        raise UsageError(f"no alert has status {status}; the statuses are {', '.join(STATUSES)}")
    if severity is not None and severity not in SEVERITIES:
        raise UsageError(f"no alert has severity {severity}; the severities are {', '.join(SEVERITIES)}")
    with session(database, "alerts list") as connection:
        found = _alerts(
            connection,
            status=status,
            check=check,
            severity=severity,
            company=company,
            entity_id=entity_id,
            limit=limit,
        )
        if not found and check is not None:
            known = connection.values("alert_types")
            if check not in known:
                raise unknown("check", check, known, "`trueup catalog`")
        return found


def show(alert_id: int, *, database: str | None = None) -> Alert:
    """Return one alert. Raises NotFoundError."""
    with session(database, "alerts show") as connection:
        return _alert(connection, alert_id)


def acknowledge(alert_id: int, actor: str | None = None, *, database: str | None = None) -> Alert:
    """Say that somebody has seen it. Raises RefusedError when it is resolved."""
    return _write("acknowledge_alert", database, alert_id, actor=actor)


def snooze(alert_id: int, until: datetime, actor: str | None = None, *, database: str | None = None) -> Alert:
    """Say nothing about it until then. Raises RefusedError when it is resolved."""
    return _write("snooze_alert", database, alert_id, until=until, actor=actor)


def accept(
    alert_id: int,
    reason: str,
    until: datetime | None = None,
    actor: str | None = None,
    *,
    database: str | None = None,
) -> Alert:
    """Let a known fault be, with an owner, a reason and perhaps an end; other evidence ends it too."""
    return _write("accept_alert", database, alert_id, reason=reason, until=until, actor=actor)


def _write(name: str, database: str | None, alert_id: int, **parameters: Any) -> Alert:
    with session(database, name.replace("_", " ")) as connection, connection.transaction():
        connection.run(name, alert_id=alert_id, **parameters)
        alert = _alert(connection, alert_id)
    logger.info(
        "alert decided",
        extra={
            "action": name.removesuffix("_alert"),
            "alert_id": alert.id,
            "check": alert.alert_type,
            "company": alert.company_id,
        },
    )
    return alert


def _alert(connection: Session, alert_id: int) -> Alert:
    found = _alerts(connection, status="all", alert_id=alert_id)
    if not found:
        raise NotFoundError(f"alert {alert_id} does not exist; see `trueup alerts list --status all`")
    return found[0]


def _alerts(connection: Session, **wanted: Any) -> list[Alert]:
    defaults = {
        "check": None,
        "severity": None,
        "company": None,
        "entity_id": None,
        "alert_id": None,
        "limit": 100,
    }
    return connection.rows("alerts", Alert, **{**defaults, **wanted})
