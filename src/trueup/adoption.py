"""Adopt a database that an application already uses: compare, stamp, migrate.

What is expected is learnt from the host revision itself, run in pg_temp and rolled
back, so that there is no second list of columns to keep in step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from trueup import packs
from trueup.deploy import Change
from trueup.errors import DatabaseError, UsageError
from trueup.fitting import Application, application, note_application
from trueup.locks import refuse_pooler
from trueup.migration import (
    WAIT,
    Migration,
    expected_tables,
    hidden_tables,
    host_sql,
    host_tables,
    migrate,
    other_schemas,
    rehearse_adoption,
    stamp,
)
from trueup.packs import BIGINT, PUBLIC, Pack, singulars
from trueup.revisions import first_revision, is_adopted, refuse_branches, refuse_newer
from trueup.store import LOCK_TIMEOUT, SCHEMA, Session, session

_INSTANT = "timestamp with time zone"


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

    `notes` say of partitioned tables, foreign tables and views what cannot stand on them, and
    of optional columns that are missing what brings them. `left_out` is what needs one of these,
    `placed` what comes on each table.
    """

    tables: tuple[str, ...]
    problems: tuple[Problem, ...]
    adopted_before: bool
    notes: tuple[str, ...] = ()
    migration: Migration | None = None
    schema: str = PUBLIC
    placed: tuple[Change, ...] = ()
    left_out: tuple[Change, ...] = ()


class _Column(NamedTuple):
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
    table_size: str


class _Right(NamedTuple):
    what: str
    mend: str


def adopt(
    *,
    database: str | None = None,
    pack: Path | None = None,
    apply: bool = False,
    wait: float = WAIT,
    host_schema: str | None = None,
    dry_run: bool = False,
) -> Adoption:
    """Compare the application's tables with the pack and, with `apply`, put the layer beside them.

    `host_schema` is where the application keeps its tables, if not in public; it is noted in
    trueup.application, and every other command reads it there. An optional column may be missing:
    what needs it is left out until it is there and `migrate` has run. With `dry_run`, all is
    carried out in one transaction and rolled back, and `migration.sql` is what psql would need.

    The constraints arrive NOT VALID (they refuse new rows and leave old ones alone),
    the guards in mode observe (they refuse nothing). Rows are not changed.

    Raises DatabaseError, with what would mend it, when a table or column is missing or
    has another type, or the role may not do what it takes: nothing is changed then. A
    database adopted before is brought to head. Raises UsageError for a pack that has no host
    revision, and for a schema whose name needs quotes or that is not the one noted before.
    """
    loaded = packs.load(pack)
    text = host_sql(loaded)
    revision = first_revision(loaded)
    tables = host_tables(text) if text else []
    if text is None or revision is None or not tables:
        raise UsageError(
            f"{loaded.root} brings no tables of the application to compare (no revision 0001 creates them); "
            "run `trueup migrate`"
        )
    with session(database, "adopt") as connection:
        if host_schema is not None and connection.value("needs_quotes", name=host_schema):
            raise UsageError(
                f"--host-schema {host_schema}: the name is written into views and functions without quotes, "
                "and this one needs them; rename the schema (alter schema ... rename to ...)"
            )
        noted = application(connection)
        loaded = loaded.placed(host_schema or noted.schema_name, noted.key_type)
        refuse_newer(connection, loaded)
        if connection.value("is_read_only"):
            raise DatabaseError("the database is read only; connect to the primary")
        before = is_adopted(connection, loaded)
        if before and noted.schema_name != loaded.schema:
            raise UsageError(
                f"this database was adopted with its tables in schema {noted.schema_name}; to move there, "
                "`trueup uninstall` first"
            )
        _refuse_elsewhere(connection, loaded, tables)
        problems, missing, strict, key_type = compare(connection, loaded.schema, text, tables)
        if before and noted.key_type != key_type:
            raise UsageError(
                f"this database was adopted with keys of type {noted.key_type}, which tables of ours hold; "
                "to change them, `trueup uninstall` first"
            )
        loaded = loaded.placed(loaded.schema, key_type)
        problems += [
            Problem("", None, right.what, right.mend)
            for right in connection.rows("adoption_rights", _Right, schema=loaded.schema, names=tables)
        ]
        problems += [
            Problem("", None, hidden.what, hidden.mend)
            for hidden in hidden_tables(connection, [f"{loaded.schema}.{table}" for table in tables])
        ]
        notes = [*connection.values("table_shapes", schema=loaded.schema, names=tables), *strict]
        notes += [
            f"optional {problem.what}: what needs it is left out; to have it, `{problem.mend}`, "
            "then `trueup migrate`"
            for problem in missing
        ]
        if (apply or dry_run) and problems:
            raise DatabaseError(explain(problems))
        refuse_branches(loaded)
        columns = sorted(f"{problem.table}.{problem.column}" for problem in missing)
        loaded = loaded.without(columns)
        if apply:
            refuse_pooler(connection)
        if apply and not before:
            connection.script(f"set lock_timeout = '{LOCK_TIMEOUT}'")
            connection.script(f"create schema if not exists {SCHEMA}")
        if apply and (Application(loaded.schema, loaded.key_type, columns) != noted):
            note_application(connection, loaded, columns)
        found = Adoption(
            tuple(tables),
            tuple(problems),
            before,
            tuple(notes),
            schema=loaded.schema,
            placed=tuple(_placed(connection, loaded)),
            left_out=tuple(Change("left out", name, reason) for name, reason in loaded.left.items()),
        )
        if dry_run and not before:
            script = rehearse_adoption(connection, loaded, revision, columns, database=database, wait=wait)
            return replace(found, migration=script)
    if dry_run:
        return replace(found, migration=migrate(database=database, pack=pack, dry_run=True, wait=wait))
    if not apply:
        return found
    if not before:
        stamp(database, loaded, revision)
    return replace(found, migration=migrate(database=database, pack=pack, wait=wait))


def _refuse_elsewhere(connection: Session, pack: Pack, tables: list[str]) -> None:
    """Raise DatabaseError when the schema holds none of the tables, with the schema that does."""
    if connection.values("tables_present", schema=pack.schema, names=tables):
        return
    elsewhere = other_schemas(connection, tables)
    raise DatabaseError(
        f"schema {pack.schema} holds none of the application's tables ({', '.join(tables)}); "
        + (
            f"they are in schema {' and '.join(elsewhere)}: say --host-schema {elsewhere[0]}"
            if elsewhere
            else "is this the right database? in an empty one, `trueup migrate` creates them"
        )
    )


def _placed(connection: Session, pack: Pack) -> Iterator[Change]:
    """Yield what comes on each table of the application, of what stands in files."""
    distant = connection.values("distant_names", schema=pack.schema)
    guards = {file.name for file in pack.files if file.stem in pack.guards}
    on: dict[str, list[str]] = {}
    for file in pack.files:
        for item in file.objects:
            if item.table and item.table not in distant:
                kind = "guard" if file.name in guards else "trigger"
                on.setdefault(item.table, []).append(f"{kind} {item.identity.partition(' on ')[0]}")
    for table, names in sorted(on.items()):
        yield Change("place", table, ", ".join(sorted(names)))


def explain(problems: list[Problem]) -> str:
    """Return the problems as text: what is wrong, and the statements that mend it."""
    lines = [f"{len(problems)} things do not fit; nothing was changed"]
    lines += [f"  {problem.what}\n    {problem.mend}" for problem in problems]
    return "\n".join(lines)


def compare(
    connection: Session, schema: str, text: str, tables: list[str]
) -> tuple[list[Problem], list[Problem], list[str], str]:
    """Return what is missing from the application's tables or has another type.

    And, apart from that, which optional columns are missing, and which columns every insert must
    give, and the type of the keys.
    """
    with expected_tables(connection, text):
        columns = connection.rows("compare_tables", _Column, schema=schema, names=tables)
        strict = connection.values("strict_columns", schema=schema, names=tables)
    optional = optional_columns(text)
    problems: list[Problem] = []
    missing: list[Problem] = []
    naive: dict[str, list[_Column]] = {}
    keys = {"id", *(f"{name}_id" for name in singulars(tables))}
    uuids: list[str] = []
    bigints = [
        f"{column.table_name}.{column.column_name}"
        for column in columns
        if column.column_name in keys
        and column.expected_type == BIGINT
        and column.live_type in (BIGINT, "integer")
    ]
    absent = set()
    for column in columns:
        if not column.is_present:
            if column.table_name not in absent:
                absent.add(column.table_name)
                problems.append(
                    Problem(
                        column.table_name,
                        None,
                        f"table {schema}.{column.table_name} is missing",
                        _create(schema, text, column.table_name),
                    )
                )
        elif column.expected_type == _INSTANT and (column.live_type or "").endswith(" without time zone"):
            naive.setdefault(column.table_name, []).append(column)
        elif (column.expected_type, column.live_type) == (BIGINT, "uuid") and column.column_name in keys:
            uuids.append(f"{column.table_name}.{column.column_name}")
        elif problem := _problem(schema, column):
            is_optional = column.live_type is None and f"{column.table_name}.{column.column_name}" in optional
            (missing if is_optional else problems).append(problem)
    problems += [_naive(schema, found) for found in naive.values()]
    if uuids and bigints:
        problems.append(
            Problem(
                uuids[0].partition(".")[0],
                uuids[0].partition(".")[2],
                "keys are of two types, and this pack wants one for all: uuid are "
                f"{', '.join(uuids)}; not so are {', '.join(bigints)}",
                "-- make them one type; or check these tables with a pack of your own, which may mix them: "
                f"trueup init DIRECTORY --table {schema}.{uuids[0].partition('.')[0]}",
            )
        )
    return problems, missing, strict, "uuid" if uuids and not bigints else BIGINT


def optional_columns(text: str) -> set[str]:
    """Return the columns, as table.column, of which the host revision says that they may be missing."""
    found = re.search(r"^-- optional: (.*(?:\n--     .*)*)", text, re.M)
    return set(re.findall(r"\w+\.\w+", found[1])) if found else set()


def _naive(schema: str, columns: list[_Column]) -> Problem:
    """Return the problem of columns without a time zone, all of a table in one statement.

    With a zone, the server computes each row anew. In UTC the stored bytes are the same, and
    since PostgreSQL 12 it knows that, when the session says so and no expression stands there.
    """
    table = f"{schema}.{columns[0].quoted_table}"
    names = [column.quoted_column for column in columns]
    zoned = ", ".join(
        f"alter column {name} type timestamptz using {name} at time zone 'Europe/Berlin'" for name in names
    )
    plain = ", ".join(f"alter column {name} type timestamptz" for name in names)
    return Problem(
        columns[0].table_name,
        columns[0].column_name,
        f"{table} has timestamps without time zone, and only the application knows which instant they mean: "
        f"{', '.join(column.column_name for column in columns)}",
        f"alter table {table} {zoned};\n"
        "    -- with the zone that the application writes; ACCESS EXCLUSIVE while table and indexes are "
        f"rewritten ({columns[0].table_size}): readers and writers wait\n"
        "    -- or, in UTC, with ACCESS EXCLUSIVE for a moment, and while indexes on these columns are built "
        f"again: set timezone = 'UTC'; alter table {table} {plain};",
    )


def _problem(schema: str, column: _Column) -> Problem | None:
    table, name = f"{schema}.{column.quoted_table}", column.quoted_column
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
    if column.live_type != column.expected_type and not _compatible(column.expected_type, column.live_type):
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
    if expected == _INSTANT:
        return live.startswith("timestamp(") and live.endswith(" with time zone")
    if expected.startswith("numeric"):
        return live.startswith("numeric")
    return expected == "bigint" and live == "integer"


def _create(schema: str, text: str, table: str) -> str:
    match = re.search(rf"^create table {table} \(.*?^\);", text, re.M | re.S)
    assert match is not None
    return f"set search_path = {schema}; " + re.sub(r"\s+", " ", match[0])
