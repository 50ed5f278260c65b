"""Run the statements of a revision; take down what rests on a column they alter, and put it back.

PostgreSQL refuses to change the type of a column, or to drop it, while a view, a function
or the column list of a trigger names it. Those of ours go just before the statement and
come back just after it, in the same transaction: nobody sees a moment without them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trueup.errors import MigrationError
from trueup.scripts import bare, statements
from trueup.store import ServerSaid, Session, brief, sqlstate

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


@dataclass(frozen=True)
class _Dependent:
    kind: str
    identity: str
    is_ours: bool
    down: str
    up: str


def run_script(connection: Session, text: str) -> None:
    """Run the SQL of a revision inside the transaction that is open."""
    try:
        with connection.transaction():
            connection.script(text)
    except ServerSaid as error:
        if sqlstate(error) not in IN_THE_WAY:
            raise
        for statement in statements(text):
            run_statement(connection, statement)


def run_statement(connection: Session, statement: str) -> None:
    """Run one statement inside the transaction that is open, dependents of ours out of its way.

    Raises MigrationError when what rests on the column is somebody else's.
    """
    try:
        with connection.transaction():
            connection.script(statement)
    except ServerSaid as error:
        if sqlstate(error) not in IN_THE_WAY or not (found := _dependents(connection, statement)):
            raise
        if foreign := [f"{item.kind} {item.identity}" for item in found if not item.is_ours]:
            raise MigrationError(
                f"{bare(statement)[:120]}: {brief(error)}\n"
                f"{', '.join(foreign)} would have to go and come back, and is not ours: "
                "drop it, migrate, and create it again"
            ) from error
        _around(connection, statement, found)


def _dependents(connection: Session, statement: str) -> list[_Dependent]:
    match = _TABLE.match(bare(statement))
    if match is None:
        return []
    columns = [_plain(found["altered"] or found["dropped"]) for found in _COLUMN.finditer(match["actions"])]
    table = connection.texts("select %(name)s::regclass::oid::text", name=match["table"])
    with connection.transaction(rollback=True):
        connection.set_local("search_path", "")
        return connection.rows("dependents", _Dependent, tables=[int(table[0])], columns=columns)


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
