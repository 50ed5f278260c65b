"""Make a booking database of any size and adopt it: the same rows every time.

Calls, 0.7 times as many appointments, 0.2 times as many customers, of one year, in
companies of 10,000 calls. One call in 1,001 is at fault, in one of twelve ways.
"""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import TRUEUP, Place, run

from trueup import migration, packs, server
from trueup.store import session

DATA = Path(__file__).with_name("data")
CALLS_OF_A_COMPANY = 10_000

# Rows of a table that was emptied in the same transaction are not logged at wal_level minimal.
LOADING = {
    **server.THROWAWAY,
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "shared_buffers": "1GB",
}


def load(place: Place) -> dict[str, float]:
    """Fill the empty database of the place and adopt it; return the seconds that each step took."""
    if place.calls % CALLS_OF_A_COMPANY or place.calls < 2 * CALLS_OF_A_COMPANY:
        raise ValueError(f"the number of calls is a multiple of {CALLS_OF_A_COMPANY:,}, at least twice that")
    seconds: dict[str, float] = {}
    with session(place.url, "benchmark") as connection:
        connection.script(migration.host_sql(packs.load()) or "")
    # calls are one stream, in order; the rest goes beside it
    with ThreadPoolExecutor() as pool:
        began = time.monotonic()
        calls = pool.submit(_fill, place, "calls")
        others = pool.submit(_fill, place, "companies", "appointments")
        calls.result()
        others.result()
        seconds["fill"] = round(time.monotonic() - began, 1)
    place.say(f"filled in {seconds['fill']} s")
    _statement(place, "vacuum (analyze, freeze)", seconds, "analyse before adoption")
    adopted = run([TRUEUP, "adopt", "--apply", "--database", place.url, "--format", "json"])
    seconds["adopt"] = round(adopted.seconds, 1)
    place.say(f"adopted in {seconds['adopt']} s")
    # the second pass finds the indexes on expressions that adoption made
    _statement(place, "vacuum (analyze)", seconds, "analyse after adoption")
    return seconds


def bring_to_head(place: Place) -> None:
    """Deploy the pack as it is now: the database may have been loaded by an older checkout."""
    run([TRUEUP, "migrate", "--database", place.url, "--format", "json"])


def rows(place: Place) -> dict[str, int]:
    """Return how many rows the large tables have, and the size of the database in megabytes."""
    with place.connected() as connection:
        row = connection.execute(
            "select (select count(*) from public.calls), (select count(*) from public.appointments),"
            " (select count(*) from public.customers), pg_database_size(current_database()) / 1048576"
        ).fetchone()
    assert row is not None
    return dict(zip(("calls", "appointments", "customers", "megabytes"), row, strict=True))


def _fill(place: Place, *names: str) -> None:
    """Run files of data/ in turn, each in one transaction."""
    companies = place.calls // CALLS_OF_A_COMPANY
    settings = ("-v", "ON_ERROR_STOP=1", "-v", f"calls={place.calls}", "-v", f"companies={companies}")
    psql = [*place.server.psql_command(place.database), "-qX1", *settings]
    for name in names:
        done = subprocess.run(
            [*psql, "-f", DATA / f"{name}.sql"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{name}.sql: {done.stderr}")


def _statement(place: Place, text: str, seconds: dict[str, float], name: str) -> None:
    began = time.monotonic()
    with place.connected() as connection:
        connection.execute(text.encode())
    seconds[name] = round(time.monotonic() - began, 1)
