"""Each of the twelve checks as trueup's view and as the plain query of the other tools, in one session."""

from __future__ import annotations

from functools import partial

from harness import Connection, Figures, NotHereError, Place, interleaved, timed
from peers import CHECKS, queries

MOST_CALLS = 1_000_000


def measure(place: Place) -> Figures:
    """Return the seconds of both, by check; they must find as many entities."""
    if place.calls > MOST_CALLS:
        raise NotHereError(f"the ratios of a view to a query are known from {MOST_CALLS:,} calls")
    with place.connected() as connection:
        for check, query in queries().items():
            views = connection.execute(
                f"select v.entity_type, v.entity_id from trueup.{check} as v".encode()
            ).fetchall()
            found = connection.execute(query.encode()).fetchall()
            if len(set(views)) != len(views) or len(views) != len(found):
                raise RuntimeError(f"{check}: {len(views)} rows in the view, {len(found)} by the query")
        seconds = interleaved(
            place,
            {
                **{
                    f"view {check}": partial(_read, connection, f"select * from trueup.{check}")
                    for check in CHECKS
                },
                **{f"plain {check}": partial(_read, connection, query) for check, query in queries().items()},
            },
            quietly=True,
        )
    return {"seconds": seconds, "facts": {}}


def _read(connection: Connection, query: str) -> float:
    """Read every row with every column, as a run does: evidence that nobody reads is not computed."""
    return timed(lambda: connection.execute(query.encode()).fetchall())
