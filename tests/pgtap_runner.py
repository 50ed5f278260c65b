"""Run one pgTAP file and judge what it said.

A file is `begin; select plan(n); ... select * from finish(); rollback;`. It fails for a test that is
not ok, and for everything that would let a broken file pass: no plan, fewer or more results than
planned, an error half-way, a transaction that is not its own or not rolled back.

pytest-pgtap cannot do this: it collects only `test*.sql`, takes one connection and so one server for
the whole session, loses the results before an error, and makes pytest 9 warn.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus

_PLAN = re.compile(r"1\.\.(\d+)(?:\s*#.*)?$")
_RESULT = re.compile(r"(not )?ok \d+\b(.*)$")
_EXPECTED = re.compile(r"# (?:TODO|SKIP)\b", re.IGNORECASE)
_TOKEN = re.compile(
    r"""
      --[^\n]*
    | /\*.*?\*/
    | \b[eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag)
    | (?P<end>;)
    | (?P<other>\S)
    """,
    re.VERBOSE | re.DOTALL,
)


class TapError(AssertionError):
    """The file failed; the text lists why, with pgTAP's own diagnostics."""


@dataclass
class Tap:
    """What a file said: the number planned, tests in order as (ok, text), and what went wrong besides."""

    planned: int | None = None
    results: list[tuple[bool, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def run(path: Path, url: str) -> int:
    """Run the file on the database, in a connection of its own, and return the number of tests.

    pgTAP is found in schema `tap`. Raises TapError when the file did not pass.
    """
    script = path.read_text()
    notices: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path = public, tap")
        connection.add_notice_handler(lambda said: notices.append(f"{said.severity}: {said.message_primary}"))
        tap = _send(connection, script)
    _judge(tap)
    failed = [text for ok, text in tap.results if not ok]
    if failed or tap.problems:
        count = f"{len(tap.results)} of {tap.planned or 0} tests ran, {len(failed)} failed"
        raise TapError("\n".join([f"{path.name}: {count}", *failed, *tap.problems, *notices]))
    return len(tap.results)


def parse(lines: Iterator[str], tap: Tap) -> None:
    """Add the lines of TAP to `tap`; a diagnostic belongs to the test before it."""
    for line in lines:
        if plan := _PLAN.match(line):
            if tap.planned is not None:
                tap.problems.append(f"a second plan: {line}")
            tap.planned = int(plan[1])
        elif result := _RESULT.match(line):
            ok = not result[1] or bool(_EXPECTED.search(result[2]))
            tap.results.append((ok, line))
        elif line.startswith("Bail out!"):
            tap.problems.append(line)
        elif line.startswith("#") and tap.results and not tap.results[-1][0]:
            ok, text = tap.results[-1]
            tap.results[-1] = (ok, f"{text}\n{line}")


def _send(connection: psycopg.Connection[tuple[object, ...]], script: str) -> Tap:
    """Send the file as psql -f would see it and collect each statement's result, up to an error."""
    tap = Tap()
    commands: list[str] = []
    connection.pgconn.send_query(script.encode())
    while result := connection.pgconn.get_result():
        if result.status == ExecStatus.TUPLES_OK:
            values = (result.get_value(row, 0) for row in range(result.ntuples))
            lines = (line for value in values if value for line in value.decode().splitlines())
            parse(lines, tap)
        elif result.status == ExecStatus.FATAL_ERROR:
            tap.problems.append(_error(result, script, len(commands)))
        elif result.status not in (ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY):
            tap.problems.append("the file cannot copy from or to its reader")
            connection.close()
            break
        commands.append((result.command_status or b"").decode())
    if not tap.problems:
        if commands[:1] != ["BEGIN"] or commands[-1:] != ["ROLLBACK"]:
            tap.problems.append("the file must start with begin; and end with rollback;")
        if "COMMIT" in commands:
            tap.problems.append("the file commits: what it did stays behind")
    if connection.info.transaction_status != TransactionStatus.IDLE:
        connection.close()
    return tap


def _judge(tap: Tap) -> None:
    if tap.planned is None:
        tap.problems.append("no plan: select plan(n)")
    elif len(tap.results) != tap.planned:
        tap.problems.append(f"planned {tap.planned} tests, ran {len(tap.results)}")
    elif not tap.results:
        tap.problems.append("nothing was tested")


def _error(result: psycopg.pq.abc.PGresult, script: str, statement: int) -> str:
    """Return the server's error and the line of the file where its statement begins."""
    position = result.error_field(psycopg.pq.DiagnosticField.STATEMENT_POSITION)
    offset = int(position) - 1 if position else next(_starts(script, statement), 0)
    line = script.count("\n", 0, offset) + 1
    return f"line {line}: {result.error_message.decode(errors='replace').strip()}"


def _starts(script: str, first: int) -> Iterator[int]:
    """Yield where statements begin, from number `first` on, counted from 0."""
    number, inside = 0, False
    for token in _TOKEN.finditer(script):
        if token["end"]:
            number, inside = number + inside, False
        elif not inside and not token[0].startswith(("--", "/*")):
            inside = True
            if number >= first:
                yield token.start()
