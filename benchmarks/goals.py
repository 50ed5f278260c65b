"""The goals, and what the results say of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import median, ratio

Results = Mapping[int, Mapping[str, Any]]
"""The contents of results/<calls>.json by calls."""

MILLION = 1_000_000
# checks that look at the columns of one row alone
OF_ONE_ROW = (
    "appointment_cancel_contradicts",
    "appointment_key_missing",
    "appointment_times_invalid",
    "appointment_value_unknown",
    "appointment_without_call",
    "call_customer_not_linked",
    "call_direction_missing",
    "call_linked_without_customer",
    "call_outcome_contradicts_flag",
    "call_status_unknown",
    "call_stuck_ongoing",
    "call_times_contradict",
    "call_type_missing",
    "call_value_unknown",
)


@dataclass(frozen=True)
class Goal:
    """A sentence, the most that may be measured, and what was; None where it was not."""

    text: str
    ceiling: float
    measured: float | None
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it was reached; None when it was not measured."""
        return None if self.measured is None else self.measured <= self.ceiling


def read(directory: Path) -> dict[int, dict[str, Any]]:
    """Return the results in a directory, smallest first."""
    found = [json.loads(path.read_text()) for path in directory.glob("*.json")]
    return {each["calls"]: each for each in sorted(found, key=lambda each: each["calls"])}


def seconds(results: Results, calls: int, variant: str, what: str) -> list[float] | None:
    """Return the repetitions of a measurement, None when it was not made."""
    measured = results.get(calls, {}).get("variants", {}).get(variant, {}).get("seconds", {}).get(what)
    return list(measured) if measured else None


def fact(results: Results, calls: int, variant: str, what: str) -> Any:
    """Return a fact of a variant, None when there is none."""
    return results.get(calls, {}).get("variants", {}).get(variant, {}).get("facts", {}).get(what)


def compared(results: Results, calls: int, what: str, base: str) -> float | None:
    """Return the ratio of two members of the comparison."""
    value, other = (seconds(results, calls, "comparison", name) for name in (what, base))
    return ratio(value, other) if value and other else None


def smallest(*values: float | None) -> float | None:
    """Return the least of the values that are there."""
    return min((value for value in values if value is not None), default=None)


def goals(results: Results) -> list[Goal]:
    """Return every goal with what was measured."""
    startup, filing = (measured_last(results, name) for name in ("startup", "filing"))
    found = [
        Goal(
            "a pass over 1,000 recent changes at 10 M calls", 100, _pass(results, 10 * MILLION, 1_000), "ms"
        ),
        Goal(
            "the same, 10 M ÷ 1 M calls",
            1.3,
            _quotient(_pass(results, 10 * MILLION, 1_000), _pass(results, MILLION, 1_000)),
        ),
        Goal("a pass over one change at 10 M calls", 15, _pass(results, 10 * MILLION, 1), "ms"),
    ]
    for text, ceiling, base in (
        ("Soda Core", 0.4, "soda"),
        ("dbt test with 2 threads", 0.25, "dbt_2"),
        ("Great Expectations", 0.1, "great_expectations"),
        ("one anti-join of calls and appointments", 3, "anti_join"),
    ):
        found.append(Goal(f"the twelve checks at 1 M calls ÷ {text}", ceiling, best(results, MILLION, base)))
    found += [
        Goal("twice the table, the twelve checks (from 1 M and 10 M calls)", 2.1, _doubling(results)),
        _start(results, startup),
        Goal("`trueup --help`", 150, _milliseconds(seconds(results, startup, "startup", "help")), "ms"),
        Goal("memory of the runner, the twelve checks", 60, _memory(results), "MB"),
        Goal(
            "filing 100,000 new violations ÷ inserting the same rows",
            2,
            _filing(results, filing, "file", "insert"),
        ),
        Goal(
            "a flood of 400,000 violations ÷ one of 100,000",
            1.5,
            _filing(results, filing, "flood_4", "flood"),
        ),
        Goal(
            "our tables after a day of 1 M changes ÷ their minimum",
            2,
            (last(results, "bloat") or {}).get("ratio"),
        ),
        *_breaker(results),
        *_events(results),
        *_writers(results),
        *_bookings(results),
        *_adopting(results),
    ]
    return found


def measured_last(results: Results, variant: str) -> int:
    """Return the largest size at which a variant was measured, 0 when there is none."""
    return max(
        (calls for calls in results if "seconds" in results[calls]["variants"].get(variant, {})), default=0
    )


def best(results: Results, calls: int, base: str) -> float | None:
    """Return the ratio of trueup, with one connection or two, to another; the better of the two."""
    return smallest(compared(results, calls, "trueup", base), compared(results, calls, "trueup_jobs_2", base))


def _pass(results: Results, calls: int, changes: int) -> float | None:
    return _milliseconds(
        seconds(results, calls, "changed", f"session {changes}")
        or seconds(results, calls, "changed", f"process {changes}")
    )


def _start(results: Results, calls: int) -> Goal:
    """Return the goal of the start, by the distribution's Python where it was measured: most run that one."""
    text = "start to the first record of a run"
    if distributed := seconds(results, calls, "startup", "distributed_first_record"):
        version = fact(results, calls, "startup", "distributed")
        return Goal(f"{text}, Python {version} of the distribution", 150, _milliseconds(distributed), "ms")
    return Goal(text, 150, _milliseconds(seconds(results, calls, "startup", "first_record")), "ms")


def _milliseconds(values: list[float] | None) -> float | None:
    return median(values) * 1000 if values else None


def _quotient(value: float | None, other: float | None) -> float | None:
    return value / other if value and other else None


def _doubling(results: Results) -> float | None:
    small, large = (
        smallest(
            *(
                median(found)
                for name in ("trueup", "trueup_jobs_2")
                if (found := seconds(results, calls, "comparison", name))
            )
        )
        for calls in (MILLION, 10 * MILLION)
    )
    growth = _quotient(large, small)
    return growth ** math.log10(2) if growth else None


def _memory(results: Results) -> float | None:
    found = [fact(results, calls, "comparison", "peak_mb") for calls in results]
    return max((each["trueup"] for each in found if each), default=None)


def _filing(results: Results, calls: int, what: str, base: str) -> float | None:
    value, other = (seconds(results, calls, "filing", name) for name in (what, base))
    return ratio(value, other) if value and other else None


def last(results: Results, variant: str) -> dict[str, Any] | None:
    """Return the facts of a variant at the largest size that has them."""
    found = [facts for calls in sorted(results) if (facts := measured_facts(results, calls, variant))]
    return found[-1] if found else None


def measured_facts(results: Results, calls: int, variant: str) -> dict[str, Any]:
    """Return the facts of a variant at one size."""
    facts = results[calls]["variants"].get(variant, {}).get("facts", {})
    return dict(facts)


def _breaker(results: Results) -> list[Goal]:
    """Return the goal of the circuit breaker, once it was measured."""
    facts = last(results, "breaker")
    if facts is None:
        return []
    return [Goal("asking a circuit at 8 clients, 99 of 100", 1, facts["p99_ms"]["allow 8"], "ms")]


def _bookings(results: Results) -> list[Goal]:
    facts = last(results, "bookings")
    return [
        Goal(
            f"a booking through the function ÷ the same rows by hand, clients: {clients}",
            2,
            facts["ratios"][f"plain {clients}"],
        )
        for clients in (1, 8)
        if facts
    ]


def _adopting(results: Results) -> list[Goal]:
    """Return the goal of migrations: no writer waits long while the layer comes and is switched on."""
    facts = last(results, "adopting")
    return [
        Goal(f"longest write during `{step}`", 100, facts["writes"][step]["longest_ms"], "ms")
        for step in ("adopt", "enforce", "uninstall")
        if facts
    ]


def _events(results: Results) -> list[Goal]:
    """Return the goal of the inbox: 2,000 events a second on two cores."""
    facts = last(results, "events")
    if facts is None:
        return []
    return [Goal("a webhook event processed, two workers", 500, facts["microseconds"]["process"], "µs")]


def _writers(results: Results) -> list[Goal]:
    """Return the goals of those who write, with every trigger of ours in place."""
    facts = last(results, "writers")
    if facts is None:
        return [Goal("writers: what their triggers cost", 1.05, None)]
    found = []
    for name, work in facts["workloads"].items():
        if work["goal"] is not None:
            ratios = work["durable"]["ratio"]
            measured = ratios.get("tracked/hand", ratios["layer/hand"])
            found.append(Goal(f"writers, `{name}` ÷ setting the flags by hand", work["goal"], measured))
    # what one trigger adds, in processor time
    for what in ("a row of many", "one row"):
        added = [
            microseconds
            for triggers in facts.get("noting", {}).values()
            for trigger, writes in triggers.items()
            if trigger != "(none)"
            for name, microseconds in writes.items()
            if name.endswith(what)
        ]
        found.append(Goal(f"writers, noting a changed row, {what}", 4, max(added, default=None), "µs"))
    return found
