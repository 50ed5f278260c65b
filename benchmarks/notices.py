"""What notices of changed appointments cost writers: no trigger, and each mode of the setting, in turn.

One database; the modes take turns in each repetition. `single` is processor time of the server in
microseconds for one row, `clients` are transactions a second of eight clients whose commits
reach the disk: commits that notify are done one after the other. `listened` is notify
with a session that listens. Prints JSON.

    none      the triggers are disabled
    off       the setting says off
    record    notices are kept for those who ask
    notify    and sent
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import writers

from trueup import migration, server

MODES = ("none", "off", "record", "notify")
# script, rows of a transaction
SINGLE = (
    ("book", 1),
    ("cancel", 1),
    ("appointment_notes", 1),
    ("load", 200),
    ("appointment_notes_bulk", 200),
)
CLIENTS = 8


def measure(
    running: server.Server,
    *,
    calls: int = 30_000,
    repetitions: int = 5,
    transactions: int = 200,
    seconds: int = 4,
    database: str = "notices",
) -> dict[str, Any]:
    """Return medians by workload and mode, of a new `database` of the server, which is dropped again."""
    url = running.url(database)
    with psycopg.connect(running.url(), autocommit=True) as admin:
        admin.execute(f"create database {database}".encode())
        try:
            migration.migrate(database=url)
            writers.fill(url, calls)
            return _figures(running, url, calls, repetitions, transactions, seconds)
        finally:
            admin.execute(f"drop database if exists {database} with (force)".encode())


def _figures(
    running: server.Server, url: str, calls: int, repetitions: int, transactions: int, seconds: int
) -> dict[str, Any]:
    single: dict[str, dict[str, list[float]]] = {}
    clients: dict[str, list[float]] = {}
    taken: dict[str, int] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create unlogged table trueup_writers_cpu (nanoseconds bigint)")
        for repetition in range(repetitions):
            turn = MODES[repetition % len(MODES) :] + MODES[: repetition % len(MODES)]
            for mode in turn:
                _set(connection, mode)
                for name, rows in SINGLE:
                    count = transactions if rows == 1 else 3
                    first = taken.get(name, calls // 4 if name == "load" else 0)
                    values = {"n": first, "rows": rows, "calls": calls}
                    text = writers.BRACKET.format(body=(writers.SCRIPTS / f"{name}.sql").read_text())
                    _pgbench(running, url, text, values, f"--transactions={count}")
                    taken[name] = first + count * rows
                    found = connection.execute(
                        "delete from trueup_writers_cpu returning nanoseconds / 1000.0"
                    )
                    times = [float(row[0]) for row in found.fetchall()]
                    single.setdefault(name, {}).setdefault(mode, []).append(
                        statistics.median(times[1:]) / rows
                    )
                clients.setdefault(mode, []).append(_together(running, url, calls, seconds))
                if mode == "notify":
                    with _listening(url):
                        clients.setdefault("listened", []).append(_together(running, url, calls, seconds))
    return {
        "cores": os.cpu_count(),
        "repetitions": repetitions,
        "single": {
            name: {mode: round(statistics.median(times), 1) for mode, times in modes.items()}
            for name, modes in single.items()
        },
        "clients": {mode: round(statistics.median(rates)) for mode, rates in clients.items()},
    }


def _set(connection: psycopg.Connection[Any], mode: str) -> None:
    for event in ("insert", "update", "delete"):
        switch = "disable" if mode == "none" else "enable"
        connection.execute(
            f"alter table public.appointments {switch} trigger appointments_notify_{event}".encode()
        )
    connection.execute(
        "update trueup.settings set value = %s where name = 'appointment_notices'",
        ["off" if mode == "none" else mode],
    )
    connection.execute("vacuum analyze public.appointments")


def _together(running: server.Server, url: str, calls: int, seconds: int) -> float:
    text = (writers.SCRIPTS / "close.sql").read_text()
    said = _pgbench(
        running, url, text, {"calls": calls}, f"--time={seconds}", f"--client={CLIENTS}", "--jobs=2"
    )
    found = re.search(r"tps = ([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def _pgbench(running: server.Server, url: str, text: str, values: dict[str, int], *options: str) -> str:
    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "script.sql"
        script.write_text(text)
        done = subprocess.run(
            [
                running.binaries.directory / "pgbench",
                *("--no-vacuum", "--protocol=prepared", "--random-seed=2025"),
                *(f"--define={name}={value}" for name, value in values.items()),
                *options,
                f"--file={script}",
                url,
            ],
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@contextmanager
def _listening(url: str) -> Iterator[None]:
    """Keep a session that listens and reads, as a process of psql would."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("listen trueup_appointments")
        yield


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=int, default=4, metavar="N")
    options = parser.parse_args()
    with server.temporary(binaries=server.find_binaries(), settings=writers.DURABLE) as running:
        print(
            json.dumps(measure(running, repetitions=options.repetitions, seconds=options.seconds), indent=2)
        )


if __name__ == "__main__":
    main()
