"""Take the layer out of a database: the application's tables are then as they were before it.

What there is to remove is read from the catalogue and from trueup.constraints, not from a
pack, so that a database of another release, or one half removed, can be cleaned as well.
The list goes last: interrupted anywhere, run it again.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import IO, NamedTuple

from trueup.deploy import INDEX_LOCK_TIMEOUT, ConstraintState, drop_index
from trueup.durations import elapsed_ms
from trueup.errors import DatabaseError, MigrationError, UsageError
from trueup.locks import one_at_a_time, patiently, retried
from trueup.migration import WAIT
from trueup.store import SCHEMA, Session, literal, quoted, session, sqlstate

logger = logging.getLogger(__name__)

# in the order in which they could be read again
DUMPED = (
    "data_consistency_alerts",
    "repairs",
    "repair_changes",
    "manual_review_queue",
    "manual_review_events",
)
# so long, writers queue behind us at most; much shorter than deadlock_timeout, so that it is never
# one of them that is ended when a statement which locks two tables meets one the other way round
LOCK_TIMEOUT = "100ms"
ATTEMPTS = 30
FORBIDDEN = "42501"


@dataclass(frozen=True)
class Step:
    """One transaction of the removal: its statements, what they lock, and for how long."""

    what: str
    statements: tuple[str, ...]
    locks: str
    tables: tuple[str, ...] = ()
    is_concurrent: bool = False


@dataclass(frozen=True)
class Dump:
    """The file that holds alerts, journal and queue, and how many rows of each table."""

    file: Path
    rows: dict[str, int]


@dataclass(frozen=True)
class Removal:
    """What was removed or, unless `applied`, would be.

    `obstacles` are objects of the application that rest on something of ours; while there is
    one nothing is removed. `stays` names what is left on purpose, with the reason. `rows` are
    those of alerts, journal and queue, which go with the schema.
    """

    database: str
    applied: bool
    steps: tuple[Step, ...]
    obstacles: tuple[str, ...]
    stays: tuple[str, ...]
    rows: dict[str, int]
    dump: Dump | None = None
    warnings: tuple[str, ...] = ()


class _Scope(NamedTuple):
    database: str
    has_schema: bool
    is_ours: bool
    has_constraints: bool
    has_guards: bool
    may_drop: bool


class _Constraint(NamedTuple):
    name: str
    table_name: str
    kind: str
    definition: str
    is_partitioned: bool
    referenced_table: str | None
    is_ours: bool


class _Trigger(NamedTuple):
    table_name: str
    name: str


class _Found(NamedTuple):
    steps: tuple[Step, ...]
    names: tuple[str, ...]
    stays: tuple[str, ...]


def uninstall(
    *,
    database: str | None = None,
    database_name: str | None = None,
    dump: Path | None = None,
    no_dump: bool = False,
    apply: bool = False,
    wait: float = WAIT,
) -> Removal:
    """Say what would be removed; with `apply`, dump alerts, journal and queue, then remove it.

    `database_name` must be the name of the database, and one of `dump` and `no_dump` must be
    given, for anything to be removed. The dump is one JSON object a line; an existing file is
    left alone, unless it holds the very same rows. A second call does nothing.

    Raises UsageError when it is not told by name, has nowhere to dump to, or an object of the
    application rests on one of ours; DatabaseError for a schema trueup that is not ours or
    tables of another owner; MigrationError when a lock is not granted: what is gone is gone,
    and the next call goes on from there.
    """
    if dump and no_dump:
        raise UsageError("name a file for the dump, or say --no-dump, not both")
    began = time.monotonic()
    with session(database, "uninstall") as connection:
        # names of the application's are told in full
        connection.script("set search_path = pg_catalog")
        scope = _scope(connection, database_name)
        found = _find(connection, scope)
        obstacles = tuple(connection.values("removal_obstacles", names=list(found.names)))
        rows = {name: _count(connection, name) for name in _dumped(connection)}
        if not apply or not found.steps:
            return Removal(scope.database, apply, found.steps, obstacles, found.stays, rows)
        if database_name is None:
            raise UsageError(
                f"to remove trueup from this database, say --database-name {scope.database}; "
                "nothing was changed"
            )
        if dump is None and not no_dump and rows:
            raise UsageError(
                "name a file for alerts, journal and queue with --dump FILE, or say --no-dump; "
                "nothing was changed"
            )
        with one_at_a_time(database, wait):
            # what another command did while this one waited
            scope = _scope(connection, database_name)
            found = _find(connection, scope)
            _refuse_obstacles(connection, found.names)
            _refuse_foreign(connection, found.steps)
            dumped = _dump(connection, dump) if dump and _dumped(connection) else None
            warnings = [text for step in found.steps if (text := _carry_out(connection, step))]
            if scope.has_schema:
                dumped = _drop_schema(connection, dumped)
    logger.info(
        "layer removed",
        extra={"steps": len(found.steps), "warnings": len(warnings), "duration_ms": elapsed_ms(began)},
    )
    return Removal(scope.database, True, found.steps, (), found.stays, rows, dumped, tuple(warnings))


def script(removal: Removal) -> str:
    """Return the steps as SQL for psql, with what each locks as a comment."""
    parts, timeout = [], ""
    for step in removal.steps:
        if timeout != (timeout := INDEX_LOCK_TIMEOUT if step.is_concurrent else LOCK_TIMEOUT):
            parts.append(f"set lock_timeout = '{timeout}';\n")
        statements = "\n".join(f"{statement};" for statement in step.statements)
        if len(step.statements) > 1:
            statements = f"begin;\n{statements}\ncommit;"
        parts.append(f"-- {step.what}\n-- locks: {step.locks}\n{statements}\n")
    return "\n".join(parts)


def _scope(connection: Session, database_name: str | None) -> _Scope:
    (scope,) = connection.rows("removal_scope", _Scope)
    if database_name is not None and database_name != scope.database:
        raise UsageError(
            f"this database is called {scope.database}, not {database_name}; nothing was changed"
        )
    if connection.value("is_read_only"):
        raise DatabaseError("the database is read only; connect to the primary")
    if scope.has_schema and not scope.is_ours:
        raise DatabaseError("there is a schema trueup here that trueup did not make; nothing was changed")
    if not scope.may_drop:
        raise DatabaseError("schema trueup belongs to another role; connect as the one that migrated")
    return scope


def _find(connection: Session, scope: _Scope) -> _Found:
    begun = connection.values("begun_constraints") if connection.value("has_deployments") else []
    constraints = (
        connection.rows("removable_constraints", _Constraint, begun=begun) if scope.has_constraints else []
    )
    triggers = connection.rows("removable_triggers", _Trigger)
    ours = [constraint for constraint in constraints if constraint.is_ours]
    steps: list[Step] = []
    if scope.has_guards and connection.values("enforced_guards"):
        steps.append(
            Step(
                "guards off: none must refuse what a trigger that is gone would have made right",
                ("update trueup.guards set mode = 'off' where mode <> 'off'",),
                "rows of trueup.guards",
            )
        )
    steps += _foreign_keys(ours)
    steps += _tables(ours, triggers)
    for constraint in ours:
        if constraint.kind.endswith("index"):
            steps += _index(connection, constraint)
    for text in connection.values("removable_grants"):
        steps.append(Step("rights of our roles", (text,), "none that a reader or writer waits for"))
    if scope.has_schema:
        steps.append(
            Step(
                "our tables, views and functions, and the list of what was ours; alembic's versions, too",
                (f"drop schema {SCHEMA} cascade",),
                "ACCESS EXCLUSIVE on the tables of schema trueup, none on the application's",
            )
        )
    return _Found(tuple(steps), tuple(item.name for item in ours), _stays(constraints, triggers))


def _foreign_keys(ours: list[_Constraint]) -> Iterator[Step]:
    keys = [item for item in ours if item.kind == "foreign key"]
    for pair in sorted({(item.table_name, item.referenced_table or "") for item in keys}):
        parts = [_drop(item) for item in keys if (item.table_name, item.referenced_table) == pair]
        tables = tuple(dict.fromkeys(pair))
        yield Step(
            "references from one table to another",
            (f"alter table {pair[0]} {', '.join(parts)}",),
            f"ACCESS EXCLUSIVE on {' and '.join(tables)}, for a moment",
            tables,
        )


def _drop(item: _Constraint) -> str:
    return f"drop constraint if exists {quoted(item.name)}"


def _tables(ours: list[_Constraint], triggers: list[_Trigger]) -> Iterator[Step]:
    """Yield what goes of each table in one transaction: what refuses rows and what completes them."""
    rules = [item for item in ours if item.kind in ("check", "exclude")]
    for table in sorted({item.table_name for item in rules} | {item.table_name for item in triggers}):
        parts = [_drop(item) for item in rules if item.table_name == table]
        statements = [f"alter table {table} {', '.join(parts)}"] if parts else []
        statements += [
            f"drop trigger if exists {quoted(item.name)} on {table}"
            for item in triggers
            if item.table_name == table
        ]
        yield Step(
            "constraints and triggers of a table",
            tuple(statements),
            f"ACCESS EXCLUSIVE on {table}, for a moment",
            (table,),
        )


def _index(connection: Session, index: _Constraint) -> Iterator[Step]:
    state = ConstraintState(
        index.name,
        index.table_name,
        index.kind,
        index.definition,
        None,
        None,
        "valid",
        None,
        index.is_partitioned,
        False,
        False,
    )
    for statement in drop_index(connection, state):
        is_concurrent = " concurrently " in statement
        locks = (
            f"SHARE UPDATE EXCLUSIVE on {index.table_name}: nobody waits; it waits for older transactions"
            if is_concurrent
            else f"ACCESS EXCLUSIVE on {index.table_name} and its partitions, for a moment"
        )
        yield Step("an index", (statement,), locks, (index.table_name,), is_concurrent)


def _stays(constraints: list[_Constraint], triggers: list[_Trigger]) -> tuple[str, ...]:
    tables = sorted({item.table_name for item in constraints} | {item.table_name for item in triggers})
    stays = [
        f"{table}: the application's, with its rows, even if revision 0001 created it on an empty database"
        for table in tables
    ]
    stays += [
        f"{item.kind} {item.name} on {item.table_name}: there before us, or nobody noted that we made it"
        for item in constraints
        if not item.is_ours
    ]
    return (
        *stays,
        "the six roles, which belong to the cluster: `drop role` when no other database needs them",
    )


def _refuse_obstacles(connection: Session, names: tuple[str, ...]) -> None:
    if found := connection.values("removal_obstacles", names=list(names)):
        raise UsageError(
            "what is not ours rests on something of ours and would be lost:\n"
            + "\n".join(f"  {text}" for text in found)
            + "\ndrop it or write it anew without schema trueup, then run this again"
        )


def _refuse_foreign(connection: Session, steps: tuple[Step, ...]) -> None:
    tables = sorted({table for step in steps for table in step.tables})
    if found := connection.values("not_mine", tables=tables):
        raise DatabaseError(
            f"{'; '.join(found)}; connect as the role that owns them, nothing was changed (db/README.md)"
        )


def _carry_out(connection: Session, step: Step) -> str | None:
    if step.statements[0].startswith("drop schema"):
        return None
    try:
        if step.is_concurrent:
            # waits for old transactions, and makes nobody wait
            patiently(
                connection, step.statements[0], step.tables, lock_timeout=INDEX_LOCK_TIMEOUT, attempts=1
            )
        else:
            patiently(
                connection,
                ";\n".join(step.statements),
                step.tables,
                lock_timeout=LOCK_TIMEOUT,
                attempts=ATTEMPTS,
            )
    except MigrationError as error:
        if sqlstate(error.__cause__ or error) == FORBIDDEN and step.statements[0].startswith("alter role"):
            return f"{step.statements[0]}: this role may not; have a superuser do it"
        raise
    return None


def _drop_schema(connection: Session, dumped: Dump | None) -> Dump | None:
    """Drop the schema with what was filed while the rest was removed safely in the dump."""

    def once() -> Dump | None:
        with connection.transaction():
            connection.set_local("lock_timeout", LOCK_TIMEOUT)
            _refuse_obstacles(connection, ())
            latest = dumped
            if dumped:
                names = ", ".join(quoted(SCHEMA, name) for name in dumped.rows)
                connection.script(f"lock table {names} in access exclusive mode")
                latest = _dump(connection, dumped.file, replace=True)
            connection.script(f"drop schema {SCHEMA} cascade")
        return latest

    tables = connection.values("schema_tables")

    def describe() -> str:
        holders = connection.values("table_holders", tables=tables)
        return "schema trueup is held by " + ("; ".join(holders) or "a transaction that has ended since")

    return retried(connection, once, describe, ATTEMPTS)


def _dumped(connection: Session) -> list[str]:
    return [str(name) for name in connection.values("present_tables", names=list(DUMPED))]


def _count(connection: Session, name: str) -> int:
    return connection.counted(quoted(SCHEMA, name), "true")


def _dump(connection: Session, file: Path, *, replace: bool = False) -> Dump:
    """Write the rows to `file`, whole or not at all; only `replace` puts it in the place of other rows."""
    with _written(file) as (lines, temporary):
        with connection.transaction(snapshot=not replace):
            names = _dumped(connection)
            rows = {name: _count(connection, name) for name in names}
            head = {"dump": "trueup", "at": datetime.now(UTC).isoformat(), "rows": rows}
            lines.write(json.dumps(head).encode() + b"\n")
            for name in names:
                connection.copy_json(
                    f"select jsonb_build_object('table', {literal(name)}, 'row', to_jsonb(t)) "
                    f"from {quoted(SCHEMA, name)} as t order by t.id",
                    lines,
                )
        lines.flush()
        os.fsync(lines.fileno())
        if replace:
            temporary.replace(file)
        elif file.exists() and not _is_same(temporary, file):
            raise UsageError(
                f"{file} exists and holds something else; name another file, nothing was changed"
            )
        elif not file.exists():
            temporary.rename(file)
    return Dump(file, rows)


@contextmanager
def _written(file: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Give a file beside `file`, for its owner alone, which is gone at the end unless it was renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    with os.fdopen(handle, "wb") as lines:
        try:
            yield lines, Path(name)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two dumps hold the same rows; their first lines say when."""
    with one.open("rb") as left, other.open("rb") as right:
        next(left, b""), next(right, b"")
        return all(a == b for a, b in zip_longest(left, right))
