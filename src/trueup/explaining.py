"""Explain one check: its header, the plan of its view, and how it is evaluated for what changed.

Everything runs in one read-only transaction that is rolled back, and plans are made as
a run makes them: without parallel workers, and for single entities with a generic plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from trueup import packs
from trueup.errors import DatabaseError
from trueup.migration import refuse_newer
from trueup.packs import Check
from trueup.store import ServerSaid, Session, literal, quoted, session, sqlstate

TIMEOUT = "1min"
ENTITIES = 10
TIMED_OUT = "57014"
# a table that a scan reads at once; larger ones make the cost of a scan follow the table
SMALL_BYTES = 1024 * 1024
# what the planner does with tables that it reads whole
WHOLESALE = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material")

_COLUMNS = "v.company_id, v.entity_type, v.entity_id, v.description, v.evidence"


@dataclass(frozen=True)
class Read:
    """How a plan reads a table: whole, or what it looks up; by an index, or (None) without one.

    rows and bytes are those of the index where there is one, else of the table; rows is
    the planner's estimate, None when nothing was analyzed. A partition stands for its
    partitioned table.
    """

    table: str
    index: str | None
    whole: bool
    rows: int | None
    bytes: int


@dataclass(frozen=True)
class Plan:
    """A plan as the server prints it, what it reads, and, when it was executed, what it took.

    Buffers are pages of 8 kB, wherever they were found; read_buffers of them were not in
    shared memory. `error` says why there is no measurement although one was asked for.
    """

    cost: Decimal
    rows: int
    text: str
    reads: tuple[Read, ...]
    duration_ms: float | None = None
    found: int | None = None
    buffers: int | None = None
    read_buffers: int | None = None
    temporary_buffers: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Index:
    """An index of ours on a table that the check reads.

    state is valid, missing, different or invalid; used means by the plan of the whole view.
    """

    name: str
    table: str
    kind: str
    definition: str
    state: str
    used: bool


@dataclass(frozen=True)
class ForEntities:
    """How the check is evaluated for some entities of one type: the newest of their table.

    follows lists the tables that the plan reads whole however few entities it is asked
    for, so that the cost follows the table and not the changes.
    """

    entity_type: str
    table: str
    entities: int
    plan: Plan
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Last:
    """The last complete evaluation of the whole view."""

    finished_at: datetime
    duration_ms: Decimal
    planned_cost: Decimal
    rows_tested: int | None
    violations: int


@dataclass(frozen=True)
class Explanation:
    """What there is to know about the cost of a check in one database."""

    check: Check
    is_current: bool
    ceiling: Decimal
    last: Last | None
    plan: Plan
    indexes: tuple[Index, ...]
    entities: tuple[ForEntities, ...]


@dataclass(frozen=True)
class _Explained:
    name: str
    checksum: str
    ceiling: Decimal
    last_finished_at: datetime | None
    last_duration_ms: Decimal
    last_planned_cost: Decimal
    last_rows_tested: int | None
    last_violations: int


@dataclass(frozen=True)
class _Entities:
    entity_type: str
    table_name: str
    key_column: str
    key_type: str


@dataclass(frozen=True)
class _Relation:
    schema_name: str
    name: str
    top_name: str
    top_bare_name: str
    row_estimate: int | None
    bytes: int


@dataclass(frozen=True)
class _Index:
    name: str
    table_name: str
    kind: str
    definition: str
    check_name: str | None
    state: str


def explain(
    name: str,
    *,
    database: str | None = None,
    pack: Path | None = None,
    analyze: bool = False,
    timeout: str = TIMEOUT,
    entities: int = ENTITIES,
) -> Explanation:
    """Return the plans of a check, of its whole view and of the newest `entities` of each of its tables.

    With `analyze` both are executed, each for at most `timeout` (a PostgreSQL interval);
    otherwise they are only planned, which takes milliseconds. Changes nothing, and works
    on a standby.

    Raises NotFoundError, with the nearest names, for a name no check bears;
    DatabaseError when the database cannot be reached or has not deployed the check.
    """
    loaded = packs.load(pack)
    (check,) = loaded.select([name])
    with session(database, "explain") as connection:
        if not connection.value("has_trueup"):
            raise DatabaseError("this is not a trueup database; run `trueup migrate` or `trueup adopt`")
        refuse_newer(connection, loaded)
        with connection.transaction(rollback=True, snapshot=True):
            known = connection.row("explained_check", _Explained, name=name)
            if known is None:
                raise DatabaseError(f"check {name} is not deployed in this database; run `trueup migrate`")
            connection.set_local("max_parallel_workers_per_gather", "0")
            connection.set_local("plan_cache_mode", "force_generic_plan")
            connection.set_local("statement_timeout", timeout)
            plan = _planned(connection, f"select {_COLUMNS} from {quoted('trueup', name)} as v", analyze, timeout)
            return Explanation(
                check=check,
                is_current=known.checksum == check.checksum,
                ceiling=known.ceiling,
                last=Last(
                    known.last_finished_at,
                    known.last_duration_ms,
                    known.last_planned_cost,
                    known.last_rows_tested,
                    known.last_violations,
                )
                if known.last_finished_at
                else None,
                plan=plan,
                indexes=_indexes(connection, plan),
                entities=tuple(
                    _for_entities(connection, name, table, entities, analyze, timeout)
                    for table in connection.rows("check_entities", _Entities, name=name)
                ),
            )


def _for_entities(
    connection: Session, name: str, table: _Entities, entities: int, analyze: bool, timeout: str
) -> ForEntities:
    key = quoted(table.key_column)
    (newest,) = connection.dicts(
        f"select count(*) as entities, array_agg(k.key)::text as keys from "
        f"(select {key} as key from {table.table_name} order by {key} desc limit {int(entities)}) as k"
    )
    with _asked(connection, name, table, newest["keys"] or "{}") as statement:
        plan = _planned(connection, statement, analyze, timeout)
    whole = [read for read in plan.reads if read.whole]
    follows = {read.table for read in whole if read.bytes >= SMALL_BYTES}
    if any(read.table not in follows for read in whole):
        # a small table is read whole although an index is there; one that is scanned when only
        # lookups are left to the planner has none, and its growth will be felt
        with connection.transaction(rollback=True):
            for means in WHOLESALE:
                connection.set_local(means, "off")
            with _asked(connection, name, table, newest["keys"] or "{}") as statement:
                forced = _planned(connection, statement, False, timeout)
        scanned = {read.table for read in forced.reads if read.whole and read.index is None}
        follows |= scanned & {read.table for read in whole}
    return ForEntities(table.entity_type, table.table_name, newest["entities"], plan, tuple(sorted(follows)))


@contextmanager
def _asked(connection: Session, name: str, table: _Entities, keys: str) -> Iterator[str]:
    """Prepare the check for some entities; yield what executes it. A plan is made once for each."""
    prepared = quoted("trueup_explained")
    connection.script(
        f"prepare {prepared} ({table.key_type}[]) as select {_COLUMNS} from {quoted('trueup', name)} as v "
        f"where v.entity_id = any($1) and v.entity_type = {literal(table.entity_type)}"
    )
    yield f"execute {prepared} ({literal(keys)})"
    connection.script(f"deallocate {prepared}")


def _planned(connection: Session, statement: str, analyze: bool, timeout: str) -> Plan:
    """Return the plan of a statement, measured if it finishes in time."""
    (row,) = connection.dicts(f"explain (verbose, format json) {statement}")
    top = row["QUERY PLAN"][0]["Plan"]
    plan = Plan(
        cost=Decimal(str(top["Total Cost"])),
        rows=int(top["Plan Rows"]),
        text=_explained(connection, "costs", statement),
        reads=_reads(connection, top),
    )
    if not analyze:
        return plan
    try:
        with connection.transaction():
            text = _explained(connection, "analyze, buffers", statement)
    except ServerSaid as error:
        if sqlstate(error) != TIMED_OUT:
            raise
        return replace(plan, error=f"did not finish within {timeout}")
    return replace(plan, text=text, **_measured(text))


def _explained(connection: Session, options: str, statement: str) -> str:
    return "\n".join(row["QUERY PLAN"] for row in connection.dicts(f"explain ({options}) {statement}"))


def _measured(text: str) -> dict[str, Any]:
    """Return what the server measured: the first line and the first buffers are those of the whole plan."""
    plan, _, rest = text.partition("\nPlanning")
    found = re.search(r"actual time=[\d.]+ rows=([\d.]+)|actual rows=([\d.]+)", plan)
    took = re.search(r"^Execution Time: ([\d.]+) ms", rest, re.M)
    line = re.search(r"^ *Buffers: (.*)$", plan, re.M)
    assert took is not None
    shared, temporary = {}, {}
    for kind, counts in re.findall(r"(shared|temp)((?: \w+=\d+)+)", line[1] if line else ""):
        into = shared if kind == "shared" else temporary
        into.update({name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", counts)})
    return {
        "duration_ms": float(took[1]),
        "found": int(float(found[1])) if found else None,
        "buffers": shared.get("hit", 0) + shared.get("read", 0),
        "read_buffers": shared.get("read", 0),
        "temporary_buffers": temporary.get("read", 0) + temporary.get("written", 0),
    }


def _reads(connection: Session, top: dict[str, Any]) -> tuple[Read, ...]:
    """Return what a plan reads, by table and then index; each way once, however many partitions it reads."""
    found = {*_accesses(top, ("", ""))}
    named = {(schema, name) for schema, table, index, _ in found for name in (table, index) if name}
    relations = {
        (relation.schema_name, relation.name): relation
        for relation in connection.rows(
            "relations",
            _Relation,
            schemas=[schema for schema, _ in sorted(named)],
            names=[name for _, name in sorted(named)],
        )
    }
    reads = set()
    for schema, name, index, whole in found:
        by = relations.get((schema, index))
        read = by or relations[schema, name]
        reads.add(
            Read(
                relations[schema, name].top_name,
                by.top_bare_name if by else None,
                whole,
                read.row_estimate,
                read.bytes,
            )
        )
    return tuple(sorted(reads, key=lambda read: (read.table, read.index or "", read.whole)))


def _accesses(node: dict[str, Any], table: tuple[str, str]) -> Iterator[tuple[str, str, str, bool]]:
    """Yield (schema, table, index, whole) for each node of a plan that reads a table."""
    kind = node["Node Type"]
    if "Relation Name" in node:
        table = (node["Schema"], node["Relation Name"])
        if "Index Name" in node:
            yield (*table, node["Index Name"], "Index Cond" not in node)
        elif kind not in ("Bitmap Heap Scan", "Tid Scan", "Tid Range Scan"):
            yield (*table, "", True)
    elif kind == "Bitmap Index Scan":
        yield (*table, node["Index Name"], "Index Cond" not in node)
    for child in node.get("Plans", ()):
        yield from _accesses(child, table)


def _indexes(connection: Session, plan: Plan) -> tuple[Index, ...]:
    used = {(read.table, read.index) for read in plan.reads}
    tables = sorted({read.table for read in plan.reads})
    return tuple(
        Index(
            index.name,
            index.table_name,
            index.kind,
            index.definition,
            index.state,
            (index.table_name, index.name) in used,
        )
        for index in connection.rows("registered_indexes", _Index, tables=tables)
    )
