"""Store what the provider lists of its bookings, so that checks can compare it with the appointments."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from trueup.durations import elapsed_ms
from trueup.errors import ProviderError, RefusedError, UsageError
from trueup.events import is_json
from trueup.model import Progress, silent
from trueup.provider import BookingList, MovedError, Page
from trueup.store import ServerSaid, Session, explained, refuse_foreign, session

logger = logging.getLogger(__name__)

# a list that shows fewer bookings than there are, because some went meanwhile, is read again
READINGS = 3
# what a list is asked for when nobody says
BACK = timedelta(days=7)
AHEAD = timedelta(days=90)
CIRCUIT = "booking_list:company:{}"


@dataclass(frozen=True)
class Imported:
    """A reading of the list. `status` is complete or incomplete; only a complete one tells what is not there.

    `expected` is the provider's own count, None when it gave none. The last three are what the
    checks booking_missing_locally, booking_missing_remotely and booking_differs list for the company.
    """

    import_id: int
    company_id: int
    status: str
    start: datetime | None
    until: datetime | None
    pages: int
    bookings: int
    added: int
    expected: int | None
    missing_locally: int
    missing_remotely: int
    differing: int


def reconcile_file(
    company_id: int,
    content: bytes,
    *,
    name: str = "the list",
    start: datetime | None = None,
    until: datetime | None = None,
    taken_at: datetime | None = None,
    database: str | None = None,
) -> Imported:
    """Store a list that was read before: one page, or a page on each line.

    `start` and `until` say which bookings the list was asked for, all of them; without, it
    proves nothing missing. `taken_at` is when it was read (None: now). Raises UsageError for
    text that is no list, RefusedError for one that the database refuses.
    """
    pages = _pages_of(content, name)
    with session(database, "reconcile") as connection:
        refuse_foreign(connection)
        return _read(connection, company_id, pages, start, until, taken_at, silent)


def reconcile_api(
    company_id: int,
    url: str,
    token: str,
    *,
    start: datetime | None = None,
    until: datetime | None = None,
    timeout: float = 30.0,
    database: str | None = None,
    progress: Progress = silent,
) -> Imported:
    """Read the list over HTTP and store it, every page in a transaction of its own.

    All bookings that start at `start` (None: a week ago) or later and end by `until` (None: in
    90 days). Asks the circuit `booking_list:company:<id>` before each request.
    Raises ProviderError when the list cannot be read to its end; the pages before are stored.
    """
    with session(database, "reconcile") as connection:
        refuse_foreign(connection)
        now = datetime.now().astimezone()
        window = start or now - BACK, until or now + AHEAD
        bookings = BookingList(url, token, timeout=timeout, circuit=_Circuit(connection, company_id))
        for reading in range(1, READINGS + 1):
            try:
                done = _read(connection, company_id, bookings.pages(*window), *window, None, progress)
            except MovedError:
                if reading == READINGS:
                    raise
            else:
                if done.status == "complete" or reading == READINGS:
                    return done
        raise AssertionError("the last reading returns or raises")


class _Stored(NamedTuple):
    import_id: int
    status: str
    page_bookings: int
    page_added: int
    bookings: int
    expected: int | None


class _Differences(NamedTuple):
    missing_locally: int
    missing_remotely: int
    differing: int


def _read(
    connection: Session,
    company_id: int,
    pages: Iterable[Page],
    start: datetime | None,
    until: datetime | None,
    taken_at: datetime | None,
    progress: Progress,
) -> Imported:
    began = time.monotonic()
    # before the first page is asked for: what is written here from now on is newer
    import_id = connection.value(
        "begin_booking_import", company_id=company_id, start=start, until=until, taken_at=taken_at
    )
    stored: _Stored | None = None
    added = number = 0
    for number, page in enumerate(pages, start=1):
        try:
            stored = connection.row(
                "import_bookings",
                _Stored,
                company_id=company_id,
                page=page.text,
                import_id=import_id,
                is_last=page.is_last,
            )
        except ServerSaid as said:
            error = explained(said)
            # 22: text that is JSON to Python and not to PostgreSQL
            if not isinstance(error, RefusedError) and not (said.sqlstate or "").startswith("22"):
                raise
            detail = f"\n{error.detail}" if isinstance(error, RefusedError) and error.detail else ""
            raise UsageError(f"page {number}: {error}{detail}") from said
        assert stored is not None
        added += stored.page_added
        progress("bookings", stored.bookings, max(stored.bookings, stored.expected or 0))
    assert stored is not None, "a list has a page at least"
    found = connection.row("booking_differences", _Differences, company_id=company_id)
    assert found is not None
    done = Imported(
        import_id,
        company_id,
        stored.status,
        start,
        until,
        number,
        stored.bookings,
        added,
        stored.expected,
        found.missing_locally,
        found.missing_remotely,
        found.differing,
    )
    logger.info(
        "bookings listed",
        extra={
            "company": company_id,
            "import_id": import_id,
            "outcome": done.status,
            "pages": number,
            "bookings": done.bookings,
            "added": added,
            "missing_locally": done.missing_locally,
            "missing_remotely": done.missing_remotely,
            "differing": done.differing,
            "duration_ms": elapsed_ms(began),
        },
    )
    return done


class _Verdict(NamedTuple):
    allowed: bool
    permit: str | None
    reason: str | None


class _Circuit:
    """The circuit breaker of the provider's list."""

    def __init__(self, connection: Session, company_id: int) -> None:
        self._connection = connection
        self._key = CIRCUIT.format(company_id)

    def allow(self) -> str | None:
        """Return the permit to report with. Raises ProviderError when the circuit is open."""
        verdict = self._connection.row("circuit_allow", _Verdict, key=self._key)
        assert verdict is not None
        if not verdict.allowed:
            raise ProviderError(f"the provider is not called now: circuit {self._key}: {verdict.reason}")
        return verdict.permit

    def report(self, permit: str | None, outcome: str, seconds: float) -> None:
        """Tell how the request went."""
        if permit is not None:
            self._connection.run("circuit_report", permit=permit, outcome=outcome, seconds=seconds)


def _pages_of(content: bytes, name: str) -> list[Page]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start})") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError(f"{name} is empty; it should hold a page of the provider's list")
    texts = [text] if is_json(text) else lines
    for number, line in enumerate(texts, start=1):
        if not is_json(line):
            raise UsageError(f"{name} is neither JSON nor a page of JSON on each line (line {number})")
    return [Page(line, number == len(texts)) for number, line in enumerate(texts, start=1)]
