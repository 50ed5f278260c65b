"""Which rows have changed: the triggers that note keys, and what the notes mean for each check.

The headers of the checks say which columns concern which entities, the catalogue says
which columns a check reads; from both come one function and four triggers per table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import NamedTuple

from trueup.packs import Check, Source, SqlObject, plain
from trueup.store import ServerSaid, Session, literal, quoted, sqlstate

# for the lock of a table in which entities are looked up
LOCK_WAIT = "2s"
# a statement of more rows is noted as a whole: nobody follows that many one by one
MOST_KEYS = 100_000
_HEX = re.compile(r"[0-9a-f]{32}")
_INTEGER_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
# of these types `_key` knows every value, or there is none that does not fit
_CERTAIN = frozenset((*_INTEGER_BITS, "uuid", "text", "character varying"))
# tables whose names, prefixed, cannot be those of others
_PLAIN = re.compile(r"public\.(?!trueup_)[a-z_][a-z0-9_]*|trueup\.[a-z_][a-z0-9_]*")
LONGEST_NAME = 63
# how runs write what each session may write in its own way
_STYLES = ("datestyle = 'ISO'", "timezone = 'UTC'", "intervalstyle = 'postgres'", "bytea_output = 'hex'")
TRIGGERS = ("insert", "update", "delete", "truncate")


class Watched(NamedTuple):
    """A table that checks rest on.

    `columns` are those whose update counts. `any_update`: a BEFORE trigger of the
    application may write any of them, whatever columns an update names; `is_whole`: then its
    rows are compared as wholes, not by these columns. Of the columns of the table, `exact` are
    those whose values are the same, byte by byte, where they are equal, `dated` those whose
    values each session may write in its own way, `unseen` those whose values no trigger sees.
    """

    table_name: str
    is_trackable: bool
    is_partitioned: bool
    any_update: bool
    is_whole: bool
    columns: list[str]
    exact: list[str]
    dated: list[str]
    unseen: list[str]


def driven(checks: Iterable[Check]) -> list[Check]:
    """Return the checks that changes, or passing time, can drive."""
    return [check for check in checks if check.sources or check.time]


def watched(session: Session, checks: Iterable[Check]) -> list[Watched]:
    """Return the tables that the change-driven ones of the checks rest on."""
    return session.rows("watched_tables", Watched, **_named(checks))


def register_tables(session: Session, checks: Iterable[Check]) -> None:
    """Keep which tables each of the change-driven ones of the checks rests on."""
    session.run("register_check_tables", **_named(checks))


def _named(checks: Iterable[Check]) -> dict[str, list[str]]:
    """Return the checks that changes drive, and the tables that their headers name, each with its check."""
    known = driven(checks)
    named = [(check.name, source.table) for check in known for source in check.sources]
    return {
        "names": [check.name for check in known],
        "sources": [name for name, _ in named],
        "tables": [table for _, table in named],
    }


def key_columns(table: str, checks: Iterable[Check]) -> list[str]:
    """Return the columns of a table whose values say which entities are concerned; none: any may be."""
    name = plain(table)
    return sorted({source.column for check in checks for source in check.sources if source.table == name})


def function_name(table: str) -> str:
    """Return the name of the trigger function that notes changes of a table; no two tables have the same.

    That of the table where this is plain: public.calls, and tables of ours. Else a digest follows, for
    billing.lines is not public.billing_lines, and names may need quotes or be too long.
    """
    words = re.sub(r"\W+", "_", table.removeprefix("public.").replace('"', "").lower(), flags=re.ASCII)
    name = f"note_{words}"
    if _PLAIN.fullmatch(table) is None or len(name) > LONGEST_NAME:
        digest = hashlib.sha256(table.encode()).hexdigest()[:8]
        name = f"{name[: LONGEST_NAME - 9]}_{digest}"
    return f"trueup.{name}"


def objects(table: str) -> list[SqlObject]:
    """Return what `tracker` creates, the function first."""
    triggers = [SqlObject("trigger", f"trueup_changes_{event} on {table}") for event in TRIGGERS]
    return [SqlObject("function", function_name(table)), *triggers]


def tracker(table: Watched, keys: list[str]) -> str:
    """Return the SQL of the function and the triggers that note the changes of one table.

    INSERT and DELETE append one row per statement, because that is what a bulk load can
    bear; UPDATE one per row, because a transition table is filled by every update of the
    table, and a column list keeps those out that concern no check. Many applications write
    all columns of a row, so old and new are compared, too, up to the first difference; in the function, for
    the server parses a WHEN clause in each statement. The function names only columns that cannot
    be dropped, or changed in type, without the trigger or a view of a check; else rows are compared
    as wholes. On a partitioned table all of them note each row: triggers of rows fire for a
    statement that names a partition, too, and a row that an update moves to another partition is
    deleted and inserted to them.

    In a repair the journal must see what is noted: trueup.require_journal refuses the rest. What
    the layer writes in its own tables is its own affair.
    """
    name, function = table.table_name, function_name(table.table_name)
    if not set(keys).isdisjoint(table.unseen):
        keys = []  # which entities are concerned nobody can tell

    def tagged(row: str, column: str) -> str:
        # without the cast || is also an operator of arrays, jsonb, bytea ...
        return f"{literal(column + '=')} || {row}.{quoted(column)}::text"

    def listing(row: str) -> str:
        return f"array[{', '.join(tagged(row, column) for column in keys)}]"

    def listed(row: str, rows: str) -> str:
        return (
            f"        insert into trueup.changes (table_name, keys)\n"
            f"        select {literal(name)}, "
            f"case when count(*) <= {MOST_KEYS} then array_agg({listing(row)}) end\n"
            f"        from (select * from {rows} limit {MOST_KEYS + 1}) as {row}\n"
            f"        having count(*) > 0;\n"
        )

    def one(row: str) -> str:
        return (
            f"        insert into trueup.changes (table_name, keys)\n"
            f"        values ({literal(name)}, {listing(row)});\n"
        )

    events = [f"drop trigger if exists trueup_changes_{event} on {name};" for event in TRIGGERS]
    whole = f"        insert into trueup.changes (table_name) values ({literal(name)});\n"
    compared = ""
    if table.columns:
        compared = f"        if {_alike(table)} then\n            return null;\n        end if;\n"
    columns = ""
    if table.columns and not table.any_update:
        columns = " of " + ", ".join(quoted(column) for column in table.columns)
    by_row = table.is_partitioned
    if keys:
        moved = [
            f"case when old.{quoted(column)}::text is distinct from new.{quoted(column)}::text then "
            f"{tagged('old', column)} end"
            for column in keys
        ]
        values = ",\n            ".join([*(tagged("new", column) for column in keys), *moved])
        # what is only handed over, the statement need not prepare for each row
        update = (
            f"        v_keys := array[\n            {values}\n        ];\n"
            f"        insert into trueup.changes (table_name, keys)\n"
            f"        values ({literal(name)}, v_keys);\n"
        )
        body = (
            f"    if tg_op = 'UPDATE' then\n{compared}{update}"
            f"    elsif tg_op = 'INSERT' then\n{one('new') if by_row else listed('n', 'new_rows')}"
            f"    elsif tg_op = 'DELETE' then\n{one('old') if by_row else listed('o', 'old_rows')}"
            f"    else\n{whole}    end if;\n"
        )
        inserted, deleted = (
            "for each row" if by_row else f"referencing {rows} for each statement"
            for rows in ("new table as new_rows", "old table as old_rows")
        )
        events += [
            _trigger("insert", name, "after insert", inserted),
            _trigger("update", name, f"after update{columns}", "for each row"),
            _trigger("delete", name, "after delete", deleted),
        ]
    else:
        body = whole.replace("        insert", "    insert", 1)
        if by_row and compared:
            body = f"    if tg_op = 'UPDATE' then\n{compared}    end if;\n\n{body}"
        each = "for each row" if by_row else "for each statement"
        events += [
            _trigger("insert", name, "after insert", each),
            _trigger("update", name, f"after update{columns}", each),
            _trigger("delete", name, "after delete", each),
        ]
    events.append(_trigger("truncate", name, "after truncate", "for each statement"))
    required = ""
    if not name.startswith("trueup."):
        # of rows, and of statements with their rows, something was noted: FOUND
        noted, known = ("found and ", "true") if keys or by_row else ("", "false")
        required = (
            f"\n    if {noted}current_setting('trueup.repair_id', true) <> '' then\n"
            f"        perform trueup.require_journal(tg_relid, tg_op, {known});\n    end if;\n\n"
        )
    declared = "declare\n    v_keys text[];\n" if keys else ""
    # a day is noted as a pass reads it, whatever the writer's DateStyle
    dated = not set(keys).isdisjoint(table.dated)
    settings = "".join(f"    set {setting}\n" for setting in _STYLES) if dated else ""
    return (
        f"create or replace function {function}()\n"
        "    returns trigger\n    language plpgsql\n    security definer\n"
        f"    set search_path = pg_catalog, pg_temp\n{settings}"
        f"as $$\n{declared}begin\n{body}{required}    return null;\nend;\n$$;\n" + "\n".join(events)
    )


def _alike(table: Watched) -> str:
    """Return the condition that an update changed nothing that counts.

    The first difference answers it; a type that need not have an operator for equality, or whose equal
    values are not always written alike, is compared by images.
    """
    if table.is_whole:
        return "old operator(pg_catalog.*=) new"
    exact = [quoted(column) for column in table.columns if column in table.exact]
    conditions = [f"old.{column} is not distinct from new.{column}" for column in exact]
    if images := [column for column in table.columns if column not in table.exact]:
        old, new = (
            f"row({', '.join(f'{row}.{quoted(column)}' for column in images)})::record"
            for row in ("old", "new")
        )
        conditions.append(f"{old} operator(pg_catalog.*=) {new}")
    return "\n            and ".join(conditions)


def _trigger(event: str, table: str, when: str, rest: str) -> str:
    function = function_name(table)
    return (
        f"create trigger trueup_changes_{event} {when} on {table}\n    {rest}\n"
        f"    execute function {function}();"
    )


def related(partners: tuple[str, ...]) -> str:
    """Return the expression for the entities that a row `v` of a check view names besides its own."""
    keys = ", ".join(literal(key) for key in partners)
    return f"trueup.related(v.evidence, array[{keys}])" if partners else "null::text[]"


class _Noted(NamedTuple):
    table_name: str
    is_whole: bool
    column_name: str | None
    keys: list[str] | None


class TrackedTable(NamedTuple):
    """A table that checks rest on; is_armed when triggers note its changes."""

    table_name: str
    is_armed: bool
    check_names: list[str]


class _Owed(NamedTuple):
    name: str
    owes_full: str


class EntityKey(NamedTuple):
    """Where the entities of a type live, and the key that names one, which may have several spellings."""

    entity_type: str
    table_name: str
    key_column: str
    key_type: str
    is_spelled_freely: bool


class _Column(NamedTuple):
    table_name: str
    column_name: str
    type: str


def tracked_tables(session: Session) -> list[TrackedTable]:
    """Return the tables that checks rest on, and whether triggers note their changes now."""
    return session.rows("check_tables", TrackedTable)


class Pending:
    """The changes that nobody has judged yet, and what they mean for each of the checks.

    `before`: the tables as they were before the checks were evaluated, where that is longer ago: what
    nobody noted then has not been seen. `apart`: entities are looked up in savepoints, so that a table
    that cannot be read ends nothing.
    """

    def __init__(
        self,
        session: Session,
        checks: Iterable[Check],
        before: Iterable[TrackedTable] = (),
        *,
        apart: bool = True,
    ) -> None:
        self._session = session
        self._apart = apart
        self._vias = {source.via for check in checks for source in check.sources if source.via}
        self._noted: dict[str, bool] = {}
        self._keys: dict[tuple[str, str], list[str]] = {}
        for noted in session.rows("pending_changes", _Noted):
            # noted by a trigger under the name of the catalogue, by a run under that of the population
            table = plain(noted.table_name)
            if noted.column_name is None:
                self._noted[table] = noted.is_whole or self._noted.get(table, False)
            else:
                self._keys.setdefault((table, noted.column_name), []).extend(noted.keys or [])
        self._tables: dict[str, list[str]] = {}
        self._unarmed: dict[str, str] = {}
        now = tracked_tables(session)
        for tracked in now:
            for check in tracked.check_names:
                self._tables.setdefault(check, []).append(plain(tracked.table_name))
        for tracked in (*before, *now):
            if not tracked.is_armed:
                for check in tracked.check_names:
                    self._unarmed.setdefault(check, plain(tracked.table_name))
        self._owed = {owed.name: owed.owes_full for owed in session.rows("owed_checks", _Owed)}
        self.entities = {key.entity_type: key for key in session.rows("entity_keys", EntityKey)}
        self._own = {
            name: Source(plain(key.table_name), key.key_column, name) for name, key in self.entities.items()
        }
        self._sources: dict[str, tuple[Source, ...]] = {}
        # None: what changed cannot be followed to entities
        self._found: dict[Source, frozenset[str] | None] = {}
        self._concerned: dict[tuple[Source, ...], dict[str, frozenset[str]]] = {}

    @cached_property
    def _types(self) -> dict[tuple[str, str], str]:
        tables = list({key.table_name for key in self.entities.values()})
        found = self._session.rows("column_types", _Column, tables=tables, columns=list(self._vias))
        return {(column.table_name, column.column_name): column.type for column in found}

    def unnoted(self, check: Check) -> str | None:
        """Say which table's changes nobody notes, although the check rests on it."""
        table = self._unarmed.get(check.name)
        return f"changes of {table} are not noted" if table else None

    def full_reason(self, check: Check) -> str | None:
        """Say why the check must be evaluated in full; None when the changes are known one by one."""
        if check.name in self._owed:
            return self._owed[check.name]
        if check.time == "begins" and not check.sources:
            return None  # its view is read whole anyway
        named = {source.table for source in check.sources}
        for table in self._tables.get(check.name, ()):
            if self._noted.get(table):
                return f"more of {table} changed than is followed one by one"
            if table in self._noted and table not in named:
                return f"{table} changed"
        for source in self._changed(check):
            if self._entities_of(source) is None:
                return f"changes of {source.table}.{source.column} cannot be followed"
        return self.unnoted(check)

    def concerned(self, check: Check) -> dict[str, frozenset[str]]:
        """Return the keys of the entities whose verdict the changes concern, by entity type.

        Those that can be followed: `full_reason` says whether all can.
        """
        sources = self._changed(check)
        if sources not in self._concerned:
            found: dict[str, frozenset[str]] = {}
            for source in sources:
                if ids := self._entities_of(source):
                    found[source.entity] = found.get(source.entity, frozenset()) | ids
            self._concerned[sources] = found
        return dict(self._concerned[sources])

    def _changed(self, check: Check) -> tuple[Source, ...]:
        if check.name not in self._sources:
            # what a run or a guard leaves to the next pass it notes under the entity's own key
            own = (self._own[p.entity] for p in check.populations if p.entity in self._own)
            # checks of one entity name the same columns: each question is asked once
            named = dict.fromkeys((*check.sources, *own))
            self._sources[check.name] = tuple(s for s in named if (s.table, s.column) in self._keys)
        return self._sources[check.name]

    def _entities_of(self, source: Source) -> frozenset[str] | None:
        if source not in self._found:
            key = self.entities.get(source.entity)
            values = self._keys[source.table, source.column]
            if key is None:
                # of a check that is not deployed yet
                self._found[source] = None
            elif source.via is None:
                keys = (_key(value, key.key_type) for value in values)
                found = frozenset(found for found in keys if found is not None)
                if found and (key.key_type not in _CERTAIN or key.is_spelled_freely):
                    # the table may spell it in another way, 5 and not 5.00; one that is gone is not there
                    spelled = self._looked_up(key, key.key_column, key.key_type, list(found))
                    self._found[source] = None if spelled is None else found | spelled
                else:
                    self._found[source] = found
            elif kind := self._types.get((key.table_name, source.via)):
                keys = (_key(value, kind) for value in values)
                fitting = [found for found in keys if found is not None]
                self._found[source] = self._looked_up(key, source.via, kind, fitting)
            else:
                # the column was renamed or dropped since, or a policy hides rows of the table from this role
                self._found[source] = None
        return self._found[source]

    def _looked_up(self, key: EntityKey, via: str, kind: str, values: list[str]) -> frozenset[str] | None:
        """Return the entities with one of the values in a column; None when they cannot be read."""
        text = (
            f"select t.{quoted(key.key_column)}::text from {key.table_name} as t "
            f"where t.{quoted(via)} = any(%(values)s::{kind}[])"
        )
        if kind in _CERTAIN and not self._apart:
            return frozenset(self._session.texts(text, values=values))
        try:
            # one value that is none of the type or of the domain, or a table that somebody holds or that the
            # role may not read, must not end the pass, or what a run files
            with self._session.transaction(rollback=True):
                self._session.set_local("lock_timeout", LOCK_WAIT)
                return frozenset(self._session.texts(text, values=values))
        except ServerSaid as error:
            if error.diag.severity_nonlocalized in ("FATAL", "PANIC") or sqlstate(error) is None:
                raise
            return None


def _key(value: str, key_type: str) -> str | None:
    """Return text as the server writes a key; None when it is no key: a column may hold keys of others.

    A column of another type may spell it in its own way: 7.00, or a UUID without dashes.
    """
    if bits := _INTEGER_BITS.get(key_type):
        # nearly all of them: fewer digits than the largest has, and the first is not 0
        if value.isdecimal() and value.isascii() and value[0] != "0" and len(value) < bits * 3 // 10:
            return value
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            return None
        # what has too many digits is not written out
        if not number.is_finite() or number.adjusted() > 19 or number != number.to_integral_value():
            return None
        most = 2 ** (bits - 1)
        return str(int(number)) if -most <= number < most else None
    if key_type == "uuid":
        digits = value.strip().strip("{}").replace("-", "").lower()
        if _HEX.fullmatch(digits) is None:
            return None
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return value
