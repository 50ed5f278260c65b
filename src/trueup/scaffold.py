"""Start a pack for any database: one example check for a table that is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from trueup.errors import UsageError
from trueup.packs import LONGEST_ENTITY
from trueup.store import quoted, session


@dataclass(frozen=True)
class NewPack:
    """A pack that `init` wrote: where, which check it holds, and the files."""

    directory: Path
    check: str
    files: tuple[str, ...]


class _Table(NamedTuple):
    qualified: str
    table_name: str
    key_column: str | None
    key_type: str | None
    has_company: bool
    nullable_columns: list[str]
    columns: list[str]


def init(directory: Path, *, table: str, column: str | None = None, database: str | None = None) -> NewPack:
    """Write a working pack into `directory`, which must be empty or not exist.

    Its one check says that every row of `table` has a value in `column` (default: the
    first column that may be NULL). The key and the columns are read from the database.
    Raises UsageError when the table or column does not exist or the table has no
    primary key of one column.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is not empty; name a directory that does not exist yet")
    with session(database, "init") as connection:
        found = connection.row("describe_table", _Table, name=table)
    if found is None:
        raise UsageError(f"no table is called {table} in this database; write it as schema.table")
    if found.key_column is None:
        raise UsageError(
            f"{table} has no primary key of one column (the partition key aside): "
            "a check names rows by such a key"
        )
    if any(character in name for name in (found.table_name, column or "") for character in ";'\\\n"):
        raise UsageError(f"{table}: the header of a check cannot hold a name with ; ' \\ or a line break")
    if column is not None and column not in found.columns:
        raise UsageError(f"{table} has no column {column}; it has {', '.join(found.columns)}")
    chosen = column or next(
        (name for name in found.nullable_columns if name != "company_id"), found.columns[-1]
    )
    entity = re.sub(r"\W", "_", found.table_name.lower())[:LONGEST_ENTITY]
    check = re.sub(r"\W", "_", f"{entity}_{chosen}_missing".lower())[:63]
    values = {
        "check": check,
        "entity": entity,
        "table": found.qualified,
        "key": found.key_column,
        "column": quoted(chosen),
        "column_name": chosen,
        "company": "t.company_id" if found.has_company else "null::text as company_id",
    }
    written = []
    for source, target in (
        ("check.sql.jinja", f"checks/{check}.sql"),
        ("journal_repairs.sql.jinja", "triggers/journal_repairs.sql"),
        ("README.md.jinja", "README.md"),
    ):
        path = directory / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_render(source, values), encoding="utf-8")
        written.append(target)
    (directory / "migrations" / "versions").mkdir(parents=True)
    return NewPack(directory, check, tuple(written))


def _render(template: str, values: dict[str, str]) -> str:
    from jinja2 import Environment, StrictUndefined

    text = (files("trueup") / "templates" / template).read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )  # SQL, not HTML
    return environment.from_string(text).render(values)
