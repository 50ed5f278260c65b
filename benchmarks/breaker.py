"""Asking the circuit breaker and telling it, at one client and at eight, against a plain round trip.

    round_trip  select 1
    insert      the row that a report appends, by INSERT
    allow       may a closed circuit be called
    report      a success of a closed circuit
    both        the two, one after the other, as around every call of a provider
    rejected    may an open circuit be called: no, and a row that says so
    failure     a failure of a circuit that stays closed: the row of its state is locked, the window counted

By pgbench, prepared statements, each a transaction of its own. The circuit that fails is told that
it may fail often, and its window is as full as it gets.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from harness import Figures, Place, interleaved, median

SCRIPTS = Path(__file__).with_name("breaker")
WORKLOADS = ("round_trip", "insert", "allow", "report", "both", "rejected", "failure")
CLIENTS = (1, 8)
TRANSACTIONS = 8_000
"""Of all clients together, in each repetition."""

PREPARE = """
insert into trueup.circuit_breaker_settings (service_key, failures, failure_share)
values ('benchmark failing', 1000000000, 1);
select trueup.set_circuit_mode('benchmark open', 'force_open');
insert into trueup.circuit_breaker_metrics (service_key, outcome, happened_at)
select 'benchmark failing', 'success', clock_timestamp() + interval '1 hour' from generate_series(1, 2000);
analyze trueup.circuit_breaker_metrics;
"""
TIDY = """
delete from trueup.circuit_breaker_settings where service_key like 'benchmark %';
delete from trueup.circuit_breaker_states where service_key like 'benchmark %';
delete from trueup.circuit_breaker_events where service_key like 'benchmark %';
delete from trueup.circuit_breaker_metrics where service_key like 'benchmark %';
"""


def measure(place: Place) -> Figures:
    """Return the mean seconds of a transaction, by workload and clients; 99th percentiles as facts."""
    slowest: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    with _prepared(place):
        seconds = interleaved(
            place,
            {
                f"{name} {clients}": partial(_run, place, name, clients, slowest, rates)
                for clients in CLIENTS
                for name in WORKLOADS
            },
            quietly=True,
        )
    p99 = {name: round(median(values), 4) for name, values in slowest.items()}
    for name, values in seconds.items():
        place.say(f"{name}: {median(values) * 1e6:.0f} µs, 99 of 100 in {p99[name] * 1000:.0f} µs")
    facts = {
        "p99_ms": p99,
        "per_second": {name: round(median(values)) for name, values in rates.items()},
        "clients": list(CLIENTS),
        "transactions": TRANSACTIONS,
    }
    return {"seconds": seconds, "facts": facts}


def _run(
    place: Place,
    name: str,
    clients: int,
    slowest: dict[str, list[float]],
    rates: dict[str, list[float]],
) -> float:
    """Run a workload once; return the mean time of a transaction.

    Notes the 99th percentile in milliseconds, and how many transactions ended in a second.
    """
    with tempfile.TemporaryDirectory(dir=place.directory) as directory:
        done = subprocess.run(
            [
                place.server.binaries.directory / "pgbench",
                *("--no-vacuum", "--protocol=prepared"),
                *(f"--client={clients}", f"--jobs={min(clients, 2)}"),
                f"--transactions={TRANSACTIONS // clients}",
                *("--log", f"--log-prefix={directory}/log", f"--file={SCRIPTS / name}.sql"),
                place.url,
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        # client, transaction, microseconds …
        times = [
            float(line.split()[2])
            for path in Path(directory).iterdir()
            for line in path.read_text().splitlines()
        ]
    (rate,) = re.findall(r"^tps = ([\d.]+)", done.stdout, re.M)
    rates.setdefault(f"{name} {clients}", []).append(float(rate))
    slowest.setdefault(f"{name} {clients}", []).append(statistics.quantiles(times, n=100)[98] / 1000)
    return statistics.fmean(times) / 1e6


@contextmanager
def _prepared(place: Place) -> Iterator[None]:
    """Give circuits of their own, and take them away with what was told of them."""
    with place.connected() as connection:
        connection.execute(TIDY.encode())
        connection.execute(PREPARE.encode())
        try:
            yield
        finally:
            connection.execute(TIDY.encode())
