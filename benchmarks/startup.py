"""What the program itself costs: help, the way to its first statement, and its memory."""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from harness import TRUEUP, Figures, Place, interleaved, run

import trueup

CHEAP = "modification_kind_unknown"  # a check of an empty table
BARE = "import sys, psycopg; psycopg.connect(sys.argv[1]).execute('select 1')"
"""The least that a program with this driver does."""
# compiled modules are for one release of Python
DISTRIBUTED = Path(f"/usr/bin/python3.{sys.version_info.minor}")
# packages as they are installed here, for an interpreter that has none of them
HERE = {"PYTHONPATH": os.pathsep.join((sysconfig.get_path("purelib"), str(Path(trueup.__file__).parents[1])))}


def measure(place: Place) -> Figures:
    """Return the seconds of `--help`, of the smallest check, and from its start to its first record.

    The first record is the run in trueup.check_runs, which the server writes with its own clock,
    the clock of this machine; it is the tenth statement or so, which makes the figure a ceiling.

    How long imports take depends on how Python was compiled; what version managers compile is often
    not optimised. So the same is measured by the distribution's Python, too, where it has our release.
    """
    memory = []

    def first_record(python: str | Path, environment: Mapping[str, str]) -> float:
        began = time.time()
        ran = run([python, TRUEUP, "check", CHEAP, "--database", place.url], environment=environment)
        memory.append(ran.peak_mb)
        with place.connected() as connection:
            row = connection.execute(
                "select extract(epoch from max(cr.started_at))::float8 from trueup.check_runs as cr"
            ).fetchone()
        assert row is not None
        return float(row[0]) - began

    def bare(python: str | Path, environment: Mapping[str, str]) -> float:
        return run([python, "-c", BARE, place.url], environment=environment).seconds

    measured: dict[str, Callable[[], float]] = {
        "help": lambda: run([TRUEUP, "--help"]).seconds,
        "first_record": partial(first_record, sys.executable, {}),
        "bare": partial(bare, sys.executable, {}),
        "check": lambda: run([TRUEUP, "check", CHEAP, "--database", place.url]).seconds,
    }
    distributed = _version(DISTRIBUTED)
    if distributed:
        measured["distributed_first_record"] = partial(first_record, DISTRIBUTED, HERE)
        measured["distributed_bare"] = partial(bare, DISTRIBUTED, HERE)
    # each finds its files read, and its modules compiled
    for first in measured.values():
        first()
    seconds = interleaved(place, measured, repetitions=2 * place.repetitions)
    return {"seconds": seconds, "facts": {"peak_mb": max(memory), "distributed": distributed}}


def _version(python: Path) -> str | None:
    """Return the version of an interpreter that is not the one we run by; None where none can run trueup."""
    if not python.exists() or python.resolve() == Path(sys.executable).resolve():
        return None
    asked = run(
        [python, "-c", "import platform, psycopg, trueup.cli; print(platform.python_version())"],
        environment=HERE,
        accept=(0, 1),
    )
    return asked.output.strip() or None
