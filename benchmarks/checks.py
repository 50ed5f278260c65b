"""A run of the whole pack, and what each check of it takes."""

from __future__ import annotations

import json

from harness import TRUEUP, Figures, Place, interleaved, median, run

MOST_CALLS_REPEATED = 1_000_000


def measure(place: Place) -> Figures:
    """Return the seconds of the whole run; the median milliseconds of each check are among the facts."""
    found: dict[str, list[float]] = {}
    violations: dict[str, int] = {}

    def once() -> float:
        ran = run([TRUEUP, "check", "--database", place.url, "--format", "json"], accept=(0, 1))
        for result in json.loads(ran.output)["results"]:
            if result["outcome"] != "complete":
                raise RuntimeError(f"{result['name']}: {result['outcome']}, {result['error']}")
            found.setdefault(result["name"], []).append(result["duration_ms"])
            violations[result["name"]] = result["violations"]
        return ran.seconds

    repetitions = 1  # of minutes each; the comparison has filled the caches
    if place.calls <= MOST_CALLS_REPEATED:
        once()
        found.clear()
        repetitions = min(place.repetitions, 3)
    seconds = interleaved(place, {"check": once}, repetitions=repetitions)
    slowest = sorted(((median(times), name) for name, times in found.items()), reverse=True)
    return {
        "seconds": seconds,
        "facts": {
            "check_ms": {name: round(times, 1) for times, name in slowest},
            "violations": violations,
        },
    }
