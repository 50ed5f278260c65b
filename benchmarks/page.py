"""Write docs/benchmarks.md and its charts from results/*.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import goals
import jinja2
from harness import median, ratio

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCS = HERE.parent / "docs"

LABELS = {
    "trueup": "trueup check",
    "trueup_jobs_2": "trueup check --jobs 2",
    "soda": "Soda Core",
    "dbt_2": "dbt test, 2 threads",
    "dbt_1": "dbt test, 1 thread",
    "great_expectations": "Great Expectations",
    "anti_join": "one anti-join, in a session",
    "count": "count(*) of three tables, in a session",
}
NOTHING = "-"
PROGRAM = (
    ("startup", "help", "`trueup --help`"),
    ("startup", "first_record", "start of `trueup check` to the first record of its run"),
    ("startup", "bare", "a Python process that imports psycopg and runs `select 1`, beside it"),
    (
        "startup",
        "distributed_first_record",
        "start to the first record, by the Python of the distribution",
    ),
    ("startup", "distributed_bare", "psycopg and `select 1` by the same"),
    ("startup", "check", "`trueup check` of an empty table, whole process"),
    ("filing", "insert", "INSERT of 100,000 alerts"),
    ("filing", "file", "filing 100,000 new violations"),
    ("filing", "flood", "a flood: 100,000 new violations, 10,000 allowed"),
    ("filing", "flood_4", "a flood: 400,000 new violations, 10,000 allowed"),
)


def main() -> None:
    """Write the files."""
    for name, text in written(goals.read(RESULTS)).items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def written(results: Mapping[int, Mapping[str, Any]]) -> dict[str, str]:
    """Return the page and its charts by path below docs/."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.globals["with_unit"] = with_unit
    sizes = list(results)
    # the charts show the largest size at which every tool was measured
    everybody = max((calls for calls in sizes if _seconds(results, calls, "soda")), default=sizes[-1])
    changed = _changed(results)
    page = environment.get_template("benchmarks.md.jinja").render(
        results=results,
        goals=goals.goals(results),
        jobs=any(_seconds(results, calls, "trueup_jobs_2") for calls in sizes),
        settings=results[sizes[-1]]["settings"],
        checks=goals.fact(results, everybody, "comparison", "checks"),
        releases=goals.fact(results, everybody, "comparison", "releases"),
        comparison=_comparison(results),
        changed=changed,
        pack=_pack(results),
        whole=_cells(results, "checks", "check"),
        program=[
            {"label": label, "cells": _cells(results, variant, what)} for variant, what, label in PROGRAM
        ],
        sections=_sections(results),
        measured=_measured(results),
        left_out=_left_out(results),
    )
    files = {"benchmarks.md": page.rstrip("\n") + "\n"}
    bars = [
        (LABELS[name], name.startswith("trueup"), median(found))
        for name in LABELS
        if (found := _seconds(results, everybody, name))
    ]
    files["benchmarks/comparison.svg"] = environment.get_template("bars.svg.jinja").render(
        _bars(f"Twelve checks of {everybody:,} calls: seconds, less is better", bars)
    )
    if changed:
        files["benchmarks/changed.svg"] = environment.get_template("dots.svg.jinja").render(_dots(results))
    return files


def number(value: float | None) -> str:
    """Return a number in three digits or so: enough to tell 0.104 from a goal of 0.10."""
    if value is None:
        return NOTHING
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def with_unit(value: float | None, unit: str) -> str:
    """Return a number with its unit; a ratio has none."""
    return NOTHING if value is None else f"{number(value)} {unit}".rstrip()


def _seconds(results: goals.Results, calls: int, what: str) -> list[float] | None:
    return goals.seconds(results, calls, "comparison", what)


def _shown(seconds: Sequence[float] | None) -> str:
    """Return the median of a measurement, with its unit."""
    if not seconds:
        return NOTHING
    value = median(seconds)
    return f"{number(value)} s" if value >= 1 else f"{number(value * 1000)} ms"


def _cells(results: goals.Results, variant: str, what: str) -> list[str]:
    return [_shown(goals.seconds(results, calls, variant, what)) for calls in results]


def _comparison(results: goals.Results) -> list[dict[str, Any]]:
    rows = []
    for name, label in LABELS.items():
        cells, memory = [], []
        for calls in results:
            found, ours = _seconds(results, calls, name), _seconds(results, calls, "trueup")
            known = found and ours and name != "trueup"
            cells.append({"seconds": _shown(found), "ratio": number(ratio(ours, found)) if known else ""})  # type: ignore[arg-type]
            memory.append((goals.fact(results, calls, "comparison", "peak_mb") or {}).get(name))
        most = max((each for each in memory if each), default=None)
        if any(cell["seconds"] != NOTHING for cell in cells):
            rows.append({"label": label, "cells": cells, "memory": f"{number(most)} MB" if most else ""})
    return rows


def _changed(results: goals.Results) -> dict[str, Any] | None:
    sizes = [calls for calls in results if results[calls]["variants"].get("changed", {}).get("seconds")]
    if not sizes:
        return None
    rows = []
    for what, label in _passes(results, sizes):
        rows.append(
            {
                "label": label,
                "cells": [_shown(goals.seconds(results, calls, "changed", what)) for calls in sizes],
            }
        )
    full = [goals.seconds(results, calls, "changed", "full") for calls in sizes]
    return {
        "sizes": sizes,
        "alerts": [(calls, goals.fact(results, calls, "changed", "alerts_by_passes")) for calls in sizes],
        "rows": [*rows, {"label": "a full run, for comparison", "cells": [_shown(each) for each in full]}],
    }


def _passes(results: goals.Results, sizes: Sequence[int]) -> list[tuple[str, str]]:
    ways = {"process": "whole process", "session": "pass in an open session"}
    return [
        (what, f"{int(what.split()[1]):,}, {ways[what.split()[0]]}")
        for what in results[sizes[-1]]["variants"]["changed"]["seconds"]
        if what != "full"
    ]


def _pack(results: goals.Results) -> list[dict[str, Any]]:
    measured = [(calls, goals.fact(results, calls, "checks", "check_ms")) for calls in results]
    measured = [(calls, found) for calls, found in measured if found]
    if not measured:
        return []
    largest, slowest = measured[-1]
    known = dict(measured)
    return [
        {
            "name": name,
            "of_one_row": name in goals.OF_ONE_ROW,
            "cells": [number(known.get(calls, {}).get(name)) for calls in results],
            "violations": f"{goals.fact(results, largest, 'checks', 'violations')[name]:,}",
        }
        for name in slowest
    ]


def _sections(results: goals.Results) -> list[dict[str, Any]]:
    """Return what the variants found that make databases of their own, of the largest size that has them."""
    found = []
    if writers := goals.last(results, "writers"):
        found.append(_writers(writers))
    if bookings := goals.last(results, "bookings"):
        found.append(_bookings(bookings))
    if inbox := goals.last(results, "events"):
        found.append(_events(inbox))
    if came := goals.last(results, "adopting"):
        found.append(_adopting(came))
    if layouts := goals.last(results, "topology"):
        found.append(_topology(layouts))
    if goals.last(results, "breaker"):
        found.append(_breaker(results))
    if day := goals.last(results, "bloat"):
        found.append(_bloat(day))
    return found


def _events(facts: Mapping[str, Any]) -> dict[str, Any]:
    each = facts["microseconds"]
    rows = [
        [label, f"{number(each[what])} µs", number(1e6 / each[what]), number(facts["ratio"].get(what))]
        for what, label in (
            ("receive", "received, one after the other"),
            ("insert_inbox", "the same rows of the inbox, one INSERT"),
            ("process", f"processed, {facts['workers']} workers"),
            ("insert_rows", "the rows that came of them, an INSERT for each table"),
        )
    ]
    return {
        "title": "Webhook events",
        "notes": (
            f"{facts['events']:,} events of calls and their bookings, some moved or cancelled. The rows that "
            "they left are inserted again in one transaction, which meets the same triggers and constraints "
            "and decides nothing."
        ),
        "table": {"columns": ["", "each", "a second", "÷ INSERT"], "rows": rows},
    }


def _writers(facts: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for name, work in facts["workloads"].items():
        ratios = work["durable"]["ratio"]
        shown = [number(ratios.get(f"{variant}/hand")) for variant in ("sync", "layer", "tracked", "kept")]
        rows.append([f"`{name}`", f"{number(work['durable']['median']['hand'])} µs", *shown])
    return {
        "title": "Those who write",
        "notes": (
            "A row written in a durable transaction by an application that sets the flags by hand, on tables "
            "with the same keys and indexes, and how many times as long it takes with trueup's triggers: "
            "with the one alone that keeps the flags, with all, with those that note changes, too. "
            "[writers.py](../benchmarks/writers.py) says what each workload does."
        ),
        "table": {
            "columns": [
                "workload",
                "by hand",
                "flags by trigger",
                "with all triggers",
                "and changes noted",
                "triggers, and flags by hand",
            ],
            "rows": rows,
        },
    }


def _bookings(facts: Mapping[str, Any]) -> dict[str, Any]:
    labels = {
        "book": "`book_appointment`",
        "plain": "INSERT and UPDATE in one transaction",
        "bare": "the same without trueup's triggers, flags by hand",
        "replay": "`book_appointment` of what is booked",
    }
    ratios = {name: number(each) for name, each in facts["ratios"].items()}
    return {
        "title": "Bookings",
        "notes": (
            "Bookings that the provider confirmed, a second, by one client and by eight, on a server that "
            f"does not sync to disk. The function takes {ratios['plain 1']} times what the same rows take by "
            f"hand with one client, {ratios['plain 8']} times with eight; {ratios['bare 1']} and "
            f"{ratios['bare 8']} times what they take where no trigger keeps them in agreement."
        ),
        "table": {
            "columns": ["a second", "1 client", "8 clients"],
            "rows": [
                [label, *(number(facts["rates"][f"{name} {clients}"]) for clients in (1, 8))]
                for name, label in labels.items()
            ],
        },
    }


def _adopting(facts: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        [
            f"`{name}`" if "nothing" not in name else name,
            f"{number(step['seconds'])} s",
            f"{number(step['median_ms'])} ms",
            f"{number(step['longest_ms'])} ms",
        ]
        for name, step in facts["writes"].items()
    ]
    return {
        "title": "Putting it in place",
        "notes": (
            f"{facts['clients']} clients write at {facts['rate']} transactions a second while the layer is "
            "put on, used, switched on and taken off again, on a copy from which it had been removed. A "
            "write that waits is counted with its wait, and so are those queued behind it. "
            f"`enforce` switched {facts['switched_on']} on and left {facts['left']}, which have violations."
        ),
        "table": {"columns": ["during", "took", "usual write", "longest write"], "rows": rows},
    }


def _topology(facts: Mapping[str, Any]) -> dict[str, Any]:
    labels = {
        "plain": "plain tables",
        "partitioned": "partitioned by quarter",
        "shards": "two shards by tenant",
    }
    return {
        "title": "Partitions and shards",
        "notes": (
            f"A full run over the same rows in other layouts, {facts['checks_that_ended']} checks that end "
            f"everywhere within {facts['timeout']}: all find the same violations."
        ),
        "table": {
            "columns": ["layout", "÷ plain tables"],
            "rows": [
                [labels.get(name, name), number(each)] for name, each in facts["ratio_to_plain"].items()
            ],
        },
    }


def _bloat(facts: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        [
            f"`{name}`",
            *(f"{table[size] / 2**20:.1f} MB" for size in ("bytes", "least_bytes")),
            number(table["ratio"]),
        ]
        for name, table in facts["tables"].items()
        if table["ratio"]
    ]
    return {
        "title": "A day of changes",
        "notes": (
            f"{facts['changes']:,} changed rows, {facts['passes']} passes that read and delete their keys "
            "and file alerts, and autovacuum beside them: our tables with their indexes, against what VACUUM "
            "FULL makes of a copy."
        ),
        "table": {"columns": ["table", "at the end", "the least it can be", "ratio"], "rows": rows},
    }


def _breaker(results: goals.Results) -> dict[str, Any]:
    labels = {
        "round_trip": "`select 1`",
        "insert": "INSERT of what a report appends",
        "allow": "asking a closed circuit",
        "report": "reporting a success",
        "both": "the two, as around every call",
        "rejected": "asking an open circuit",
        "failure": "reporting a failure, the window full",
    }
    calls = goals.measured_last(results, "breaker")
    facts = goals.measured_facts(results, calls, "breaker")
    rows = []
    for name, label in labels.items():
        for clients in facts["clients"]:
            what = f"{name} {clients}"
            found = goals.seconds(results, calls, "breaker", what)
            base = goals.seconds(results, calls, "breaker", f"round_trip {clients}")
            rows.append(
                [
                    label,
                    str(clients),
                    f"{facts['per_second'][what]:,}",
                    _shown(found),
                    f"{number(facts['p99_ms'][what])} ms",
                    number(ratio(found, base)) if found and base else "",
                ]
            )
    return {
        "title": "The circuit breaker",
        "notes": (
            "Each a transaction of its own, by pgbench with prepared statements. More clients than cores "
            "wait for a core, and a round trip does, too. Python asks a closed circuit once a second at most."
        ),
        "table": {
            "columns": ["what", "clients", "per second", "mean", "99 of 100", "÷ `select 1`"],
            "rows": rows,
        },
    }


def _measured(results: goals.Results) -> list[dict[str, Any]]:
    """Return the day on which each variant was measured at each size."""
    variants = dict.fromkeys(name for calls in results for name in results[calls]["variants"])
    return [
        {
            "label": f"`{name}`",
            "cells": [
                results[calls]["variants"].get(name, {}).get("measured_at", NOTHING)[:10] for calls in results
            ],
        }
        for name in variants
    ]


def _left_out(results: goals.Results) -> list[str]:
    return [
        f"{name} at {calls:,} calls: {variant['left_out']}"
        for calls in results
        for name, variant in results[calls]["variants"].items()
        if "left_out" in variant
    ]


def _bars(title: str, values: Sequence[tuple[str, bool, float]]) -> dict[str, Any]:
    left, room, height = 190, 420, 28
    most = max(value for _, _, value in values)
    return {
        "title": title,
        "left": left,
        "width": left + room + 70,
        "height": 32 + height * len(values),
        "bars": [
            {
                "label": label,
                "ours": ours,
                "y": 30 + height * row,
                "width": round(room * value / most, 1),
                "value": _shown([value]),
            }
            for row, (label, ours, value) in enumerate(values)
        ],
    }


def _dots(results: goals.Results) -> dict[str, Any]:
    left, room, height = 250, 420, 28
    sizes = [calls for calls in results if results[calls]["variants"].get("changed", {}).get("seconds")]
    lines = [
        (label, [goals.seconds(results, calls, "changed", what) for calls in sizes])
        for what, label in _passes(results, sizes)
    ]
    lines.append(("a full run", [goals.seconds(results, calls, "changed", "full") for calls in sizes]))
    values = [median(each) for _, found in lines for each in found if each]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def x(value: float) -> float:
        return round(left + room * (math.log10(value) - low) / (high - low), 1)

    return {
        "title": "A pass over changes, and a full run: time on a logarithmic scale",
        "left": left,
        "width": left + room + 40,
        "height": 80 + height * len(lines),
        "series": [
            {"x": left + 150 * number, "label": f"{calls:,} calls"} for number, calls in enumerate(sizes)
        ],
        "ticks": [{"x": x(10**power), "label": _shown([10**power])} for power in range(low, high + 1)],
        "rows": [
            {
                "label": label,
                "y": 68 + height * row,
                "dots": [
                    {
                        "series": number,
                        "x": x(median(each)),
                        "value": f"{sizes[number]:,} calls: {_shown(each)}",
                    }
                    for number, each in enumerate(found)
                    if each
                ],
            }
            for row, (label, found) in enumerate(lines)
        ],
    }


if __name__ == "__main__":
    main()
