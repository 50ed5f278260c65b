"""Run the statements of a revision; take down what rests on a column they alter, and put it back.

PostgreSQL refuses to change the type of a column, or to drop it, while a view, a function
or the column list of a trigger names it. Those of ours go just before the statement and
come back just after it, in the same transaction: nobody sees a moment without them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trueup.errors import MigrationError
from trueup.scripts import bare
from trueup.store import ServerSaid, Session, brief, sqlstate
from trueup.tokens import texts

# the server's answers when something depends on what would be altered, or dropped
IN_THE_WAY = {"0A000", "2BP01"}
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_TABLE = re.compile(
    rf"alter table (?:if exists )?(?:only )?(?P<table>{_NAME}(?:\.{_NAME})?)(?: \*)? (?P<actions>.*)",
    re.I | re.S,
)
_COLUMN = re.compile(
    rf"\b(?:alter (?:column )?(?P<altered>{_NAME}) (?:set data )?type\b"
    rf"|drop column (?:if exists )?(?P<dropped>{_NAME}))",
    re.I,
)


class _Dependent(NamedTuple):
    kind: str
    identity: str
    is_ours: bool
    down: str
    up: str


def run_script(connection: Session, text: str) -> None:
    """Run the SQL of a revision inside the transaction that is open."""
    parts = list(texts(text))
    if not any(_altered(part) for part in parts):
        connection.script(text)
        return
    for part in parts:
        run_statement(connection, part)


def run_statement(connection: Session, statement: str) -> None:
    """Run one statement inside the transaction that is open, dependents of ours out of its way.

    Raises MigrationError when what rests on the column is somebody else's.
    """
    if not (altered := _altered(statement)):
        connection.script(statement)
        return
    table = _oid(connection, altered[0])
    # the server rebuilds them with the column, and may print them in other words
    intact = _intact(connection, table)
    try:
        with connection.transaction():
            connection.script(statement)
    except ServerSaid as error:
        if sqlstate(error) not in IN_THE_WAY or not (found := _dependents(connection, table, altered[1])):
            raise
        if foreign := [f"{item.kind} {item.identity}" for item in found if not item.is_ours]:
            raise MigrationError(
                f"{bare(statement)[:120]}: {brief(error)}\n"
                f"{', '.join(foreign)} would have to go and come back, and is not ours: "
                "drop it, migrate, and create it again"
            ) from error
        _around(connection, statement, found)
    for name in sorted(set(intact) - set(_intact(connection, table))):
        connection.run("record_constraint", name=name)


def _altered(statement: str) -> tuple[str, list[str]] | None:
    """Return the table and the columns whose type a statement alters, or which it drops."""
    match = _TABLE.match(bare(statement))
    found = list(_COLUMN.finditer(match["actions"])) if match else []
    if match is None or not found:
        return None
    return match["table"], [_plain(column["altered"] or column["dropped"]) for column in found]


def _oid(connection: Session, table: str) -> int | None:
    (oid,) = connection.texts("select to_regclass(%(name)s)::oid::text", name=table)
    return int(oid) if oid else None


def _intact(connection: Session, table: int | None) -> list[str]:
    if not connection.value("has_constraint_states"):
        return []
    return connection.values("intact_constraints", table=table)


def _dependents(connection: Session, table: int | None, columns: list[str]) -> list[_Dependent]:
    with connection.transaction(rollback=True):
        connection.set_local("search_path", "")
        return connection.rows("dependents", _Dependent, tables=[table], columns=columns)


def _around(connection: Session, statement: str, found: list[_Dependent]) -> None:
    as_deployed = {
        (item.kind, item.identity)
        for item in found
        if connection.value("is_as_deployed", kind=item.kind, identity=item.identity)
    }
    for item in found:
        connection.script(item.down)
    connection.script(statement)
    for item in reversed(found):
        try:
            with connection.transaction():
                connection.script(item.up)
                if (item.kind, item.identity) in as_deployed:
                    connection.run("refresh_object", kind=item.kind, identity=item.identity)
        except ServerSaid as error:
            # a file of this release may fit what the old definition does not
            connection.warnings.append(
                f"{item.kind} {item.identity} does not fit the altered column ({brief(error)}); "
                "it is deployed from its file next"
            )


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
