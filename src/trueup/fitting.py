"""The pack as one database needs it: in the schema of its application, without what has no columns there.

`trueup adopt` writes both down in trueup.application; every other command reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trueup.packs import PUBLIC, Pack
from trueup.store import Session


@dataclass(frozen=True)
class Application:
    """The schema of the application's tables, and the optional columns they lack, as table.column."""

    schema_name: str = PUBLIC
    missing_columns: list[str] = field(default_factory=list)


def application(connection: Session) -> Application:
    """Return what adopt has noted of the application."""
    if not connection.value("has_application"):
        return Application()
    return connection.row("application", Application) or Application()


def note_application(connection: Session, schema: str, columns: list[str]) -> None:
    """Write down the schema of the application's tables, and the optional columns they lack."""
    connection.run("note_application")
    connection.run("fill_application", schema=schema, missing=columns)


def fitted(connection: Session, pack: Pack) -> Pack:
    """Return the pack for the database of this session."""
    found = application(connection)
    return pack.placed(found.schema_name).without(found.missing_columns)
