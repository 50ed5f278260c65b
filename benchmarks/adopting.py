"""How long a writer waits while the layer is put on, switched on, and taken off again.

On a copy of the database, from which the layer has been removed, pgbench writes at a fixed rate:
a transaction that has to wait is counted with its wait, and those that queue behind it with theirs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator import CALLS_OF_A_COMPANY
from harness import Figures, Place, median

import trueup
from trueup import uninstalling

SCRIPT = Path(__file__).with_name("adopting.sql")
CLIENTS = 4
RATE = 200
"""Transactions a second, of all clients."""
QUIET = 15.0
"""Seconds before and after, for comparison."""


@dataclass(frozen=True)
class _Span:
    """A step, between two instants of the clock in seconds."""

    name: str
    began: float
    ended: float


def measure(place: Place) -> Figures:
    """Return the seconds of each step, and the longest and the usual time of a write during it."""
    spans: list[_Span] = []
    with place.copy("adopting") as copy:
        name = copy.database
        uninstalling.uninstall(database=copy.url, database_name=name, no_dump=True, apply=True)
        _settle(copy)
        with _writing(copy) as writes:
            with _span(spans, "nothing"):
                time.sleep(QUIET)
            with _span(spans, "adopt"):
                trueup.adopt(database=copy.url, apply=True)
            with _span(spans, "repair"):
                trueup.repair(database=copy.url, apply=True)
            with _span(spans, "enforce"):
                switched = trueup.enforce(database=copy.url)
            with _span(spans, "check"):
                trueup.check(database=copy.url)
            with _span(spans, "uninstall"):
                uninstalling.uninstall(database=copy.url, database_name=name, no_dump=True, apply=True)
            with _span(spans, "nothing after"):
                time.sleep(QUIET)
    facts: dict[str, Any] = {
        "clients": CLIENTS,
        "rate": RATE,
        "failed": writes.failed,
        "switched_on": sum(change.action in ("validate", "build", "enforce") for change in switched),
        "left": sum(change.action == "leave" for change in switched),
        "writes": {},
    }
    for span in spans:
        # a write that began inside and ended later waited for the step all the same
        within = [ms for began, ended, ms in writes.done if began <= span.ended and ended >= span.began]
        facts["writes"][span.name] = {
            "count": len(within),
            "median_ms": round(median(within), 2),
            "longest_ms": round(max(within), 1),
            "seconds": round(span.ended - span.began, 1),
        }
        place.say(f"{span.name}: {facts['writes'][span.name]}")
    return {"seconds": {span.name: [round(span.ended - span.began, 3)] for span in spans}, "facts": facts}


def _settle(place: Place) -> None:
    """Have a new copy written to the disk and read into memory: none who are measured wait for either."""
    os.sync()
    with place.connected() as connection:
        row = connection.execute(
            """
            select current_setting('data_directory') || '/base/' || d.oid
            from pg_catalog.pg_database as d
            where d.datname = current_database()
            """
        ).fetchone()
    assert row is not None
    for path in Path(row[0]).iterdir():
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


@contextmanager
def _span(spans: list[_Span], name: str) -> Iterator[None]:
    began = time.time()
    yield
    spans.append(_Span(name, began, time.time()))


@dataclass
class _Writes:
    """Writes as (began, ended, milliseconds), by the clock in seconds, and how many failed."""

    done: list[tuple[float, float, float]]
    failed: int = 0


@contextmanager
def _writing(place: Place) -> Iterator[_Writes]:
    """Have clients write inside the block; after it, the writes are what they did."""
    writes = _Writes([])
    with tempfile.TemporaryDirectory(dir=place.directory) as made:
        directory = Path(made)
        with (directory / "said").open("w+") as said:
            process = subprocess.Popen(
                [
                    place.server.binaries.directory / "pgbench",
                    "--no-vacuum", "--file", SCRIPT, "--client", str(CLIENTS), "--jobs", "2",
                    "--rate", str(RATE), "--time", "86400", "--define", f"calls={place.calls}",
                    "--define", f"companies={place.calls // CALLS_OF_A_COMPANY}",
                    "--failures-detailed", "--log", "--log-prefix", str(directory / "log"), place.url,
                ],
                stdout=said,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                time.sleep(1)
                yield writes
            finally:
                # as when its time is up: it finishes what it is doing, and writes its log out
                process.send_signal(signal.SIGALRM)
                process.wait(timeout=60)
                said.seek(0)
                text = said.read()
                if process.returncode or "aborted" in text:
                    raise RuntimeError(f"pgbench ended with {process.returncode}: {text[-2000:]}")
        _read(directory, writes)


def _read(directory: Path, writes: _Writes) -> None:
    for path in directory.glob("log*"):
        for line in path.read_text().splitlines():
            fields = line.split()
            if not fields[2].isdigit():
                writes.failed += 1
                continue
            ended = int(fields[4]) + int(fields[5]) / 1e6
            ms = int(fields[2]) / 1000
            writes.done.append((ended - ms / 1000, ended, ms))
