"""What the views of db/dashboards and the queries of `trueup metrics` cost, as the role trueup_dashboard.

Everything happens in one transaction that is rolled back: rows are put behind the views first
(dashboards.sql), unless told not to, so that they have something to read. The time is that of
the server, planning and execution of the whole view (`explain analyze`); what counts is the
least of several, because whatever else the machine does only adds to it.
What the rolled back rows leave is vacuumed away.
Prints a table to standard error and JSON to standard output; exits with 1 when something took
longer than it may.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from trueup.operating.metrics import COLLECTORS
from trueup.store import statement

ROLE = "trueup_dashboard"
PLANTED = Path(__file__).with_suffix(".sql")
MOST_MS = 200.0
WRITTEN = (
    "public.calls",
    "trueup.data_consistency_alerts",
    "trueup.check_runs",
    "trueup.check_results",
    "trueup.consistency_rates",
    "trueup.repairs",
    "trueup.manual_review_queue",
    "trueup.changes",
    "trueup.jobs",
    "trueup.runners",
    "trueup.job_runs",
    "trueup.notification_channels",
    "trueup.notifications",
)
VIEWS = """
select o.identity
from trueup.objects as o
where o.kind = 'view' and o.file like 'db/dashboards/%'
order by o.identity
"""


def measure(url: str, *, alerts: int = 100_000, repetitions: int = 7) -> dict[str, Any]:
    """Return the milliseconds of every view and metric query, and the rows that each gives."""
    with psycopg.connect(url) as connection:
        try:
            if alerts:
                connection.execute(
                    PLANTED.read_text().replace("%(alerts)s", str(alerts)).replace("%%", "%").encode()
                )
            views = [str(row[0]) for row in connection.execute(VIEWS).fetchall()]
            (calls,) = connection.execute(
                "select reltuples::bigint from pg_class where oid = 'public.calls'::regclass"
            ).fetchone() or (0,)
            connection.execute(f"set local role {ROLE}")
            queries = {name: f"select * from {name}".encode() for name in views}
            for each in COLLECTORS:
                needs = f"trueup.{each.needs}" if each.needs else None
                if not needs or connection.execute("select to_regclass(%s)", [needs]).fetchone() != (None,):
                    queries[each.statement] = statement(each.statement).replace(b"%(most)s", b"20")
            found = {name: _cost(connection, query, repetitions) for name, query in queries.items()}
        finally:
            connection.rollback()
            if alerts:
                connection.autocommit = True
                connection.execute(f"vacuum {', '.join(WRITTEN)}".encode())
    return {"calls": calls, "alerts": alerts, "role": ROLE, "queries": found}


def _cost(connection: psycopg.Connection[Any], query: bytes, repetitions: int) -> dict[str, Any]:
    times = []
    for _ in range(repetitions):
        explained = connection.execute(b"explain (analyze, timing off, format json) " + query).fetchone()
        assert explained is not None
        plan = explained[0][0]
        times.append(plan["Planning Time"] + plan["Execution Time"])
    return {
        "ms": round(min(times), 1),
        "median_ms": round(statistics.median(times), 1),
        "rows": plan["Plan"]["Actual Rows"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", metavar="URL", help="a migrated database, for a superuser")
    parser.add_argument("--alerts", type=int, default=100_000, metavar="N", help="0: measure what is there")
    parser.add_argument("--repetitions", type=int, default=7, metavar="N")
    options = parser.parse_args()
    began = time.monotonic()
    found = measure(options.database, alerts=options.alerts, repetitions=options.repetitions)
    for name, cost in sorted(found["queries"].items(), key=lambda item: -item[1]["ms"]):
        print(
            f"{cost['ms']:9.1f} ms  {cost['median_ms']:9.1f} ms (median)  {cost['rows']:>9,.0f} rows  {name}",
            file=sys.stderr,
        )
    print(f"{found['calls']:,} calls, {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(json.dumps(found, indent=2))
    return int(any(cost["ms"] > MOST_MS for cost in found["queries"].values()))


if __name__ == "__main__":
    sys.exit(main())
