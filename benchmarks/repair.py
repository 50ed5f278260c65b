"""Repairing every fault of the generated rows, in a copy of the database."""

from __future__ import annotations

import json

from harness import TRUEUP, Figures, NotHereError, Place, run

MOST_CALLS = 1_000_000


def measure(place: Place) -> Figures:
    """Return the seconds of one `repair --apply`, and what came of it."""
    if place.calls > MOST_CALLS:
        raise NotHereError("a copy of the database would be as large again")
    with place.copy("repaired") as copy:
        run([TRUEUP, "check", "--database", copy.url], accept=(0, 1))
        repaired = run(
            [TRUEUP, "repair", "--apply", "--database", copy.url, "--format", "json"], accept=(0, 1)
        )
        checked = run([TRUEUP, "check", "--database", copy.url, "--format", "json"], accept=(0, 1))
    checks = json.loads(repaired.output)["checks"]
    return {
        "seconds": {"repair": [round(repaired.seconds, 3)]},
        "facts": {
            "corrected": sum(check["corrected"] for check in checks),
            "for_people": sum(check["review"] for check in checks),
            "violations_left": sum(result["violations"] for result in json.loads(checked.output)["results"]),
            "peak_mb": repaired.peak_mb,
        },
    }
