"""Live through a day of changes and print, as JSON, how large our tables are against the least they could be.

Writers append what the triggers append, a key or a few in each transaction; 288 passes read
and delete it, file alerts that open, are seen again and resolve by the thousand, queue and
decide reviews, journal repairs and record their runs; autovacuum works beside them. The least
is what VACUUM FULL makes of a copy of the database. The day takes minutes, so that passes come
hundreds of times as fast while autovacuum looks only 60 times as often: worse than a real day.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

import trueup
from trueup import server

SCRIPT = Path(__file__).with_name("bloat.sql")
# our tables, with indexes and TOAST; the copy answers it after VACUUM FULL
SIZES = """
select c.relname, pg_total_relation_size(c.oid)
from pg_class as c
where c.relnamespace = 'trueup'::regnamespace and c.relkind = 'r'
"""
COUNTERS = """
select
    s.relname,
    pg_relation_size(s.relid) as heap,
    s.n_live_tup,
    s.n_dead_tup,
    s.n_tup_ins,
    s.n_tup_upd,
    s.n_tup_hot_upd,
    s.n_tup_del,
    s.autovacuum_count
from pg_stat_user_tables as s
where s.schemaname = 'trueup'
"""
# a table smaller than this has no ratio worth telling: an empty index takes a page or two
SMALL = 1 << 20


def measure(
    running: server.Server,
    *,
    changes: int = 1_000_000,
    rows: int = 4,
    clients: int = 4,
    passes: int = 288,
    standing: int = 1000,
    churn: int = 40,
    seconds: float = 150,
    database: str = "bloat",
) -> dict[str, Any]:
    """Live through the day in a new `database` of the server, drop it again, and return the figures.

    `changes` rows change, `rows` in each transaction of one of `clients`; each pass keeps
    `standing` alerts of each of four checks open and exchanges `churn` of them. Sizes are bytes.
    `tables` has, for each table of ours, size, least size, their ratio (None for tables under
    1 MB), the most it was, and the counters of its updates; `ratio` is that of the sum.
    """
    url = running.url(database)
    with psycopg.connect(running.url(), autocommit=True) as admin:
        admin.execute(f"create database {database}".encode())
        try:
            trueup.migrate(database=url)
            most, took = _day(running, url, changes, rows, clients, passes, standing, churn, seconds)
            with psycopg.connect(url, autocommit=True) as connection:
                # counters are sent when a session ends, or a second later
                time.sleep(1.5)
                cursor = connection.execute(COUNTERS.encode())
                names = [column.name for column in cursor.description or ()]
                counters = {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in cursor}
                sizes = _sizes(connection)
            admin.execute(f"create database {database}_least template {database} strategy file_copy".encode())
            try:
                with psycopg.connect(running.url(f"{database}_least"), autocommit=True) as copy:
                    for name in sizes:
                        copy.execute(f"vacuum full trueup.{name}".encode())
                    least = _sizes(copy)
            finally:
                admin.execute(f"drop database {database}_least with (force)".encode())
        finally:
            admin.execute(f"drop database {database} with (force)".encode())
    return {
        "changes": changes,
        "passes": passes,
        "seconds": round(took, 1),
        "bytes": sum(sizes.values()),
        "least_bytes": sum(least.values()),
        "ratio": round(sum(sizes.values()) / sum(least.values()), 2),
        "tables": {
            name: {
                "bytes": size,
                "least_bytes": least[name],
                "ratio": round(size / least[name], 2) if size >= SMALL else None,
                "most_bytes": most.get(name, size),
                **counters[name],
            }
            for name, size in sorted(sizes.items(), key=lambda item: -item[1])
            if counters[name]["n_tup_ins"]
        },
    }


def _day(
    running: server.Server,
    url: str,
    changes: int,
    rows: int,
    clients: int,
    passes: int,
    standing: int,
    churn: int,
    seconds: float,
) -> tuple[dict[str, int], float]:
    """Run the writers and the passes beside them; return the most each table was, and the time taken."""
    keys = ", ".join(f"'id=' || :n + {row}, 'company_id=1'" for row in range(rows))
    transactions = changes // rows // clients
    last = transactions // passes
    most: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        script = Path(directory) / "writer.sql"
        script.write_text(
            "\\set n random(1, 10000000)\n"
            f"insert into trueup.changes (table_name, keys) values ('public.calls', array[{keys}]);\n"
        )

        def writers(count: int) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [
                    str(running.binaries.directory / "pgbench"),
                    *("-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-t", str(count)),
                    *("-R", str(round(changes / rows / seconds)), "-f", str(script), url),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        began = time.monotonic()
        working = writers(transactions - last)
        statements = SCRIPT.read_text()
        for number in range(passes):
            time.sleep(max(0.0, began + seconds * (number + 1) / passes - time.monotonic()))
            if number == passes - 1 and working.wait():
                sys.exit("pgbench failed")
            for name, size in _sizes(connection).items():
                most[name] = max(size, most.get(name, 0))
            text = statements
            for name, value in (("pass", number), ("standing", standing), ("churn", churn)):
                text = text.replace(f":{name}", str(value))
            connection.execute(text.encode())
        # changes is measured with what one pass finds in it: empty, its least would be nothing
        if writers(last).wait():
            sys.exit("pgbench failed")
        return most, time.monotonic() - began


def _sizes(connection: psycopg.Connection[Any]) -> dict[str, int]:
    return dict(connection.execute(SIZES.encode()).fetchall())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=4, help="changed rows in each transaction")
    parser.add_argument("--passes", type=int, default=288)
    parser.add_argument("--standing", type=int, default=1000, help="open alerts of each of four checks")
    parser.add_argument("--churn", type=int, default=40, help="of these, how many go and come with each pass")
    parser.add_argument("--seconds", type=float, default=150, help="how long the day takes at least")
    options = parser.parse_args()
    settings = {"autovacuum": "on", "autovacuum_naptime": "1s", "shared_buffers": "256MB"}
    with server.temporary(settings=settings) as running:
        figures = {
            "cores": os.cpu_count(),
            "postgresql": running.binaries.version,
            **measure(running, **vars(options)),
        }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
