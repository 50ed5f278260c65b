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
from typing import Any, NamedTuple

from trueup import packs
from trueup.errors import DatabaseError
from trueup.fitting import fitted
from trueup.packs import Check, Source
from trueup.revisions import refuse_newer
from trueup.store import ServerSaid, Session, brief, literal, quoted, refuse_foreign, session, sqlstate
from trueup.tracking import tracked_tables

TIMEOUT = "1min"
ENTITIES = 10
TIMED_OUT = "57014"
# a table that a scan reads at once; larger ones make the cost of a scan follow the table
SMALL_BYTES = 1024 * 1024
# a lookup that finds more rows than this, and more than this share of all, finds more as the table grows
MANY_ROWS = 1000
MANY_SHARE = 0.01
# what the planner likes to do with tables that it reads whole
WHOLESALE = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material")

_COLUMNS = "v.company_id, v.entity_type, v.entity_id, v.description, v.evidence"


@dataclass(frozen=True)
class Read:
    """How a plan reads a table: whole, or what it looks up; by an index, or (None) without one.

    rows and bytes are those of the index where there is one, else of the table; rows is
    the planner's estimate, None when nothing was analyzed; found is what it expects of
    one lookup. A partition stands for its partitioned table.
    """

    table: str
    index: str | None
    whole: bool
    rows: int | None
    bytes: int
    found: int

    @property
    def many(self) -> bool:
        """One lookup finds a share of the table, such as all rows of a company."""
        return not self.whole and self.found > max(MANY_ROWS, (self.rows or 0) * MANY_SHARE)


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

    follows lists the tables of which the plan reads all or a share however few entities
    it is asked for, so that the cost follows the table and not the changes.
    """

    entity_type: str
    table: str
    entities: int
    plan: Plan
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Tracked:
    """A column whose changed values are kept, and which entities each value concerns.

    Those with that key, or, with `via`, those that hold it in that column of their own
    table: then `lookup` is the plan that finds them, and follows names that table when
    it is read whole for them. `partners` are keys of the evidence that name other entities to judge again.
    """

    table: str
    column: str
    entity_type: str
    via: str | None
    partners: tuple[str, ...]
    lookup: Plan | None
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Rests:
    """A table that the verdict rests on; is_armed when triggers note its changes.

    A change of one that no tracked column is of, and any change that is not noted, makes
    the next pass evaluate the check in full.
    """

    check_name: str
    table_name: str
    is_armed: bool


@dataclass(frozen=True)
class Last:
    """The last complete evaluation of the whole view; planned_cost is None when nobody had planned it."""

    finished_at: datetime
    duration_ms: Decimal
    planned_cost: Decimal | None
    rows_tested: int | None
    violations: int


@dataclass(frozen=True)
class Explanation:
    """What there is to know about the cost of a check in one database.

    is_current is False when the deployed view is not that of the file. time says how
    passing time alone changes the verdict: it begins a violation, only ends one, or None.
    No `tracked` columns: only a full run evaluates the check. owes_full says why the next
    pass over what changed evaluates it in full, whatever changed; None when it need not.
    """

    check: Check
    is_current: bool
    ceiling: Decimal
    last: Last | None
    plan: Plan
    indexes: tuple[Index, ...]
    time: str | None
    owes_full: str | None
    tracked: tuple[Tracked, ...]
    rests: tuple[Rests, ...]
    entities: tuple[ForEntities, ...]


class _Explained(NamedTuple):
    name: str
    checksum: str
    owes_full: str | None
    ceiling: Decimal
    last_finished_at: datetime | None
    last_duration_ms: Decimal
    last_planned_cost: Decimal | None
    last_rows_tested: int | None
    last_violations: int


class _Entities(NamedTuple):
    entity_type: str
    table_name: str
    key_column: str
    key_type: str


class _Relation(NamedTuple):
    schema_name: str
    name: str
    top_name: str
    top_bare_name: str
    row_estimate: int | None
    bytes: int
    leading_column: str | None


@dataclass(frozen=True)
class _Access:
    schema: str
    table: str
    index: str
    condition: str
    rows: int


class _Index(NamedTuple):
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
    loaded.select([name])
    with session(database, "explain") as connection:
        loaded = fitted(connection, loaded)
        (check,) = loaded.select([name])
        refuse_foreign(connection)
        refuse_newer(connection, loaded)
        connection.milliseconds(timeout)
        with connection.transaction(rollback=True, snapshot=True):
            known = connection.row("explained_check", _Explained, name=name)
            if known is None:
                raise DatabaseError(f"check {name} is not deployed in this database; run `trueup migrate`")
            connection.set_local("max_parallel_workers_per_gather", "0")
            connection.set_local("plan_cache_mode", "force_generic_plan")
            planner = _Planner(connection, timeout if analyze else None)
            plan = planner.plan(
                f"select c.entity_type, c.entity_id from {quoted('trueup', check.candidates)} as c "
                f"where c.check_name = {literal(name)}"
                if check.candidates
                else f"select {_COLUMNS} from {quoted('trueup', name)} as v"
            )
            tables = {
                table.entity_type: table for table in connection.rows("check_entities", _Entities, name=name)
            }
            return Explanation(
                check=check,
                is_current=known.checksum == check.checksum,
                ceiling=known.ceiling,
                last=_last(known),
                plan=plan,
                indexes=_indexes(connection, plan),
                time=check.time,
                owes_full=known.owes_full,
                tracked=tuple(
                    _tracked(planner, source, tables[source.entity])
                    for source in check.sources
                    if source.entity in tables
                ),
                rests=tuple(
                    Rests(name, table.table_name, table.is_armed)
                    for table in tracked_tables(connection)
                    if name in table.check_names
                ),
                entities=tuple(_for_entities(planner, name, table, entities) for table in tables.values()),
            )


def _last(known: _Explained) -> Last | None:
    if known.last_finished_at is None:
        return None
    return Last(
        known.last_finished_at,
        known.last_duration_ms,
        known.last_planned_cost,
        known.last_rows_tested,
        known.last_violations,
    )


def _tracked(planner: _Planner, source: Source, table: _Entities) -> Tracked:
    lookup: Plan | None = None
    follows: tuple[str, ...] = ()
    if source.via:
        newest = _newest(planner.connection, table, source.via, 1)
        lookup, follows = planner.generic(
            f"select e.{quoted(table.key_column)} from {table.table_name} as e "
            f"where e.{quoted(source.via)} = any($1)",
            newest["keys"],
            execute=False,
        )
        # many rows of one value are many entities to judge, and no fault of the lookup
        whole = {read.table for read in lookup.reads if read.whole}
        follows = tuple(name for name in follows if name in whole)
    return Tracked(source.table, source.column, source.entity, source.via, source.partners, lookup, follows)


def _for_entities(planner: _Planner, name: str, table: _Entities, entities: int) -> ForEntities:
    newest = _newest(planner.connection, table, table.key_column, entities)
    plan, follows = planner.generic(
        f"select {_COLUMNS} from {quoted('trueup', name)} as v "
        f"where v.entity_id = any($1) and v.entity_type = {literal(table.entity_type)}",
        newest["keys"],
    )
    return ForEntities(table.entity_type, table.table_name, newest["entities"], plan, follows)


def _newest(connection: Session, table: _Entities, column: str, most: int) -> dict[str, Any]:
    """Return what the newest rows hold in a column, as the text of an array, and how many they are."""
    (found,) = connection.dicts(
        "select count(*) as entities, coalesce(array_agg(k.held)::text, '{}') as keys from "
        f"(select {quoted(column)} as held from {table.table_name} "
        f"order by {quoted(table.key_column)} desc limit {int(most)}) as k"
    )
    return found


class _Planner:
    """Asks the server for plans, and has them executed when there is a timeout."""

    def __init__(self, connection: Session, timeout: str | None) -> None:
        self.connection = connection
        self.timeout = timeout

    def generic(self, query: str, keys: str, *, execute: bool = True) -> tuple[Plan, tuple[str, ...]]:
        """Return the plan of a query for any array of keys, and the tables its cost follows.

        A small table is read whole although an index is there. It counts only when it is
        still scanned with nothing but lookups left to the planner: then there is none, and
        its growth will be felt.
        """
        with self._prepared(query, keys) as statement:
            plan = self.plan(statement, execute=execute)
        whole = {read.table for read in plan.reads if read.whole}
        follows = {
            read.table for read in plan.reads if read.many or (read.whole and read.bytes >= SMALL_BYTES)
        }
        if whole - follows:
            with self.connection.transaction(rollback=True):
                for means in WHOLESALE:
                    self.connection.set_local(means, "off")
                with self._prepared(query, keys) as statement:
                    left = self.plan(statement, execute=False)
            follows |= whole & {read.table for read in left.reads if read.whole and read.index is None}
        return plan, tuple(sorted(follows))

    @contextmanager
    def _prepared(self, query: str, keys: str) -> Iterator[str]:
        # a generic plan is made once for a prepared statement, whatever is set afterwards
        self.connection.script(f"prepare trueup_explained as {query}")
        yield f"execute trueup_explained ({literal(keys)})"
        self.connection.script("deallocate trueup_explained")

    def plan(self, statement: str, *, execute: bool = True) -> Plan:
        """Return the plan of a statement, measured if it is to be executed and finishes in time."""
        (row,) = self.connection.dicts(f"explain (verbose, format json) {statement}")
        top = row["QUERY PLAN"][0]["Plan"]
        plan = Plan(
            cost=Decimal(str(top["Total Cost"])),
            rows=int(top["Plan Rows"]),
            text=self._text("costs", statement),
            reads=_reads(self.connection, top),
        )
        if self.timeout is None or not execute:
            return plan
        try:
            with self.connection.transaction():
                self.connection.set_local("statement_timeout", self.timeout)
                text = self._text("analyze, buffers", statement)
                self.connection.set_local("statement_timeout", "0")
        except ServerSaid as error:
            timed_out = sqlstate(error) == TIMED_OUT
            return replace(plan, error=f"did not finish within {self.timeout}" if timed_out else brief(error))
        return replace(plan, text=text, **_measured(text))

    def _text(self, options: str, statement: str) -> str:
        found = self.connection.dicts(f"explain ({options}) {statement}")
        return "\n".join(row["QUERY PLAN"] for row in found)


def _measured(text: str) -> dict[str, Any]:
    """Return what the server measured: the first line and the first buffers are those of the whole plan."""
    plan, _, rest = text.partition("\nPlanning")
    found = re.search(r"actual time=[\d.]+ rows=([\d.]+)|actual rows=([\d.]+)", plan)
    took = re.search(r"^Execution Time: ([\d.]+) ms", rest, re.M)
    line = re.search(r"^ *Buffers: (.*)$", plan, re.M)
    assert took is not None
    counted: dict[str, dict[str, int]] = {"shared": {}, "temp": {}}
    for kind, counts in re.findall(r"(shared|temp)((?: \w+=\d+)+)", line[1] if line else ""):
        counted[kind] = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", counts)}
    shared, temporary = counted["shared"], counted["temp"]
    return {
        "duration_ms": float(took[1]),
        "found": int(float(found[1])) if found else None,
        "buffers": shared.get("hit", 0) + shared.get("read", 0),
        "read_buffers": shared.get("read", 0),
        "temporary_buffers": temporary.get("read", 0) + temporary.get("written", 0),
    }


def _reads(connection: Session, top: dict[str, Any]) -> tuple[Read, ...]:
    """Return what a plan reads, by table and then index; each way once, however many partitions it reads."""
    found = {*_accesses(top, "", "")}
    named = sorted(
        {(access.schema, name) for access in found for name in (access.table, access.index) if name}
    )
    relations = {
        (relation.schema_name, relation.name): relation
        for relation in connection.rows(
            "relations",
            _Relation,
            schemas=[schema for schema, _ in named],
            names=[name for _, name in named],
        )
    }
    reads: dict[tuple[str, str, bool], Read] = {}
    for access in sorted(found, key=lambda access: access.rows):
        table = relations[access.schema, access.table]
        index = relations.get((access.schema, access.index))
        read = index or table
        whole = not access.condition or _misses(index, access.condition)
        name = index.top_bare_name if index else None
        reads[table.top_name, name or "", whole] = Read(
            table.top_name, name, whole, read.row_estimate, read.bytes, access.rows
        )
    return tuple(read for _, read in sorted(reads.items()))


def _misses(index: _Relation | None, condition: str) -> bool:
    """Say whether a condition leaves out the column without which the whole index is read."""
    leading = index.leading_column if index else None
    # an expression is printed in other words in a plan: it is believed
    if leading is None or not re.fullmatch(r"\w+", leading):
        return False
    return re.search(rf"\b{leading}\b", condition) is None


def _accesses(node: dict[str, Any], schema: str, table: str) -> Iterator[_Access]:
    """Yield every node of a plan that reads a table."""
    schema, table = node.get("Schema", schema), node.get("Relation Name", table)
    if "Index Name" in node:
        yield _Access(schema, table, node["Index Name"], node.get("Index Cond", ""), int(node["Plan Rows"]))
    elif "Relation Name" in node and node["Node Type"] != "Bitmap Heap Scan":
        yield _Access(schema, table, "", node.get("TID Cond", ""), int(node["Plan Rows"]))
    for child in node.get("Plans", ()):
        yield from _accesses(child, schema, table)


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
