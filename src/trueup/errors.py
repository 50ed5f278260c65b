"""The one exception tree: each message says what, where, and what to do next.

`exit_code` is what the command line returns for it (DESIGN, section 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

# classes of SQLSTATE whose messages speak of connections, rights, locks and resources, never of rows
_CREDENTIALS = re.compile(r"(\w+://)[^/\s@]*@")
_WITHOUT_VALUES = ("08", "28", "3D", "53", "55", "57", "58")


class TrueupError(Exception):
    """Anything trueup reports to a person; the text is fit for a terminal."""

    exit_code = 2


class UsageError(TrueupError):
    """The caller asked for something that does not exist or does not fit."""


class CatalogError(UsageError):
    """A file of the pack is not what the contract says; names file and line."""


class NotFoundError(UsageError):
    """No alert, queue item, repair, guard or check bears this name or id."""


class RefusedError(UsageError):
    """A function of trueup refused: a stale claim, a violation still there, a key used otherwise.

    `sqlstate` is the function's error code (TU…, listed in db/README.md), `detail` the fact
    behind it; both are None when the refusal is the program's own.
    """

    def __init__(self, message: str, sqlstate: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail


class CircuitOpenError(TrueupError):
    """A circuit is open, so the provider was not called.

    `retry_after` is how long that will last at least, None when only a person can close it.
    """

    def __init__(self, key: str, reason: str, retry_after: timedelta | None) -> None:
        when = (
            "`trueup circuit show` says who ordered it"
            if retry_after is None
            else f"try again in {max(retry_after.total_seconds(), 0):.0f} s"
        )
        super().__init__(f"circuit {key} is not closed ({reason}), nothing was called; {when}")
        self.key = key
        self.reason = reason
        self.retry_after = retry_after


class MigrationError(TrueupError):
    """A migration could not run to its end; the database is as it was before the step named."""

    exit_code = 3


class CheckFailedError(TrueupError):
    """A check could not be evaluated (error or timeout)."""

    exit_code = 3


class ProviderError(TrueupError):
    """The provider's list of bookings could not be read; what was read of it is stored."""

    exit_code = 3


class DatabaseError(TrueupError):
    """The database cannot be reached, cannot be written to, or is not ours."""

    exit_code = 4


class ConnectionLostError(DatabaseError):
    """The server cannot be reached, or a connection to it was lost: it may be there again soon."""


class BusyError(DatabaseError):
    """Another session is doing what one session at a time may do, and was waited for in vain."""


class ServerError(TrueupError):
    """The embedded server cannot be found, started or stopped."""

    exit_code = 4


def logged(error: BaseException) -> dict[str, str]:
    """Return what a log may say of an error: its class, its SQLSTATE, and its text when no row can be in it.

    What the server says of a statement may quote a value, in its primary message too. A fault of
    the program's own is named by where it is.
    """
    found = {"error": type(error).__name__}
    # psycopg's errors, and no RefusedError, have a diag
    said = next((cause for cause in _causes(error) if hasattr(cause, "diag")), None)
    state = getattr(said or error, "sqlstate", None)
    if state:
        found["sqlstate"] = state
    if isinstance(error, TrueupError | OSError):
        if said is None or state is None or state.startswith(_WITHOUT_VALUES):
            found["reason"] = _CREDENTIALS.sub(r"\1***@", " ".join(str(error).split()))
    elif said is None and error.__traceback__:
        trace = error.__traceback__
        while trace.tb_next:
            trace = trace.tb_next
        found["at"] = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return found


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
