"""Adopt a database that an application already uses: compare, stamp, migrate.

What is expected is learnt from the host revision itself, run in pg_temp and rolled
back, so that there is no second list of columns to keep in step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trueup import packs
from trueup.errors import DatabaseError, UsageError
from trueup.locks import refuse_pooler
from trueup.migration import (
    WAIT,
    expected_tables,
    first_revision,
    host_sql,
    host_tables,
    is_adopted,
    migrate,
    refuse_branches,
    refuse_newer,
    stamp,
)
from trueup.model import Migration
from trueup.store import LOCK_TIMEOUT, SCHEMA, Session, session


@dataclass(frozen=True)
class Problem:
    """Something about the application's tables that does not fit, and the statement that mends it."""

    table: str
    column: str | None
    what: str
    mend: str


@dataclass(frozen=True)
class Adoption:
    """The comparison, and, when applied, what the migration did.

    `notes` say of partitioned tables, foreign tables and views what cannot stand on them.
    """

    tables: tuple[str, ...]
    problems: tuple[Problem, ...]
    adopted_before: bool
    notes: tuple[str, ...] = ()
    migration: Migration | None = None


@dataclass(frozen=True)
class _Column:
    table_name: str
    is_present: bool
    quoted_table: str
    column_name: str
    quoted_column: str
    expected_type: str
    live_type: str | None
    is_generated: bool
    live_is_generated: bool | None
    expression: str | None
    live_not_null: bool
    expected_not_null: bool
    is_boolean: bool
    expected_is_key: bool
    is_key: bool
    is_distant: bool


def adopt(
    *, database: str | None = None, pack: Path | None = None, apply: bool = False, wait: float = WAIT
) -> Adoption:
    """Compare the application's tables with the pack and, with `apply`, put the layer beside them.

    The constraints arrive NOT VALID (they refuse new rows and leave old ones alone),
    the guards in mode observe (they refuse nothing). Rows are not changed.

    Raises DatabaseError, with what would mend it, when a table or column is missing or
    has another type: nothing is changed then. A database adopted before is brought to
    head. Raises UsageError for a pack that has no host revision.
    """
    loaded = packs.load(pack)
    text = host_sql(loaded)
    revision = first_revision(loaded)
    if text is None or revision is None:
        raise UsageError(
            f"{loaded.root} has no revision 0001 with the application's tables; run `trueup migrate`"
        )
    tables = host_tables(text)
    with session(database, "adopt") as connection:
        refuse_newer(connection, loaded)
        if connection.value("is_read_only"):
            raise DatabaseError("the database is read only; connect to the primary")
        before = is_adopted(connection, loaded)
        problems = compare(connection, text, tables)
        notes = tuple(connection.values("table_shapes", names=tables))
        if apply and problems:
            raise DatabaseError(explain(problems))
        refuse_branches(loaded)
        if apply:
            refuse_pooler(connection)
        if apply and not before:
            connection.script(f"set lock_timeout = '{LOCK_TIMEOUT}'")
            connection.script(f"create schema if not exists {SCHEMA}")
    if not apply:
        return Adoption(tuple(tables), tuple(problems), before, notes)
    if not before:
        stamp(database, loaded, revision)
    return Adoption(tuple(tables), (), before, notes, migrate(database=database, pack=pack, wait=wait))


def explain(problems: list[Problem]) -> str:
    """Return the problems as text: what is wrong, and the statements that mend it."""
    lines = [f"{len(problems)} things do not fit; nothing was changed"]
    lines += [f"  {problem.what}\n    {problem.mend}" for problem in problems]
    return "\n".join(lines)


def compare(connection: Session, text: str, tables: list[str]) -> list[Problem]:
    """Return what is missing from the application's tables or has another type."""
    with expected_tables(connection, text):
        columns = connection.rows("compare_tables", _Column, names=tables)
    problems = []
    absent = set()
    for column in columns:
        if not column.is_present:
            if column.table_name not in absent:
                absent.add(column.table_name)
                problems.append(
                    Problem(
                        column.table_name,
                        None,
                        f"table public.{column.table_name} is missing",
                        _create(text, column.table_name),
                    )
                )
        elif problem := _problem(column):
            problems.append(problem)
    return problems


def _problem(column: _Column) -> Problem | None:
    table, name = f"public.{column.quoted_table}", column.quoted_column
    where = f"{table}.{name}"

    def found(what: str, mend: str) -> Problem:
        return Problem(column.table_name, column.column_name, what, mend)

    if column.live_type is None:
        if column.is_generated:
            rest = f" generated always as ({column.expression}) stored"
        elif column.expected_not_null and column.expression:
            rest = f" not null default {column.expression}"
        else:
            rest = f" default {column.expression}" if column.expression else ""
        return found(
            f"column {where} is missing",
            f"alter table {table} add column {name} {column.expected_type}{rest};",
        )
    if column.live_type != column.expected_type:
        using = ""
        if column.live_type.startswith("timestamp without"):
            using = f" using {name} at time zone 'UTC'"
            return found(
                f"column {where} is a timestamp without time zone: which instant it means, nobody can know",
                f"alter table {table} alter column {name} type {column.expected_type}{using}; "
                "-- write the zone the application used instead of UTC; rewrites the table",
            )
        if not _compatible(column.expected_type, column.live_type):
            return found(
                f"column {where} is {column.live_type}, not {column.expected_type}",
                f"alter table {table} alter column {name} type {column.expected_type} "
                f"using {name}::{column.expected_type};",
            )
    if column.is_distant:
        # what a row must have is declared where the rows are
        return None
    if column.is_boolean and column.expected_not_null and not column.live_not_null:
        return found(
            f"column {where} may be NULL, which is neither true nor false",
            f"update {table} set {name} = false where {name} is null; "
            f"alter table {table} alter column {name} set default false, alter column {name} set not null;",
        )
    if column.expected_is_key and not column.is_key:
        return found(
            f"column {where} is not the primary key", f"alter table {table} add primary key ({name});"
        )
    return None


def _compatible(expected: str, live: str) -> bool:
    """Say whether a column of type `live` serves where `expected` is meant: text is text, however bounded."""
    if expected == "text":
        return live.startswith(("character varying", "character(", "citext"))
    if expected.startswith("numeric"):
        return live.startswith("numeric")
    return expected == "bigint" and live == "integer"


def _create(text: str, table: str) -> str:
    match = re.search(rf"^create table {table} \(.*?^\);", text, re.M | re.S)
    assert match is not None
    return "set search_path = public; " + re.sub(r"\s+", " ", match[0])
