"""Where notifications go: e-mail and chats by apprise, webhooks, an Alertmanager.

Needs the extra `trueup[run]`. No error of a channel shows its address or its secrets.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from trueup.errors import TrueupError, UsageError
from trueup.operating.config import Channel

KINDS = ("apprise", "webhook", "alertmanager")
SIGNATURE = "Trueup-Signature"
# alerts in one request to an Alertmanager
BATCH = 500
# libraries that log the addresses they speak to
TALKATIVE = ("apprise", "httpx", "urllib3.connectionpool")
_PARTS = re.compile(r"[\s/:@?&=,;#|]+")
_LONGEST_REASON = 300


class ChannelError(TrueupError):
    """A channel did not take a message; the text says why, and holds nothing secret."""


@dataclass(frozen=True)
class Message:
    """One thing said to a channel; `content` is the same as data (docs/notifications.md)."""

    id: int
    kind: str
    severity: str
    subject: str
    body: str
    content: Mapping[str, Any]
    created_at: datetime


def refuse_unusable(name: str, channel: Channel) -> None:
    """Raise UsageError, naming the option, for a channel that nothing can be sent to."""
    where = f"notify.channels.{name}"
    if channel.kind not in KINDS:
        raise UsageError(f"{where}.kind: '{channel.kind}' is none of {', '.join(KINDS)}")
    if channel.severity not in ("critical", "warning", "info"):
        raise UsageError(f"{where}.severity: '{channel.severity}' is none of critical, warning, info")
    if not channel.url:
        raise UsageError(
            f"{where}.url is not set; write it there, or into TRUEUP_NOTIFY_CHANNELS_{_upper(name)}_URL"
        )
    if channel.kind != "apprise":
        try:
            parts = urlsplit(channel.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            usable = False
        if not usable:
            raise UsageError(f"{where}.url is no http:// or https:// address")


def prepare(channel: Channel) -> None:
    """Load the library that a channel needs, before the time for a message begins. Raises ChannelError."""
    try:
        if channel.kind != "apprise":
            import httpx  # noqa: F401

            return
        import apprise
    except ImportError:
        raise ChannelError(
            f"channels of kind {channel.kind} need a library: pip install 'trueup[run]'"
        ) from None
    with _DISCRETION.kept():
        if not apprise.Apprise().add(channel.url or ""):
            raise ChannelError(
                "its url is none that apprise takes; https://github.com/caronc/apprise/wiki lists them"
            )


def send(channel: Channel, message: Message, timeout: float) -> None:
    """Send one message by apprise or to a webhook. Raises ChannelError when it was not taken."""
    with _DISCRETION.kept():
        if channel.kind == "webhook":
            _send_webhook(channel, message, timeout)
        else:
            _send_apprise(channel.url or "", message)


def post_alerts(channel: Channel, alerts: Iterable[Mapping[str, Any]], timeout: float) -> None:
    """Tell an Alertmanager (API v2) what fires and what has ended. Raises ChannelError."""
    listed = list(alerts)
    address = (channel.url or "").rstrip("/")
    if not urlsplit(address).path.endswith("/alerts"):
        address += "/api/v2/alerts"
    with _DISCRETION.kept():
        for start in range(0, len(listed), BATCH):
            _post(address, _encoded(listed[start : start + BATCH]), {}, timeout)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header Trueup-Signature for a body sent at a Unix time."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def _send_webhook(channel: Channel, message: Message, timeout: float) -> None:
    body = _encoded({"id": message.id, "created_at": message.created_at.isoformat(), **message.content})
    headers = {"Trueup-Notification": str(message.id)}
    if channel.secret:
        headers[SIGNATURE] = signature(channel.secret, int(time.time()), body)
    _post(channel.url or "", body, headers, timeout)


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _post(address: str, body: bytes, headers: dict[str, str], timeout: float) -> None:
    """Send a body; only an answer of 2xx, whole headers within the time, is a success."""
    import httpx

    headers = {"Content-Type": "application/json", "User-Agent": "trueup", **headers}
    try:
        with (
            httpx.Client(timeout=timeout, follow_redirects=False) as client,
            client.stream("POST", address, content=body, headers=headers) as response,
        ):
            code = response.status_code
    except httpx.TimeoutException:
        raise ChannelError(f"no answer within {timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise ChannelError(f"not reached: {type(error).__name__}") from None
    if not 200 <= code < 300:
        raise ChannelError(f"answered {code}, and not 2xx")


def _send_apprise(url: str, message: Message) -> None:
    import apprise

    kinds = {"recovery": apprise.NotifyType.SUCCESS, "test": apprise.NotifyType.INFO}
    graver = apprise.NotifyType.FAILURE if message.severity == "critical" else apprise.NotifyType.WARNING
    try:
        service = apprise.Apprise()
        service.add(url)
        taken = service.notify(
            body=message.body,
            title=message.subject,
            notify_type=kinds.get(message.kind, graver),
            body_format=apprise.NotifyFormat.TEXT,
        )
    except Exception as error:
        # a plug-in of a library with a hundred of them may raise anything
        raise ChannelError(f"apprise failed: {type(error).__name__}") from None
    if not taken:
        reason = redacted(" ".join(_DISCRETION.said()), url)
        raise ChannelError(f"not taken: {reason}" if reason else "not taken, and apprise says no reason")


class _Discretion(logging.Filter):
    """Keeps to itself what libraries log while a channel is spoken to: it can hold addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.here = threading.local()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Listen to this thread while the block runs."""
        for name in TALKATIVE:
            # added once, however often
            logging.getLogger(name).addFilter(self)
        self.here.said = []
        try:
            yield
        finally:
            del self.here.said

    def said(self) -> list[str]:
        """Return the warnings of apprise so far."""
        return list(self.here.said)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let pass what other threads log of other things."""
        said = getattr(self.here, "said", None)
        is_apprise = record.name == "apprise"
        if said is not None and is_apprise and record.levelno >= logging.WARNING:
            said.append(record.getMessage())
        return said is None and not is_apprise


_DISCRETION = _Discretion()


def redacted(text: str, url: str) -> str:
    """Return a text as one line without any part of an address; in some a token stands for the host."""
    spelled = {part for whole in (url, unquote(url)) for part in _PARTS.split(whole)}
    # shorter ones are words, ports and schemes
    for secret in sorted((part for part in spelled if len(part) >= 4), key=len, reverse=True):
        text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
    return " ".join(text.split())[:_LONGEST_REASON]


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")
