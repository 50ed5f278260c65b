"""How people write durations and instants; the only place where they are read."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

from trueup.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\s*")


def duration(text: str) -> timedelta:
    """Return the length of `text`: parts such as 90s, 30m, 2h, 1d, 1w, also joined (1h30m).

    Raises UsageError for anything else, and for nothing at all (0s).
    """
    found = _duration(text)
    if found is None:
        raise UsageError(f"'{text}' is no duration; write 90s, 30m, 2h, 1d or 1h30m")
    return found


def length(span: timedelta) -> str:
    """Return a duration as people write it, in its two largest units: 7d, 3h 20m, 40s."""
    rest = int(span.total_seconds())
    parts = []
    for unit in ("d", "h", "m", "s"):
        number, rest = divmod(rest, _SECONDS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2]) or "0s"


def instant(text: str, *, now: datetime | None = None) -> datetime:
    """Return the instant meant by `text`: a duration from `now` on, or an ISO date or time.

    A date means its first moment. Without an offset the zone of this machine is meant.
    Raises UsageError for anything else, and for what is not to come.
    """
    now = now or datetime.now().astimezone()
    try:
        length = _duration(text)
        found = now + length if length is not None else datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(
            f"'{text}' is no time; write 2h or 1d from now on, 2025-11-03, or 2025-11-03T09:00"
        ) from None
    if found <= now:
        raise UsageError(f"'{text}' has passed ({found:%Y-%m-%d %H:%M %z}); say a time to come")
    return found


def moment(text: str, *, is_local: bool = True) -> datetime:
    """Return the instant meant by `text`, an ISO date or time, past or to come.

    A date means its first moment. Without an offset the zone of this machine is meant, or, not
    `is_local`, one that the caller knows: then the result has none. Raises UsageError for anything else.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        return found.astimezone() if is_local else found
    except (ValueError, OverflowError):
        raise UsageError(f"'{text}' is no time; write 2025-11-03, or 2025-11-03T09:00+01:00") from None


def ago(text: str) -> timedelta | datetime:
    """Return how long before now `text` says, or the instant it names, as `moment` not local does."""
    return _duration(text) or moment(text, is_local=False)


def elapsed_ms(began: float) -> float:
    """Return the milliseconds since an instant of time.monotonic()."""
    return round((time.monotonic() - began) * 1000, 1)


def _duration(text: str) -> timedelta | None:
    """Return the length, None for text that is not written as one."""
    bare = text.strip().lower()
    parts = _PART.findall(bare)
    if not parts or _PART.sub("", bare):
        return None
    try:
        length = timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise UsageError(f"'{text}' is longer than anybody can wait") from None
    if length <= timedelta():
        raise UsageError(f"'{text}' is no time at all; write 90s, 30m, 2h or 1d")
    return length
