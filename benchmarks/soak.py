"""Simulated weeks of `trueup run`: two runners, faults and deaths at random, and what must hold then.

    python benchmarks/soak.py --days 21 --speed 1000

The clock of the server runs faster by Debian's libfaketime; runners go by it, and wait that
much shorter. Faults are written through the triggers and behind them; runners are killed,
stopped for hours, and told to end; the server is killed. Two channels are told of alerts, of which
one fails now and then, at times for days. In the end every fault must have one alert and be repaired
or with people, every alarm and every recovery must have been heard on both channels, no slot may have
been done twice, no job may have overlapped itself, and the runners must not have grown. Exits with 1
when one of these does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from statistics import mean
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import psycopg

import trueup
from trueup import server

ROOT = Path(__file__).resolve().parents[1]
# two weeks before clocks change in Berlin
BEGIN = datetime(2026, 3, 15, 12, tzinfo=UTC)
# seconds of real time that the end of all faults may take
PATIENCE = 240.0
# seconds of real time that a runner must have lived, after it had done all jobs once, to be asked
# whether it grows; and the MB that it may have, since then and in the second half of that time
LONG_LIFE = 120.0
MOST_GROWTH = 10.0
MOST_LATE_GROWTH = 3.0
# the part of its messages that the flaky channel refuses, or takes without an answer, when it is well
REFUSED = 0.05
CONFIGURATION = """
[run]
zone = "Europe/Berlin"
watch_every = "10m"
silent_after = "{silent_after}"
grace = "1h"

[run.jobs.changed]
every = "1h"
timeout = "{timeout}"

[run.jobs.notify]
every = "30m"
timeout = "{timeout}"

[run.jobs.queue]
timeout = "{timeout}"

[run.jobs.full]
at = "0 */{full_every} * * *"
timeout = "{timeout}"

[run.jobs.repair]
at = "30 */{full_every} * * *"
enabled = true
timeout = "{timeout}"

[run.jobs.retention]
timeout = "{timeout}"

[run.jobs.verify]
timeout = "{timeout}"

[notify]
timeout = "{answer_within}"

[notify.channels.steady]
kind = "webhook"
url = "{steady}"

[notify.channels.flaky]
kind = "webhook"
url = "{flaky}"
"""
PREPARED = """
create table public.soak_faults (
    id bigint primary key,
    kind text not null,
    made_at timestamptz not null default clock_timestamp(),
    -- by hand, and how often it was made in all
    is_mended boolean not null default false,
    times integer not null default 1
);
select factory.company(1);
"""
FAULTS = {
    # a write that no trigger refuses: found by the watch, left to people
    "malformed": (
        "call_id_malformed",
        "select factory.call({id}, retell_call_id => 'bad {id}')",
    ),
    # what a bulk load does behind the triggers: found by the next full run, repaired
    "behind": (
        "call_made_without_appointment",
        "set local session_replication_role = replica; "
        "select factory.call({id}, booking_id => 'uid-{id}', appointment_made => true, "
        "session_outcome => 'appointment_rescheduled'); "
        "select factory.appointment({id}, call_id => null, calcom_booking_uid => 'uid-{id}', status => 'completed', "
        "starts_at => '2025-10-22 12:00+00'::timestamptz + {id} * interval '1 hour')",
    ),
}


@dataclass
class Life:
    """One runner process and what it weighed, in MB, each time somebody looked."""

    process: subprocess.Popen[bytes]
    weights: list[tuple[float, float]] = field(default_factory=list)
    is_stopped: bool = False
    is_replaced: bool = False

    def weigh(self) -> None:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            line = next(line for line in lines if line.startswith("VmRSS"))
            self.weights.append((time.monotonic(), int(line.split()[1]) / 1024))

    def growth(self, warm: float) -> tuple[float, float] | None:
        """MB since `warm`, when it had done everything once, and in the second half of that; None when that is short.

        Doing something for the first time imports what that needs.
        """
        later = [weight for at, weight in self.weights if at >= warm]
        if len(later) < 10 or self.weights[-1][0] - warm < LONG_LIFE:
            return None
        tenth, quarter = len(later) // 10, len(later) // 4
        return (
            mean(later[-tenth:]) - mean(later[:tenth]),
            mean(later[-quarter:]) - mean(later[2 * quarter : 3 * quarter]),
        )


class Listener(ThreadingHTTPServer):
    """Where a channel leads to: hears messages, and fails as it is told."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, chance: random.Random, refused: float) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.chance = chance
        self.refused = refused
        self.down_until = 0.0
        # messages that were taken, and when; those that were read and not answered; those refused
        self.heard: dict[int, list[float]] = {}
        self.said: dict[int, dict[str, Any]] = {}
        self.unanswered = 0
        self.failed = 0
        self.thread = Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def take(self, content: dict[str, Any]) -> int | None:
        """Return the status to answer with, or None for no answer."""
        if time.monotonic() < self.down_until or self.chance.random() < self.refused:
            if self.chance.random() < 0.5:
                self.unanswered += 1
                return None
            self.failed += 1
            return 503
        self.said[content["id"]] = content
        self.heard.setdefault(content["id"], []).append(time.monotonic())
        return 204

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Request(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Listener)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.take(json.loads(body))
        if status is not None:
            self.send_response(status)
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        # who asked may be dead by now
        with contextlib.suppress(OSError):
            super().handle()


# what a run writes down is seen once it has committed: a second at the speed of a soak
ALERTS = """
select al.id, al.alert_type, al.severity, al.status, al.reopened_count, al.resolved_at,
    greatest(coalesce(al.reopened_at, al.detected_at), r.finished_at) + interval '30 minutes' as known_at
from trueup.data_consistency_alerts as al
left join trueup.check_runs as r on r.id = al.first_run_id
"""
MESSAGES = """
select n.id, n.channel, n.kind, n.state, n.subject, n.alarm_ids, n.ended_ids from trueup.notifications as n order by n.id
"""
# which jobs had told every channel besides some what was due to it
DELIVERIES = """
select jr.started_at, jr.finished_at,
    array(select jsonb_array_elements_text(jr.detail -> 'busy')
        union all select jsonb_object_keys(jr.detail -> 'errors')
        union all select jsonb_object_keys(jr.detail -> 'waiting')),
    jr.id
from trueup.job_runs as jr
where jr.job = 'notify' and jr.outcome = 'done'
"""


@dataclass(frozen=True)
class Alert:
    """An alert as it is in the end; `known_at` when its last life could be seen by others."""

    id: int
    check: str
    severity: str
    status: str
    reopened: int
    resolved_at: datetime | None
    known_at: datetime


@dataclass(frozen=True)
class Written:
    """A message as it was written down."""

    id: int
    channel: str
    kind: str
    state: str
    subject: str
    alarm_ids: list[int]
    ended_ids: list[int]


@dataclass
class Announcements:
    """What was said, and what should not have been, or should."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def compare(
        self,
        name: str,
        listener: Listener,
        written: list[Written],
        alerts: dict[int, Alert],
        deaths: list[float],
    ) -> None:
        """Compare one channel's messages with what it heard, and with the alerts."""
        heard = {number: list(times) for number, times in listener.heard.items()}
        for number in heard.keys() - {message.id for message in written}:
            self.wrong["heard and not written down"].append([name, number])
        # of each alert: whether it counts as open there, how often it was told, what was given up of it, when
        told: dict[int, bool] = {}
        alarms: Counter[int] = Counter()
        given_up: Counter[int] = Counter()
        last: dict[int, float] = {}
        # heard, but whoever sent it died before noting that, and it was given up later
        repeated: set[int] = set()
        self.counts[f"refused or unanswered by {name}"] += listener.failed + listener.unanswered
        for message in written:
            times = heard.get(message.id, [])
            if message.state == "failed":
                self.counts[f"given up on {name}"] += 1
                given_up.update(message.alarm_ids)
            if not times:
                if message.state == "sent":
                    self.wrong["written down as sent and not heard"].append([name, message.id])
                elif message.state == "pending":
                    self.wrong["not sent yet"].append([name, message.id])
                continue
            self.counts[f"messages of kind {message.kind} heard by {name}"] += 1
            content = listener.said[message.id]
            is_same = content["subject"] == message.subject and [
                sum(group["opened"] + group["reopened"] + group["returned"] for group in content["groups"]),
                sum(group["resolved"] for group in content["groups"]),
            ] == [len(message.alarm_ids), len(message.ended_ids)]
            if not is_same:
                self.wrong["heard otherwise than written down"].append([name, message.id])
            for first, second in itertools.pairwise(times):
                # who sent it died before writing that down, or could not
                self.counts[f"heard twice by {name}"] += 1
                if not any(first - 1 < death < second for death in deaths):
                    self.wrong["heard twice, and nobody had died"].append([name, message.id, message.subject])
            for each in [*message.ended_ids, *message.alarm_ids]:
                if times[0] < last.get(each, 0):
                    self.wrong["heard in the wrong order"].append([name, message.id, each])
                last[each] = times[0]
            for each in message.ended_ids:
                self.counts[f"recoveries heard by {name}"] += 1
                if not told.get(each):
                    where = "recoveries of alarms that were given up"
                    if each in repeated:
                        self.counts["recoveries said anew that had been heard, and not noted"] += 1
                    elif given_up[each]:
                        self.counts[where] += 1
                    else:
                        self.wrong["recoveries of what was not announced"].append([name, message.id, each])
                told[each] = False
                if message.state == "failed":
                    repeated.add(each)
            for each in message.alarm_ids:
                self.counts[f"alarms heard by {name}"] += 1
                alarms[each] += 1
                told[each] = True
        for each, count in alarms.items():
            if each not in alerts:
                self.wrong["announced and never there"].append([name, each])
            elif count > alerts[each].reopened + 1 + given_up[each]:
                self.wrong["announced too often"].append([name, each, alerts[each].check, count])
        for alert in alerts.values():
            if alert.severity == "info":
                if alarms[alert.id]:
                    self.wrong["announced though it is only info"].append([name, alert.id])
            elif alert.status == "open" and not told.get(alert.id):
                self.wrong["open and not announced"].append([name, alert.id, alert.check])
            elif alert.status == "resolved" and told.get(alert.id):
                self.wrong["recovered and not announced"].append([name, alert.id, alert.check])


class Clock:
    """The simulated time."""

    def __init__(self, speed: int) -> None:
        self.speed = speed
        self.began = time.monotonic()

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=(time.monotonic() - self.began) * self.speed)


class Cluster:
    """A server whose clock is fast; it can be killed and started again."""

    def __init__(self, directory: Path, clock: Clock, library: Path) -> None:
        self.directory = directory
        self.data = directory / "cluster"
        self.clock = clock
        real = server.find_binaries()
        # made with a true clock
        server.start(self.data, binaries=real, settings=server.THROWAWAY, die_with_parent=True)
        server.stop(self.data)
        self.usable = server._readable(real, server._server_user(self.data))
        self.binaries = dataclasses.replace(real, directory=directory / "bin")
        self.binaries.directory.mkdir(mode=0o755)
        for program in self.usable.iterdir():
            if program.name != "postgres":
                (self.binaries.directory / program.name).symlink_to(program)
        self.library = directory / "libfaketime.so"
        shutil.copy(library, self.library)
        self.library.chmod(0o755)

    def start(self) -> str:
        """Start the server at the simulated time; return its URL."""
        program = self.binaries.directory / "postgres"
        now = f"@{self.clock.now():%Y-%m-%d %H:%M:%S} x{self.clock.speed}"
        program.write_text(
            "#!/bin/sh\n"
            f"exec env TZ=UTC LD_PRELOAD={self.library} FAKETIME='{now}' {self.usable}/postgres \"$@\"\n"
        )
        program.chmod(0o755)
        self.server = server.start(
            self.data, binaries=self.binaries, settings=server.THROWAWAY, die_with_parent=True
        )
        return self.server.url()

    def kill(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)
        while server.status(self.data).running:
            time.sleep(0.02)


class Soak:
    """One soak: faults and deaths, until the days are over."""

    def __init__(self, directory: Path, options: argparse.Namespace) -> None:
        self.directory = directory
        self.options = options
        self.random = random.Random(options.seed)
        self.clock = Clock(options.speed)
        self.cluster = Cluster(directory, self.clock, options.library)
        self.configuration = directory / "trueup.toml"
        self.channels = {
            "steady": Listener(random.Random(), 0),
            "flaky": Listener(random.Random(options.seed), REFUSED),
        }
        self.configuration.write_text(
            CONFIGURATION.format(
                silent_after=options.silent_after,
                timeout=options.timeout,
                answer_within=options.answer_within,
                full_every=options.full_every,
                **{name: listener.url for name, listener in self.channels.items()},
            )
        )
        self.log = (directory / "runners.log").open("ab")
        self.lives: list[Life] = []
        self.events: Counter[str] = Counter()
        # when a process died, was stopped or told to end
        self.deaths: list[float] = []
        self.url = ""
        self.number = 0

    def prepare(self) -> None:
        """Make the database, and start runners when the clock of all begins."""
        self.clock.began = time.monotonic()
        self.url = self.cluster.start()
        trueup.migrate(database=self.url)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute((ROOT / "tests" / "factory.sql").read_bytes())
            connection.execute(PREPARED.encode())
        for _ in range(self.options.runners):
            self.launch()

    def launch(self) -> None:
        command = [sys.executable, __file__, "--runner", str(self.options.speed)]
        process = subprocess.Popen(
            [*command, str(self.configuration), self.url],
            stdout=self.log,
            stderr=self.log,
            # every thread having a heap of its own, which glibc fills bit by bit, looks like a leak
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        )
        self.lives.append(Life(process))

    def run(self) -> None:
        """Let things happen until the days are over."""
        ends = time.monotonic() + self.options.days * 86400 / self.options.speed
        per_hour = {
            "fault": self.options.faults / 24,
            "kill": self.options.kills / 24,
            "stop": self.options.kills / 48,
            "end": self.options.kills / 48,
            "server": self.options.kills / 48,
            "outage": self.options.kills / 96,
            "mend": self.options.faults / 72,
            "again": self.options.faults / 144,
        }
        due = {kind: self._after(rate) for kind, rate in per_hour.items()}
        while time.monotonic() < ends:
            for kind, at in due.items():
                if time.monotonic() >= at:
                    getattr(self, f"do_{kind}")()
                    due[kind] = self._after(per_hour[kind])
            self.tend()
            time.sleep(0.05)

    def _after(self, per_hour: float) -> float:
        """Return when the next one is due, by chance."""
        hours = self.random.expovariate(per_hour) if per_hour else float("inf")
        return time.monotonic() + hours * 3600 / int(self.options.speed)

    def tend(self) -> None:
        """Weigh the runners, and start new ones for those that are gone, as a supervisor does."""
        for life in [life for life in self.lives if not life.is_replaced]:
            code = life.process.poll()
            if code is None:
                life.weigh()
            else:
                self.happened(f"runner ended with {code}")
                self.replace(life)

    def replace(self, life: Life) -> None:
        life.is_replaced = True
        self.launch()

    def happened(self, death: str) -> None:
        self.events[death] += 1
        self.deaths.append(time.monotonic())

    def up(self) -> list[Life]:
        """The runners that may be killed: one is left to grow old."""
        alive = [life for life in self.lives if life.process.poll() is None and not life.is_stopped]
        return alive[1:]

    def write(self, *statements: str) -> None:
        """Write as an application does, or count that it could not."""
        try:
            with psycopg.connect(self.url) as connection:
                for statement in statements:
                    connection.execute(statement.encode())
        except psycopg.OperationalError:
            self.events["not written"] += 1

    def do_fault(self) -> None:
        self.number += 1
        kind = self.random.choice(list(FAULTS))
        self.write(
            f"insert into public.soak_faults (id, kind) values ({self.number}, '{kind}')",
            FAULTS[kind][1].format(id=self.number),
        )

    def do_mend(self) -> None:
        """Let a person mend what people were given."""
        self.write(
            """
            with one as (
                update public.soak_faults as f set is_mended = true
                where f.id = (
                    select f.id from public.soak_faults as f
                    inner join trueup.data_consistency_alerts as al on al.entity_id = f.id::text
                        and al.alert_type = 'call_id_malformed' and al.status <> 'resolved'
                    inner join trueup.manual_review_queue as q on q.entity_type = 'call' and q.entity_id = f.id::text
                    where f.kind = 'malformed' and not f.is_mended
                    order by f.id limit 1
                )
                returning f.id
            )
            update public.calls as c set retell_call_id = 'call_f' || lpad(to_hex(o.id), 26, '0') from one as o where c.id = o.id
            """
        )

    def do_again(self) -> None:
        """Make a fault again that was mended."""
        self.write(
            """
            with one as (
                update public.soak_faults as f set is_mended = false, times = f.times + 1
                where f.id = (
                    select f.id from public.soak_faults as f
                    inner join trueup.data_consistency_alerts as al on al.entity_id = f.id::text
                        and al.alert_type = 'call_id_malformed' and al.status = 'resolved'
                    where f.is_mended order by f.times, f.id limit 1
                )
                returning f.id
            )
            update public.calls as c set retell_call_id = 'bad ' || o.id from one as o where c.id = o.id
            """
        )

    def do_outage(self) -> None:
        """Let a channel fail for up to two days: longer than messages are tried."""
        seconds = self.random.uniform(2, 48) * 3600 / self.options.speed
        self.channels["flaky"].down_until = time.monotonic() + seconds
        self.events["channel out of order"] += 1

    def do_kill(self) -> None:
        for life in self.up()[:1]:
            life.process.kill()
            life.process.wait()
            self.happened("runner killed")
            self.replace(life)

    def do_stop(self) -> None:
        """Stop a runner for longer than the others wait, then let it go on."""
        for life in self.up()[:1]:
            life.process.send_signal(signal.SIGSTOP)
            life.is_stopped = True
            self.happened("runner stopped")
            time.sleep(3 * 3600 / self.options.speed)
            life.process.send_signal(signal.SIGCONT)
            life.is_stopped = False

    def do_end(self) -> None:
        for life in self.up()[:1]:
            life.process.terminate()
            self.happened("runner told to end")

    def do_server(self) -> None:
        self.cluster.kill()
        self.happened("server killed")
        time.sleep(self.random.uniform(0, 1800) / self.options.speed)
        self.url = self.cluster.start()

    def settle(self) -> tuple[list[tuple[Any, ...]], Announcements]:
        """Wait until every fault has become something and was announced, or patience is over; return the last look.

        The runners go on, and a later look may meet a message that is on its way.
        """
        flaky = self.channels["flaky"]
        flaky.down_until, flaky.refused = 0.0, 0.0
        ends = time.monotonic() + PATIENCE
        while True:
            unsettled, announced = self.unsettled(), self.announcements()
            if not (unsettled or any(announced.wrong.values())) or time.monotonic() > ends:
                return unsettled, announced
            self.tend()
            time.sleep(0.2)

    def unsettled(self) -> list[tuple[Any, ...]]:
        """Faults that have not exactly one alert, or are neither repaired nor with people."""
        kinds = "".join(f" when '{kind}' then '{check}'" for kind, (check, _) in FAULTS.items())
        return self.ask(
            f"""
            select f.id, f.kind, f.made_at, al.alerts, al.status, al.reopened, q.items
            from public.soak_faults as f
            cross join lateral (
                select count(*) as alerts, min(al.status) as status, min(al.resolution) as resolution, sum(al.reopened_count) as reopened
                from trueup.data_consistency_alerts as al
                where al.alert_type = case f.kind{kinds} end and al.entity_id = f.id::text
            ) as al
            cross join lateral (
                select count(*) as items from trueup.manual_review_queue as q
                where q.entity_type = 'call' and q.entity_id = f.id::text
            ) as q
            where al.alerts <> 1 or al.reopened > f.times - 1 or not (al.resolution = 'repaired' or q.items > 0) or
                (al.resolution is null and q.items = 0) or
                (f.kind = 'malformed' and f.is_mended <> (al.status = 'resolved'))
            order by f.id
            """
        )

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(text.encode()).fetchall()

    def announcements(self) -> Announcements:
        """Compare what the channels heard with the alerts: what was to be said, and once."""
        found = Announcements()
        alerts = {row[0]: Alert(*row) for row in self.ask(ALERTS)}
        messages = [Written(*row) for row in self.ask(MESSAGES)]
        deliveries = self.ask(DELIVERIES)
        for name, listener in self.channels.items():
            written = [message for message in messages if message.channel == name]
            found.compare(name, listener, written, alerts, self.deaths)
            alarmed = {each for message in written for each in message.alarm_ids}
            for alert in alerts.values():
                if alert.id in alarmed or alert.severity == "info":
                    continue
                found.counts["over before they were told"] += 1
                for began, ended, unable, run in deliveries:
                    if (
                        alert.resolved_at
                        and alert.known_at < began
                        and ended < alert.resolved_at
                        and name not in unable
                    ):
                        found.wrong["open during a delivery and not announced"].append(
                            [
                                name,
                                alert.id,
                                alert.check,
                                run,
                                *map(str, (alert.known_at, began, ended, alert.resolved_at)),
                            ]
                        )
                        break
        return found

    def growths(self) -> list[tuple[float, float]]:
        """Return what long lives have grown by, in MB: since they had done every job once, and late."""
        jobs = self.ask("select count(distinct job) from trueup.job_runs where outcome = 'done'")[0][0]
        warm = self.ask(
            "select w.pid, count(*), max(w.warm_at) from ("
            "select r.pid, jr.job, min(jr.finished_at) as warm_at from trueup.job_runs as jr "
            "inner join trueup.runners as r on r.id = jr.runner_id where jr.outcome = 'done' group by 1, 2) as w group by 1"
        )
        since = {
            pid: self.clock.began + (at - BEGIN).total_seconds() / self.clock.speed
            for pid, count, at in warm
            if count == jobs
        }
        return [
            growth
            for life in self.lives
            if life.process.pid in since and (growth := life.growth(since[life.process.pid]))
        ]

    def findings(self, unsettled: list[tuple[Any, ...]], announced: Announcements) -> dict[str, Any]:
        """Return what happened, and what should not have; given the look that ended the wait."""
        delays = self.ask(
            "select f.kind, extract(epoch from percentile_cont(0.5) within group (order by al.detected_at - f.made_at))::float / 3600, "
            "extract(epoch from max(al.detected_at - f.made_at))::float / 3600 "
            "from public.soak_faults as f inner join trueup.data_consistency_alerts as al on al.entity_id = f.id::text "
            "and al.entity_type = 'call' group by 1 order by 1"
        )
        growths = self.growths()
        wrong = {
            "faults not alerted once and settled": [list(map(str, row)) for row in unsettled],
            "slots done twice": [
                list(map(str, row))
                for row in self.ask(
                    "select job, slot from trueup.job_runs where outcome = 'done' group by 1, 2 having count(*) > 1"
                )
            ],
            "runs that overlap": [
                list(row)
                for row in self.ask(
                    "select a.id, b.id from trueup.job_runs as a inner join trueup.job_runs as b on a.job = b.job and a.id < b.id "
                    "and tstzrange(a.started_at, a.finished_at) && tstzrange(b.started_at, b.finished_at)"
                )
            ],
            "slots that killed more than two": [
                list(map(str, row))
                for row in self.ask(
                    "select job, slot from trueup.job_runs where outcome = 'abandoned' and not is_released group by 1, 2 having count(*) > 2"
                )
            ],
            "runners that grow": [
                list(growth) for growth in growths if growth[0] > MOST_GROWTH or growth[1] > MOST_LATE_GROWTH
            ],
            **announced.wrong,
        }
        return {
            "days": round((self.clock.now() - BEGIN) / timedelta(days=1), 2),
            "speed": self.options.speed,
            "seed": self.options.seed,
            "events": dict(sorted(self.events.items())),
            "faults": dict(self.ask("select kind, count(*) from public.soak_faults group by 1 order by 1")),
            "hours to the alert": {
                kind: {"median": round(m, 2), "most": round(x, 2)} for kind, m, x in delays
            },
            "runs": {
                job: {
                    "done": done,
                    "late": late,
                    "failed": failed,
                    "abandoned": abandoned,
                    "released": released,
                }
                for job, done, late, failed, abandoned, released in self.ask(
                    "select job, count(*) filter (where outcome = 'done'), count(*) filter (where outcome = 'done' and is_late), "
                    "count(*) filter (where outcome = 'failed'), count(*) filter (where outcome = 'abandoned' and not is_released), "
                    "count(*) filter (where is_released) from trueup.job_runs group by 1 order by 1"
                )
            },
            "failures": dict(
                self.ask(
                    "select left(error, 120), count(*) from trueup.job_runs where outcome = 'failed' group by 1"
                )
            ),
            "announcements": dict(sorted(announced.counts.items())),
            "runners": len(self.lives),
            "megabytes": {
                "heaviest": round(
                    max((weight for life in self.lives for _, weight in life.weights), default=0.0), 1
                ),
                "growth since all jobs were done once": [round(growth, 1) for growth, _ in growths],
                "growth in the second half of that": [round(late, 1) for _, late in growths],
            },
            "wrong": {name: found for name, found in wrong.items() if found},
        }

    def close(self) -> None:
        for life in self.lives:
            if life.process.poll() is None:
                life.process.kill()
                life.process.wait()
        for listener in self.channels.values():
            listener.close()
        self.log.close()
        server.stop(self.cluster.data, "immediate")


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A directory that the server's own user may enter."""
    made = Path(tempfile.mkdtemp(prefix="trueup-soak-", dir="/tmp"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Run a soak; return its findings. `wrong` is empty when all is well."""
    with directory() as made:
        work = Soak(made, options)
        try:
            work.prepare()
            work.run()
            return work.findings(*work.settle())
        finally:
            work.close()
            if options.log:
                shutil.copy(made / "runners.log", options.log)


def run_runner(speed: int, configuration: Path, url: str) -> int:
    """Be a runner for which time passes faster: what waits in Python does so in real time.

    libfaketime does not know the call that Python's own waits use (sem_clockwait).
    """
    from trueup import locks
    from trueup.operating import config, notify, runner

    class Queue(SimpleQueue):  # type: ignore[type-arg]
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            return super().get(block, None if timeout is None else timeout / speed)

    class Fast(Event):
        def wait(self, timeout: float | None = None) -> bool:
            return super().wait(None if timeout is None else timeout / speed)

    passing = SimpleNamespace(
        monotonic=lambda: time.monotonic() * speed, sleep=lambda s: time.sleep(max(s / speed, 0.01))
    )
    for name, value in {"SimpleQueue": Queue, "Event": Fast, "time": passing, "ROLLING_BACK": 3600.0}.items():
        setattr(runner, name, value)
    setattr(locks, "time", passing)  # noqa: B010
    hand_over = notify._hand_over
    for name, value in {
        "SimpleQueue": Queue,
        "time": passing,
        "_hand_over": lambda line, message, limit: hand_over(line, message, limit / speed),
    }.items():
        setattr(notify, name, value)
    return runner.Runner(config.load(configuration).configuration, database=url).run()


def table(found: dict[str, Any]) -> str:
    """Return the findings for people."""
    lines = [
        f"{found['days']:g} days at x{found['speed']}, seed {found['seed']}, {found['runners']} runner processes"
    ]
    lines += [f"  {count:>5}  {what}" for what, count in found["events"].items()]
    lines.append(f"{'job':<12}{'done':>7}{'late':>7}{'failed':>8}{'abandoned':>11}{'released':>10}")
    for job, row in found["runs"].items():
        lines.append(
            f"{job:<12}{row['done']:>7}{row['late']:>7}{row['failed']:>8}{row['abandoned']:>11}{row['released']:>10}"
        )
    for kind, count in found["faults"].items():
        delay = found["hours to the alert"].get(kind, {})
        lines.append(f"{count} faults {kind}: hours to the alert {delay}")
    lines += [f"{count:>7}  {what}" for what, count in found["announcements"].items()]
    lines.append(f"memory in MB: {found['megabytes']}")
    lines += [f"WRONG {name}: {rows}" for name, rows in found["wrong"].items()] or ["nothing is wrong"]
    return "\n".join(lines)


def libfaketime() -> Path:
    """Return the library, from Debian's package."""
    sys.path.insert(0, str(ROOT / "tests"))
    from packages import unpacked

    return next(unpacked("libfaketime").rglob("libfaketimeMT.so.1"))


def parser() -> argparse.ArgumentParser:
    """Return the options of a soak."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--days", type=float, default=21)
    made.add_argument("--speed", type=int, default=1000)
    made.add_argument("--runners", type=int, default=2)
    made.add_argument("--faults", type=float, default=24, help="a day, on average")
    made.add_argument("--kills", type=float, default=4, help="of runners a day; of the server half of it")
    made.add_argument("--silent-after", default="2h")
    made.add_argument("--timeout", default="12h", help="of every job")
    made.add_argument("--answer-within", default="4h", help="the time of a channel for a message")
    made.add_argument(
        "--full-every", type=int, default=6, help="hours from one full run and repair to the next"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--library", type=Path)
    made.add_argument("--log", type=Path, help="keep what the runners said there")
    made.add_argument("--json", type=Path, help="write the findings there, too")
    return made


def main() -> None:
    if sys.argv[1:2] == ["--runner"]:
        from trueup.operating import config, logs

        logs.configure(config.Log(level="warning"))
        sys.exit(run_runner(int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
    options = parser().parse_args()
    options.library = options.library or libfaketime()
    found = soak(options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    sys.exit(int(bool(found["wrong"])))


if __name__ == "__main__":
    main()
