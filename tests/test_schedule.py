"""When jobs run: slots in a time zone, over both changes of the clocks. Needs no server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.errors import UsageError
from trueup.operating import config, schedule

BERLIN = "Europe/Berlin"
HOUR = timedelta(hours=1)


def job(at: str | None = None, every: timedelta | None = None, zone: str = BERLIN) -> schedule.Job:
    run = config.Run(zone=zone, jobs={"a": config.Job("full", at=at, every=every)})
    return schedule.jobs(run)["a"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(made: schedule.Job, start: str, end: str) -> list[str]:
    """Return the slots after `start`, up to `end`, all in UTC, to the minute."""
    found = []
    at = made.next(utc(start))
    while at <= utc(end):
        found.append(f"{at:%d %H:%M}")
        at = made.next(at)
    return found


def test_a_time_of_day_follows_the_wall_clock() -> None:
    assert slots(job("0 2 * * *"), "2026-01-01", "2026-01-02T12:00") == ["01 01:00", "02 01:00"]
    assert slots(job("0 2 * * *"), "2026-06-30T12:00", "2026-07-02T12:00") == ["01 00:00", "02 00:00"]


def test_a_time_that_does_not_exist_runs_once_when_the_gap_ends() -> None:
    """On 29 March 2026 clocks go from 02:00 to 03:00, which is 01:00 UTC."""
    assert slots(job("30 2 * * *"), "2026-03-28T12:00", "2026-03-30T12:00") == ["29 01:00", "30 00:30"]
    assert slots(job("0,30 2 * * *"), "2026-03-28T12:00", "2026-03-29T12:00") == ["29 01:00"]


def test_a_time_that_comes_twice_runs_once() -> None:
    """On 25 October 2026 clocks go from 03:00 back to 02:00, which is 01:00 UTC."""
    assert slots(job("30 2 * * *"), "2026-10-24T12:00", "2026-10-26T12:00") == ["25 00:30", "26 01:30"]


@pytest.mark.parametrize("night", ["2026-03-29", "2026-10-25"])
def test_hourly_jobs_run_every_real_hour(night: str) -> None:
    found = slots(job("7 * * * *"), f"{night}T00:00", f"{night}T05:00")
    assert [text[3:] for text in found] == ["00:07", "01:07", "02:07", "03:07", "04:07"]


def test_an_interval_counts_from_the_same_instant_on_every_machine() -> None:
    five = job(every=timedelta(minutes=5))
    assert five.latest(utc("2026-01-01T10:07:30")) == utc("2026-01-01T10:05:00")
    assert five.latest(utc("2026-01-01T10:05:00")) == utc("2026-01-01T10:05:00")
    assert five.next(utc("2026-01-01T10:05:00")) == utc("2026-01-01T10:10:00")
    assert five.due(utc("2026-01-01T10:05:00")) == utc("2026-01-01T10:20:00"), "the timeout is ten minutes"


@given(
    at=st.sampled_from(
        [
            "0 2 * * *",
            "30 2 * * *",
            "0,30 1,2,3 * * *",
            "7 * * * *",
            "*/20 * * * *",
            "15 2 * * 0",
            "0 4 1 * *",
        ]
    ),
    zone=st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe"]),
    around=st.sampled_from(["2026-03-29T01:00", "2026-10-25T01:00", "2026-03-08T07:00", "2026-04-04T15:00"]),
    minutes=st.integers(-600, 600),
)
def test_the_latest_slot_is_the_one_that_came_next_before(
    at: str, zone: str, around: str, minutes: int
) -> None:
    made = job(at, zone=zone)
    now = utc(around) + timedelta(minutes=minutes)
    latest, following = made.latest(now), made.next(now)
    assert latest <= now < following
    assert made.next(latest) == following, "no slot lies between them"
    assert made.latest(following) == following
    assert made.latest(following - timedelta(seconds=1)) == latest


def test_defaults_are_a_schedule() -> None:
    made = schedule.jobs(config.Run())
    assert list(made) == ["changed", "notify", "queue", "full", "retention", "verify"]
    assert made["full"].schedule == "0 2 * * * UTC"
    assert made["changed"].schedule == "every 5m"
    assert "repair" in schedule.jobs(config.Run(), disabled=True)
    for each in made.values():
        days = [each.next(utc("2026-01-01"))]
        days += [each.next(days[-1])]
        assert all(after - before <= timedelta(days=1) for before, after in pairwise(days))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('zone = "Europe/Atlantis"', r"run\.zone: 'Europe/Atlantis' is no time zone here"),
        ('zone = "../etc/passwd"', r"run\.zone: '\.\./etc/passwd' is no time zone here"),
        (
            'jobs.full.at = "61 2 * * *"',
            r"run\.jobs\.full\.at: '61 2 \* \* \*' is no cron expression: Bad min",
        ),
        ('jobs.full.at = "0 2 30 2 *"', r"run\.jobs\.full\.at: '0 2 30 2 \*' is no cron expression"),
        ('jobs.full.at = "tomorrow"', r"run\.jobs\.full\.at: 'tomorrow' is no cron expression"),
        ('jobs.full = { at = "0 2 * * *", every = "1d" }', r"run\.jobs\.full: give either `at`"),
        ("jobs.mine.enabled = true", r"run\.jobs\.mine\.does: '' is none of changed, full"),
        ('jobs.mine = { does = "dance", every = "1h" }', r"run\.jobs\.mine\.does: 'dance' is none of"),
        ('jobs.mine.does = "full"', r"run\.jobs\.mine: give either `at`"),
        ('jobs.changed.every = "soon"', r"run\.jobs\.changed\.every: 'soon' is no duration"),
        ('jobs.changed.every = "0.1s"', r"run\.jobs\.changed\.every: at least a second"),
        ("jobs.full.connections = 0", r"run\.jobs\.full\.connections: at least 1"),
        ('silent_after = "1s"', r"run\.silent_after: at least 4s"),
        ('watch_every = "0.01s"', r"run\.watch_every: at least"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "trueup.toml"
    file.write_text(f"[run]\n{text}\n")
    with pytest.raises(UsageError, match=message):
        schedule.jobs(config.load(file, {}).configuration.run)


def test_times_given_take_the_place_of_the_default(tmp_path: Path) -> None:
    file = tmp_path / "trueup.toml"
    file.write_text('[run.jobs.changed]\nat = "*/10 * * * *"\n[run.jobs.full]\nevery = "12h"\n')
    made = schedule.jobs(config.load(file, {"TRUEUP_RUN_JOBS_QUEUE_EVERY": "2h"}).configuration.run)
    assert made["changed"].schedule == "*/10 * * * * UTC"
    assert made["full"].schedule == "every 12h"
    assert made["queue"].schedule == "every 2h"
