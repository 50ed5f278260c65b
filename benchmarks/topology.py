"""The same rows in plain tables, partitioned by quarter, and spread over two shards: a full run of each.

The plain database is the one given; its rows are copied into the other layouts, which are
dropped at the end.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from harness import NotHereError, Place

import trueup
from trueup import migration, packs, server
from trueup.model import Run
from trueup.store import LOCK_TIMEOUT, session

HERE = Path(__file__).parent
SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB"}
# what a check may take: one that asks a shard once for each row would take the night
TIMEOUT = "60s"
MOST_CALLS = 200_000


def measure(place: Place) -> dict[str, Any]:
    """Return seconds of a full run on each layout, and in the facts the ratios to the plain one.

    Repetitions are interleaved, each run is compared with the plain one beside it, and a
    check counts only when it ended within the timeout on all layouts. Raises RuntimeError
    when two layouts find different things, NotHereError for more rows than shards bear.
    """
    if place.calls > MOST_CALLS:
        raise NotHereError(
            f"a check on shards may ask one once for each row: measured up to {MOST_CALLS:,} calls"
        )
    seconds: dict[str, list[float]] = {}
    found: dict[str, dict[str, int]] = {}
    slow: dict[str, set[str]] = {}
    times: dict[str, dict[str, list[float]]] = {}
    with _layouts(place) as (layouts, facts):
        for repetition in range(place.repetitions + 1):
            for name, url in layouts.items():
                done = trueup.check(database=url, timeout=TIMEOUT)
                if errors := [f"{r.name}: {r.error}" for r in done.results if r.outcome == "error"]:
                    raise RuntimeError(f"{name}: {errors[0]}")
                slow.setdefault(name, set()).update(r.name for r in done.results if r.outcome == "timeout")
                found[name] = _violations(done)
                if repetition:  # the first one warms up
                    for result in done.results:
                        times.setdefault(name, {}).setdefault(result.name, []).append(result.duration_ms)
    everywhere = set.intersection(*({*found[name]} for name in found))
    if any({c: found[n][c] for c in everywhere} != {c: found["plain"][c] for c in everywhere} for n in found):
        raise RuntimeError(f"the layouts do not find the same: {found}")
    ended = [check for check in times["plain"] if not any(check in checks for checks in slow.values())]
    for name, checks in times.items():
        runs = zip(*(checks[check] for check in ended), strict=True)
        seconds[name] = [round(sum(run) / 1000, 4) for run in runs]
    return {
        "seconds": seconds,
        "facts": {
            **facts,
            "violations": sum(found["plain"][check] for check in everywhere),
            "checks_that_ended": len(ended),
            "timeout": TIMEOUT,
            "not_ended": {name: sorted(checks) for name, checks in slow.items() if checks},
            "ratio_to_plain": {
                name: round(statistics.median(a / b for a, b in zip(run, seconds["plain"], strict=True)), 2)
                for name, run in seconds.items()
            },
            "dearest": {
                name: {
                    check: round(statistics.median(checks[check]))
                    for check in sorted(ended, key=lambda check: -statistics.median(checks[check]))[:5]
                }
                for name, checks in times.items()
            },
        },
    }


def _violations(done: Run) -> dict[str, int]:
    # of the checks of the pack: what the layer says of itself differs from one database to another
    results = (result for result in done.results if result.rows_tested is not None)
    return {result.name: result.violations for result in results if result.outcome == "complete"}


@contextlib.contextmanager
def _layouts(place: Place) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Give the URLs of the three databases, and how long it took to adopt two of them."""
    names = ("topology_partitioned", "topology_shard_1", "topology_coordinator")
    with contextlib.ExitStack() as stack:
        second = stack.enter_context(server.temporary(binaries=place.server.binaries, settings=SETTINGS))
        for name in names:
            _psql(place.server, "postgres", "-c", f"create database {name}")
            stack.callback(_psql, place.server, "postgres", "-c", f"drop database {name} with (force)")
        _psql(second, "postgres", "-c", "create database topology_shard_2")
        with psycopg.connect(place.url) as connection:
            ids = [str(row[0]) for row in connection.execute("select id from public.companies order by id")]
        halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        partitioned = place.server.url("topology_partitioned")
        _host(place.server, "topology_partitioned")
        _psql(place.server, "topology_partitioned", "-f", HERE / "partitioned.sql")
        _copy(place.url, partitioned)
        variables: list[str] = []
        for number, running, half in ((1, place.server, halves[0]), (2, second, halves[1])):
            name = f"topology_shard_{number}"
            _host(running, name)
            _copy(place.url, running.url(name), half, and_none=number == 1)
            trueup.adopt(database=running.url(name), apply=True)
            _psql(running, name, "-c", "vacuum analyze")
            for key, value in (
                ("host", running.socket_directory),
                ("port", running.port),
                ("database", name),
                ("companies", ", ".join([*half, *(["null"] if number == 1 else [])])),
            ):
                variables += ["-v", f"{key}_{number}={value}"]
        _psql(place.server, "topology_coordinator", *variables, "-f", HERE / "coordinator.sql")
        facts: dict[str, Any] = {"adopt_seconds": {}}
        layouts = {"plain": place.url}
        for name, database in (("partitioned", "topology_partitioned"), ("shards", "topology_coordinator")):
            layouts[name] = place.server.url(database)
            began = time.monotonic()
            trueup.adopt(database=layouts[name], apply=True)
            facts["adopt_seconds"][name] = round(time.monotonic() - began, 2)
            # neither autovacuum nor a vacuum without a name looks at these
            tables = ", ".join(f"public.{table}" for table in _tables())
            _psql(place.server, database, "-c", f"analyze {tables}")
        yield layouts, facts


def _tables() -> list[str]:
    return migration.host_tables(migration.host_sql(packs.load()) or "")


def _host(running: server.Server, database: str) -> None:
    with session(running.url(database), "benchmark") as connection:
        connection.script(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        connection.script(migration.host_sql(packs.load()) or "")


def _copy(source: str, target: str, companies: list[str] | None = None, *, and_none: bool = False) -> None:
    """Copy the rows of all host tables, or those of some companies."""
    with psycopg.connect(source) as reads, psycopg.connect(target) as writes:
        for table in _tables():
            columns = ", ".join(
                row[0]
                for row in reads.execute(
                    "select quote_ident(a.attname) from pg_catalog.pg_attribute as a "
                    "where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped "
                    "and a.attgenerated = '' order by a.attnum",
                    (f"public.{table}",),
                )
            )
            chosen = "true"
            if companies is not None:
                tenant = "id" if table == "companies" else "company_id"
                chosen = f"{tenant} in ({', '.join(companies)})"
                chosen += f" or {tenant} is null" if and_none else ""
            out = f"copy (select {columns} from public.{table} where {chosen}) to stdout (format binary)"
            into = f"copy public.{table} ({columns}) from stdin (format binary)"
            with (
                reads.cursor().copy(out.encode()) as rows,
                writes.cursor().copy(into.encode()) as copied,
            ):
                for block in rows:
                    copied.write(block)


def _psql(running: server.Server, database: str, *arguments: str | Path) -> None:
    command = [*running.psql_command(database), "-qX", "-v", "ON_ERROR_STOP=1", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
