"""What comes in with a request, and an answer that is not sent twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, make_response, request
from flask_babel import get_locale
from werkzeug.exceptions import BadRequest

from trueup.durations import duration
from trueup.errors import UsageError
from trueup.web.context import configuration, is_poll, me

# the largest id that PostgreSQL's bigint holds
MOST = 2**63 - 1
LONGEST = 4000


def text(name: str) -> str | None:
    """Return what was typed into a field; None for nothing. Raises BadRequest when it is too long."""
    given = request.form.get(name, "").strip()
    if len(given) > LONGEST:
        raise BadRequest
    return given or None


def moment() -> datetime | None:
    """Return until when: a time of day in the zone of the console, `tomorrow` at nine, or from now on.

    None when nothing was chosen. Raises BadRequest for what is neither.
    """
    zone = ZoneInfo(configuration().zone)
    at, choice = text("until_at"), text("until")
    try:
        if at:
            given = datetime.fromisoformat(at)
            return given if given.tzinfo else given.replace(tzinfo=zone)
        if choice == "tomorrow":
            day = datetime.now(zone).date() + timedelta(days=1)
            return datetime(day.year, day.month, day.day, 9, tzinfo=zone)
        return datetime.now(UTC) + duration(choice) if choice else None
    except (ValueError, OverflowError, UsageError):
        raise BadRequest from None


def cursor(rank: int, at: datetime, last_id: int) -> str:
    """Return where the next page of a list begins: after this line."""
    return json.dumps([rank, at.isoformat(), last_id], separators=(",", ":"))


def after(*names: str) -> dict[str, Any]:
    """Return the parameters `after_<name>` that the address gives, all None for the first page.

    Raises BadRequest for what `cursor` did not write.
    """
    given = request.args.get("after")
    values: tuple[Any, ...] = (None, None, None)
    if given:
        try:
            rank, at, last_id = json.loads(given)
            values = (int(rank), datetime.fromisoformat(at), int(last_id))
        except (ValueError, TypeError):
            raise BadRequest from None
        if not (0 <= values[0] <= 9 and 0 <= values[2] <= MOST):
            raise BadRequest
    return {f"after_{name}": value for name, value in zip(names, values, strict=True)}


def fresh(data: Any, render: Callable[[], str]) -> Response:
    """Return a page, or 304 to an open page that asks for news when there are none.

    What is shown depends on the data, on who reads it, and on the minute: some times are relative.
    """
    parts = (data, me(), str(get_locale()), request.full_path, int(time.time() // 60))
    tag = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
    if is_poll() and request.if_none_match.contains(tag):
        response = Response(status=304)
    else:
        response = make_response(render())
    response.set_etag(tag)
    return response
