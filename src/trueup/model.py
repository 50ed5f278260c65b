"""What the use cases return: frozen values, the same for the command line and for a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Change:
    """One thing a deployment or an adoption did, or would do."""

    action: str
    what: str
    detail: str = ""


@dataclass(frozen=True)
class ObjectState:
    """A view, function or trigger of ours: what should be there and what is."""

    kind: str
    identity: str
    file: str
    file_checksum: str
    state: str  # deployed | missing | different | disabled


@dataclass(frozen=True)
class ConstraintState:
    """A constraint or index of ours on an application's table."""

    name: str
    table_name: str
    kind: str
    definition: str
    check_name: str | None
    state: str  # valid | not valid | missing | different | invalid


@dataclass(frozen=True)
class Migration:
    """What `migrate` did: revisions run, files deployed, constraints added."""

    revisions: tuple[str, ...]
    changes: tuple[Change, ...]
    pending: tuple[Change, ...] = ()
    sql: str = ""


@dataclass(frozen=True)
class Text:
    """A helper row of one column named text."""

    text: str


@dataclass(frozen=True)
class Metadata:
    """A helper row of one jsonb column."""

    data: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None
