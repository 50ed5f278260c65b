"""Read a provider's list of bookings over HTTP, page by page (Cal.com API v2).

Needs the extra `trueup[api]`. The token goes into one header of requests to the address
given, and nowhere else: redirects are not followed, and no error holds it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from trueup.errors import ProviderError, UsageError

if TYPE_CHECKING:
    import httpx

# the version of the API whose list this module reads; the provider changes the form with it
API_VERSION = "2024-08-13"
LARGEST_PAGE = 32 << 20
# a pause that the provider asks for and that is longer than this is an answer, too: not now
LONGEST_PAUSE = 120.0


class Circuit(Protocol):
    """Whom to ask before a request, and whom to tell how it went."""

    def allow(self) -> str | None:
        """Return a permit. Raises ProviderError when the provider is not to be called now."""

    def report(self, permit: str | None, outcome: str, seconds: float) -> None:
        """Tell the outcome: success, failure, or refusal (the provider answered, and said no)."""


class MovedError(ProviderError):
    """Bookings moved from page to page while the list was read: read it again."""


class NoCircuit:
    """Lets every request through."""

    def allow(self) -> str | None:
        """Return no permit."""
        return None

    def report(self, permit: str | None, outcome: str, seconds: float) -> None:
        """Forget it."""


@dataclass(frozen=True)
class Page:
    """A page as it came; `is_last` when the provider has no further one."""

    text: str
    is_last: bool


@dataclass(frozen=True)
class BookingList:
    """Where the list is, and how patiently it is read.

    `timeout` is seconds for one request; `attempts` how often a page is asked for before it is
    given up; `sleep` waits between them.
    """

    url: str
    token: str = field(repr=False)
    timeout: float = 30.0
    attempts: int = 5
    page_size: int = 100
    circuit: Circuit = field(default_factory=NoCircuit)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Raise UsageError for an address or a token that must not be used."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise UsageError("--api wants the address of the list: https://api.cal.com/v2/bookings")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise UsageError(f"the token would go to {parts.hostname} unencrypted; write https://")
        if not self.token.isascii() or not self.token.isprintable() or " " in self.token:
            raise UsageError("the token holds characters that no token has; look at the variable it is in")

    def pages(self, start: datetime, until: datetime) -> Iterator[Page]:
        """Yield the pages of all bookings that start at `start` or later and end by `until`.

        In the order in which the bookings were made, so that one that is made meanwhile
        comes last and moves none to another page. Each page begins with the last booking of
        the one before: when it does not, bookings have moved between the pages, and one
        may stand on neither. Raises ProviderError, and MovedError for that.
        """
        httpx = _httpx()
        skip = 0
        last_uid = None
        with httpx.Client(
            timeout=self.timeout,
            follow_redirects=False,
            headers={
                "Authorization": f"Bearer {self.token}",
                "cal-api-version": API_VERSION,
                "Accept": "application/json",
            },
        ) as client:
            while True:
                query = {
                    "afterStart": _spelled(start),
                    "beforeEnd": _spelled(until),
                    "sortCreated": "asc",
                    "take": self.page_size,
                    "skip": skip,
                }
                text, content = self._page(client, query)
                count, pagination = len(content["data"]), content.get("pagination")
                if isinstance(pagination, dict) and isinstance(pagination.get("hasNextPage"), bool):
                    is_last = not pagination["hasNextPage"]
                else:
                    is_last = count < self.page_size
                uids = [item.get("uid") if isinstance(item, dict) else None for item in content["data"]]
                if skip and uids[:1] != [last_uid]:
                    raise MovedError(f"{self._place}: bookings went while the list was read")
                if not is_last and count < 2:
                    raise ProviderError(
                        f"{self._place}: after {skip + count} bookings there should be more, and none came"
                    )
                yield Page(text, is_last)
                if is_last:
                    return
                skip += count - 1
                last_uid = uids[-1]

    @property
    def _place(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    def _page(self, client: httpx.Client, query: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return a page as text and as JSON, however often it has to be asked for."""
        for attempt in range(1, self.attempts + 1):
            permit = self.circuit.allow()
            began = time.monotonic()
            try:
                found = self._asked(client, query)
            except _NotNowError as error:
                self.circuit.report(permit, error.outcome, time.monotonic() - began)
                if error.is_final or attempt == self.attempts or (error.pause or 0) > LONGEST_PAUSE:
                    tried = "" if error.is_final else f", asked {attempt} times"
                    raise ProviderError(f"{self._place}: {error}{tried}") from None
                backoff = min(2.0 ** (attempt - 1), 30.0) * random.uniform(0.5, 1)
                self.sleep(backoff if error.pause is None else error.pause)
            except BaseException:
                self.circuit.report(permit, "failure", time.monotonic() - began)
                raise
            else:
                self.circuit.report(permit, "success", time.monotonic() - began)
                return found
        raise AssertionError("the last attempt returns or raises")

    def _asked(self, client: httpx.Client, query: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        httpx = _httpx()
        body = bytearray()
        deadline = time.monotonic() + self.timeout
        try:
            with client.stream("GET", httpx.URL(self.url).copy_merge_params(query)) as response:
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > LARGEST_PAGE:
                        raise _NotNowError(f"a page of more than {LARGEST_PAGE >> 20} MB", is_final=True)
                    # each piece may come in time, and the whole never
                    if time.monotonic() > deadline:
                        raise _NotNowError(f"no whole answer within {self.timeout:g} s")
        except httpx.TimeoutException:
            raise _NotNowError(f"no answer within {self.timeout:g} s") from None
        except httpx.DecodingError:
            raise _NotNowError("an answer that cannot be decompressed") from None
        except httpx.TransportError as error:
            raise _NotNowError(f"not reached: {type(error).__name__}") from None
        code = response.status_code
        if code == 429:
            raise _NotNowError("too many requests (429)", outcome="refusal", pause=_asked_pause(response))
        if code >= 500:
            raise _NotNowError(f"the provider failed ({code})", pause=_asked_pause(response))
        if code in (401, 403):
            raise _NotNowError(f"the token is not accepted ({code})", outcome="refusal", is_final=True)
        if code != 200:
            raise _NotNowError(f"no list, but status {code}", outcome="refusal", is_final=True)
        try:
            text = body.decode("utf-8")
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise _NotNowError("an answer that is no JSON, or half of it") from None
        if not isinstance(content, dict) or not isinstance(content.get("data"), list):
            raise _NotNowError("an answer that is no list of bookings")
        return text, content


class _NotNowError(Exception):
    """A request that did not give a page; may another one, unless it is final?"""

    def __init__(
        self, text: str, *, outcome: str = "failure", pause: float | None = None, is_final: bool = False
    ) -> None:
        super().__init__(text)
        self.outcome = outcome
        self.pause = pause
        self.is_final = is_final


def _asked_pause(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After, which is a number or a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(min(int(value), 86400))
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _spelled(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise UsageError("reading over HTTP needs httpx: pip install 'trueup[api]'") from None
    return httpx
