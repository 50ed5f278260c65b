"""Notifications: real servers on loopback are told once when it begins, and once when it ends."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from aiosmtpd.controller import Controller
from helpers import ROOT, TRUEUP, eventually, plant, run, sql, value
from hooks import Hook, serving
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packages import unpacked

import trueup
from trueup import alerts
from trueup.errors import NotFoundError, UsageError
from trueup.operating import channels, notify
from trueup.operating.config import Channel, Configuration, Notify

pytestmark = pytest.mark.one_server

FAULT = "select trueup.file_alert(%s, %s, 'call', n::text, 'x', '{}') from unnest(%s::int[]) as n"
MEND = """
update trueup.data_consistency_alerts
set status = 'resolved', resolved_at = clock_timestamp(), resolution = 'fixed elsewhere'
where entity_id = any(%s)
"""


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


@pytest.fixture
def hook() -> Iterator[Hook]:
    """An HTTP server."""
    with serving() as server:
        yield server


def webhook(hook: Hook, **more: Any) -> Channel:
    return Channel(kind="webhook", url=hook.url, **more)


def later(url: str, length: str = "1 hour") -> None:
    """Let time pass for everything that waits."""
    sql(
        url,
        f"update trueup.notifications set next_attempt_at = next_attempt_at - interval '{length}'; "
        f"update trueup.notification_channels set next_attempt_at = next_attempt_at - interval '{length}', "
        f"leased_until = leased_until - interval '{length}'; "
        f"update trueup.notification_groups set said_at = said_at - interval '{length}'; "
        f"update trueup.notification_mutes set ends_at = ends_at - interval '{length}'; "
        f"update trueup.data_consistency_alerts set snoozed_until = snoozed_until - interval '{length}'",
    )


def mail(port: int, **more: Any) -> Channel:
    return Channel(url=f"mailto://127.0.0.1:{port}/?from=trueup@example.com&to=ops@example.com", **more)


def configured(**channels: Channel) -> Configuration:
    return Configuration(notify=Notify(name="shop", timeout=timedelta(seconds=2), channels=channels))


def deliver(url: str, **channels: Channel) -> notify.Delivery:
    return notify.deliver(database=url, configuration=configured(**channels))


def alert_of(url: str, entity: int) -> int:
    """Return the id of the alert of an entity."""
    found = value(url, "select id from trueup.data_consistency_alerts where entity_id = %s", str(entity))
    assert isinstance(found, int)
    return found


def fault(url: str, *entities: int, check: str = "call_backlink_missing", company: str | None = "1") -> None:
    """File alerts as a guard does."""
    sql(url, FAULT, check, company, list(entities))


def mend(url: str, *entities: int) -> None:
    """Resolve alerts."""
    sql(url, MEND, [str(entity) for entity in entities])


NEW_1 = "[trueup shop] warning: call_backlink_missing, company 1: 1 new, 1 open"


# ------------------------------------------------------------------ real servers


def test_an_alarm_and_its_recovery_arrive_by_mail(database: str, mailbox: Mailbox, port: int) -> None:
    assert deliver(database, ops=mail(port)).told == ()
    fault(database, 1, 2)
    (told,) = deliver(database, ops=mail(port)).told
    assert told.outcome == "sent", told.error
    (received,) = mailbox.mails
    assert received["subject"] == "[trueup shop] warning: call_backlink_missing, company 1: 2 new, 2 open"
    assert received["to"] == "ops@example.com"
    text = received.get_content()
    for part in (
        "call 1, call 2",
        "trueup check call_backlink_missing",
        "trueup repair call_backlink_missing",
    ):
        assert part in text
    mailbox.mails.clear()
    assert deliver(database, ops=mail(port)).told == ()
    mend(database, 1)
    deliver(database, ops=mail(port))
    assert mailbox.subjects() == [
        "[trueup shop] resolved: call_backlink_missing, company 1: 1 resolved, 1 open"
    ]
    # a check that has changed its mind is a recovery, too
    sql(
        database,
        "update trueup.data_consistency_alerts set status = 'resolved', resolved_at = now(), "
        "resolution = 'definition changed' where entity_id = '2'",
    )
    deliver(database, ops=mail(port))
    assert mailbox.subjects() == [
        "[trueup shop] resolved: call_backlink_missing, company 1: 1 resolved, none open"
    ]


def test_a_mail_server_that_is_down_is_told_later(database: str, port: int) -> None:
    deliver(database, ops=mail(port))
    fault(database, 1)
    done = deliver(database, ops=mail(port))
    assert done.waiting == {"ops": 1}
    assert set(done.errors) == {"ops"}
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        assert deliver(database, ops=mail(port)).sent == 0, "its pause has not ended"
        tested = notify.test("ops", database=database, configuration=configured(ops=mail(port)))
        assert tested.error is None
        assert deliver(database, ops=mail(port)).sent == 1, "a test that arrives ends the pause"
        assert box.subjects() == ["[trueup shop] test of channel ops", NEW_1]
    finally:
        controller.stop()


@pytest.fixture
def alertmanager(port: int, tmp_path: Path) -> Iterator[str]:
    """A running Alertmanager, Debian's."""
    home = unpacked("prometheus-alertmanager")
    # compiled in is where its templates are installed, and here they are not
    installed = b"/usr/share/prometheus/alertmanager"
    here = b"/proc/self/cwd".ljust(len(installed), b"/")
    program = tmp_path / "alertmanager"
    program.write_bytes((home / "usr/bin/prometheus-alertmanager").read_bytes().replace(installed, here))
    program.chmod(0o755)
    settings = tmp_path / "alertmanager.yml"
    settings.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    address = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={settings}",
                f"--storage.path={tmp_path}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            cwd=home / installed.decode().lstrip("/"),
            stdout=log,
            stderr=log,
        )

    def is_up() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            return httpx.get(f"{address}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    eventually(is_up)
    yield address
    process.terminate()
    process.wait()


def firing(address: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{address}/api/v2/alerts").json()
    assert isinstance(found, list)
    return sorted(found, key=lambda each: str(each["labels"].get("company")))


def test_an_alertmanager_holds_what_is_open_and_lets_go_of_what_is_not(
    database: str, alertmanager: str
) -> None:
    pager = Channel(kind="alertmanager", url=alertmanager)
    fault(database, 1, 2)
    fault(database, 3, company="2")
    assert deliver(database, pager=pager).errors == {}
    first, second = firing(alertmanager)
    assert first["labels"] == {
        "alertname": "call_backlink_missing",
        "severity": "warning",
        "entity_type": "call",
        "company": "1",
        "database": "shop",
    }
    assert second["labels"]["company"] == "2"
    assert "2 open, for example call 1, call 2" in first["annotations"]["description"]
    # nothing new, and nothing is due before a quarter of the time that it is held
    assert deliver(database, pager=pager).told == ()
    assert firing(alertmanager)[0]["endsAt"] == first["endsAt"]
    sql(
        database,
        "update trueup.notification_channels set last_sent_at = last_sent_at - interval '6 minutes'",
    )
    deliver(database, pager=pager)
    assert firing(alertmanager)[0]["endsAt"] > first["endsAt"], "sent again before it times out"
    mend(database, 3)
    alerts.acknowledge(alert_of(database, 1), database=database)
    deliver(database, pager=pager)
    (left,) = firing(alertmanager)
    assert "1 open, for example call 2" in left["annotations"]["description"]
    mend(database, 1, 2)
    deliver(database, pager=pager)
    assert firing(alertmanager) == []
    assert notify.test("pager", database=database, configuration=configured(pager=pager)).error is None
    assert [each["labels"]["alertname"] for each in firing(alertmanager)] == ["trueup_test"]


# ------------------------------------------------------------------ channels that fail


def test_a_webhook_is_tried_again_until_it_takes_the_message(database: str, hook: Hook) -> None:
    channel = webhook(hook, secret="s3cret-key")
    deliver(database, hook=channel)
    fault(database, 1)
    hook.answers = [500, 200]
    done = deliver(database, hook=channel)
    assert done.errors == {"hook": "answered 500, and not 2xx"}
    assert deliver(database, hook=channel).told == ()
    assert len(hook.received) == 1
    later(database)
    assert deliver(database, hook=channel).sent == 1
    (first, body), (second, again) = hook.received
    assert body == again
    assert first["Trueup-Notification"] == second["Trueup-Notification"] == str(json.loads(body)["id"])
    stamp = int(second["Trueup-Signature"].split(",")[0].removeprefix("t="))
    assert second["Trueup-Signature"] == channels.signature("s3cret-key", stamp, body)
    assert sql(database, "select state, attempts, error from trueup.notifications") == [("sent", 2, None)]


def test_the_documented_contract_holds(database: str, hook: Hook, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "notifications.md").read_text()
    secret = "s3cret key"
    channel = webhook(hook, secret=secret)
    deliver(database, hook=channel)
    fault(database, 1)
    deliver(database, hook=channel)
    ((headers, body),) = hook.received
    content = json.loads(body)
    (group,) = content["groups"]
    _, message_fields, group_fields = re.findall(r"\|---\|---\|\n(.+?)\n\n", page, re.S)[:3]
    for documented, actual in ((message_fields, content), (group_fields, group)):
        names = [
            name for row in documented.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])
        ]
        assert sorted(names) == sorted(actual)
    header = headers["Trueup-Signature"]

    (python,) = re.findall(r"```python\n(.+?)```", page, re.S)
    namespace: dict[str, Any] = {}
    exec(python, namespace)
    assert namespace["is_genuine"](secret, header, body)
    assert not namespace["is_genuine"](secret, header, body + b" ")
    assert not namespace["is_genuine"]("another", header, body)
    assert not namespace["is_genuine"](secret, channels.signature(secret, int(time.time()) - 301, body), body)

    (shell,) = re.findall(r"```sh\n(.+?)```", page, re.S)
    for sent, answer in ((body, "genuine\n"), (body + b" ", "")):
        (tmp_path / "body").write_bytes(sent)
        environment = {"PATH": os.environ["PATH"], "SIGNATURE": header, "SECRET": secret}
        done = subprocess.run(
            ["sh", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == (answer, "")


def test_a_slow_channel_holds_up_no_other(database: str, hook: Hook) -> None:
    with serving() as slow:
        both = {"slow": webhook(slow), "quick": webhook(hook)}
        deliver(database, **both)
        fault(database, 1)
        slow.answers = [None]
        began = time.monotonic()
        done = deliver(database, **both)
        assert time.monotonic() - began < 8
        assert done.sent == 1
        assert hook.subjects() == [NEW_1]
        assert "no answer within 2 s" in done.errors["slow"]
        later(database)
        deliver(database, **both)
        assert slow.subjects() == [NEW_1, NEW_1], "perhaps taken the first time, so perhaps told twice"


def test_a_channel_that_fails_is_reported_on_the_others(database: str, hook: Hook) -> None:
    bad = Channel(kind="webhook", url="http://127.0.0.1:9/T0P-SECRET?key=hunter2")
    both = {"bad": bad, "good": webhook(hook)}
    deliver(database, **both)
    fault(database, 1)
    for _ in range(2):
        deliver(database, **both)
        later(database)
    assert hook.subjects() == [NEW_1]
    done = deliver(database, **both)
    assert hook.subjects() == ["[trueup shop] critical: notification_failing: 1 new, 1 open"]
    assert "notification_channel bad" in done.told[-1].body
    assert [each.error for each in notify.states(database=database, configuration=configured(**both))] == [
        "not reached: ConnectError",
        None,
    ]
    # the next run finds the same, and files nothing more
    trueup.check(["notification_failing"], database=database)
    assert deliver(database, good=both["good"]).told == ()
    repaired = {"bad": webhook(hook), "good": webhook(hook)}
    later(database)
    deliver(database, **repaired)
    trueup.check(["notification_failing"], database=database)
    hook.received.clear()
    deliver(database, good=both["good"])
    assert hook.subjects() == ["[trueup shop] resolved: notification_failing: 1 resolved, none open"]


def test_what_was_given_up_is_told_anew(database: str, hook: Hook) -> None:
    channel = webhook(hook)
    fault(database, 1, 2)
    deliver(database, hook=channel)
    hook.received.clear()
    fault(database, 3, 4)
    mend(database, 1)
    hook.answers = [500, 500]
    deliver(database, hook=channel)
    later(database)
    sql(database, "update trueup.notifications set created_at = created_at - interval '2 days'")
    mend(database, 3)
    hook.received.clear()
    deliver(database, hook=channel)
    assert value(database, "select count(*) from trueup.notifications where state = 'failed'") == 1
    later(database)
    hook.received.clear()
    deliver(database, hook=channel)
    (body,) = [json.loads(body) for _, body in hook.received]
    (group,) = body["groups"]
    # that 1 has ended is told at last; of 3, which came and went, nobody has heard
    assert (group["opened"], group["resolved"], group["open"]) == (1, 1, 2)
    assert group["examples"] == ["call 4"]


def test_what_was_heard_is_ended_though_everything_since_was_given_up(database: str, hook: Hook) -> None:
    channel = webhook(hook)
    deliver(database, hook=channel)
    fault(database, 1)
    deliver(database, hook=channel)
    for change in (mend, fault):
        later(database)
        change(database, 1)
        hook.answers = [500]
        deliver(database, hook=channel)
    # both are given up: the recovery while the alert is open again, and the alarm
    sql(database, "update trueup.notifications set created_at = created_at - interval '2 days'")
    later(database)
    hook.answers = [500, 500]
    deliver(database, hook=channel)
    assert value(database, "select count(*) from trueup.notifications where state = 'failed'") == 2
    mend(database, 1)
    later(database)
    hook.received.clear()
    deliver(database, hook=channel)
    assert [json.loads(body)["kind"] for _, body in hook.received] == ["recovery"]


def test_a_recovery_does_not_overtake_its_alarm(database: str, hook: Hook) -> None:
    channel = webhook(hook)
    deliver(database, hook=channel)
    fault(database, 1)
    hook.answers = [500, 500]
    deliver(database, hook=channel)
    mend(database, 1)
    fault(database, 2, check="call_id_malformed")
    later(database)
    hook.received.clear()
    # the alarm fails again; what is about something else goes past it
    assert deliver(database, hook=channel).sent == 1
    hook.received.clear()
    later(database)
    deliver(database, hook=channel)
    assert [json.loads(body)["kind"] for _, body in hook.received] == ["alarm", "recovery"]


def test_no_secret_is_shown_anywhere(database: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    urls = {
        "mail": "mailto://user1234:hunter2pass@127.0.0.1:9/?to=ops@example.com",
        "json": "json://user1234:hunter2pass@127.0.0.1:9/path5678",
        "chat": "slack://hunter2pass/user1234",
        "none": "nosuchscheme://hunter2pass@127.0.0.1",
    }
    wanted = {name: Channel(url=url) for name, url in urls.items()}
    wanted["hook"] = Channel(kind="webhook", url="http://127.0.0.1:9/path5678?key=hunter2pass")
    deliver(database, **wanted)
    fault(database, 1)
    done = deliver(database, **wanted)
    assert set(done.errors) == set(wanted)
    assert "is none that apprise takes" in done.errors["none"]
    assert "not reached" in done.errors["hook"]
    stored = sql(
        database,
        "select n::text from trueup.notifications as n "
        "union all select nc::text from trueup.notification_channels as nc",
    )
    result = run("notify", "test", "json", url=database, TRUEUP_NOTIFY_CHANNELS_JSON_URL=urls["json"])
    assert result.returncode == 3
    shown = run("config", url=database, TRUEUP_NOTIFY_CHANNELS_JSON_URL=urls["json"]).stdout
    assert "notify.channels.json.url" in shown
    seen = [str(done), caplog.text, str(stored), result.stdout, result.stderr, shown]
    seen += [str(record.__dict__) for record in caplog.records]
    for text in seen:
        for secret in ("hunter2pass", "user1234", "path5678"):
            assert secret not in text


# ------------------------------------------------------------------ once, and not less


def test_two_deliveries_at_once_tell_once(database: str, hook: Hook) -> None:
    channel = webhook(hook)
    deliver(database, hook=channel)
    for entity in range(1, 9):
        fault(database, entity, company=str(entity))
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: deliver(database, hook=channel), range(3)))
    deliver(database, hook=channel)
    assert len(hook.received) == 8
    assert len({body for _, body in hook.received}) == 8


def test_killed_in_the_middle_it_is_told_by_the_next(database: str, hook: Hook) -> None:
    deliver(database, hook=webhook(hook))
    fault(database, 1)
    hook.answers = [None]
    environment = {
        **os.environ,
        "TRUEUP_DATABASE_URL": database,
        "TRUEUP_NOTIFY_NAME": "shop",
        "TRUEUP_NOTIFY_CHANNELS_HOOK_URL": hook.url,
        "TRUEUP_NOTIFY_CHANNELS_HOOK_KIND": "webhook",
    }
    process = subprocess.Popen([TRUEUP, "notify"], env=environment)
    eventually(lambda: len(hook.received) == 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert deliver(database, hook=webhook(hook)).busy == ("hook",), "until its lease has ended"
    sql(database, "update trueup.notification_channels set leased_until = clock_timestamp()")
    assert deliver(database, hook=webhook(hook)).sent == 1
    assert hook.subjects() == [NEW_1, NEW_1]


def test_an_alert_that_commits_late_is_told_late(database: str, hook: Hook) -> None:
    deliver(database, hook=webhook(hook))
    with psycopg.connect(database) as writer:
        writer.execute("select trueup.file_alert('call_backlink_missing', '1', 'call', '1', 'x', '{}')")
        fault(database, 2)
        deliver(database, hook=webhook(hook))
        assert hook.subjects() == [NEW_1]
        writer.commit()
    deliver(database, hook=webhook(hook))
    assert hook.subjects() == ["[trueup shop] warning: call_backlink_missing, company 1: 1 new, 2 open"]


def test_a_new_channel_is_told_in_one_message_what_is_open(database: str, hook: Hook) -> None:
    sql(
        database,
        "insert into trueup.data_consistency_alerts "
        "(company_id, alert_type, severity, entity_type, entity_id, description) "
        "select (n % 50)::text, 'call_backlink_missing', 'warning', 'call', n::text, 'x' "
        "from generate_series(1, 10000) as n",
    )
    done = deliver(database, hook=webhook(hook))
    assert [told.kind for told in done.told] == ["summary"]
    (body,) = [json.loads(body) for _, body in hook.received]
    assert body["groups_total"] == 50
    assert "10,000 new, 10,000 open of 1 check" in body["subject"]
    assert "call_backlink_missing: 10,000 new, 10,000 open in 50 companies" in body["text"]
    assert deliver(database, hook=webhook(hook)).told == ()
    # another channel starts for itself
    with serving() as second:
        assert deliver(database, hook=webhook(hook), second=webhook(second)).sent == 1
        assert len(second.received) == 1


def test_too_much_at_once_is_one_message(database: str, hook: Hook) -> None:
    deliver(database, hook=webhook(hook))
    for company in range(10):
        fault(database, company, company=str(company))
    assert len(deliver(database, hook=webhook(hook)).told) == 10
    for company in range(10, 21):
        fault(database, company, company=str(company))
    (told,) = deliver(database, hook=webhook(hook)).told
    assert told.kind == "summary"
    assert "11 new, 11 open" in told.subject


def test_one_flood_alert_counts_what_it_stands_for(database: str, hook: Hook) -> None:
    deliver(database, hook=webhook(hook))
    sql(
        database,
        "select trueup.file_alert(ch.name, null, 'check', ch.id::text, 'x', '{\"new\": 12345, \"most\": 10}') "
        "from trueup.checks as ch where ch.name = 'call_backlink_missing'",
    )
    (told,) = deliver(database, hook=webhook(hook)).told
    assert "12,345 violations at once were counted and not listed" in told.body
    assert "For example: check call_backlink_missing" in told.body


def test_a_flood_is_told_to_a_channel_of_some_companies_by_its_number_alone(
    database: str, hook: Hook
) -> None:
    channel = webhook(hook, companies=("1",))
    deliver(database, hook=channel)
    plant(
        database,
        "select factory.company(1), factory.company(2);"
        "select factory.call(id => i, company_id => 1 + i % 2, customer_name => 'Hallo') from generate_series(1, 4) as i",
    )
    trueup.check(["call_transcript_name"], database=database, max_alerts=2)
    (told,) = deliver(database, hook=channel).told
    assert told.subject == "[trueup shop] warning: call_transcript_name: 1 new, 1 open"
    assert "4 violations at once were counted and not listed" in told.body
    assert "For example: check call_transcript_name" in told.body
    # what else belongs to no company stays untold, and the end of the flood does not
    sql(database, FAULT, "customer_company_missing", None, [1])
    plant(database, "update public.calls set customer_name = null")
    trueup.check(["call_transcript_name"], database=database, max_alerts=2)
    (told,) = deliver(database, hook=channel).told
    assert told.subject == "[trueup shop] resolved: call_transcript_name: 1 resolved, none open"


# ------------------------------------------------------------------ quiet


def test_known_faults_are_quiet_until_they_are_news(database: str, hook: Hook) -> None:
    channel = webhook(hook)
    deliver(database, hook=channel)
    fault(database, 1, 2, 3, 4)
    alerts.acknowledge(alert_of(database, 4), database=database)
    deliver(database, hook=channel)
    assert hook.subjects() == ["[trueup shop] warning: call_backlink_missing, company 1: 3 new, 4 open"]
    alerts.acknowledge(alert_of(database, 1), database=database)
    hour = value(database, "select clock_timestamp() + interval '1 hour'")
    alerts.snooze(alert_of(database, 2), hour, database=database)
    alerts.accept(alert_of(database, 3), "known", database=database)
    deliver(database, hook=channel)
    later(database, "25 hours")  # the snooze has ended, a repetition is due
    sql(
        database,
        "update trueup.data_consistency_alerts set snoozed_until = clock_timestamp() + interval '1 hour' "
        "where snoozed_until is not null",
    )
    assert deliver(database, hook=channel).told == (), "acknowledged, accepted and snoozed are not repeated"
    later(database, "2 hours")
    deliver(database, hook=channel)
    assert hook.subjects() == [
        "[trueup shop] warning: call_backlink_missing, company 1: 1 to look at again, 4 open"
    ]
    # accepted was other evidence
    sql(
        database,
        "select trueup.file_alert('call_backlink_missing', '1', 'call', '3', 'x', '{\"appointment\": 7}')",
    )
    deliver(database, hook=channel)
    assert hook.subjects() == [
        "[trueup shop] warning: call_backlink_missing, company 1: 1 to look at again, 4 open"
    ]
    mend(database, 1, 2, 3, 4)
    deliver(database, hook=channel)
    assert hook.subjects() == [
        "[trueup shop] resolved: call_backlink_missing, company 1: 3 resolved, none open"
    ], "of 4 it had not heard"


def test_what_stays_open_is_repeated(database: str, hook: Hook) -> None:
    channel = webhook(hook)
    deliver(database, hook=channel)
    fault(database, 1)
    fault(database, 2, check="call_backlink_broken")
    deliver(database, hook=channel)
    hook.received.clear()
    later(database, "5 hours")
    deliver(database, hook=channel)
    assert hook.subjects() == ["[trueup shop] still critical: call_backlink_broken, company 1: 1 open"]
    later(database, "20 hours")
    deliver(database, hook=channel)
    assert sorted(hook.subjects()) == [
        "[trueup shop] still critical: call_backlink_broken, company 1: 1 open",
        "[trueup shop] still warning: call_backlink_missing, company 1: 1 open",
    ]
    assert deliver(database, hook=channel).told == ()


def test_a_silence_ends_with_one_summary(database: str, hook: Hook) -> None:
    channel = webhook(hook)
    deliver(database, hook=channel)
    fault(database, 1, 2)
    deliver(database, hook=channel)
    hook.received.clear()
    result = run(
        "notify", "mute", "--for", "2h", "--reason", "import", "--company", "1", "--as", "ann", url=database
    )
    assert result.returncode == 0, result.stderr
    assert "company 1 until" in result.stdout
    fault(database, 3)
    fault(database, 4, check="call_backlink_broken")
    mend(database, 1)
    fault(database, 5, company="2")
    deliver(database, hook=channel)
    assert hook.subjects() == ["[trueup shop] warning: call_backlink_missing, company 2: 1 new, 1 open"]
    listed = run("notify", "list", url=database).stdout
    assert "by ann: import" in listed
    later(database, "3 hours")
    (told,) = deliver(database, hook=channel).told
    assert told.kind == "summary"
    assert told.subject.endswith(
        "critical: what changed while it was to be quiet: 2 new, 1 resolved, 3 open of 2 checks"
    )
    assert deliver(database, hook=channel).told == ()


def test_a_silence_can_be_ended(database: str) -> None:
    made = notify.mute(timedelta(hours=1), "test", check="call_backlink_missing", database=database)
    assert notify.unmute(made.id, database=database) == [made.id]
    assert notify.mutes(database=database) == []
    with pytest.raises(NotFoundError, match="no silence"):
        notify.unmute(made.id, database=database)
    with pytest.raises(NotFoundError, match="did you mean call_backlink_missing"):
        notify.mute(timedelta(hours=1), "test", check="call_backlink_mising", database=database)
    with pytest.raises(UsageError, match="say why"):
        notify.mute(timedelta(hours=1), " ", database=database)


def test_a_channel_hears_of_what_it_wants_to(database: str, hook: Hook) -> None:
    channel = webhook(hook, severity="critical", companies=("1",))
    deliver(database, hook=channel)
    fault(database, 1)
    fault(database, 2, check="call_backlink_broken")
    fault(database, 3, check="call_backlink_broken", company="2")
    fault(database, 4, check="call_made_without_appointment")
    deliver(database, hook=replace(channel, checks=("call_backlink_broken",)))
    assert hook.subjects() == ["[trueup shop] critical: call_backlink_broken, company 1: 1 new, 1 open"]
    mend(database, 2)
    # whoever heard the alarm hears that it is over, whatever is wanted now
    deliver(database, hook=replace(channel, checks=("call_direction_missing",)))
    assert hook.subjects() == [
        "[trueup shop] resolved: call_backlink_broken, company 1: 1 resolved, none open"
    ]


# ------------------------------------------------------------------ any life of alerts


@dataclass
class Life:
    """What the model knows of one alert."""

    is_open: bool = False
    is_known: bool = False
    is_snoozed: bool = False
    is_news: bool = False  # something that is to be told once it is audible
    is_told: bool = False


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["fault", "mend", "flap", "acknowledge", "snooze", "wake"]), st.integers(1, 3)
        ),
        st.tuples(
            st.sampled_from(["mute", "unmute", "deliver", "deliver", "deliver", "fail"]), st.integers(1, 2)
        ),
    ),
    min_size=8,
    max_size=30,
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Hook]:
    with serving() as server:
        yield server


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
@example(steps=[("fault", 1), ("deliver", 1), ("flap", 1), ("deliver", 1), ("mend", 1)])
@example(steps=[("fault", 1), ("deliver", 1), ("snooze", 1), ("deliver", 1), ("wake", 1), ("deliver", 1)])
@example(steps=[("fault", 1), ("fault", 3), ("mute", 1), ("deliver", 1), ("flap", 1), ("unmute", 1)])
def test_every_edge_is_told_once_and_nothing_else(
    database: str, receiver: Hook, steps: list[tuple[str, int]]
) -> None:
    """Alerts 1 and 2 are of company 1, 3 is of company 2; a silence is of one company."""
    connection = psycopg.connect(database, autocommit=True)

    def do(text: str, *parameters: object) -> list[tuple[Any, ...]]:
        done = connection.execute(text.encode(), parameters or None)
        return done.fetchall() if done.description else []

    do(
        "truncate trueup.data_consistency_alerts, trueup.notification_channels, trueup.notified_alerts, "
        "trueup.notification_groups, trueup.notifications, trueup.notification_mutes",
    )
    receiver.answers.clear()
    channel = webhook(receiver)
    as_runner = database + "&options=-crole%3Dtrueup_runner"
    deliver(as_runner, hook=channel)
    lives = {entity: Life() for entity in range(1, 4)}
    muted: set[int] = set()
    heard: dict[int, list[str]] = {entity: [] for entity in lives}
    expected: dict[int, list[str]] = {entity: [] for entity in lives}

    def company(entity: int) -> int:
        return 1 + (entity > 2)

    def told() -> None:
        for entity, life in lives.items():
            if company(entity) in muted:
                continue
            if life.is_told and not life.is_open:
                expected[entity].append("end")
                life.is_told = life.is_news = False
            elif life.is_open and life.is_news and not life.is_known and not life.is_snoozed:
                expected[entity].append("alarm")
                life.is_told, life.is_news = True, False
            elif life.is_known and life.is_told:
                life.is_news = True

    def listen() -> None:
        do("update trueup.notifications set next_attempt_at = clock_timestamp()")
        do("update trueup.notification_channels set next_attempt_at = null")
        deliver(as_runner, hook=channel)
        rows = do(
            "select n.id, x.edge, al.entity_id::int from trueup.notifications as n "
            "cross join lateral (select 'alarm', unnest(n.alarm_ids) union all select 'end', unnest(n.ended_ids)) "
            "as x (edge, alert_id) join trueup.data_consistency_alerts as al on al.id = x.alert_id "
            "where n.state = 'sent' order by n.id",
        )
        for entity in heard:
            heard[entity] = [row[1] for row in rows if row[2] == entity]
        told()
        assert heard == expected

    this = "from trueup.data_consistency_alerts as al where al.entity_id = %s"
    for step, number in [*steps, ("deliver", 0)]:
        life = lives.get(number, Life())
        if step == "flap" and life.is_open:
            do(MEND, [str(number)])
            life.is_open = False
        if step in ("fault", "flap") and not life.is_open:
            do(FAULT, "call_backlink_missing", str(company(number)), [number])
            lives[number] = Life(is_open=True, is_snoozed=life.is_snoozed, is_news=True, is_told=life.is_told)
        elif step == "mend" and life.is_open:
            do(MEND, [str(number)])
            life.is_open = life.is_known = False
        elif step == "acknowledge" and life.is_open:
            do(f"select trueup.acknowledge_alert(al.id) {this}", str(number))
            life.is_known = True
        elif step == "snooze" and life.is_open:
            do(
                f"select trueup.snooze_alert(al.id, clock_timestamp() + interval '1 hour') {this}",
                str(number),
            )
            life.is_snoozed = True
        elif step == "wake" and life.is_snoozed:
            do(
                "update trueup.data_consistency_alerts set snoozed_until = clock_timestamp() where entity_id = %s",
                str(number),
            )
            life.is_snoozed, life.is_news = False, True
        elif step == "mute" and number not in muted:
            notify.mute(timedelta(hours=1), "test", company=str(number), database=database)
            muted.add(number)
        elif step == "unmute":
            notify.unmute(database=database)
            muted.clear()
        elif step == "fail":
            # a delivery whose messages do not arrive changes nothing for who listens later
            receiver.answers = [503] * 3
            deliver(as_runner, hook=channel)
            receiver.answers.clear()
            told()
        elif step == "deliver":
            listen()
    assert not any(life.is_told and not life.is_open and company(n) not in muted for n, life in lives.items())
    connection.close()
