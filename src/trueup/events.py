"""Webhook events of the providers: receive, process, look at, try again.

What an event means is decided by the functions under db/functions (receive_event,
process_events, retry_events). Here are typed names for applications, `Events` and
`AsyncEvents`, the signatures of both providers, and what `trueup events` does.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple

from trueup.calling import AsyncDatabase, Database, rows, rows_async
from trueup.durations import elapsed_ms
from trueup.errors import NotFoundError, RefusedError, UsageError
from trueup.store import session

logger = logging.getLogger(__name__)

PROVIDERS = ("calcom", "retell")
STATUSES = ("received", "parked", "dead", "processed", "ignored", "all")
# objects of one transaction
BATCH = 50

Body = Mapping[str, Any] | str | bytes


@dataclass(frozen=True)
class Received:
    """What became of an event that was received; `duplicate`: it was there already."""

    event_id: int
    duplicate: bool
    status: str


@dataclass(frozen=True)
class Processed:
    """What processing did: objects taken, events looked at, and how many of them are now what."""

    objects: int
    events: int
    processed: int
    parked: int
    waiting: int
    failed: int
    dead: int

    def __add__(self, other: Processed) -> Processed:
        return Processed(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class _Retried(NamedTuple):
    retry_events: int


@dataclass(frozen=True)
class Event:
    """One event of the inbox, without its body."""

    id: int
    company_id: int | None
    provider: str
    event_type: str
    object_id: str | None
    occurred_at: datetime | None
    received_at: datetime
    status: str
    attempt_count: int
    next_attempt_at: datetime | None
    processed_at: datetime | None
    appointment_id: int | None
    error: str | None


@dataclass(frozen=True)
class Detail(Event):
    """One event of the inbox, and its body."""

    body: Any


class Events:
    """The inbox, on a connection or a pool of yours.

    A call on a connection joins the transaction that is open on it; a call on a pool is a
    transaction of its own. Every method raises RefusedError with the SQLSTATE of the
    function (TU3.., db/README.md) when the database refuses.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def receive(self, provider: str, event: Body) -> Received:
        """Put an event into the inbox: the body of the request as it came, or what was parsed of it."""
        (found,) = rows(self.database, "receive_event_body", Received, provider=provider, body=_text(event))
        return found

    def process(self, limit: int = 50) -> Processed:
        """Apply what is due of at most `limit` calls and bookings; call it until `objects` is 0."""
        (found,) = rows(self.database, "process_events", Processed, limit=limit)
        return found

    def retry(self, event_ids: Sequence[int] | None = None, status: str | None = None) -> list[int]:
        """Let parked and dead events be tried again; return the ids of those that will be."""
        found = rows(self.database, "retry_events", _Retried, event_ids=_ids(event_ids), status=status)
        return [row.retry_events for row in found]


class AsyncEvents:
    """What `Events` is, on an asynchronous connection or pool."""

    def __init__(self, database: AsyncDatabase) -> None:
        self.database = database

    async def receive(self, provider: str, event: Body) -> Received:
        """Do what Events.receive does."""
        (found,) = await rows_async(
            self.database, "receive_event_body", Received, provider=provider, body=_text(event)
        )
        return found

    async def process(self, limit: int = 50) -> Processed:
        """Do what Events.process does."""
        (found,) = await rows_async(self.database, "process_events", Processed, limit=limit)
        return found

    async def retry(self, event_ids: Sequence[int] | None = None, status: str | None = None) -> list[int]:
        """Do what Events.retry does."""
        found = await rows_async(
            self.database, "retry_events", _Retried, event_ids=_ids(event_ids), status=status
        )
        return [row.retry_events for row in found]


def is_signed(provider: str, body: bytes, secret: str, signature: str) -> bool:
    """Say whether `signature` is what the provider sends with `body`, the bytes of the request as they came.

    Cal.com: X-Cal-Signature-256, the HMAC-SHA256 of the body in hexadecimal. Retell:
    X-Retell-Signature, `v=<milliseconds>,d=<hexadecimal HMAC-SHA256 of body and
    milliseconds>`, the key being the API key. Compared in constant time. How old a
    signature may be is not looked at: a stored event is received late.
    """
    if provider == "calcom":
        return _same(_hmac(secret, body), signature.strip())
    parts = dict(part.strip().partition("=")[::2] for part in signature.split(","))
    return _same(_hmac(secret, body + parts.get("v", "").encode()), parts.get("d", "")) and "v" in parts


def receive(
    lines: Iterable[bytes],
    provider: str | None = None,
    secret: str | None = None,
    signature: str | None = None,
    *,
    database: str | None = None,
    told: Callable[[Received], None] = lambda _: None,
) -> list[Received]:
    """Receive the events of a file: one JSON document, or one event on each line.

    Each event is a transaction of its own. The first that cannot be received ends it with
    UsageError or RefusedError, which names its line and how many before it were kept.
    Without `provider` each event says which it is of, by its form. With `secret` the
    signature of the one event is verified over the bytes as they are.
    """
    if (secret is None) != (signature is None):
        raise UsageError("a signature is verified with a secret: give both, or neither")
    kept: list[Received] = []
    with session(database, "events receive") as connection:
        inbox = Events(connection.connection)
        for line, body in _bodies(lines, whole=signature is not None):
            try:
                text = body.decode()
                if secret is not None and signature is not None:
                    _verify(provider or _provider(text), body, secret, signature)
                kept.append(inbox.receive(provider or _provider(text), text))
            except UnicodeDecodeError as error:
                raise UsageError(_refused(line, f"byte {error.start + 1} is not UTF-8", len(kept))) from error
            except RefusedError as error:
                raise RefusedError(
                    _refused(line, str(error), len(kept)), error.sqlstate, error.detail
                ) from error
            except UsageError as error:
                raise UsageError(_refused(line, str(error), len(kept))) from error
            told(kept[-1])
    logger.info(
        "events received", extra={"events": len(kept), "duplicates": sum(each.duplicate for each in kept)}
    )
    return kept


def process(limit: int | None = None, workers: int = 1, *, database: str | None = None) -> Processed:
    """Process the inbox until nothing is due, or `limit` objects were taken; `workers` sessions at once.

    What waits for a row that somebody else holds is tried, and left to the next call.
    """
    began = time.monotonic()
    nothing = Processed(0, 0, 0, 0, 0, 0, 0)
    turn = Lock()
    left = limit

    def batch() -> int:
        nonlocal left
        if left is None:
            return BATCH
        with turn:
            taken = min(left, BATCH)
            left -= taken
        return taken

    def work() -> Processed:
        done = nothing
        with session(database, "events process") as connection:
            inbox = Events(connection.connection)
            while size := batch():
                found = inbox.process(size)
                done += found
                # a row that stays locked makes its events due again for ever: once all wait, it ends
                if not found.objects or (
                    found.events == found.waiting and not connection.value("has_due_events")
                ):
                    break
        return done

    with ThreadPoolExecutor(workers) as pool:
        done = [each.result() for each in [pool.submit(work) for _ in range(workers)]]
    # an object that one worker held when another came by is left to this last look
    found = sum(done, work() if workers > 1 else nothing)
    logger.info(
        "events processed",
        extra={
            "objects": found.objects,
            "events": found.events,
            "processed": found.processed,
            "parked": found.parked,
            "failed": found.failed,
            "dead": found.dead,
            "duration_ms": elapsed_ms(began),
        },
    )
    return found


def list_events(
    status: str = "open",
    provider: str | None = None,
    object_id: str | None = None,
    company: int | None = None,
    limit: int = 100,
    *,
    database: str | None = None,
) -> list[Event]:
    """Return events, the newest first; open are those received, parked or dead."""
    if status not in ("open", *STATUSES):
        raise UsageError(f"no event has status {status}; the statuses are open, {', '.join(STATUSES)}")
    with session(database, "events list") as connection:
        return connection.rows(
            "events",
            Event,
            status=status,
            provider=provider,
            object_id=object_id,
            company=company,
            limit=limit,
        )


def show(event_id: int, *, database: str | None = None) -> Detail:
    """Return one event with its body. Raises NotFoundError."""
    with session(database, "events show") as connection:
        found = connection.row("event", Detail, event_id=event_id)
    if found is None:
        raise NotFoundError(f"no event {event_id}")
    return found


def retry(
    event_ids: Sequence[int] = (), status: str | None = None, *, database: str | None = None
) -> list[int]:
    """Let parked and dead events be tried again, those named or all of a status; return their ids."""
    with session(database, "events retry") as connection:
        done = Events(connection.connection).retry(event_ids or None, status)
    missing = sorted(set(event_ids) - set(done))
    if missing:
        raise NotFoundError(
            f"no parked or dead event {', '.join(map(str, missing))}; {len(done)} will be tried again"
        )
    return done


def _text(event: Body) -> str:
    if isinstance(event, bytes):
        try:
            event = event.decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"the body is not UTF-8, at byte {error.start + 1}") from error
    text = event if isinstance(event, str) else json.dumps(event)
    if "\0" in text:
        raise UsageError("the body holds a NUL byte, and so is no JSON")
    return text


def _ids(event_ids: Sequence[int] | None) -> list[int] | None:
    return None if event_ids is None else list(event_ids)


def _bodies(lines: Iterable[bytes], whole: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the number of a line and the body that begins there.

    A first line that is JSON by itself makes every line a body of its own; a first line
    that is not makes the file one document.
    """
    filled = ((number, line) for number, line in enumerate(lines, 1) if whole or line.strip())
    for number, line in filled:
        if whole or not is_json(line):
            yield number, b"".join([line, *(more for _, more in filled)])
        else:
            yield number, line
            yield from filled


def is_json(text: str | bytes) -> bool:
    """Say whether a text is one JSON document."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _provider(text: str) -> str:
    try:
        event = json.loads(text)
        event = json.loads(event) if isinstance(event, str) else event
    except (ValueError, RecursionError):
        raise UsageError("this is no JSON") from None
    if isinstance(event, dict) and "triggerEvent" in event:
        return "calcom"
    if isinstance(event, dict) and "event" in event:
        return "retell"
    raise UsageError("nothing says which provider this event is of; give --provider")


def _verify(provider: str, body: bytes, secret: str, signature: str) -> None:
    if not is_signed(provider, body, secret, signature):
        raise UsageError(f"the signature is not that of {provider} for this body and secret")


def _hmac(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.lower().encode())


def _refused(line: int, reason: str, kept: int) -> str:
    before = {0: "nothing was received", 1: "the event before it was received"}.get(
        kept, f"the {kept:,} events before it were received"
    )
    return f"line {line}: {reason}\n{before}"
