"""Notifications: real servers on loopback are told once when it begins, and once when it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from helpers import run, sql, value

from trueup.operating import notify
from trueup.operating.config import Channel, Configuration, Notify

pytestmark = pytest.mark.one_server


class Mailbox:
    """Takes what an SMTP server receives."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a mail."""
        mail = BytesParser(policy=default).parsebytes(envelope.content)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def subjects(self) -> list[str]:
        """Return the subjects received so far, and forget the mails."""
        found = [str(mail["subject"]) for mail in self.mails]
        self.mails.clear()
        return found


@pytest.fixture
def port() -> int:
    """A free port on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture
def mailbox(port: int) -> Iterator[Mailbox]:
    """An SMTP server on `port`."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box
    controller.stop()


def mail(port: int, **more: Any) -> Channel:
    return Channel(url=f"mailto://127.0.0.1:{port}/?from=trueup@example.com&to=ops@example.com", **more)


def configured(**channels: Channel) -> Configuration:
    return Configuration(notify=Notify(name="shop", channels=channels))


def deliver(url: str, **channels: Channel) -> notify.Delivery:
    return notify.deliver(database=url, configuration=configured(**channels))


def fault(url: str, *entities: int, check: str = "call_backlink_missing", company: str | None = "1") -> None:
    """File alerts as a guard does."""
    sql(
        url,
        "select trueup.file_alert(%s, %s, 'call', n::text, 'x', '{}') from unnest(%s::int[]) as n",
        check,
        company,
        list(entities),
    )


def mend(url: str, *entities: int) -> None:
    """Resolve alerts."""
    sql(
        url,
        "update trueup.data_consistency_alerts set status = 'resolved', resolved_at = clock_timestamp(), "
        "resolution = 'fixed elsewhere' where entity_id = any(%s)",
        [str(entity) for entity in entities],
    )


def test_an_alarm_and_its_recovery_arrive_by_mail(database: str, mailbox: Mailbox, port: int) -> None:
    assert deliver(database, ops=mail(port)).told == ()
    fault(database, 1, 2)
    (told,) = deliver(database, ops=mail(port)).told
    assert told.outcome == "sent", told.error
    (received,) = mailbox.mails
    assert received["subject"] == "[trueup shop] warning: call_backlink_missing, company 1: 2 new, 2 open"
    assert received["to"] == "ops@example.com"
    mailbox.mails.clear()
    assert deliver(database, ops=mail(port)).told == ()
    mend(database, 1)
    deliver(database, ops=mail(port))
    assert mailbox.subjects() == ["[trueup shop] resolved: call_backlink_missing, company 1: 1 resolved, 1 open"]
