"""Variants that make databases of their own, on servers with settings of their own.

What they measure does not depend on the rows of the place, and is measured at the smaller sizes only.
"""

from __future__ import annotations

from importlib import import_module

import bloat as day
from harness import Figures, NotHereError, Place

from trueup import server

MOST_CALLS = 1_000_000


def bloat(place: Place) -> Figures:
    """Live through a day of changes on a server with autovacuum."""
    _small(place)
    settings = {"autovacuum": "on", "autovacuum_naptime": "1s", "shared_buffers": "256MB"}
    with server.temporary(binaries=place.server.binaries, settings=settings) as running:
        return {"seconds": {}, "facts": day.measure(running)}


def writers(place: Place) -> Figures:
    """Write with and without trueup, on a server that syncs to disk."""
    _small(place)
    module = import_module("writers")
    with server.temporary(binaries=place.server.binaries, settings=module.DURABLE) as running:
        noting = module.costs(running, module.TRACKING, module.NOTED)
        return {"seconds": {}, "facts": {**module.measure(running), "noting": noting}}


def _small(place: Place) -> None:
    if place.calls > MOST_CALLS:
        raise NotHereError(f"it makes databases of its own, and is measured with up to {MOST_CALLS:,} calls")
