"""What every variant of the benchmark needs: a place to measure in, processes, repetitions."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

import trueup
from trueup.server import Server

PATIENCE = 1800.0
"""Seconds after which a process is ended."""
TRUEUP = str(Path(sys.executable).with_name("trueup"))

# what a variant returns: seconds of every repetition by what was measured, and facts beside them
Figures = dict[str, Any]
Connection = psycopg.Connection[tuple[Any, ...]]


class NotHereError(Exception):
    """Raised by a variant that cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Place:
    """An adopted database of `calls` calls on a server of its own, and how often to repeat.

    `directory` is there for files. A variant leaves the rows of the application's tables as it
    found them, except for `changed`, which runs after those that compare.
    """

    calls: int
    server: Server
    database: str
    directory: Path
    repetitions: int

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self.server.url(self.database)

    @contextmanager
    def connected(self, *, autocommit: bool = True) -> Iterator[Connection]:
        """Open a connection and close it."""
        with psycopg.connect(self.url, autocommit=autocommit) as connection:
            yield connection

    @contextmanager
    def copy(self, name: str) -> Iterator[Place]:
        """Make a copy of the database, for what may not be done to it, and drop the copy."""
        admin = replace(self, database="postgres")
        with admin.connected() as connection:
            connection.execute(f"drop database if exists {name} with (force)".encode())
            connection.execute(f"create database {name} template {self.database} strategy file_copy".encode())
            try:
                yield replace(self, database=name)
            finally:
                connection.execute(f"drop database {name} with (force)".encode())

    def say(self, what: str) -> None:
        """Tell, with the time, what is being done: a run is long and often unattended."""
        print(f"{time.strftime('%H:%M:%S')}  {self.calls:>10,} calls  {what}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Ran:
    """A process that has ended."""

    seconds: float
    peak_mb: float
    exit_code: int
    output: str


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    accept: tuple[int, ...] = (0,),
) -> Ran:
    """Run a process to its end, measured from outside; RuntimeError for an exit code not in `accept`.

    Of what steers Python only the path is left: what is installed has its bytecode beside it, and keeps it.
    """
    kept = {
        name: text
        for name, text in os.environ.items()
        if name == "PYTHONPATH" or not name.startswith(("PG", "TRUEUP_", "PYTHON"))
    }
    with tempfile.TemporaryFile("w+") as said:
        began = time.monotonic()
        with subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=directory,
            env={**kept, **(environment or {})},
            text=True,
        ) as process:
            assert process.stdout is not None
            # a night must not be lost to a process that hangs
            alarm = threading.Timer(PATIENCE, process.kill)
            alarm.start()
            try:
                output = process.stdout.read()
            finally:
                alarm.cancel()
            # not process.wait(): it does not tell what the process used
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if process.returncode not in accept:
            said.seek(0)
            tail = (output + said.read())[-4000:]
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{tail}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Ran(seconds, round(used.ru_maxrss / unit, 1), process.returncode, output)


def interleaved(
    place: Place,
    measured: Mapping[str, Callable[[], float]],
    *,
    repetitions: int | None = None,
    quietly: bool = False,
) -> dict[str, list[float]]:
    """Measure each in turn, and all again, so that a slow minute of the machine hits all alike.

    Every repetition begins with another one. What a function returns is its time, in seconds.
    """
    names = list(measured)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(repetitions or place.repetitions):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(round(measured[name](), 6))
        if not quietly:
            place.say("  ".join(f"{name} {found[name][-1]:.3f} s" for name in names))
    return found


def timed(action: Callable[[], object]) -> float:
    """Return how long the action takes, in seconds."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the ratios of repetitions that ran one after the other."""
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


def machine() -> dict[str, Any]:
    """Describe the machine."""
    model = platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if (info := Path("/proc/cpuinfo")).exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions(place: Place) -> dict[str, str]:
    """Return the releases that were measured."""
    with place.connected() as connection:
        row = connection.execute("show server_version").fetchone()
    assert row is not None
    return {"postgresql": str(row[0]).split(" ")[0], "trueup": trueup.__version__}
