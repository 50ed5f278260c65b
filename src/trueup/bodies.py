"""Ask a server whether the bodies of a pack's functions can run, without running them.

Deployment does not look into bodies, because they may name what comes later. Here the whole
pack is deployed in a transaction that is rolled back, and each body is then read: by the
server's own validator, and by the extension plpgsql_check where there is one. Elsewhere the
statements in a plpgsql body are prepared one by one, with NULLs of the right type for its
variables; what is put together at run time is seen by neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from trueup import packs, server
from trueup.errors import CatalogError, UsageError
from trueup.fitting import fitted
from trueup.migration import at_head
from trueup.packs import CORE, Pack, SqlFile
from trueup.store import ServerSaid, Session, quoted, session, sqlstate
from trueup.tokens import Token, inside, statements, tokens

# of a statement that is wrong, and not of a server that cannot just now
_WRONG = ("0A", "22", "23", "2B", "42")
_FORBIDDEN = "42501"
# what is not there: a schema, table, column, function, type
_ABSENT = ("3F000", "42P01", "42703", "42883", "42704")
# a temporary table of the caller, a parameter that is set at run time
_EXPECTED = re.compile(r"pg_temp\.|unrecognized configuration parameter")
_MADE = re.compile(r"^\s*create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?(?!trueup\.)", re.M | re.I)
_TEXT = ("tg_op", "tg_table_name", "tg_table_schema", "tg_when", "tg_level", "tg_name", "sqlstate", "sqlerrm")
_KNOWN = {
    **dict.fromkeys(_TEXT, "text"),
    "tg_argv": "text[]",
    "tg_nargs": "integer",
    "tg_relid": "oid",
    "found": "boolean",
}
_BEGINS = {"begin", "then", "else", "loop", "declare"}


class NoTablesError(UsageError):
    """The pack makes no tables of its own, and no database was named that has them."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a body: file (relative to the pack or the core), line, message, and the rule."""

    file: str
    line: int
    message: str
    is_core: bool
    rule: str = "body"


@dataclass(frozen=True)
class Tried:
    """What was found in all bodies, and in `notes` how far one can see."""

    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()


class _Function(NamedTuple):
    identity: str
    oid: int
    language: str
    is_trigger: bool
    argument_names: list[str]
    argument_types: list[str]
    search_path: str
    stands_on: list[list[str]]


class _Source(NamedTuple):
    """Where the body of a function stands."""

    file: SqlFile
    body: Token

    def line(self, within: int) -> int:
        """Return the line of the file for a line of the body, whose first is that of the opening dollars."""
        return self.body.line + within - 1


@dataclass
class _Scope:
    """The variables of a body with their types; an empty type is one that is not known."""

    types: dict[str, str] = field(default_factory=dict)
    row: str = ""
    function: str = ""


def tried(root: Path | None, database: str | None) -> Tried:
    """Deploy the pack in a database to be thrown away and read every body; nothing is left there.

    Raises NoTablesError when no database is named and the pack makes no tables of its own,
    ServerError when none is named and there is no embedded server, CatalogError never: a file
    that the server refuses is a fault.
    """
    pack = packs.load(root)
    if database is None:
        if not _makes_tables(pack):
            raise NoTablesError(
                "name a database to be thrown away that has the application's tables (--database)"
            )
        with server.temporary() as started, session(started.url(), "lint") as connection:
            return _tried(connection, pack)
    with session(database, "lint") as connection:
        return _tried(connection, pack)


def _makes_tables(pack: Pack) -> bool:
    """Say whether a revision of the pack creates a table of the application, and not of ours alone."""
    revisions = (pack.root / "migrations" / "versions").glob("*.up.sql")
    return any(_MADE.search(packs.readable(revision)) for revision in revisions)


def _tried(connection: Session, pack: Pack) -> Tried:
    try:
        pack = fitted(connection, pack)
        with at_head(connection, pack):
            connection.set_local("search_path", "pg_catalog")
            connection.set_local("check_function_bodies", "on")
            checker = _checker(connection)
            faults = [*_faults(connection, pack, checker), *_hidden(connection, pack)]
    except CatalogError as error:
        return Tried((_undeployed(pack, error),))
    except ServerSaid as error:
        if not (sqlstate(error) or "").startswith(_WRONG) or sqlstate(error) == _FORBIDDEN:
            raise
        message = error.diag.message_primary or str(error)
        return Tried((Fault("migrations/versions", 1, f"a revision cannot run: {message}", False),))
    note = (
        ""
        if checker
        else "plpgsql_check is not on this server: what a body puts together at run time was not seen"
    )
    return Tried(tuple(faults), (note,) if note else ())


def _undeployed(pack: Pack, error: CatalogError) -> Fault:
    """Return the fault of a file that the server refused."""
    name, _, message = str(error).partition(": ")
    line = 1
    text = next((file.text for file in pack.files if file.name == name), "")
    if isinstance(error.__cause__, ServerSaid) and (place := error.__cause__.diag.statement_position):
        line = text.count("\n", 0, int(place) - 1) + 1
    return Fault(name, line, message.splitlines()[0], _is_core(pack, name))


def _is_core(pack: Pack, name: str) -> bool:
    return not (pack.root / name).is_file() and (CORE / name).is_file()


def _checker(connection: Session) -> str | None:
    """Return the schema of plpgsql_check, made here if it can be; None where there is none."""
    if not connection.value("has_plpgsql_check"):
        return None
    try:
        with connection.transaction():
            connection.script("create extension if not exists plpgsql_check with schema trueup")
    except ServerSaid:
        return None
    (schema,) = connection.texts(
        "select extnamespace::regnamespace::text from pg_catalog.pg_extension where extname = 'plpgsql_check'"
    )
    return schema


def _faults(connection: Session, pack: Pack, checker: str | None) -> Iterator[Fault]:
    sources = dict(_sources(pack))
    for function in connection.rows("lint_functions", _Function, identities=list(sources)):
        source = sources[function.identity]
        found = list(_validated(connection, function, source))
        if not found and function.language == "plpgsql" and (function.stands_on or not function.is_trigger):
            # a branch for one table is wrong on another: a trigger's fault is what is said of it on all
            said = [
                _checked(connection, function, source, place, checker)
                if checker
                else _prepared(connection, function, source, place)
                for place in function.stands_on or [["", "", ""]]
            ]
            found = sorted(set.intersection(*said))
        for line, message in dict.fromkeys(found):
            yield Fault(
                source.file.name,
                line,
                f"{function.identity}: {message}",
                _is_core(pack, source.file.name),
            )


class _Hidden(NamedTuple):
    check_name: str
    function: str
    table_name: str


def _hidden(connection: Session, pack: Pack) -> Iterator[Fault]:
    """Yield what checks read in bodies that hide it: passes over changes would miss it."""
    # a check that time begins is read whole by every pass
    checks = {check.name: check for check in pack.checks if check.sources and check.time != "begins"}
    for found in connection.rows("hidden_reads", _Hidden, names=list(checks)):
        check = checks[found.check_name]
        text = next(file.text for file in pack.files if file.name == check.file)
        at = re.search(r"^-- changes:", text, re.M)
        yield Fault(
            check.file,
            text.count("\n", 0, at.start()) + 1 if at else 1,
            f"{found.function} reads {found.table_name}, and its body is a string, which hides that: give it "
            "an SQL-standard body (begin atomic), or name the table here",
            check.is_core,
            "hidden-read",
        )


def _sources(pack: Pack) -> Iterator[tuple[str, _Source]]:
    for file in pack.files:
        for statement in statements(tokens(file.text)):
            words = [token.text for token in statement]
            if words[0] != "create" or not {"function", "procedure"} & set(words[1:4]):
                continue
            at = next(at for at, word in enumerate(words) if word in ("function", "procedure"))
            if body := next((token for token in statement if token.kind == "body"), None):
                yield "".join(words[at + 1 : at + 4]), _Source(file, body)


def _validated(connection: Session, function: _Function, source: _Source) -> Iterator[tuple[int, str]]:
    if function.language not in ("sql", "plpgsql"):
        return
    try:
        with connection.transaction():
            connection.set_local("search_path", function.search_path)
            connection.value(f"validate_{function.language}", oid=function.oid)
    except ServerSaid as error:
        at = error.diag.internal_position or error.diag.statement_position
        line = inside(source.body).count("\n", 0, int(at) - 1) + 1 if at else 1
        yield source.line(line), error.diag.message_primary or str(error)


def _checked(
    connection: Session, function: _Function, source: _Source, place: list[str], schema: str
) -> set[tuple[int, str]]:
    """Return what plpgsql_check calls an error; `place` is a trigger's table with its transition tables."""
    given = {name: text for name, text in zip(("relid", "oldtable", "newtable"), place, strict=True) if text}
    more = "".join(f", {name} => %({name})s" for name in given).replace("%(relid)s", "%(relid)s::regclass")
    rows = connection.dicts(
        f"select lineno, sqlstate, message, level from {quoted(schema, 'plpgsql_check_function_tb')}"
        f"(%(oid)s::oid::regprocedure{more})",
        oid=function.oid,
        **given,
    )
    return {
        (source.line(row["lineno"] or 1), row["message"])
        for row in rows
        if row["level"] == "error"
        and row["sqlstate"].startswith("42")
        and not _EXPECTED.search(row["message"])
    }


def _prepared(
    connection: Session, function: _Function, source: _Source, place: list[str]
) -> set[tuple[int, str]]:
    """Return what the server says when each statement is prepared; `place` is as in `_checked`."""
    table, *transition = place
    said = set()
    with connection.transaction(rollback=True):
        for name in filter(None, transition):
            connection.script(f"create temporary table {quoted(name)} (like {table})")
        connection.set_local("search_path", function.search_path)
        scope = _Scope({**_KNOWN, **_arguments(function)}, table, function.identity.partition(".")[2])
        for line, text in _statements(source, scope):
            if message := _refused(connection, text):
                said.add((line, message))
    return said


def _arguments(function: _Function) -> dict[str, str]:
    named = zip(function.argument_names, function.argument_types, strict=False)
    return {name: kind for name, kind in named if name}


def _refused(connection: Session, text: str) -> str | None:
    try:
        with connection.transaction():
            connection.script(f"prepare trueup_lint as {text}")
        connection.script("deallocate trueup_lint")
    except ServerSaid as error:
        message = error.diag.message_primary or str(error)
        # whatever else is said may be for want of a variable's type
        return message if sqlstate(error) in _ABSENT and not _EXPECTED.search(message) else None
    return None


def _statements(source: _Source, scope: _Scope) -> Iterator[tuple[int, str]]:
    """Yield the SQL statements and expressions of a plpgsql body, each with its line."""
    found = tokens(inside(source.body), source.body.line)
    text = inside(source.body)
    at = 0
    while at < len(found):
        words = [token.text for token in found[at : at + 3]]
        if words[0] == "declare":
            at = _declared(found, at + 1, text, scope)
            continue
        if words[0] == "#":  # an option of the compiler: two words
            at += 3
            continue
        if words[0] in _BEGINS or words[0] == ";":
            at += 1
            continue
        end, stop = _end(found, at)
        part: list[Token] = []
        lead = "select "
        if words[0] in ("select", "with", "insert", "update", "delete", "merge"):
            part, lead = found[at:end], ""
        elif words[0] == "perform":
            part = found[at + 1 : end]
        elif words[:2] == ["return", "query"] and words[2:] != ["execute"]:
            part, lead = found[at + 2 : end], ""
        elif words[0] == "for" and words[2:] == ["in"] and (inner := found[at + 3 : end]):
            is_query = inner[0].text in ("select", "with")
            scope.types.setdefault(words[1], "" if is_query or inner[0].text == "execute" else "integer")
            part, lead = (inner, "") if is_query else ([], "")
        elif words[0] in ("if", "elsif", "while"):
            part = found[at + 1 : end]
        elif assigned := [place for place in range(at, end) if found[place].text == ":="]:
            part = found[assigned[0] + 1 : end]
        elif words[0] == "return" and not scope.row and end > at + 1 and words[1] != "next":
            part = found[at + 1 : end]
        if part:
            yield part[0].line, lead + _spelled(part, text, scope)
        at = end + (1 if stop else 0)


def _end(found: list[Token], at: int) -> tuple[int, bool]:
    """Return where a statement or the condition of one ends, and whether a word or mark stands there."""
    depth = cases = 0
    for place in range(at, len(found)):
        token = found[place]
        if token.kind == "mark":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == ";" and not depth:
                return place, True
        elif token.kind == "word" and not depth:
            if token.text == "case" and place > at:
                cases += 1
            elif token.text == "end" and cases:
                cases -= 1
            elif token.text in ("then", "loop", "else") and not cases:
                return place, True
    return len(found), False


def _declared(found: list[Token], at: int, text: str, scope: _Scope) -> int:
    """Note the variables of a declaration section; return where it ends."""
    while at < len(found) and found[at].text != "begin":
        end, _ = _end(found, at)
        kind = [token for token in found[at + 1 : end] if token.text not in ("constant",)]
        stop = next(
            (place for place, token in enumerate(kind) if token.text in (":=", "=", "default", "not")),
            len(kind),
        )
        spelled = (
            text[kind[0].start : kind[stop - 1].start + len(kind[stop - 1].text)] if kind and stop else ""
        )
        is_known = spelled != "record" and "%" not in spelled
        scope.types[found[at].text] = spelled if is_known else ""
        at = end + 1
    return at


def _spelled(part: list[Token], text: str, scope: _Scope) -> str:
    """Return a statement with its variables as NULLs of their types, and without its INTO."""
    pieces: list[str] = []
    last = part[0].start
    at = 0
    while at < len(part):
        token = part[at]
        before = part[at - 1].text if at else ""
        after = part[at + 1].text if at + 1 < len(part) else ""
        end = at + 1
        instead: str | None = None
        if token.kind == "word" and token.text == "into" and before not in ("insert", "merge"):
            end = _targets_end(part, at + 1)
            instead = " "
        elif token.kind == "word" and before not in (".", "as") and after not in ("(", "=>"):
            if token.text == scope.function and after == "." and at + 2 < len(part):
                # a variable under the name of its function
                end = at + 3
                instead = (
                    f"(null::{scope.types[part[at + 2].text]})"
                    if scope.types.get(part[at + 2].text)
                    else "null"
                )
            elif token.text in ("new", "old") and scope.row:
                instead = f"(null::{scope.row})"
            elif token.text in scope.types:
                kind = scope.types[token.text]
                if after == "." and not kind:
                    end = at + 3
                instead = f"(null::{kind})" if kind else "null"
        if instead is not None:
            pieces += [text[last : token.start], instead]
            last = part[end].start if end < len(part) else part[-1].start + _width(part[-1], text)
            if end < len(part) and instead != " ":
                pieces.append(" " if part[end].kind in ("word", "quoted", "number", "string") else "")
        at = end
    pieces.append(text[last : part[-1].start + _width(part[-1], text)])
    return "".join(pieces)


def _width(token: Token, text: str) -> int:
    """Return how many characters a token takes in the text."""
    return len(token.text) + 2 + token.text.count('"') if token.kind == "quoted" else len(token.text)


def _targets_end(part: list[Token], at: int) -> int:
    """Return where the list of variables after INTO ends."""
    if at < len(part) and part[at].text == "strict":
        at += 1
    while at < len(part):
        at += 1
        while at + 1 < len(part) and part[at].text == ".":
            at += 2
        if at < len(part) and part[at].text == ",":
            at += 1
        else:
            break
    return at
