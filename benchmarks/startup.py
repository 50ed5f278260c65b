"""What the program itself costs: help, the way to its first statement, and its memory."""

from __future__ import annotations

import sys
import time

from harness import TRUEUP, Figures, Place, interleaved, run

CHEAP = "modification_kind_unknown"  # a check of an empty table
BARE = "import sys, psycopg; psycopg.connect(sys.argv[1]).execute('select 1')"
"""The least that a program with this driver does."""


def measure(place: Place) -> Figures:
    """Return the seconds of `--help`, of the smallest check, and from its start to its first record.

    The first record is the run in trueup.check_runs, which the server writes with its own clock,
    the clock of this machine; it is the fourth statement or so, which makes the figure a ceiling.
    """
    memory = []

    def first_record() -> float:
        began = time.time()
        memory.append(run([TRUEUP, "check", CHEAP, "--database", place.url]).peak_mb)
        with place.connected() as connection:
            row = connection.execute(
                "select extract(epoch from max(cr.started_at))::float8 from trueup.check_runs as cr"
            ).fetchone()
        assert row is not None
        return float(row[0]) - began

    first_record()
    seconds = interleaved(
        place,
        {
            "help": lambda: run([TRUEUP, "--help"]).seconds,
            "first_record": first_record,
            "bare": lambda: run([sys.executable, "-c", BARE, place.url]).seconds,
            "check": lambda: run([TRUEUP, "check", CHEAP, "--database", place.url]).seconds,
        },
        repetitions=2 * place.repetitions,
    )
    return {"seconds": seconds, "facts": {"peak_mb": max(memory)}}
