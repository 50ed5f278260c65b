"""Logs: one event a line, for people or for machines, and never a value of a row.

The modules log events: the message is a fixed name, everything else goes in `extra`
(docs/logs.md lists both). Here is the one place that says where they go and how they
look. A library that is imported into another program configures nothing.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from trueup.errors import UsageError
from trueup.operating.config import DEFAULT, Log, load

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
ROOT = "trueup"
# a value is cut here: no SQL text, no document is worth more of a line
LONGEST = 500
# what a command asked for at a terminal prints itself
PRINTED = frozenset({"check failed"})
# these put addresses with passwords, SQL and its parameters into messages; what matters of
# them is reported where it is handled
SILENCED = ("alembic", "apprise", "httpcore", "httpx", "psycopg", "requests", "sqlalchemy", "urllib3")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[\w.:,+@%/-]+")
_ADDRESS = re.compile(r"\w+://\S+")


def configure(log: Log, *, at_terminal: bool = False) -> None:
    """Send events to the file or to standard error, replacing what was configured before.

    `at_terminal`: a person waits for the command, which prints some events itself. Raises
    UsageError for a level or format that does not exist, and a file that cannot be written.
    """
    for what, given, known in (("level", log.level, LEVELS), ("format", log.format, FORMATS)):
        if given not in known:
            raise UsageError(f"log.{what}: there is no {what} '{given}'; it is one of {', '.join(known)}")
    handler: logging.Handler = _Terminal()
    if log.file:
        from trueup.operating.logfile import File

        handler = File(log.file)
    handler.name = ROOT
    handler.setFormatter(AsJson() if log.format == "json" else AsText())
    if at_terminal and not log.file and log.format == "text":
        handler.addFilter(lambda record: record.getMessage() not in PRINTED)
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.name == ROOT]:
        root.removeHandler(old)
        # what a full disk did not take is lost
        with suppress(OSError):
            old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger(ROOT).setLevel(log.level.upper())


def configure_command(file: Path | None = None) -> Log:
    """Configure what a command asked for at a terminal logs: warnings, unless a level is configured.

    Returns the section in effect. Raises UsageError as `load` and `configure` do.
    """
    loaded = load(file)
    log = loaded.configuration.log
    if any(value.name == "log.level" and value.source == DEFAULT for value in loaded.values):
        log = Log("info" if log.file else "warning", log.format, log.file)
    configure(log, at_terminal=True)
    return log


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says: when, how grave, which event, and what goes with it."""
    is_ours = record.name.split(".")[0] == ROOT
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": record.levelname.lower(),
        # another library's words may hold anything
        "event": _bare(record.getMessage() if is_ours else _ADDRESS.sub("***", record.getMessage())),
        "logger": record.name,
    }
    found |= {key: _bare(value) for key, value in vars(record).items() if key not in _STANDARD}
    if record.exc_info and record.exc_info[1]:
        # the class alone: the text of an error may quote a row
        found["error"] = type(record.exc_info[1]).__name__
    return found


class AsJson(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(fields(record))


class AsText(logging.Formatter):
    """Time, level and event, then name=value; a value that is no plain word is written as in JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        found = fields(record)
        start = f"{found.pop('time')} {found.pop('level'):<7} {found.pop('event')}"
        found.pop("logger")
        return " ".join([start, *(f"{name}={_spelled(value)}" for name, value in found.items())])


class _Terminal(logging.StreamHandler[TextIO]):
    """Writes to standard error as it is now. What cannot be written is lost, and the work goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        if self.stream is not None:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Do nothing."""


def _bare(value: Any) -> Any:
    """Return a value as JSON has it, without characters that steer a terminal or forge a line."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(_bare(key)): _bare(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_bare(item) for item in value]
    text = str(value)
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _spelled(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
