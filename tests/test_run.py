"""The schedule at work: several runners, some of which die, hang, are told to stop, or lose the server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hooks
import psycopg
import pytest
from conftest import FACTORY, Databases
from helpers import TRUEUP, connected, eventually, plant, run, sql, value

import trueup
from trueup import server
from trueup.errors import DatabaseError
from trueup.operating.config import load
from trueup.operating.runner import Runner, Watch
from trueup.operating.schedule import Job

pytestmark = pytest.mark.one_server

# a job that lasts as long as the test holds an advisory lock
HELD = """
create or replace function trueup.hold() returns boolean language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(42);
    return true;
end $$;
create or replace view trueup.check_cost_high as
select null::text as company_id, 'check' as entity_type, 1::bigint as entity_id, 'x' as description, '{}'::jsonb as evidence
where not trueup.hold()
"""
HELD_NOW = "select count(*) from pg_stat_activity where wait_event = 'advisory' and application_name like 'trueup run%%'"
QUIET = """
[run]
watch = false
silent_after = "4s"
grace = "20s"
"""
OFF = "".join(
    f"[run.jobs.{name}]\nenabled = false\n"
    for name in ("changed", "notify", "queue", "full", "retention", "verify")
)
HELD_JOB = '[run.jobs.held]\ndoes = "full"\nevery = "1h"\nchecks = ["check_cost_high"]\n'
BAD_CALL = "select factory.call(%s::bigint, retell_call_id => 'bad' || %s)"


class Schedule:
    """Runners of one configuration on one database, ended with the test."""

    def __init__(self, url: str, directory: Path, text: str) -> None:
        self.url = url
        self.file = directory / "trueup.toml"
        self.file.write_text(text)
        self.log = directory / "log"
        self.started: list[subprocess.Popen[str]] = []
        self.gate: psycopg.Connection[Any] | None = None

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Start one; return when it has registered, unless it has ended before."""
        before = self.count("trueup.runners")
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [TRUEUP, "run", "--config", str(self.file), "--database", self.url, *more],
                stdout=log,
                stderr=log,
                text=True,
            )
        self.started.append(process)
        eventually(lambda: self.count("trueup.runners") > before or process.poll() is not None)
        return process

    def count(self, table: str, where: str = "true") -> int:
        return int(value(self.url, f"select count(*) from {table} where {where}"))

    def runs(self, job: str = "held") -> list[tuple[Any, ...]]:
        """The attempts of a job: which runner by order, attempt, outcome, late, released."""
        return sql(
            self.url,
            "select runner_id - (select min(id) from trueup.runners), attempt, outcome, is_late, is_released "
            "from trueup.job_runs where job = %s order by id",
            job,
        )

    def due(self, job: str = "held") -> None:
        """Make the latest slot of a job one that nobody ran."""
        sql(self.url, "update trueup.jobs set since = now() - interval '1 day' where name = %s", job)

    def hold(self) -> None:
        """Make the job that is held last until it is let go."""
        self.gate = psycopg.connect(self.url, autocommit=True)
        self.gate.execute("select pg_advisory_lock(42)")

    def holding(self) -> None:
        """Wait until the job that is held is under way."""
        eventually(lambda: value(self.url, HELD_NOW) == 1)

    def let_go(self) -> None:
        assert self.gate is not None
        self.gate.close()

    def close(self) -> None:
        if self.gate:
            self.gate.close()
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()


Made = Callable[[str], Schedule]


@pytest.fixture
def made(database: str, tmp_path: Path) -> Iterator[Made]:
    """Makes the schedule of a configuration."""
    schedules: list[Schedule] = []

    def make(text: str) -> Schedule:
        schedules.append(Schedule(database, tmp_path, text))
        return schedules[-1]

    yield make
    for each in schedules:
        each.close()


def hourly() -> str:
    """Have a slot each hour, the last one half an hour ago: one of the last minute would not be late."""
    return f'at = "{(datetime.now(UTC).minute + 30) % 60} * * * *"'


@pytest.fixture
def held(made: Made) -> Schedule:
    """A schedule of one job that lasts until it is let go, due since the first runner registered it."""
    schedule = made(QUIET + OFF + HELD_JOB.replace('every = "1h"', hourly()))
    sql(schedule.url, HELD)
    assert schedule.start("--once", "held").wait(20) == 0
    sql(schedule.url, "truncate trueup.job_runs")
    schedule.hold()
    schedule.due()
    return schedule


# -- slots -------------------------------------------------------------------------------------


def test_each_slot_runs_once_with_two_runners(made: Made) -> None:
    schedule = made(
        QUIET
        + OFF
        + '[run.jobs.tick]\ndoes = "queue"\nevery = "1s"\n[run.jobs.tock]\ndoes = "queue"\nevery = "1s"\n'
    )
    for _ in range(2):
        schedule.start()
    eventually(lambda: schedule.count("trueup.job_runs", "outcome = 'done'") >= 10)
    rows = sql(schedule.url, "select job, slot, count(*) from trueup.job_runs group by 1, 2")
    assert {count for _, _, count in rows} == {1}
    assert schedule.count("trueup.job_runs", "is_late or outcome not in ('done', 'running')") == 0


def test_two_runners_that_come_at_the_same_moment_share_no_slot(made: Made) -> None:
    schedule = made(QUIET)
    with connected(schedule.url, 1) as (gate,):
        gate.execute("lock table trueup.job_runs in share mode")
        for _ in range(2):
            schedule.start("--once", "queue")
        eventually(
            lambda: (
                value(
                    schedule.url,
                    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'trueup run%%'",
                )
                == 2
            )
        )
        gate.rollback()
    assert [process.wait(20) for process in schedule.started] == [0, 0]
    assert schedule.count("trueup.job_runs") == 1
    text = schedule.log.read_text()
    assert len(re.findall("^queue: done", text, re.M)) == 1
    assert len(re.findall("^queue: nothing to do; .* by runner", text, re.M)) == 1


def test_once_runs_a_slot_once_and_by_force_again(database: str) -> None:
    def once(*more: str) -> dict[str, Any]:
        done = run("run", "--once", "full", "--format", "json", *more, url=database)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    first = once()
    assert first["outcome"] == "done"
    assert first["detail"]["violations"] == 0
    assert once()["outcome"] == "taken"
    assert once("--force")["outcome"] == "done"
    assert value(database, "select count(*) from trueup.check_runs where kind = 'full'") == 2
    assert value(database, "select bool_and(stopped_at is not null) from trueup.runners")


def test_a_missed_slot_runs_once_and_late_and_older_ones_never(made: Made) -> None:
    schedule = made(QUIET + OFF + '[run.jobs.daily]\ndoes = "queue"\nat = "0 2 * * *"\n')
    first = schedule.start()
    assert schedule.runs("daily") == [], "what lies before the job was on the schedule is nobody's"
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    sql(schedule.url, "update trueup.jobs set since = now() - interval '9 days'")
    schedule.start()
    schedule.start()
    eventually(lambda: schedule.count("trueup.job_runs", "outcome = 'done'") == 1)
    time.sleep(1.5)
    assert [row[1:] for row in schedule.runs("daily")] == [(1, "done", True, False)]
    listed = run("run", "--list", "--config", schedule.file, url=schedule.url)
    assert re.search(r"daily +0 2 \* \* \* UTC .* done, late", listed.stdout)
    assert listed.stdout.count("runner ") >= 2


# -- a clock of the server that was ahead -------------------------------------------------------


def ahead(url: str, length: str = "2 years") -> None:
    """Leave all times as a clock leaves them that was ahead for a moment."""
    for table, columns in (
        ("jobs", ("since", "updated_at", "done_at", "due_at")),
        ("runners", ("started_at", "heartbeat_at")),
        ("job_runs", ("slot", "started_at", "heartbeat_at", "deadline_at", "finished_at")),
    ):
        moved = ", ".join(f"{column} = {column} + interval '{length}'" for column in columns)
        sql(url, f"update trueup.{table} set {moved}")


def test_a_job_goes_on_when_the_clock_was_ahead(made: Made) -> None:
    schedule = made(QUIET + OFF + '[run.jobs.tick]\ndoes = "queue"\nevery = "1s"\n')
    runner = schedule.start()
    eventually(lambda: schedule.count("trueup.job_runs", "outcome = 'done'") == 1)
    runner.send_signal(signal.SIGSTOP)
    time.sleep(1)
    ahead(schedule.url)
    said = trueup.check(["job_overdue"], database=schedule.url).results[0].examples[0].description
    assert re.match(
        r"job tick was (done|put on the schedule) at 20.*, later than now: the clock of the", said
    )
    runner.send_signal(signal.SIGCONT)
    eventually(lambda: schedule.count("trueup.job_runs", "outcome = 'done' and slot <= now()") == 1)
    # which the runner did that had not connected anew, and its times are right again
    assert schedule.count("trueup.runners") == 1
    eventually(
        lambda: (
            schedule.count("trueup.jobs", "greatest(since, updated_at, done_at) <= now()") == 1
            and schedule.count("trueup.jobs", "due_at < now() + interval '2 hours'") == 1
        )
    )
    assert trueup.check(["job_overdue"], database=schedule.url).violations == 0


def test_a_job_begun_while_the_clock_was_ahead_is_due_in_time(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = Job.latest
    monkeypatch.setattr(Job, "latest", lambda job, now: latest(job, now + timedelta(days=700)))
    assert Runner(load(environ={}).configuration, database=database).once("queue").outcome == "done"
    assert value(database, "select slot > now() + interval '600 days' from trueup.job_runs")
    assert value(database, "select due_at between now() and now() + interval '3 hours' from trueup.jobs")


def test_registering_a_job_puts_times_right(database: str) -> None:
    def once() -> str:
        return Runner(load(environ={}).configuration, database=database).once("queue").outcome

    assert once() == "done"
    right = value(database, "select due_at from trueup.jobs")
    ahead(database)
    # the slot itself was done before the clock was ahead
    sql(database, "update trueup.job_runs set slot = slot - interval '2 years'")
    assert once() == "taken"
    assert value(database, "select due_at - %s between '0' and '1 hour' from trueup.jobs", right)


def test_a_runner_lost_while_the_clock_was_ahead_is_noticed(held: Schedule) -> None:
    first = held.start()
    held.holding()
    first.kill()
    first.wait()
    ahead(held.url)
    held.start()
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'abandoned'") == 1)
    held.let_go()
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'done' and slot <= now()") == 1)
    assert lost_alerts(held.url) == 1


def test_force_runs_a_job_whose_slot_is_ahead_and_none_that_runs(held: Schedule) -> None:
    def forced() -> dict[str, Any]:
        done = run(
            "run", "--once", "held", "--force", "--format", "json", "--config", held.file, url=held.url
        )
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    first = held.start("--once", "held")
    held.holding()
    sql(held.url, "update trueup.job_runs set slot = now() + interval '30 seconds'")
    assert forced()["outcome"] == "taken", "a job never overlaps itself"
    held.let_go()
    assert first.wait(20) == 0
    # the clock was corrected by little: that slot is done for who does not insist
    assert held.start("--once", "held").wait(20) == 0
    assert held.count("trueup.job_runs") == 1
    assert forced()["outcome"] == "done"
    assert held.count("trueup.job_runs", "outcome = 'done'") == 2


# -- runners that die, hang, or are told to stop -------------------------------------------------


def until_attempt(schedule: Schedule, attempt: int) -> None:
    eventually(lambda: schedule.count("trueup.job_runs", f"attempt = {attempt}") == 1)


def until_open(url: str, count: int) -> None:
    """Wait, not for long, until so many alerts are open."""
    eventually(
        lambda: (
            value(url, "select count(*) from trueup.data_consistency_alerts where status = 'open'") == count
        ),
        10,
    )


def lost_alerts(url: str) -> int:
    return int(
        value(url, "select count(*) from trueup.data_consistency_alerts where alert_type = 'runner_lost'")
    )


def test_what_a_killed_runner_had_begun_is_taken_over_once(held: Schedule) -> None:
    first, second = held.start(), None
    held.holding()
    second = held.start()
    first.kill()
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'abandoned'") == 1)
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'running'") == 1)
    held.let_go()
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'done'") == 1)
    assert held.runs() == [(1, 1, "abandoned", True, False), (2, 2, "done", True, False)]
    assert lost_alerts(held.url) == 1
    # another one starts in its place: the alert is over
    held.start()
    trueup.check(["runner_lost"], database=held.url)
    assert (
        value(held.url, "select status from trueup.data_consistency_alerts where alert_type = 'runner_lost'")
        == "resolved"
    )
    assert second.poll() is None


def test_a_slot_that_killed_two_runners_is_left_alone(held: Schedule) -> None:
    for attempt in (1, 2):
        runner = held.start()
        until_attempt(held, attempt)
        runner.kill()
        runner.wait()
        sql(
            held.url,
            "update trueup.runners set heartbeat_at = heartbeat_at - interval '1 minute' where stopped_at is null",
        )
        sql(held.url, "update trueup.job_runs set deadline_at = now() where outcome = 'running'")
    held.start()
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'abandoned'") == 2)
    time.sleep(1.5)
    assert [row[1:3] for row in held.runs()] == [(1, "abandoned"), (2, "abandoned")]


def test_a_runner_that_hangs_is_replaced_and_does_nothing_more_when_it_wakes(held: Schedule) -> None:
    first = held.start()
    held.holding()
    held.start()
    first.send_signal(signal.SIGSTOP)
    eventually(lambda: [row[:3] for row in held.runs()] == [(1, 1, "abandoned"), (2, 2, "running")])
    eventually(lambda: lost_alerts(held.url) == 1)
    assert (
        value(
            held.url,
            "select count(*) from pg_stat_activity where application_name like 'trueup run ' || %s || ' %%'",
            value(held.url, "select runner_id from trueup.job_runs where outcome = 'abandoned'"),
        )
        == 0
    ), "what it had begun is ended"
    first.send_signal(signal.SIGCONT)
    held.let_go()
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'done'") == 1)
    eventually(lambda: "given up by others" in held.log.read_text())
    eventually(lambda: held.count("trueup.runners", "lost_at is null and stopped_at is null") == 2)
    assert [row[2] for row in held.runs()] == ["abandoned", "done"]


def test_a_lock_that_kept_all_signs_of_life_loses_no_runner(made: Made) -> None:
    schedule = made(QUIET + OFF + HELD_JOB)
    schedule.start()
    slow = schedule.start()
    with connected(schedule.url, 1) as (locked,):
        locked.execute("lock table trueup.runners in access exclusive mode")
        # it is the last to give a sign of life again
        slow.send_signal(signal.SIGSTOP)
        time.sleep(5)
        locked.rollback()
    silent = "heartbeat_at < now() - interval '3 seconds'"
    eventually(lambda: schedule.count("trueup.runners", silent) == 1)
    time.sleep(1)
    slow.send_signal(signal.SIGCONT)
    eventually(lambda: schedule.count("trueup.runners", silent) == 0)
    assert schedule.count("trueup.runners", "lost_at is not null") == 0
    assert lost_alerts(schedule.url) == 0


def test_a_job_over_its_timeout_is_ended_and_has_failed(made: Made) -> None:
    schedule = made(QUIET + OFF + HELD_JOB + 'timeout = "1s"\n')
    sql(schedule.url, HELD)
    schedule.hold()
    assert schedule.start("--once", "held").wait(20) == 3
    assert "took longer than its timeout of 1s" in schedule.log.read_text()
    assert schedule.runs()[0][2] == "failed"
    assert value(schedule.url, HELD_NOW) == 0


def test_a_job_whose_thread_cannot_be_ended_ends_its_runner(made: Made) -> None:
    schedule = made(QUIET + OFF + HELD_JOB + 'timeout = "1s"\n')
    program = (
        "import time, sys\nfrom pathlib import Path\nfrom trueup.operating import runner, work, config, logs\n"
        "logs.configure(config.Log())\n"
        "work.perform = lambda task: time.sleep(600)\n"
        "made = runner.Runner(config.load(Path(sys.argv[1])).configuration, database=sys.argv[2])\n"
        "made.once('held', force=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, schedule.file, schedule.url],
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "job is stuck" in done.stderr
    beat, deadline = sql(
        schedule.url, "select heartbeat_at, started_at + interval '1 second' from trueup.job_runs"
    )[0]
    assert beat <= deadline, "nobody vouches for a run that is stuck"


def test_a_claim_whose_answer_was_lost_blocks_its_job_no_longer_than_a_silence(made: Made) -> None:
    """As the connection leaves it that breaks after the claim was committed: the runner knows nothing of it."""
    schedule = made(QUIET + OFF + f'[run.jobs.hourly]\ndoes = "queue"\n{hourly()}\n')
    schedule.start()
    eventually(lambda: schedule.count("trueup.jobs") == 1)
    sql(
        schedule.url,
        "insert into trueup.job_runs (job, slot, runner_id, deadline_at) "
        "select j.name, now() - interval '1 hour', ru.id, now() + interval '6 hours' "
        "from trueup.jobs as j cross join trueup.runners as ru",
    )
    schedule.due("hourly")
    eventually(lambda: schedule.count("trueup.job_runs", "outcome = 'done'") == 1)
    assert schedule.runs("hourly") == [(0, 1, "abandoned", False, False), (0, 1, "done", True, False)]
    said = value(schedule.url, "select error from trueup.job_runs where outcome = 'abandoned'")
    assert re.fullmatch(r"runner \d+ on .+ does not know of it", said)
    assert lost_alerts(schedule.url) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_finishes_what_it_has_begun(held: Schedule, number: int) -> None:
    runner = held.start()
    held.holding()
    runner.send_signal(number)
    eventually(lambda: "told to stop" in held.log.read_text())
    held.let_go()
    assert runner.wait(20) == 0
    assert held.runs() == [(1, 1, "done", True, False)]
    assert held.count("trueup.runners", "stopped_at is null") == 0


def test_what_outlasts_the_grace_is_released_and_taken_over(held: Schedule) -> None:
    held.file.write_text(held.file.read_text().replace('grace = "20s"', 'grace = "0.2s"'))
    runner = held.start()
    held.holding()
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(20) == 0
    assert held.runs() == [(1, 1, "abandoned", True, True)]
    held.let_go()
    held.start()
    eventually(lambda: held.count("trueup.job_runs", "outcome = 'done'") == 1)
    assert lost_alerts(held.url) == 0


def test_a_second_signal_ends_it_at_once(held: Schedule) -> None:
    runner = held.start()
    held.holding()
    runner.send_signal(signal.SIGTERM)
    eventually(lambda: "told to stop" in held.log.read_text())
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(5) == 143


def test_once_gives_up_when_it_is_told_to_stop_and_the_database_is_away(
    made: Made, databases: Databases
) -> None:
    schedule = made(QUIET.replace('grace = "20s"', 'grace = "0.2s"') + OFF + HELD_JOB)
    sql(schedule.url, HELD)
    schedule.hold()
    runner = schedule.start("--once", "held")
    schedule.holding()
    name = value(schedule.url, "select current_database()")
    databases.admin(f"alter database {name} allow_connections false")
    databases.admin(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
    eventually(lambda: "connection lost" in schedule.log.read_text())
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(20) == 4
    said = "trueup: the database is away: how job held ended is not recorded\n"
    assert said in schedule.log.read_text()


def test_a_terminal_that_is_closed_may_say_so_twice(held: Schedule) -> None:
    runner = held.start()
    held.holding()
    for _ in range(2):
        runner.send_signal(signal.SIGHUP)
        eventually(lambda: "told to stop" in held.log.read_text())
    held.let_go()
    assert runner.wait(20) == 0
    assert held.runs() == [(1, 1, "done", True, False)]


# -- the watch ---------------------------------------------------------------------------------


def test_the_watch_judges_a_change_within_seconds_and_two_make_no_alert_twice(made: Made) -> None:
    schedule = made("[run]\n" + OFF)
    sql(schedule.url, "select factory.company(1)")
    for _ in range(2):
        schedule.start()
    for number in range(1, 4):
        sql(schedule.url, BAD_CALL, number, number)
        until_open(schedule.url, number)
    assert schedule.count("trueup.data_consistency_alerts", "occurrences > 1") == 0
    before = schedule.count("trueup.check_runs")
    time.sleep(2.5)
    assert schedule.count("trueup.check_runs") == before, "without changes there is no pass"


def test_the_watch_overlooks_nothing_on_a_server_that_counts_transactions_from_before(
    database: str,
) -> None:
    """A standby took over that had not replayed all: ids of transactions that were seen come again."""
    watch = Watch(load(environ={}).configuration, lambda: database, None)
    watch._seen = "999999999:999999999:"
    sql(database, "select trueup.note_row('public.calls', 'id=1')")
    watch.start()
    try:
        eventually(lambda: value(database, "select count(*) from trueup.changes") == 0)
    finally:
        watch.stop()


# -- the server ------------------------------------------------------------------------------------


def test_a_server_that_restarts_leaves_nothing_wrong(open_directory: Path, tmp_path: Path) -> None:
    data = open_directory / "cluster"
    started = server.start(data, die_with_parent=True)
    schedule = None
    try:
        url = started.url()
        trueup.migrate(database=url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FACTORY.read_bytes())
        sql(url, "select factory.company(1)")
        text = QUIET.replace("watch = false\n", "") + OFF + '[run.jobs.tick]\ndoes = "queue"\nevery = "1s"\n'
        schedule = Schedule(url, tmp_path, text)
        for _ in range(2):
            schedule.start()
        eventually(lambda: value(url, "select count(*) from trueup.job_runs where outcome = 'done'") >= 2)
        os.kill(started.pid, signal.SIGKILL)
        eventually(lambda: not server.status(data).running)
        time.sleep(1)
        started = server.start(data, die_with_parent=True)
        again = value(url, "select max(id) from trueup.job_runs")
        eventually(
            lambda: (
                value(url, f"select count(*) from trueup.job_runs where outcome = 'done' and id > {again}")
                >= 3
            ),
            30,
        )
        assert [process.poll() for process in schedule.started] == [None, None]
        assert schedule.count("trueup.runners") == 2, "they are known again, not anew"
        assert lost_alerts(url) == 0
        assert not sql(
            url,
            "select slot from trueup.job_runs where outcome <> 'abandoned' group by job, slot having count(*) > 1",
        )
        sql(url, BAD_CALL, 1, 1)
        eventually(
            lambda: (
                value(url, "select count(*) from trueup.data_consistency_alerts where status = 'open'") == 1
            )
        )
        assert "connection is back" in schedule.log.read_text()
    finally:
        if schedule:
            schedule.close()
        server.stop(data, "immediate")


# -- what jobs do ------------------------------------------------------------------------------


def test_the_queue_job_escalates_hands_over_and_tries_events_again(database: str) -> None:
    sql(
        database,
        """
        select factory.company(1);
        select factory.appointment(1);
        select trueup.queue_review('other', 'call', '1', 'x');
        update trueup.manual_review_queue set due_at = now() - interval '1 day';
        select trueup.record_sync_failure(1, 1, 'create');
        update trueup.sync_failures set attempt_count = max_attempts, next_attempt_at = now() - interval '1 hour', lease_expires_at = null
        """,
    )
    body = json.dumps(
        {
            "triggerEvent": "BOOKING_CREATED",
            "createdAt": "2025-10-22T00:00:00Z",
            "payload": {"uid": "u", "eventTypeId": 77},
        }
    )
    sql(database, "select trueup.receive_event('calcom', %s::jsonb)", body)
    outcome = Runner(load(environ={}).configuration, database=database).once("queue")
    assert outcome.detail is not None
    assert (outcome.detail["escalated"], outcome.detail["handed_over"]) == (1, 1)
    assert outcome.detail["events"]["parked"] == 1
    assert Runner(load(environ={}).configuration, database=database).once("queue", force=True).detail == {
        **outcome.detail,
        "escalated": 0,
        "handed_over": 0,
    }


def test_the_job_notify_keeps_how_many_it_sent_and_no_message(database: str) -> None:
    sql(database, "select trueup.file_alert('payment_lost', '7', 'call', '1', 'the payment is gone', '{}')")
    with hooks.serving() as hook:
        variables = {
            "TRUEUP_NOTIFY_CHANNELS_OPS_KIND": "webhook",
            "TRUEUP_NOTIFY_CHANNELS_OPS_URL": hook.url,
        }
        Runner(load(environ=variables).configuration, database=database).once("notify")
        assert len(hook.subjects()) == 1
    assert value(database, "select detail from trueup.job_runs where job = 'notify'") == {
        "sent": 1,
        "waiting": {},
        "errors": {},
        "busy": [],
    }


def test_a_job_that_fails_is_reported_and_retiring_ends_that(database: str) -> None:
    sql(database, "drop view trueup.call_duplicate cascade")
    for force in ((), ("--force",)):
        done = run("run", "--once", "verify", *force, url=database)
        assert done.returncode == 3
        assert (
            "1 problems: view trueup.call_duplicate missing" in done.stderr.splitlines()[-1]
            or "problems" in done.stderr
        )
    trueup.migrate(database=database)
    overdue = trueup.check(["job_overdue"], database=database).results[0]
    assert overdue.violations == 1
    assert "failed 2 times in a row" in overdue.examples[0].description
    assert "taken off" in run("run", "--retire", url=database).stdout
    assert trueup.check(["job_overdue"], database=database).violations == 0


def test_a_slot_that_failed_has_failed_for_whoever_asks(database: str, tmp_path: Path) -> None:
    file = tmp_path / "trueup.toml"
    # no slot begins while the test runs
    file.write_text('[run.jobs.verify]\nevery = "365d"\n')

    def once(*more: str) -> tuple[int, str]:
        done = run("run", "--once", "verify", "--config", file, *more, url=database)
        return done.returncode, done.stdout + done.stderr

    sql(database, "drop view trueup.call_duplicate cascade")
    assert once()[0] == 3
    code, said = once()
    assert code == 3
    assert re.search(
        r"^trueup: job verify failed: .*problems.* \(.*: failed by runner 1 on .*; --force runs it again\)$",
        said,
        re.MULTILINE,
    )
    done = run("run", "--once", "verify", "--config", file, "--format", "json", url=database)
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (3, "failed")
    # a slot that two runners were lost with is left alone, too
    sql(
        database,
        "update trueup.job_runs set outcome = 'abandoned', error = 'runner 1 was lost'; "
        "insert into trueup.job_runs (job, slot, attempt, runner_id, deadline_at, finished_at, outcome, error) "
        "select job, slot, 2, runner_id, deadline_at, finished_at, outcome, error from trueup.job_runs",
    )
    code, said = once()
    assert (code, "trueup: job verify abandoned: runner 1 was lost (" in said) == (3, True)
    trueup.migrate(database=database)
    assert once("--force")[0] == 0
    code, said = once()
    assert (code, said.startswith("verify: nothing to do; ")) == (0, True)


def test_what_is_kept_of_an_error_quotes_no_row(database: str) -> None:
    sql(
        database,
        "update trueup.retention set predicate = $$'Ann Doe'::integer > 0$$ where name = 'runners'",
    )
    done = run("run", "--once", "retention", url=database)
    assert (done.returncode, "Ann Doe" in done.stderr) == (3, True)
    kept = sql(database, "select last_outcome, last_error from trueup.jobs_overview")
    assert kept == [("failed", "TrueupError 22P02")]


def test_a_repair_job_is_there_and_off(database: str) -> None:
    plant(
        database,
        "select factory.company(1); "
        "select factory.call(1, booking_id => 'u', appointment_made => true, session_outcome => 'appointment_rescheduled'); "
        "select factory.appointment(1, call_id => null, calcom_booking_uid => 'u', status => 'completed')",
    )
    outcome = Runner(load(environ={}).configuration, database=database).once("repair")
    assert outcome.detail is not None
    assert outcome.detail["corrected"] == 1
    assert value(database, "select is_enabled from trueup.jobs") is False


# -- how it is called ----------------------------------------------------------------------------


@contextmanager
def written(directory: Path, text: str) -> Iterator[Path]:
    file = directory / "other.toml"
    file.write_text(text)
    yield file


def test_what_does_not_fit_ends_it_with_a_line_and_its_code(
    database: str, empty_database: str, tmp_path: Path
) -> None:
    with written(tmp_path, '[run.jobs.full]\nat = "daily"\n') as file:
        for arguments, url, code, message in (
            (("--config", str(file)), database, 2, "run.jobs.full.at: 'daily' is no cron expression"),
            (("--once", "nothing"), database, 2, "no job nothing; the configuration has changed, notify"),
            (("--force",), database, 2, "--force goes with --once"),
            (("--once", "full", "--list"), database, 2, "are for one at a time"),
            ((), empty_database, 4, "not a trueup database"),
            ((), "postgresql:///x?host=/nowhere", 4, "cannot reach the database"),
        ):
            done = run("run", *arguments, url=url)
            assert done.returncode == code, done.stderr
            assert message in done.stderr
            assert "Traceback" not in done.stderr


def test_a_runner_without_a_database_says_so_at_once() -> None:
    with pytest.raises(DatabaseError, match="cannot reach"):
        Runner(load(environ={}).configuration, database="host=/nowhere").run()
