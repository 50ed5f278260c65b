"""Variants that make databases of their own: what their modules measure, as figures of the run.

They do not depend on the size of the place, and are measured with the sizes up to a million calls.
"""

from __future__ import annotations

import bloat as day
from harness import Figures, NotHereError, Place

from trueup import server

MOST_CALLS = 1_000_000


def bloat(place: Place) -> Figures:
    """Live through a day of changes on a server with autovacuum."""
    _small(place)
    settings = {"autovacuum": "on", "autovacuum_naptime": "1s", "shared_buffers": "256MB"}
    with server.temporary(binaries=place.server.binaries, settings=settings) as running:
        found = day.measure(running)
    rows = [
        [f"`{name}`", _megabytes(table["bytes"]), _megabytes(table["least_bytes"]), str(table["ratio"])]
        for name, table in found["tables"].items()
        if table["ratio"]
    ]
    return {
        "seconds": {},
        "facts": found,
        "title": "A day of changes",
        "notes": (
            f"{found['changes']:,} changed rows, {found['passes']} passes that read and delete their keys\n"
            "and file alerts, and autovacuum beside them: our tables with their indexes, against what\n"
            "VACUUM FULL makes of a copy."
        ),
        "table": {"columns": ["table", "at the end", "the least it can be", "ratio"], "rows": rows},
        "goals": [
            {
                "text": "our tables after a day of 1 M changes ÷ their minimum",
                "ceiling": 2,
                "measured": found["ratio"],
            }
        ],
    }


def _small(place: Place) -> None:
    if place.calls > MOST_CALLS:
        raise NotHereError("it makes databases of its own, of one size, and is measured at the smaller sizes")


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
