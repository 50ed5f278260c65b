"""The review queue: what a person must decide, one item at a time.

A claim lasts for a lease and has a token; every later write presents it, so that a
reviewer whose item went to somebody else cannot write over them. The rules are those
of the functions under core/db/functions, which other programs may call as well.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from trueup.errors import NotFoundError, UsageError
from trueup.store import Session, session

logger = logging.getLogger(__name__)

STATUSES = ("open", "pending", "in_progress", "resolved", "dismissed", "all")


@dataclass(frozen=True)
class Item:
    """One item of the queue; `held` and `overdue` by the clock of the database."""

    id: int
    company_id: str | None
    reason: str
    entity_type: str
    entity_id: str
    description: str
    metadata: dict[str, Any]
    severity: str
    priority: int
    status: str
    due_at: datetime
    overdue: bool
    snoozed_until: datetime | None
    assigned_to: str | None
    claimed_by: str | None
    claimed_at: datetime | None
    lease_expires_at: datetime | None
    held: bool
    escalated_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    resolution_notes: str | None
    repair_id: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Event:
    """One line of an item's history."""

    event: str
    actor: str
    happened_at: datetime
    details: dict[str, Any]


@dataclass(frozen=True)
class Matter:
    """What an item is about, as it is now.

    `invariant`, `repair` and `violated` are None when the item's reason is no check;
    `evidence` is what the check says now, None when it lists the entity no longer.
    """

    invariant: str | None
    repair: str | None
    violated: bool | None
    evidence: dict[str, Any] | None
    alert_id: int | None
    alert_status: str | None


@dataclass(frozen=True)
class Detail:
    """An item with its history, oldest event first."""

    item: Item
    matter: Matter
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Claim:
    """An item in somebody's hands; `token` is what every later write must present."""

    item: Item
    token: UUID


class _Claimed(NamedTuple):
    id: int
    token: UUID


def list_items(
    status: str | None = None,
    reason: str | None = None,
    reviewer: str | None = None,
    company: str | None = None,
    limit: int = 100,
    *,
    database: str | None = None,
) -> list[Item]:
    """Return items in the order of the queue, decided ones last; open ones unless `status` says otherwise.

    `reviewer` keeps what that person holds, is assigned, or has decided.
    """
    if status is not None and status not in STATUSES:
        raise UsageError(f"no item has status {status}; the statuses are {', '.join(STATUSES)}")
    with session(database, "review list") as connection:
        return _items(
            connection,
            status=status or "open",
            reason=reason,
            reviewer=reviewer,
            company=company,
            limit=limit,
        )


def show(item_id: int, *, database: str | None = None) -> Detail:
    """Return an item, what its check says now, and its history. Raises NotFoundError."""
    with session(database, "review show") as connection, connection.transaction():
        item = _item(connection, item_id)
        matter = connection.row("review_matter", Matter, item_id=item_id)
        assert matter is not None
        return Detail(item, matter, tuple(connection.rows("review_events", Event, item_id=item_id)))


def next_item(
    reviewer: str | None = None,
    company: str | None = None,
    lease: timedelta | None = None,
    *,
    database: str | None = None,
) -> Claim | None:
    """Claim the next item for `reviewer` (default: the database user); None when there is nothing to do."""
    with session(database, "review next") as connection, connection.transaction():
        claimed = _claim(connection, None, reviewer, company, lease)
    if claimed:
        _tell("claim", claimed.item)
    return claimed


def claim(
    item_id: int,
    reviewer: str | None = None,
    lease: timedelta | None = None,
    *,
    database: str | None = None,
) -> Claim:
    """Claim one item. Raises RefusedError, saying why not: held by whom until when, decided, assigned."""
    with session(database, "review claim") as connection, connection.transaction():
        claimed = _claim(connection, item_id, reviewer, None, lease)
        assert claimed is not None
    _tell("claim", claimed.item)
    return claimed


def extend(
    item_id: int, token: UUID | str, lease: timedelta | None = None, *, database: str | None = None
) -> Item:
    """Prolong a claim, also one that ran out while nobody else took the item."""
    return _write("extend_review", database, item_id, token=_token(token), lease=lease)


def release(item_id: int, token: UUID | str, note: str | None = None, *, database: str | None = None) -> Item:
    """Give an item back undecided."""
    return _write("release_review", database, item_id, token=_token(token), note=note)


def resolve(
    item_id: int,
    token: UUID | str,
    notes: str | None = None,
    repair: bool = False,
    *,
    database: str | None = None,
) -> Item:
    """Close an item whose matter is right now, with its alert; with `repair`, correct it first.

    Raises RefusedError when its check still lists the entity, or the repair leaves it
    as it is; nothing is changed then.
    """
    return _write("resolve_review", database, item_id, token=_token(token), notes=notes, repair=repair)


def dismiss(item_id: int, token: UUID | str, notes: str, *, database: str | None = None) -> Item:
    """Close an item whose matter may stay as it is; its alert is accepted until the evidence changes."""
    return _write("dismiss_review", database, item_id, token=_token(token), notes=notes)


def snooze(
    item_id: int,
    token: UUID | str | None,
    until: datetime,
    note: str | None = None,
    actor: str | None = None,
    *,
    database: str | None = None,
) -> Item:
    """Put an item off; the token may be None while nobody holds it."""
    return _write(
        "snooze_review",
        database,
        item_id,
        token=None if token is None else _token(token),
        until=until,
        note=note,
        actor=actor,
    )


def reassign(
    item_id: int,
    token: UUID | str | None,
    to: str | None,
    note: str | None = None,
    actor: str | None = None,
    *,
    database: str | None = None,
) -> Item:
    """Give an item to one reviewer (None: to anybody); the token may be None while nobody holds it."""
    return _write(
        "reassign_review",
        database,
        item_id,
        token=None if token is None else _token(token),
        to=to,
        note=note,
        actor=actor,
    )


def reopen(
    item_id: int, note: str | None = None, actor: str | None = None, *, database: str | None = None
) -> Item:
    """Take a decision back; what a dismissal accepted is open again."""
    return _write("reopen_review", database, item_id, note=note, actor=actor)


def escalate(actor: str | None = None, *, database: str | None = None) -> list[Item]:
    """Move every overdue item up by one priority, each once; return those moved."""
    with session(database, "review escalate") as connection, connection.transaction():
        items = [_item(connection, item_id) for item_id in connection.values("escalate_reviews", actor=actor)]
    for item in items:
        _tell("escalate", item)
    return items


def _claim(
    connection: Session,
    item_id: int | None,
    reviewer: str | None,
    company: str | None,
    lease: timedelta | None,
) -> Claim | None:
    claimed = connection.row(
        "claim_review", _Claimed, reviewer=reviewer, item_id=item_id, lease=lease, company=company
    )
    return Claim(_item(connection, claimed.id), claimed.token) if claimed else None


def _write(name: str, database: str | None, item_id: int, **parameters: Any) -> Item:
    with session(database, name.replace("_", " ")) as connection, connection.transaction():
        connection.run(name, item_id=item_id, **parameters)
        item = _item(connection, item_id)
    _tell(name.removesuffix("_review"), item)
    return item


def _tell(action: str, item: Item) -> None:
    logger.info(
        "review decided",
        extra={"action": action, "item_id": item.id, "company": item.company_id, "outcome": item.status},
    )


def _item(connection: Session, item_id: int) -> Item:
    found = _items(connection, status="all", item_id=item_id)
    if not found:
        raise NotFoundError(f"review item {item_id} does not exist; see `trueup review list --status all`")
    return found[0]


def _items(connection: Session, **wanted: Any) -> list[Item]:
    defaults = {"reason": None, "reviewer": None, "company": None, "item_id": None, "limit": 100}
    return connection.rows("review_items", Item, **{**defaults, **wanted})


def _token(token: UUID | str) -> UUID:
    try:
        return token if isinstance(token, UUID) else UUID(token)
    except ValueError:
        raise UsageError(f"'{token}' is no token; `trueup review next` and `claim` print it") from None
