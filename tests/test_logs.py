"""Logs: where they go, how they look, and that no value of a row is ever in them."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from helpers import ROOT, add_revision, copy_pack, plant, run, sql, value
from psycopg.conninfo import make_conninfo

import trueup
from trueup import changes, enforcement, repairing, retention, review
from trueup.errors import DatabaseError, RefusedError, TrueupError, UsageError, logged
from trueup.operating import logs
from trueup.operating.config import Log
from trueup.store import session

PACKAGE = ROOT / "src" / "trueup"
ERROR_FIELDS = "error…"


@pytest.fixture
def _configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what a test configures."""
    loggers = [logging.getLogger(name) for name in (None, logs.ROOT, *logs.SILENCED)]
    levels = [each.level for each in loggers]
    handlers = list(loggers[0].handlers)
    yield
    for handler in loggers[0].handlers[:]:
        if handler not in handlers:
            loggers[0].removeHandler(handler)
            handler.close()
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def written_text(path: Path) -> list[str]:
    return path.read_text().splitlines()


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# the list of events


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("log", "logger", "logging")
                and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical", "log")
            ):
                yield f"{path.name}:{node.lineno}", node


def described(where: str, call: ast.Call) -> tuple[str, set[str], list[str]]:
    """Return an event's name, levels and fields, and refuse what is not written by the rules."""
    assert isinstance(call.func, ast.Attribute)
    levels, rest = {call.func.attr}, call.args
    if call.func.attr == "log":
        levels = {
            node.attr.lower()
            for node in ast.walk(rest[0])
            if isinstance(node, ast.Attribute) and node.attr in ("DEBUG", "INFO", "WARNING", "ERROR")
        }
        rest = rest[1:]
    assert len(rest) == 1, f"{where}: the message is one fixed name"
    assert isinstance(rest[0], ast.Constant), f"{where}: the message is one fixed name"
    assert [keyword.arg for keyword in call.keywords] in ([], ["extra"]), f"{where}: all else goes in extra"
    fields: list[str] = []
    for keyword in call.keywords:
        assert isinstance(keyword.value, ast.Dict), f"{where}: extra is written out, so that it can be read"
        for key, item in zip(keyword.value.keys, keyword.value.values, strict=True):
            if key is None:
                assert ast.unparse(item) == "logged(error)", f"{where}: only logged(error) is put in whole"
                fields.append(ERROR_FIELDS)
            else:
                assert isinstance(key, ast.Constant), where
                fields.append(str(key.value))
    taken = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "time", "level", "event", "logger"}
    assert not taken & set(fields), f"{where}: {taken & set(fields)} are names of logging's own"
    return str(rest[0].value), levels, fields


def test_every_event_is_listed_with_its_fields() -> None:
    text = (ROOT / "docs" / "logs.md").read_text().split("## Events")[1]
    listed = {
        name: (set(levels.split(", ")), fields.split(", "))
        for name, levels, fields in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", text, re.M)
        if name != "event"
    }
    logged_events = {}
    for where, call in calls():
        name, levels, fields = described(where, call)
        assert name not in logged_events, f"{where}: {name} is logged in another place too"
        logged_events[name] = (levels, fields)
    for name, (levels, fields) in logged_events.items():
        row = f"| {name} | {', '.join(sorted(levels, reverse=True))} | {', '.join(fields)} | … |"
        assert listed.get(name) == (levels, fields), f"docs/logs.md should list:\n{row}"
    assert listed.keys() == logged_events.keys()
    assert list(listed) == sorted(listed)


# how a line looks


def line(form: logging.Formatter, event: str = "job finished", **extra: Any) -> str:
    record = logging.getLogger("trueup.x").makeRecord(
        "trueup.x", logging.INFO, "x.py", 1, event, (), None, extra=extra
    )
    record.created = datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp()
    return form.format(record)


def test_a_line_of_text() -> None:
    found = line(logs.AsText(), job="check", duration_ms=1.5, empty="", none=None, text='say "a b"', ok=True)
    assert found == (
        "2026-03-29T01:00:00.000Z info    job finished "
        r'job=check duration_ms=1.5 empty="" none=null text="say \"a b\"" ok=true'
    )


def test_a_line_of_json() -> None:
    found = json.loads(
        line(logs.AsJson(), job="check", slot=datetime(2026, 1, 1, tzinfo=UTC), names=("a", 1))
    )
    assert found == {
        "time": "2026-03-29T01:00:00.000Z",
        "level": "info",
        "event": "job finished",
        "logger": "trueup.x",
        "job": "check",
        "slot": "2026-01-01T00:00:00+00:00",
        "names": ["a", 1],
    }


@pytest.mark.parametrize("form", [logs.AsText(), logs.AsJson()])
def test_nothing_forges_a_line_or_steers_a_terminal(form: logging.Formatter) -> None:
    nasty = "a\nb\r\x1b[2J\x00\x7f\x9b31m\u202e\u2028\ud800 = \x85"
    found = line(form, event=nasty, company=nasty, more={nasty: [nasty]})
    assert found.isprintable()
    assert found.encode()
    assert len(line(form, company="x" * 100_000)) < 1000


def test_other_libraries_are_cited_without_addresses_and_errors_without_words() -> None:
    record = logging.makeLogRecord({"name": "other", "msg": "failed: https://u:p@host/t?k=1 and slack://a/b"})
    assert logs.fields(record)["event"] == "failed: *** and ***"
    try:
        raise ValueError("Anna Muster")
    except ValueError:
        record = logging.makeLogRecord({"name": "trueup.x", "msg": "x", "exc_info": sys.exc_info()})
    assert logs.fields(record)["error"] == "ValueError"
    assert "Anna" not in logs.AsJson().format(record) + logs.AsText().format(record)


# what is told of an error


@pytest.mark.one_server
def test_an_error_is_told_by_its_class_and_state(database: str) -> None:
    with pytest.raises(TrueupError) as caught, session(database, "test") as connection:
        connection.script("select 'Anna Muster'::integer")
    assert "Anna" in str(caught.value), "a person at the terminal is told"
    assert logged(caught.value) == {"error": "TrueupError", "sqlstate": "22P02"}
    with pytest.raises(DatabaseError) as lost:
        trueup.check(database=make_conninfo(database, dbname="nowhere", password="secret"))
    assert logged(lost.value)["error"] == "ConnectionLostError"
    assert 'database "nowhere" does not exist' in logged(lost.value)["reason"]
    with pytest.raises(RefusedError) as refused:
        review.extend(1, UUID(int=1), database=database)
    assert logged(refused.value) == {"error": "RefusedError", "sqlstate": refused.value.sqlstate}
    assert logged(UsageError("not\n  so"))["reason"] == "not so"
    assert logged(UsageError("at https://u:p@host/x"))["reason"] == "at https://***@host/x"
    with pytest.raises(ValueError, match="Expecting") as fault:
        json.loads("{")
    assert logged(fault.value)["at"].startswith("decoder.py:")


# where it goes


@pytest.mark.usefixtures("_configured")
def test_the_file_survives_logrotate(tmp_path: Path) -> None:
    path = tmp_path / "trueup.log"
    logs.configure(Log("info", "json", path))
    logging.getLogger("trueup.x").info("one")
    path.rename(tmp_path / "trueup.log.1")
    logging.getLogger("trueup.x").info("two")
    logging.getLogger("trueup.x").debug("three")
    assert [each["event"] for each in written(path)] == ["two"]
    assert [each["event"] for each in written(tmp_path / "trueup.log.1")] == ["one"]


@pytest.mark.usefixtures("_configured")
def test_what_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"log\.file: .*missing/x\.log: cannot be written: No such file"):
        logs.configure(Log("info", "text", tmp_path / "missing" / "x.log"))
    with pytest.raises(UsageError, match="there is no level 'loud'; it is one of debug"):
        logs.configure(Log("loud", "text", None))
    with pytest.raises(UsageError, match="there is no format 'xml'"):
        logs.configure(Log("info", "xml", None))
    logs.configure(Log("info", "text", Path("/dev/full")))
    logging.getLogger("trueup.x").info("lost")
    logging.getLogger("trueup.x").info("lost as well")
    said = "trueup: log.file: /dev/full: cannot be written, events are lost: No space left on device\n"
    assert capsys.readouterr().err == said, "once"
    moved = tmp_path / "logs" / "x.log"
    moved.parent.mkdir()
    logs.configure(Log("info", "text", moved))
    moved.unlink()
    moved.parent.rmdir()
    logging.getLogger("trueup.x").info("lost")
    assert capsys.readouterr().err == said.replace("/dev/full", str(moved)).replace(
        "No space left on device", "No such file or directory"
    )
    logs.configure(Log("info", "text", None))
    for broken in (None, io.StringIO()):
        if broken:
            broken.close()
        monkeypatch.setattr(sys, "stderr", broken)
        logging.getLogger("trueup.x").info("lost")


@pytest.mark.usefixtures("_configured")
def test_configuring_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        logs.configure(Log("info", "text", None))
    logging.getLogger("trueup.x").warning("told")
    for name in logs.SILENCED:
        logging.getLogger(f"{name}.engine").error("SELECT 'Anna'")
    logging.getLogger("other").info("detail")
    (only,) = capsys.readouterr().err.splitlines()
    assert only.endswith(" warning told")


# the command line


@pytest.mark.one_server
def test_a_command_tells_an_error_once(database: str, tmp_path: Path) -> None:
    wrong = ["check", "nothing"]
    assert run(*wrong, url=database).stderr == (
        "trueup: no check is called nothing; `trueup catalog` lists them\n"
    )
    path = tmp_path / "x.log"
    done = run("--log-file", path, *wrong, url=database)
    assert done.stderr.startswith("trueup: no check")
    failure, end = written_text(path)
    assert failure.endswith(
        " error   command failed command=check error=NotFoundError"
        ' reason="no check is called nothing; `trueup catalog` lists them"'
    )
    assert " info    command finished command=check exit_code=2 duration_ms=" in end
    done = run(*wrong, url=database, TRUEUP_LOG_FORMAT="json")
    (only,) = (json.loads(text) for text in done.stderr.splitlines())
    assert (only["event"], only["command"], only["error"]) == ("command failed", "check", "NotFoundError")
    assert done.returncode == 2
    assert run("--log-level", "loud", "status", url=database).returncode == 2


@pytest.mark.one_server
def test_options_come_before_the_environment_and_the_environment_before_the_file(
    database: str, tmp_path: Path
) -> None:
    configuration = tmp_path / "trueup.toml"
    configuration.write_text('[log]\nlevel = "info"\nformat = "json"\n')
    environment = {"TRUEUP_CONFIG": str(configuration)}
    told = run("check", "call_backlink_missing", url=database, **environment).stderr
    assert [json.loads(text)["event"] for text in told.splitlines()] == ["run finished", "command finished"]
    told = run("check", "call_backlink_missing", url=database, TRUEUP_LOG_LEVEL="error", **environment).stderr
    assert told == ""
    told = run(
        "--log-level", "debug", "--log-format", "text", "check", "call_backlink_missing",
        url=database, TRUEUP_LOG_LEVEL="error", **environment,
    ).stderr  # fmt: skip
    assert [re.sub(r"\S+ (\w+) +(\w+ \w+).*", r"\1 \2", text) for text in told.splitlines()] == [
        "debug run begun", "debug check evaluated", "info run finished", "info command finished",
    ]  # fmt: skip
    configuration.write_text("[log]\nlevel = 3\n")
    assert run("check", "--help", **environment).returncode == 0
    assert "log.level: 3 is not text" in run("check", url=database, **environment).stderr


@pytest.mark.one_server
def test_a_check_that_fails_is_a_warning_without_words(database: str, tmp_path: Path) -> None:
    sql(
        database,
        "create or replace view trueup.call_backlink_missing as select c.company_id, 'call'::text as entity_type,"
        " c.id as entity_id, 'x'::text as description, jsonb_build_object('n', ('Anna ' || c.id)::integer) as evidence"
        " from public.calls as c",
    )
    plant(database, "select factory.company(1); select factory.call(id => 1)")
    path = tmp_path / "x.log"
    done = run("--log-file", path, "--log-format", "json", "check", "call_backlink_missing", url=database)
    assert done.returncode == 3
    assert "Anna" in done.stdout
    failure = next(each for each in written(path) if each["event"] == "check failed")
    assert (failure["level"], failure["check"], failure["sqlstate"]) == (
        "warning", "call_backlink_missing", "22P02",
    )  # fmt: skip
    assert "Anna" not in path.read_text()
    assert run("check", "call_backlink_missing", url=database).stderr == "", "its table says it"


# no value of a row


@pytest.mark.one_server
@pytest.mark.usefixtures("_configured")
def test_the_incident_leaves_no_value_of_a_row_in_the_logs(incident_database: str, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    logs.configure(Log("debug", "json", path))
    rows = sql(
        incident_database,
        "select name, phone, email from public.customers"
        " union select customer_name, from_number, to_number from public.calls"
        " union select a ->> 'name', a ->> 'email', booking_details #>> '{calcom_booking,uid}' from public.calls"
        " cross join jsonb_path_query(booking_details, '$.calcom_booking.attendees[*]') as a",
    )
    values = {json.dumps(cell)[1:-1] for row in rows for cell in row if cell and len(cell) > 3}
    assert len(values) > 100
    given: dict[str, Any] = {"database": incident_database}
    trueup.adopt(apply=True, **given)
    # the application's own constraint refuses a repair, and the refusal quotes the row
    alter = "alter table public.calls"
    sql(
        incident_database,
        f"{alter} add constraint without_backlink check (appointment_id is null) not valid",
    )
    trueup.repair(["call_backlink_missing"], apply=True, **given)
    sql(incident_database, f"{alter} drop constraint without_backlink")
    trueup.repair(["call_booked_without_appointment", "call_transcript_name"], apply=True, **given)
    enforcement.enforce(**given)
    changes.check_changed(**given)
    claim = review.next_item("ann", **given)
    assert claim
    review.dismiss(claim.item.id, claim.token, "may stay", **given)
    repairing.undo(value(incident_database, "select max(id) from trueup.repairs"), **given)
    retention.prune(apply=True, **given)
    events = {each["event"] for each in written(path)}
    assert {
        "check evaluated", "check repaired", "repair finished", "deployment done", "prevention switched",
        "review decided", "repair undone", "prune finished",
    } <= events  # fmt: skip

    # a revision fails on rows that the server quotes
    pack = copy_pack(tmp_path / "pack")
    add_revision(pack, "unique_names", "create unique index on public.calls (from_number);")
    done = run("--log-file", path, "migrate", "--pack", pack, url=incident_database)
    assert done.returncode == 3
    assert "Key (from_number)=(" in done.stderr, "a person at the terminal is told"
    failure = written_text(path)[-2]
    assert "command failed command=migrate error=MigrationError sqlstate=23505" in failure

    text = path.read_text()
    # words for a withheld number say nothing of anybody
    assert not [each for each in values - {"withheld", "unknown", "anonymous"} if each in text]
    assert not re.search(r"(?i)\b(select|insert|update|create) ", text)
