"""Tell people what has become of alerts: once when it begins, again when it ends.

What is due to a channel is compared and written down in one transaction, and sent from
there. A delivery that dies between sending and noting it sends again; nothing is lost.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple
from urllib.parse import urlencode

from trueup.errors import NotFoundError, RefusedError, UsageError
from trueup.guards import tell_unknown
from trueup.names import unknown
from trueup.operating import channels
from trueup.operating.channels import ChannelError, Message
from trueup.operating.config import Channel, Configuration, Notify
from trueup.packs import SEVERITIES
from trueup.rendering import as_json
from trueup.store import Session, refuse_foreign, session

logger = logging.getLogger(__name__)

# a delivery that stops in the middle keeps its channels for the time of a message and this
GRACE = timedelta(seconds=20)
# a channel that fails so often in a row is left alone until its next time
PATIENCE = 3
# an Alertmanager forgets what it has not heard of for so long, and hears of it four times as often
EXPIRES = timedelta(minutes=20)
# in one summary
MOST_LINES = 20
MOST_GROUPS = 100


@dataclass(frozen=True)
class Group:
    """What is said of one check in one company; `uncounted` violations are in flood alerts."""

    check: str
    company: str | None
    severity: str
    invariant: str | None
    repair: str | None
    opened: int
    reopened: int
    returned: int
    resolved: int
    open: int
    since: datetime | None
    alarm_ids: list[int]
    ended_ids: list[int]
    is_late: bool
    entity_type: str | None
    examples: list[str]
    uncounted: int | None

    @property
    def alarms(self) -> int:
        """Return how many alerts began, in whatever way."""
        return self.opened + self.reopened + self.returned


@dataclass(frozen=True)
class Told:
    """One message to one channel, and what became of it."""

    channel: str
    kind: str
    severity: str
    subject: str
    body: str
    outcome: str
    error: str | None = None


@dataclass(frozen=True)
class Delivery:
    """What one delivery did; `errors` holds the channels that failed, `busy` those another one had."""

    told: tuple[Told, ...]
    errors: dict[str, str]
    waiting: dict[str, int]
    busy: tuple[str, ...] = ()

    @property
    def sent(self) -> int:
        """Return the number of messages that were taken."""
        return sum(each.outcome == "sent" for each in self.told)


@dataclass(frozen=True)
class Mute:
    """A time in which nothing is said: of one check or all, in one company or all."""

    id: int
    check: str | None
    company: str | None
    reason: str
    actor: str
    created_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class State:
    """A channel as the database knows it; `is_configured` whether this configuration does, too."""

    name: str
    kind: str
    last_sent_at: datetime | None
    waiting: int
    told: int
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    error: str | None
    is_configured: bool = False


class _Draft(NamedTuple):
    """A message before it has a number."""

    kind: str
    severity: str
    subject: str
    body: str
    content: dict[str, Any]
    groups: Sequence[Group]


class _Claimed(NamedTuple):
    id: int
    is_new: bool
    must_wait: bool
    failures: int
    waiting: int


class _Firing(NamedTuple):
    """What an Alertmanager holds as one alert."""

    check: str
    company: str | None
    severity: str
    entity_type: str
    invariant: str | None
    open: int
    since: datetime
    examples: list[str]


@dataclass
class _Line:
    """A channel while it is delivered to."""

    id: int
    name: str
    channel: Channel
    messages: list[Message] = field(default_factory=list)
    is_due: bool = False
    failures: int = 0
    attempt: int = 0
    deadline: float = 0.0
    alerts: list[dict[str, Any]] = field(default_factory=list)
    firing: list[dict[str, Any]] = field(default_factory=list)


def deliver(
    *,
    database: str | None,
    configuration: Configuration,
    pack: Path | None = None,
    dry_run: bool = False,
) -> Delivery:
    """Send every channel of the configuration what is due to it; return what was sent.

    A channel that fails is in the result and fails nothing else: its messages wait, and the
    other channels are told. One that another delivery is busy with is left to it. With
    `dry_run` nothing is sent and nothing written. `pack` is not needed.

    Raises DatabaseError when the database cannot be reached or has no trueup.
    """
    with session(database, "notify") as connection:
        refuse_foreign(connection)
        work = _Work(connection, configuration.notify)
        if dry_run:
            return work.rehearse()
        work.run()
        # a channel that has failed too often is news for the others
        if work.errors and connection.value("file_failing_channels"):
            work.run(besides=work.errors)
        return work.done()


def test(name: str, *, database: str | None, configuration: Configuration) -> Told:
    """Send a test message to one channel, also to one that is left alone because it fails.

    Raises NotFoundError for a channel that is not configured, RefusedError while another
    delivery has it.
    """
    named = configuration.notify.channels
    if name not in named:
        raise unknown("channel", name, named, "`trueup notify list`")
    with session(database, "notify test") as connection:
        refuse_foreign(connection)
        return _Work(connection, configuration.notify).test(name, named[name])


def states(*, database: str | None, configuration: Configuration) -> list[State]:
    """Return every channel, of the configuration or known from before."""
    configured = configuration.notify.channels
    with session(database, "notify list") as connection:
        refuse_foreign(connection)
        known = {
            state.name: replace(state, is_configured=state.name in configured)
            for state in connection.rows("notify_states", State)
        }
    fresh = {
        name: State(name, channel.kind, None, 0, 0, 0, None, None, None, True)
        for name, channel in configured.items()
        if name not in known
    }
    return sorted([*known.values(), *fresh.values()], key=lambda state: state.name)


def mute(
    length: timedelta,
    reason: str,
    check: str | None = None,
    company: str | None = None,
    actor: str | None = None,
    *,
    database: str | None,
) -> Mute:
    """Say nothing for a time; one summary follows. Raises NotFoundError for an unknown check."""
    if not reason.strip():
        raise UsageError("say why: --reason TEXT; whoever finds it quiet will ask")
    with session(database, "notify mute") as connection:
        refuse_foreign(connection)
        if check is not None and check not in (known := connection.values("alert_types")):
            raise unknown("check", check, known, "`trueup catalog`")
        tell_unknown(connection, company)
        mute_id = connection.value(
            "notify_mute", length=length, reason=reason, check=check, company=company, actor=actor
        )
        (made,) = connection.rows("notify_muted", Mute, id=mute_id)
        return made


def mutes(*, database: str | None) -> list[Mute]:
    """Return the silences in force."""
    with session(database, "notify list") as connection:
        refuse_foreign(connection)
        return connection.rows("notify_muted", Mute, id=None)


def unmute(mute_id: int | None = None, actor: str | None = None, *, database: str | None) -> list[int]:
    """End one silence, or all. Raises NotFoundError when the one is not in force."""
    with session(database, "notify unmute") as connection:
        refuse_foreign(connection)
        lifted: list[int] = connection.values("notify_unmute", id=mute_id, actor=actor)
        if mute_id is not None and not lifted:
            raise NotFoundError(f"no silence {mute_id} is in force; `trueup notify list` shows them")
        return lifted


class _Work:
    """One delivery."""

    def __init__(self, connection: Session, settings: Notify) -> None:
        self.connection = connection
        self.settings = settings
        self.token = str(uuid.uuid4())
        self.lease = settings.timeout + GRACE
        self.instance = _instance(connection, settings)
        self.told: list[Told] = []
        self.errors: dict[str, str] = {}
        self.waiting: dict[str, int] = {}
        self.busy: list[str] = []

    def run(self, besides: Iterable[str] = ()) -> None:
        """Plan and send, to all channels besides those named."""
        lines = [
            line
            for name, channel in self.settings.channels.items()
            if name not in set(besides)
            for line in self._planned(name, channel)
        ]
        self._deliver(lines)

    def done(self) -> Delivery:
        """Return the result."""
        for state in self.connection.rows("notify_states", State):
            if state.name in self.settings.channels:
                if state.waiting:
                    self.waiting[state.name] = state.waiting
                if state.error:
                    self.errors.setdefault(state.name, state.error)
        return Delivery(tuple(self.told), self.errors, self.waiting, tuple(dict.fromkeys(self.busy)))

    def rehearse(self) -> Delivery:
        """Plan, and take it back."""
        for name, channel in self.settings.channels.items():
            try:
                channels.refuse_unusable(name, channel)
            except UsageError as error:
                self.errors[name] = str(error)
                continue
            with self.connection.transaction(rollback=True):
                channel_id = self.connection.value("notify_channel", name=name, kind=channel.kind)
                claimed = self._claim(channel_id)
                if claimed is None:
                    self.busy.append(name)
                    continue
                for draft in self._drafts(_Line(channel_id, name, channel), claimed):
                    self.told.append(Told(name, draft.kind, draft.severity, draft.subject, draft.body, "due"))
        return self.done()

    def test(self, name: str, channel: Channel) -> Told:
        """Send a test message."""
        channel_id = self.connection.value("notify_channel", name=name, kind=channel.kind)
        if self._claim(channel_id) is None:
            raise RefusedError(f"another delivery is busy with channel {name}; try again in a minute")
        line = _Line(channel_id, name, channel)
        text = f"This is a test of channel {name}, sent by `trueup notify test`. Nothing is wrong."
        subject = f"[trueup {self.instance}] test of channel {name}"
        content = _content("test", name, self.instance, "info", subject, text, ())
        line.messages = [_keep(self.connection, line, _Draft("test", "info", subject, text, content, ()))]
        if channel.kind == "alertmanager":
            fired = self.connection.record("notify_fired", channel_id=channel_id)
            labels = {"alertname": "trueup_test", "severity": "info", "database": self.instance}
            ends = fired["now"] + timedelta(minutes=1)
            line.alerts = [_alert(labels, fired["now"], ends, {"summary": text})]
            line.firing = fired["firing"]
        self._deliver([line])
        (told,) = self.told
        return told

    def _planned(self, name: str, channel: Channel) -> Iterator[_Line]:
        """Yield the channel with what is to be sent to it, unless it is another's, or unusable."""
        channel_id = self.connection.value("notify_channel", name=name, kind=channel.kind)
        claimed = self._claim(channel_id)
        if claimed is None:
            self.busy.append(name)
            return
        line = _Line(channel_id, name, channel)
        if claimed.must_wait:
            yield line
            return
        try:
            channels.refuse_unusable(name, channel)
        except UsageError as error:
            self._failed(line, (), str(error))
            yield line
            return
        with self.connection.transaction():
            # nobody else plans for it meanwhile: the row is locked
            if self._claim(channel_id) is not None:
                for draft in self._drafts(line, claimed):
                    _keep(self.connection, line, draft)
        line.messages = self.connection.rows("next_notifications", Message, channel_id=channel_id)
        if channel.kind == "alertmanager":
            self._fire(line)
        yield line

    def _claim(self, channel_id: int) -> _Claimed | None:
        return self.connection.row(
            "claim_notify_channel", _Claimed, channel_id=channel_id, token=self.token, lease=self.lease
        )

    def _drafts(self, line: _Line, claimed: _Claimed) -> list[_Draft]:
        """Return what is due to a channel, and note it as told."""
        room = max(self.settings.most, 1) - claimed.waiting
        if room <= 0:
            return []
        channel, settings = line.channel, self.settings
        silences = self.connection.record("notify_mutes", channel_id=line.id)
        groups = self.connection.rows(
            "notify_edges",
            Group,
            channel_id=line.id,
            severities=list(SEVERITIES[: SEVERITIES.index(channel.severity) + 1]),
            checks=list(channel.checks),
            companies=list(channel.companies),
            muted=silences["muted"],
            ended=silences["ended"],
        )
        if channel.kind == "alertmanager":
            return [self._summary(line, groups, "what changed")] if groups else []
        if claimed.is_new:
            return [self._summary(line, groups, "open when this channel was new")] if groups else []
        late = [group for group in groups if group.is_late]
        current = [group for group in groups if not group.is_late]
        current += self.connection.rows(
            "notify_reminders",
            Group,
            channel_id=line.id,
            muted=silences["muted"],
            repeat=settings.repeat,
            repeat_critical=settings.repeat_critical,
        )
        if late and current and room == 1:
            return [self._summary(line, [*late, *current], "what changed")]
        drafts = [self._summary(line, late, "what changed while it was to be quiet")] if late else []
        if len(current) > room - len(drafts):
            return [*drafts, self._summary(line, current, "too much for single messages")]
        return [*drafts, *(self._notice(line, group) for group in current)]

    def _notice(self, line: _Line, group: Group) -> _Draft:
        """Return the message about one check in one company."""
        kind = "alarm" if group.alarms else "recovery" if group.resolved else "reminder"
        word = {"alarm": group.severity, "recovery": "resolved", "reminder": f"still {group.severity}"}[kind]
        where = f", company {_clean(group.company)}" if group.company is not None else ""
        subject = f"[trueup {self.instance}] {word}: {_clean(group.check)}{where}: {_counts(group)}"
        is_over = not group.open
        lines = []
        if group.invariant:
            lines += ["This is true again:" if is_over else "This should be true, and is not:"]
            lines += [f"    {_clean(group.invariant, 1000)}", ""]
        lines.append(f"{_counts(group)}{_since(group)}.")
        if group.uncounted:
            lines.append(f"{group.uncounted:,} violations at once were counted and not listed.")
        lines.append(f"Severity {group.severity}{where}, database {self.instance}.")
        if group.examples:
            lines.append(f"For example: {', '.join(map(_clean, group.examples))}")
        url = _link(self.settings, group.check, group.company)
        if not is_over:
            lines += ["", *_next_steps(group)]
        if url:
            lines.append(f"Console: {url}")
        body = "\n".join(lines)
        content = _content(kind, line.name, self.instance, group.severity, subject, body, (group,), url)
        return _Draft(kind, group.severity, subject, body, content, (group,))

    def _summary(self, line: _Line, groups: Sequence[Group], why: str) -> _Draft:
        """Return one message about many."""
        severity = min((group.severity for group in groups), key=SEVERITIES.index)
        total = _summed(groups)
        by_check: dict[str, list[Group]] = {}
        for group in sorted(groups, key=lambda group: (SEVERITIES.index(group.severity), -group.open)):
            by_check.setdefault(group.check, []).append(group)
        word = "resolved" if total.resolved and not total.open else severity
        subject = (
            f"[trueup {self.instance}] {word}: {why}: {_counts(total)} of "
            f"{len(by_check)} check{'s' if len(by_check) != 1 else ''}"
        )
        lines = [f"{why[0].upper()}{why[1:]}: {_counts(total)}.", ""]
        for check, of_check in list(by_check.items())[:MOST_LINES]:
            companies = {group.company for group in of_check if group.company is not None}
            where = f" in {len(companies)} compan{'ies' if len(companies) != 1 else 'y'}" if companies else ""
            lines.append(f"{of_check[0].severity:<8}  {_clean(check)}: {_counts(_summed(of_check))}{where}")
        if len(by_check) > MOST_LINES:
            lines.append(f"and {len(by_check) - MOST_LINES} more checks")
        url = _link(self.settings)
        lines += ["", "Look:    trueup alerts list"]
        if url:
            lines.append(f"Console: {url}")
        body = "\n".join(lines)
        content = _content("summary", line.name, self.instance, severity, subject, body, groups, url)
        return _Draft("summary", severity, subject, body, content, groups)

    def _fire(self, line: _Line) -> None:
        """Make out what an Alertmanager is to be told: all that fires, and what no longer does."""
        fired = self.connection.record("notify_fired", channel_id=line.id)
        now, before = fired["now"], fired["firing"]
        for row in self.connection.rows("notify_firing", _Firing, channel_id=line.id):
            labels = {
                "alertname": row.check,
                "severity": row.severity,
                "entity_type": row.entity_type,
                "database": self.instance,
                **({"company": row.company} if row.company is not None else {}),
            }
            what = {
                "summary": row.invariant or row.check,
                "description": f"{row.open} open, for example {', '.join(row.examples)}",
            }
            url = _link(self.settings, row.check, row.company)
            line.firing.append({"labels": labels, "since": row.since.isoformat()})
            line.alerts.append(_alert(labels, row.since, now + EXPIRES, what, url))
        held = [each["labels"] for each in line.firing]
        for each in before:
            if each["labels"] not in held:
                since = datetime.fromisoformat(each["since"])
                line.alerts.append(_alert(each["labels"], since, now, {"summary": "resolved"}))
        last = fired["last_sent_at"]
        line.is_due = bool(line.alerts) and (
            line.firing != before or last is None or last < now - EXPIRES / 4 or bool(line.messages)
        )

    def _deliver(self, lines: Sequence[_Line]) -> None:
        """Send what the channels have to be sent, and leave them to others."""
        ready = []
        for line in lines:
            if not line.messages and not line.is_due:
                continue
            try:
                channels.refuse_unusable(line.name, line.channel)
                channels.prepare(line.channel)
            except (UsageError, ChannelError) as error:
                self._failed(line, line.messages, str(error))
            else:
                ready.append(line)
        try:
            self._send(ready)
        finally:
            for line in lines:
                self.connection.run("release_notify_channel", channel_id=line.id, token=self.token)

    def _send(self, lines: Iterable[_Line]) -> None:
        """Send to all channels side by side, to each one message after the other."""
        answers: SimpleQueue[tuple[_Line, int, str | None]] = SimpleQueue()
        limit = self.settings.timeout.total_seconds()
        running = [line for line in lines if self._begin(line, answers)]
        while running:
            wait = min(line.deadline for line in running) - time.monotonic()
            answered: _Line | None = None
            error: str | None = None
            with suppress(Empty):
                answered, attempt, error = answers.get(timeout=max(wait, 0))
                if attempt != answered.attempt:
                    continue  # it had its time, and was given up
            if answered is None:
                late = [line for line in running if line.deadline <= time.monotonic()]
                for line in late:
                    # its thread is left behind, and what it still says is not heard
                    line.attempt += 1
                    self._note(line, f"no answer within {limit:g} s")
                    running.remove(line)
                continue
            self._note(answered, error)
            answered.failures = answered.failures + 1 if error else 0
            if answered.failures >= PATIENCE or not self._begin(answered, answers):
                running.remove(answered)

    def _begin(self, line: _Line, answers: SimpleQueue[tuple[_Line, int, str | None]]) -> bool:
        """Start to send the next message of a channel; return whether there is one."""
        if self._claim(line.id) is None:
            return False  # it took so long that another delivery has it
        limit = self.settings.timeout.total_seconds()
        is_manager = line.channel.kind == "alertmanager"
        if is_manager:
            for message in line.messages:
                self.connection.run("attempt_notification", id=message.id, token=self.token)
            if not line.is_due and not line.messages:
                return False
        else:
            while line.messages and not self.connection.value(
                "attempt_notification", id=line.messages[0].id, token=self.token
            ):
                line.messages.pop(0)
            if not line.messages:
                return False
        first = line.messages[0] if line.messages else None
        attempt = line.attempt

        def work() -> None:
            error = None
            try:
                _hand_over(line, first, limit)
            except ChannelError as caught:
                error = str(caught)
            except Exception as caught:
                # whatever it says may hold the address
                error = f"broke: {type(caught).__name__}"
            answers.put((line, attempt, error))

        requests = 1 + len(line.alerts) // channels.BATCH
        line.deadline = time.monotonic() + limit * requests + 1
        threading.Thread(target=work, name=f"notify {line.name}", daemon=True).start()
        return True

    def _note(self, line: _Line, error: str | None) -> None:
        """Write down what became of what was just sent."""
        if line.channel.kind == "alertmanager":
            about, line.messages, line.is_due = line.messages, [], False
            if error is None:
                firing = as_json(line.firing)
                self.connection.run("keep_notify_fired", channel_id=line.id, firing=firing)
                # it works, also when there was nothing new to tell it
                self.connection.run("notification_sent", id=None, channel_id=line.id)
        else:
            about = [line.messages.pop(0)]
        if error is not None:
            self._failed(line, about, error)
            return
        for message in about:
            self.connection.run("notification_sent", id=message.id, channel_id=line.id)
            self.told.append(_told(line, message, "sent"))
            logger.info(
                "notification sent",
                extra={"channel": line.name, "kind": message.kind, "notification": message.id},
            )

    def _failed(self, line: _Line, about: Sequence[Message], error: str) -> None:
        """Count one failure of a channel, whatever number of messages it was about."""
        self.errors[line.name] = error
        self.told += [_told(line, message, "failed", error) for message in about]
        self.connection.run(
            "notification_failed",
            ids=[message.id for message in about],
            channel_id=line.id,
            error=error,
            give_up=self.settings.give_up,
        )
        logger.warning("notification failed", extra={"channel": line.name, "error": error})


def _told(line: _Line, message: Message, outcome: str, error: str | None = None) -> Told:
    return Told(line.name, message.kind, message.severity, message.subject, message.body, outcome, error)


def _hand_over(line: _Line, message: Message | None, limit: float) -> None:
    if line.channel.kind == "alertmanager":
        channels.post_alerts(line.channel, line.alerts, limit)
    elif message is not None:
        channels.send(line.channel, message, limit)


def _keep(connection: Session, line: _Line, draft: _Draft) -> Message:
    """Write a message down, to be sent."""
    groups = draft.groups
    (kept,) = connection.rows(
        "keep_notification",
        Message,
        channel_id=line.id,
        channel=line.name,
        kind=draft.kind,
        check=groups[0].check if len(groups) == 1 else None,
        company=groups[0].company if len(groups) == 1 else None,
        severity=draft.severity,
        subject=draft.subject,
        body=draft.body,
        content=as_json(draft.content),
        alarm_ids=[each for group in groups for each in group.alarm_ids],
        ended_ids=[each for group in groups for each in group.ended_ids],
    )
    return kept


def _content(
    kind: str,
    channel: str,
    instance: str,
    severity: str,
    subject: str,
    body: str,
    groups: Sequence[Group],
    url: str | None = None,
) -> dict[str, Any]:
    """Return a message as data: version 1 of what docs/notifications.md describes."""
    return {
        "version": 1,
        "kind": kind,
        "channel": channel,
        "database": instance,
        "severity": severity,
        "subject": subject,
        "text": body,
        "url": url,
        "groups_total": len(groups),
        "groups": [
            {
                "check": group.check,
                "company": group.company,
                "severity": group.severity,
                "invariant": group.invariant,
                "repair": group.repair,
                "opened": group.opened,
                "reopened": group.reopened,
                "returned": group.returned,
                "resolved": group.resolved,
                "open": group.open,
                "since": group.since,
                "uncounted": int(group.uncounted or 0),
                "examples": group.examples,
            }
            for group in groups[:MOST_GROUPS]
        ],
    }


def _alert(
    labels: dict[str, str],
    starts: datetime,
    ends: datetime,
    annotations: dict[str, str],
    url: str | None = None,
) -> dict[str, Any]:
    return {
        "labels": labels,
        "annotations": annotations,
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
        **({"generatorURL": url} if url else {}),
    }


def _counts(group: Group) -> str:
    """Return what happened, in a few words."""
    parts = [
        f"{count:,} {word}"
        for count, word in (
            (group.opened, "new"),
            (group.reopened, "reopened"),
            (group.returned, "to look at again"),
            (group.resolved, "resolved"),
        )
        if count
    ]
    return ", ".join([*parts, f"{group.open:,} open" if group.open else "none open"])


def _summed(groups: Sequence[Group]) -> Group:
    """Return the first of some groups with the counts of all."""
    return replace(
        groups[0],
        opened=sum(group.opened for group in groups),
        reopened=sum(group.reopened for group in groups),
        returned=sum(group.returned for group in groups),
        resolved=sum(group.resolved for group in groups),
        open=sum(group.open for group in groups),
    )


def _since(group: Group) -> str:
    return f", the oldest since {group.since:%Y-%m-%d %H:%M} UTC" if group.since and group.open else ""


def _next_steps(group: Group) -> list[str]:
    steps = [f"Look:    trueup check {group.check} --examples 20"]
    if group.repair in ("automatic", "evidence"):
        steps.append(f"Repair:  trueup repair {group.check}    (changes nothing without --apply)")
    elif group.repair:
        steps.append(f"Review:  trueup review list --reason {group.check}")
    return steps


def _clean(text: str | None, longest: int = 100) -> str:
    """Return a text of one line: what a host calls its companies must not write headers."""
    line = "".join(character if character.isprintable() else " " for character in text or "")
    return line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _link(settings: Notify, check: str | None = None, company: str | None = None) -> str | None:
    if not settings.console_url:
        return None
    query = urlencode({key: text for key, text in (("check", check), ("company", company)) if text})
    return f"{settings.console_url.rstrip('/')}/alerts{'?' + query if query else ''}"


def _instance(connection: Session, settings: Notify) -> str:
    return _clean(settings.name or connection.value("notify_database"))
