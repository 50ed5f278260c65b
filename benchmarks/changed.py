"""A pass over what changed: as a process of its own, and inside a program that goes on running.

Before each pass an application writes to the most recent rows: of ten, six calls, three
appointments and a customer, in transactions of a hundred rows at most. A full run at the end
tells whether the passes found everything.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from harness import TRUEUP, Connection, Figures, Place, Ran, interleaved, run

from trueup import changes, packs
from trueup.store import session

CHANGES = (1, 100, 1_000, 10_000)
IN_ONE_TRANSACTION = 100
# until a session that goes on has its statements prepared and their plans kept: five times each
PASSES_BEFORE = 12
SHARES = {"calls": 6, "appointments": 3, "customers": 1}

# newest first, from the `at`th row on; each hundredth call gets an outcome that contradicts its flag in a
# round with an odd number, and in the next one that agrees with it: passes open alerts, and resolve them
WRITES = {
    "calls": """
        update public.calls as c
        set
            customer_link_confidence = 90 + %(round)s %% 10,
            session_outcome = case
                when not c.appointment_made or c.id %% 100 <> 1 then c.session_outcome
                when %(round)s %% 2 = 1 then 'information_only'
                else 'appointment_booked'
            end,
            updated_at = now()
        where c.id in (
            select n.id from public.calls as n
            where n.customer_link_status = 'linked'
            order by n.id desc limit %(rows)s offset %(at)s
        )""",
    "appointments": """
        update public.appointments as a
        set ends_at = a.starts_at + (30 + %(round)s %% 10) * interval '1 minute', updated_at = now()
        where a.id in (
            select n.id from public.appointments as n order by n.id desc limit %(rows)s offset %(at)s
        )""",
    "customers": """
        update public.customers as k
        set email = 'c' || k.id || '.' || %(round)s || '@example.com', updated_at = now()
        where k.id in (
            select n.id from public.customers as n order by n.id desc limit %(rows)s offset %(at)s
        )""",
}


def measure(place: Place) -> Figures:
    """Return the seconds of a pass by the number of changed rows, and what a full run found afterwards."""
    rounds = itertools.count(1)
    alerts = 0
    full = _run(place)
    _run(place, "--changed")
    pack = packs.load()
    _warm(place)
    with place.connected() as application, session(place.url, "benchmark") as connection:

        def process(count: int) -> float:
            nonlocal alerts
            _change(application, count, next(rounds))
            ran = _run(place, "--changed")
            alerts += _filed(json.loads(ran.output)["results"])
            return ran.seconds

        def in_session(count: int) -> float:
            nonlocal alerts
            _change(application, count, next(rounds))
            began = time.monotonic()
            done = changes.judge(connection, pack)
            took = time.monotonic() - began
            alerts += sum(result.opened + result.reopened + result.resolved for result in done.results)
            return took

        for _ in range(PASSES_BEFORE):
            in_session(1)
        seconds = interleaved(
            place,
            {
                **{f"session {count}": partial(in_session, count) for count in CHANGES},
                **{f"process {count}": partial(process, count) for count in CHANGES},
            },
        )
        # the calls are as they were
        number = next(rounds)
        _change(application, max(CHANGES), number + number % 2)
        _run(place, "--changed")
    missed = _filed(json.loads(_run(place).output)["results"])
    if missed:
        raise RuntimeError(f"a full run opened, reopened or resolved {missed} alerts that the passes had not")
    if not alerts:
        raise RuntimeError("no pass had anything to file")
    return {
        "seconds": {**seconds, "full": [round(full.seconds, 3)]},
        "facts": {"alerts_by_passes": alerts, "missed": missed},
    }


def _warm(place: Place) -> None:
    """Make the first temporary table of each of the server's processes.

    It makes every session plan anew, once for each process and database; here most would do it in between.
    """
    with ExitStack() as stack, place.connected() as connection:
        (most,) = connection.execute(
            "select current_setting('max_connections')::integer - count(*) "
            "from pg_stat_activity where backend_type = 'client backend'"
        ).fetchone() or (0,)
        # a few are left to others
        for _ in range(most - 3):
            stack.enter_context(place.connected()).execute("create temporary table first ()")


def _run(place: Place, *options: str) -> Ran:
    return run([TRUEUP, "check", *options, "--database", place.url, "--format", "json"], accept=(0, 1))


def _filed(results: list[dict[str, Any]]) -> int:
    return sum(int(result["opened"] + result["reopened"] + result["resolved"]) for result in results)


def _change(connection: Connection, count: int, number: int) -> None:
    """Change `count` recent rows."""
    # what autovacuum does within a minute, but here passes of all sizes follow each other within seconds
    connection.execute("vacuum trueup.changes, trueup.data_consistency_alerts")
    for table, rows in _shares(count):
        for at in range(0, rows, IN_ONE_TRANSACTION):
            parameters = {"rows": min(IN_ONE_TRANSACTION, rows - at), "at": at, "round": number}
            changed = connection.execute(WRITES[table].encode(), parameters).rowcount
            assert changed == parameters["rows"], (
                f"{changed} rows of {table} changed, not {parameters['rows']}"
            )


def _shares(count: int) -> Iterator[tuple[str, int]]:
    """Divide the changes among the tables; what is left goes to calls."""
    others = {table: count * share // 10 for table, share in SHARES.items() if table != "calls"}
    yield "calls", count - sum(others.values())
    yield from others.items()
