"""Guards: what a violation at COMMIT costs, an alert or the transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from trueup.errors import UsageError
from trueup.names import unknown
from trueup.store import Session, session

logger = logging.getLogger(__name__)

MODES = ("off", "observe", "enforce")


@dataclass(frozen=True)
class Guard:
    """One guard and its mode; `open_violations` counts the alerts of its check that are not resolved.

    `companies` holds the modes of companies that have one of their own.
    """

    name: str
    mode: str
    changed_at: datetime
    changed_by: str
    severity: str
    invariant: str
    open_violations: int
    companies: dict[str, str]


def list_guards(*, database: str | None = None) -> list[Guard]:
    """Return the guards by name."""
    with session(database, "guard list") as connection:
        return connection.rows("guards", Guard)


def set_mode(
    name: str,
    mode: str | None,
    actor: str | None = None,
    *,
    company: str | None = None,
    database: str | None = None,
) -> Guard:
    """Set the mode of a guard, from the next COMMIT on, also of sessions that are open.

    With `company` the mode is that of its rows alone; None takes it away again.

    Raises NotFoundError, with the nearest names, and UsageError for a mode there is not.
    """
    modes = MODES if company is None else MODES[1:]
    if mode not in modes and not (mode is None and company is not None):
        whose = "" if company is None else " for one company"
        raise UsageError(f"a guard has no mode {mode}{whose}; the modes are {', '.join(modes)}")
    with session(database, "guard set") as connection, connection.transaction():
        known = [guard.name for guard in connection.rows("guards", Guard)]
        if name not in known:
            raise unknown("guard", name, known, "`trueup guard list`")
        if mode is not None:
            tell_unknown(connection, company)
        connection.run("set_guard_mode", name=name, mode=mode, actor=actor, company_id=company)
        found = next(guard for guard in connection.rows("guards", Guard) if guard.name == name)
    logger.info("guard mode set", extra={"check": name, "mode": mode, "company": company})
    return found


def tell_unknown(connection: Session, company: str | None) -> None:
    """Log a warning about a company without rows: its id may be misspelt, and what is set be for nobody."""
    if company is not None and not connection.value("knows_company", company=company):
        logger.warning("company unknown", extra={"company": company})
