"""Which days of which companies have changed: notices for whoever keeps a cache of free times.

The trigger appointments_notify sends them; nothing is decided here. A listener that was away
is told what it missed, by the position of the last notice it has handled.

A cache is right when it goes by three rules. It is filled after the first notice has come,
never before. A day that is asked of the database while a notice about it comes is not kept.
Position and cache are stored together, after what the notice names was dropped; a cache that
is lost begins without a position.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from trueup import calling
from trueup.errors import DatabaseError

CHANNEL = "trueup_appointments"
# seconds between two questions of a listener that hears nothing: whether the server is still there,
# and what was recorded without being sent (setting appointment_notices)
HEARTBEAT = 30.0
# seconds before a lost connection is tried again, at first and at most
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class Notice:
    """Appointments of a company have changed on a day.

    A `date` of None is any day of the company, a `company_id` of None any company: forget
    everything. `position` is where to begin again once this notice has been handled.
    """

    company_id: int | None
    date: date | None
    position: int


def listen(
    database: str | None = None,
    *,
    position: int | None = None,
    company_id: int | None = None,
    heartbeat: float = HEARTBEAT,
    patience: float | None = None,
) -> Iterator[Notice]:
    """Yield notices for ever, over lost connections, beginning with what was missed since `position`.

    Without a position the first notice says to forget everything. A notice may come twice,
    and none is left out. `database` is a libpq URL or string (None: TRUEUP_DATABASE_URL, else libpq's
    environment): a listener needs a connection of its own, and no pooler in transaction mode.

    Raises DatabaseError when the database cannot be reached at first, or later for more than
    `patience` seconds (None: never); psycopg's errors when the layer is missing.
    """
    listener = _Listener(position, company_id)
    while True:
        try:
            with calling.listening(database, CHANNEL) as connection:
                while True:
                    now = calling.value(connection, "appointment_notice_position")
                    missed = calling.rows(connection, "appointment_notices_since", _Day, **listener.question)
                    yield from listener.caught_up(missed, now)
                    while told := calling.payloads(connection, heartbeat):
                        yield from listener.told(told)
        except (DatabaseError, *calling.ConnectionLost) as error:
            time.sleep(listener.pause(error, patience))


async def listen_async(
    database: str | None = None,
    *,
    position: int | None = None,
    company_id: int | None = None,
    heartbeat: float = HEARTBEAT,
    patience: float | None = None,
) -> AsyncIterator[Notice]:
    """Do what `listen` does, asynchronously."""
    listener = _Listener(position, company_id)
    while True:
        try:
            async with calling.listening_async(database, CHANNEL) as connection:
                while True:
                    now = await calling.value_async(connection, "appointment_notice_position")
                    missed = await calling.rows_async(
                        connection, "appointment_notices_since", _Day, **listener.question
                    )
                    for notice in listener.caught_up(missed, now):
                        yield notice
                    while told := await calling.payloads_async(connection, heartbeat):
                        for notice in listener.told(told):
                            yield notice
        except (DatabaseError, *calling.ConnectionLost) as error:
            await asyncio.sleep(listener.pause(error, patience))


def missed(
    database: calling.Database, position: int | None, *, company_id: int | None = None
) -> list[Notice]:
    """Return what a listener has missed since a position, without listening; on a connection or a pool."""
    listener = _Listener(position, company_id)
    now = calling.value(database, "appointment_notice_position")
    found = calling.rows(database, "appointment_notices_since", _Day, **listener.question)
    return listener.caught_up(found, now)


class _Day(NamedTuple):
    company_id: int | None
    date: date | None


class _Listener:
    """What a listener knows: where it stands, and since when it hears nothing."""

    def __init__(self, position: int | None, company_id: int | None) -> None:
        self.position = position
        self.company_id = company_id
        self._lost_at: float | None = None
        self._pause = SHORTEST_PAUSE
        self._was_connected = False

    @property
    def question(self) -> dict[str, int | None]:
        return {"position": self.position, "company_id": self.company_id}

    def caught_up(self, missed: list[_Day], now: int) -> list[Notice]:
        """Return the notices for what was missed; `now` is the position from before they were read.

        Only the last one moves the position: whoever dies in between is told all of them again.
        """
        before = self.position or 0
        self._heard(now)
        last = len(missed) - 1
        return [
            Notice(day.company_id, day.date, self.position or 0 if number == last else before)
            for number, day in enumerate(missed)
        ]

    def told(self, payloads: list[str]) -> Iterator[Notice]:
        """Yield the notices of payloads; one that is not ours to read says to forget everything."""
        for payload in payloads:
            try:
                text = json.loads(payload)
                company_id, on, position = text["company_id"], text["date"], int(text["position"])
                day = _Day(
                    None if company_id is None else int(company_id),
                    None if on is None else date.fromisoformat(on),
                )
            except (ValueError, TypeError, KeyError):
                day, position = _Day(None, None), 0
            self._heard(position)
            if self.company_id is None or day.company_id in (None, self.company_id):
                yield Notice(day.company_id, day.date, self.position or 0)

    def _heard(self, position: int) -> None:
        self.position = max(self.position or 0, position)
        self._was_connected = True
        self._lost_at = None
        self._pause = SHORTEST_PAUSE

    def pause(self, error: Exception, patience: float | None) -> float:
        """Return how long to wait before the next try. Raises the error when patience is over."""
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        if not self._was_connected or (patience is not None and now - self._lost_at >= patience):
            raise error
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause


__all__ = ["Notice", "listen", "listen_async", "missed"]
