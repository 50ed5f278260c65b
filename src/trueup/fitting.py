"""The pack as one database needs it: in the schema of its application, without what has no columns there.

`trueup adopt` writes both down in trueup.application; every other command reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trueup.packs import BIGINT, PUBLIC, Pack
from trueup.store import Session


class Application(NamedTuple):
    """Of the application's tables: their schema, the type of their keys, and which optional columns
    they lack, as table.column.
    """

    schema_name: str = PUBLIC
    key_type: str = BIGINT
    missing_columns: Sequence[str] = ()


def application(connection: Session) -> Application:
    """Return what adopt has noted of the application."""
    if not connection.value("has_application"):
        return Application()
    return connection.row("application", Application) or Application()


def note_application(connection: Session, pack: Pack, columns: list[str]) -> None:
    """Write down the schema and the keys of the application's tables, and the optional columns they lack."""
    connection.run("note_application")
    connection.run("fill_application", schema=pack.schema, key_type=pack.key_type, missing=columns)


def fitted(connection: Session, pack: Pack) -> Pack:
    """Return the pack for the database of this session."""
    found = application(connection)
    return pack.placed(found.schema_name, found.key_type).without(found.missing_columns)
