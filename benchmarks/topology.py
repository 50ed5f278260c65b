"""The same rows on plain tables, partitioned by month, and spread over two shards: a full run of each.

Interleaved repetitions on the same machine, so that the ratios hold whatever else runs there:

    python benchmarks/topology.py [--calls N] [--repetitions N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trueup
from trueup import migration, packs, server
from trueup.store import session

HERE = Path(__file__).parent
SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB", "work_mem": "32MB"}
FAULTS = 0.001
# companies 1 to 10 of calls.sql
COMPANIES = ("1, 2, 3, 4, 5, null", "6, 7, 8, 9, 10")


@dataclass(frozen=True)
class _Variant:
    """A database, the servers' psql for it, and what was measured on it."""

    name: str
    url: str


def measure(calls: int = 200_000, repetitions: int = 3) -> dict[str, Any]:
    """Return seconds, medians and ratios of a full run on the three layouts of the same rows.

    Every variant is adopted and evaluated once before it is measured. Raises
    AssertionError when the three do not find the same violations.
    """
    with _variants(calls) as variants:
        found: dict[str, dict[str, int]] = {}
        first: dict[str, float] = {}
        for variant in variants:
            began = time.monotonic()
            trueup.adopt(database=variant.url, apply=True)
            first[variant.name] = round(time.monotonic() - began, 2)
            found[variant.name] = _violations(variant.url)
        plain = found["plain"]
        assert all(one == plain for one in found.values()), found
        seconds: dict[str, list[float]] = {variant.name: [] for variant in variants}
        per_check: dict[str, dict[str, list[float]]] = {variant.name: {} for variant in variants}
        for _ in range(repetitions):
            for variant in variants:
                began = time.monotonic()
                done = trueup.check(database=variant.url)
                seconds[variant.name].append(time.monotonic() - began)
                for result in done.results:
                    per_check[variant.name].setdefault(result.name, []).append(result.duration_ms)
        version = variants[0]
        with session(version.url, "benchmark") as connection:
            release = connection.record("status_facts")["server"]
    medians = {
        name: {check: statistics.median(times) for check, times in checks.items()}
        for name, checks in per_check.items()
    }
    return {
        "postgresql": release,
        "calls": calls,
        "faults": FAULTS,
        "repetitions": repetitions,
        "cores": os.cpu_count(),
        "violations": sum(plain.values()),
        "adopt_seconds": first,
        "check_seconds": {name: round(statistics.median(times), 2) for name, times in seconds.items()},
        # of each repetition against the plain run beside it
        "ratio_to_plain": {
            name: round(statistics.median(a / b for a, b in zip(times, seconds["plain"], strict=True)), 2)
            for name, times in seconds.items()
        },
        "slowest_ratios": {
            name: dict(
                sorted(
                    (
                        (check, round(ms / max(medians["plain"][check], 0.1), 1))
                        for check, ms in checks.items()
                        if medians["plain"][check] > 5 or ms > 50
                    ),
                    key=lambda item: -item[1],
                )[:5]
            )
            for name, checks in medians.items()
            if name != "plain"
        },
    }


def _violations(url: str) -> dict[str, int]:
    done = trueup.check(database=url)
    assert done.exit_code("never") == 0, [result.error for result in done.results if result.error]
    # what is left out of a coordinator is no violation there, and what is said of runs differs
    return {result.name: result.violations for result in done.results if result.rows_tested is not None}


@contextlib.contextmanager
def _variants(calls: int) -> Iterator[list[_Variant]]:
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(server.temporary(settings=SETTINGS)) for _ in range(2))
        plain = _database(first, "plain", _fill(calls))
        partitioned = _database(first, "partitioned", _partition, _fill(calls))
        for running, name, companies in ((first, "shard_1", COMPANIES[0]), (second, "shard_2", COMPANIES[1])):
            url = _database(running, name, _fill(calls), _keep(companies))
            trueup.adopt(database=url, apply=True)
        coordinator = _database(first, "coordinator", _coordinate(first, second))
        for running, name in (
            (first, "plain"),
            (first, "partitioned"),
            (first, "shard_1"),
            (second, "shard_2"),
            (first, "coordinator"),
        ):
            _psql(running, name, "-c", "vacuum analyze")
        # autovacuum leaves partitioned tables out, and vacuum without a name foreign ones
        for name in ("partitioned", "coordinator"):
            _psql(first, name, "-c", "analyze calls, appointments, customers, appointment_modifications")
        yield [
            _Variant("plain", plain),
            _Variant("partitioned", partitioned),
            _Variant("shards", coordinator),
        ]


_Step = Callable[[server.Server, str], None]


def _database(running: server.Server, name: str, *steps: _Step) -> str:
    _psql(running, "postgres", "-c", f"create database {name}")
    if name != "coordinator":
        text = migration.host_sql(packs.load())
        assert text is not None
        with session(running.url(name), "benchmark") as connection:
            connection.script(text)
    for step in steps:
        step(running, name)
    return running.url(name)


def _partition(running: server.Server, name: str) -> None:
    _psql(running, name, "-f", HERE / "partitioned.sql")


def _fill(calls: int) -> _Step:
    def fill(running: server.Server, name: str) -> None:
        _psql(running, name, "-v", f"calls={calls}", "-v", f"faults={FAULTS}", "-f", HERE / "calls.sql")

    return fill


def _keep(companies: str) -> _Step:
    def keep(running: server.Server, name: str) -> None:
        kept = companies.replace(", null", "")
        with session(running.url(name), "benchmark") as connection:
            for table in migration.host_tables(migration.host_sql(packs.load()) or ""):
                column = "id" if table == "companies" else "company_id"
                connection.script(f"delete from public.{table} where {column} not in ({kept})")

    return keep


def _coordinate(first: server.Server, second: server.Server) -> _Step:
    def coordinate(running: server.Server, name: str) -> None:
        variables: list[str | Path] = []
        for number, shard in ((1, first), (2, second)):
            for key, value in (
                ("host", shard.socket_directory),
                ("port", shard.port),
                ("database", f"shard_{number}"),
                ("companies", COMPANIES[number - 1]),
            ):
                variables += ["-v", f"{key}_{number}={value}"]
        _psql(running, name, *variables, "-f", HERE / "coordinator.sql")

    return coordinate


def _psql(running: server.Server, database: str, *arguments: str | Path) -> None:
    command = [*running.psql_command(database), "-qX", "-v", "ON_ERROR_STOP=1", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(measure(options.calls, options.repetitions), indent=2) + "\n")


if __name__ == "__main__":
    main()
