"""Simulated weeks of `trueup run`: two runners, faults and deaths at random, and what must hold then.

    python benchmarks/soak.py --days 21 --speed 1000

The clock of the server runs faster by Debian's libfaketime; runners go by it, and wait that
much shorter. Faults are written through the triggers and behind them; runners are killed,
stopped for hours, and told to end; the server is killed. In the end every fault must have one
alert and be repaired or with people, no slot may have been done twice, no job may have
overlapped itself, and the runners must not have grown. Exits with 1 when one of these does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from types import SimpleNamespace
from typing import Any

import psycopg

import trueup
from trueup import server

ROOT = Path(__file__).resolve().parents[1]
# two weeks before clocks change in Berlin
BEGIN = datetime(2026, 3, 15, 12, tzinfo=UTC)
# seconds of real time that the end of all faults may take
PATIENCE = 120.0
# seconds of real time that a runner must have lived to be asked whether it grows
LONG_LIFE = 300.0
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
at = "0 */6 * * *"
timeout = "{timeout}"

[run.jobs.repair]
at = "30 */6 * * *"
enabled = true
timeout = "{timeout}"

[run.jobs.retention]
timeout = "{timeout}"

[run.jobs.verify]
timeout = "{timeout}"
"""
PREPARED = """
create table public.soak_faults (id bigint primary key, kind text not null, made_at timestamptz not null default clock_timestamp());
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
    began: float
    weights: list[float] = field(default_factory=list)
    ended: float = 0.0
    is_stopped: bool = False

    def weigh(self) -> None:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            line = next(line for line in lines if line.startswith("VmRSS"))
            self.weights.append(int(line.split()[1]) / 1024)
            self.ended = time.monotonic()

    @property
    def growth(self) -> float | None:
        """MB from the third quarter of its life to the last; None for a short one.

        In the first half it does everything for the first time, and imports what that needs.
        """
        quarter = len(self.weights) // 4
        if self.ended - self.began < LONG_LIFE:
            return None
        early, late = self.weights[2 * quarter : 3 * quarter], self.weights[-quarter:]
        return sum(late) / len(late) - sum(early) / len(early)


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
        self.configuration.write_text(
            CONFIGURATION.format(silent_after=options.silent_after, timeout=options.timeout)
        )
        self.log = (directory / "runners.log").open("ab")
        self.lives: list[Life] = []
        self.events: Counter[str] = Counter()
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
            [*command, str(self.configuration), self.url], stdout=self.log, stderr=self.log
        )
        self.lives.append(Life(process, time.monotonic()))

    def run(self) -> None:
        """Let things happen until the days are over."""
        ends = time.monotonic() + self.options.days * 86400 / self.options.speed
        per_hour = {
            "fault": self.options.faults / 24,
            "kill": self.options.kills / 24,
            "stop": self.options.kills / 48,
            "end": self.options.kills / 48,
            "server": self.options.kills / 48,
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
        for life in [life for life in self.lives if life.process.returncode is None]:
            code = life.process.poll()
            if code is None:
                life.weigh()
            else:
                self.events[f"runner ended with {code}"] += 1
                self.launch()

    def up(self) -> list[Life]:
        """The runners that may be killed: one is left to grow old."""
        alive = [life for life in self.lives if life.process.poll() is None and not life.is_stopped]
        return alive[1:]

    def do_fault(self) -> None:
        self.number += 1
        kind = self.random.choice(list(FAULTS))
        try:
            with psycopg.connect(self.url) as connection:
                connection.execute(
                    "insert into public.soak_faults (id, kind) values (%s, %s)", (self.number, kind)
                )
                connection.execute(FAULTS[kind][1].format(id=self.number).encode())
        except psycopg.OperationalError:
            self.events["fault not written"] += 1

    def do_kill(self) -> None:
        for life in self.up()[:1]:
            life.process.kill()
            life.process.wait()
            self.events["runner killed"] += 1
            self.launch()

    def do_stop(self) -> None:
        """Stop a runner for longer than the others wait, then let it go on."""
        for life in self.up()[:1]:
            life.process.send_signal(signal.SIGSTOP)
            life.is_stopped = True
            self.events["runner stopped"] += 1
            time.sleep(3 * 3600 / self.options.speed)
            life.process.send_signal(signal.SIGCONT)
            life.is_stopped = False

    def do_end(self) -> None:
        for life in self.up()[:1]:
            life.process.terminate()
            self.events["runner told to end"] += 1

    def do_server(self) -> None:
        self.cluster.kill()
        time.sleep(self.random.uniform(0, 1800) / self.options.speed)
        self.url = self.cluster.start()
        self.events["server killed"] += 1

    def settle(self) -> None:
        """Wait until every fault has become something, or patience is over."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self.unsettled():
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
            where al.alerts <> 1 or al.reopened > 0 or not (al.resolution = 'repaired' or q.items > 0) or
                (al.resolution is null and q.items = 0)
            order by f.id
            """
        )

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(text.encode()).fetchall()

    def findings(self) -> dict[str, Any]:
        """Return what happened, and what should not have."""
        delays = self.ask(
            "select f.kind, extract(epoch from percentile_cont(0.5) within group (order by al.detected_at - f.made_at))::float / 3600, "
            "extract(epoch from max(al.detected_at - f.made_at))::float / 3600 "
            "from public.soak_faults as f inner join trueup.data_consistency_alerts as al on al.entity_id = f.id::text "
            "and al.entity_type = 'call' group by 1 order by 1"
        )
        growths = [growth for life in self.lives if (growth := life.growth) is not None]
        wrong = {
            "faults not alerted once and settled": [list(map(str, row)) for row in self.unsettled()],
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
            "growth over 10 MB": [round(growth, 1) for growth in growths if growth > 10],
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
            "runners": len(self.lives),
            "megabytes": {
                "heaviest": round(max((max(life.weights, default=0) for life in self.lives), default=0), 1),
                "growth of long lives": [round(growth, 1) for growth in growths],
            },
            "wrong": {name: found for name, found in wrong.items() if found},
        }

    def close(self) -> None:
        for life in self.lives:
            if life.process.poll() is None:
                life.process.kill()
                life.process.wait()
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
            work.settle()
            return work.findings()
        finally:
            work.close()
            if options.log:
                shutil.copy(made / "runners.log", options.log)


def run_runner(speed: int, configuration: Path, url: str) -> int:
    """Be a runner for which time passes faster: what waits in Python does so in real time.

    libfaketime does not know the call that Python's own waits use (sem_clockwait).
    """
    from trueup import locks
    from trueup.operating import config, runner

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
