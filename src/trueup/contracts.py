"""Contracts: statements that applications run, kept so that the server can be asked about them.

The check schema_contract_broken has the server parse each one; a column that has
vanished is then found by us, before an application's next insert finds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trueup.errors import UsageError
from trueup.names import unknown
from trueup.store import session

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
_SEARCH_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\s*,\s*[A-Za-z_][A-Za-z0-9_$]*)*")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)


@dataclass(frozen=True)
class Contract:
    """One statement; `source` is the file it came from, `search_path` where it finds its tables."""

    id: int
    name: str
    statement: str
    search_path: str
    source: str | None
    added_by: str
    added_at: datetime


def add(name: str, file: Path, search_path: str = "public", *, database: str | None = None) -> Contract:
    """Keep the one statement in `file` under `name`; a contract of that name is replaced.

    Raises UsageError for a file that is no UTF-8 text, is empty, or holds a semicolon
    other than one at its end: the check must never send a second statement.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' is no name for a contract; use letters, digits and _ . : / -, at most 100 of them"
        )
    if not _SEARCH_PATH.fullmatch(search_path.strip()):
        raise UsageError(f"'{search_path}' is no search path; write schema names with commas: app, public")
    text = statement(file)
    with session(database, "contract add") as connection, connection.transaction():
        connection.run(
            "add_contract", name=name, statement=text, search_path=search_path.strip(), source=str(file)
        )
        return next(contract for contract in connection.rows("contracts", Contract) if contract.name == name)


def list_contracts(*, database: str | None = None) -> list[Contract]:
    """Return the contracts by name."""
    with session(database, "contract list") as connection:
        return connection.rows("contracts", Contract)


def remove(name: str, *, database: str | None = None) -> None:
    """Forget a contract. Raises NotFoundError, with the nearest names."""
    with session(database, "contract remove") as connection, connection.transaction():
        if not connection.run("remove_contract", name=name):
            known = [contract.name for contract in connection.rows("contracts", Contract)]
            raise unknown("contract", name, known, "`trueup contract list`")


def statement(file: Path) -> str:
    """Return the one statement in `file`, without a semicolon at its end."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise UsageError(f"{file} holds a NUL character, which no PostgreSQL statement can")
    text = text.rstrip().removesuffix(";").rstrip()
    if not _COMMENT.sub("", text).strip():
        raise UsageError(f"{file} holds no statement")
    if ";" in text:
        line = text[: text.index(";")].count("\n") + 1
        raise UsageError(
            f"{file}: a semicolon in line {line}; one file holds one statement, and none may stand "
            "inside it, not even in a text or a comment"
        )
    return text.lstrip()
