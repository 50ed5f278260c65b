"""The files of deploy/: they parse, their commands run, their times are those of the schedule."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from helpers import run, sql, value

from trueup.operating import config, schedule

pytestmark = pytest.mark.one_server

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*"))
DEFAULTS = schedule.jobs(config.Run())
WHEN = {
    name: job.options.at or {"changed": "*/5 * * * *", "notify": "* * * * *"}[name]
    for name, job in DEFAULTS.items()
}


def called(words: list[str], url: str, tmp_path: Path) -> None:
    """Run a command of a file against a database, with a configuration in the place it names."""
    assert words[0] == "trueup"
    file = tmp_path / "trueup.toml"
    file.touch()
    words = [str(file) if word.startswith("/etc/trueup/") else word for word in words[1:]]
    done = run(*words, url=url)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        shutil.copy(unit, tmp_path)
    names = ["trueup.service", *(unit.name for unit in UNITS if unit.suffix == ".timer")]
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            "--recursive-errors=one",
            *(tmp_path / name for name in names),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "trueup" in line]
    assert not said
    assert done.returncode == 0, done.stderr


def test_timers_come_when_the_schedule_does() -> None:
    timers = {unit.stem.partition("@")[2]: unit.read_text() for unit in UNITS if unit.suffix == ".timer"}
    said = {name: re.findall(r"^OnCalendar=(.*)$", text, re.M) for name, text in timers.items()}
    spelled = {
        "*/5 * * * *": "*:0/5", "* * * * *": "*:0/1", "7 * * * *": "*:07",
        "0 2 * * *": "02:00 UTC", "30 3 * * *": "03:30 UTC", "45 3 * * *": "03:45 UTC",
    }  # fmt: skip
    assert said == {name: [spelled[at]] for name, at in WHEN.items()}


def test_the_units_call_commands_that_are_there(database: str, tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "trueup-once@.service").read_text()
    (start,) = re.findall(r"^ExecStart=/usr/bin/env (.*)$", text, re.M)
    called(shlex.split(start.replace("%i", "queue")), database, tmp_path)
    (start,) = re.findall(
        r"^ExecStart=/usr/bin/env (.*)$", (DEPLOY / "systemd" / "trueup.service").read_text(), re.M
    )
    called([*shlex.split(start), "--list"], database, tmp_path)


def test_the_cron_file_runs_every_job_at_its_time(database: str, tmp_path: Path) -> None:
    lines = (DEPLOY / "cron" / "trueup").read_text().splitlines()
    jobs = [line for line in lines if line and not line.startswith("#") and not re.match(r"[A-Z_]+=", line)]
    found = {}
    for line in jobs:
        *when, user, command = line.split(None, 6)
        assert user == "trueup"
        words = shlex.split(command.replace("> /dev/null", ""))
        found[words[-1]] = " ".join(when)
        called(words, database, tmp_path)
    assert found == WHEN
    assert value(database, "select count(*) from trueup.job_runs where outcome = 'done'") == len(WHEN)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


def test_the_deployment_waits_longer_than_a_runner() -> None:
    settings, deployment = documents("deployment.yaml")
    configured = config._Reader("deployment.yaml", {}).section(
        config.Configuration, tomllib.loads(settings["data"]["trueup.toml"]), ()
    )
    schedule.jobs(configured.run)
    spec = deployment["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > configured.run.grace.total_seconds()
    (container,) = spec["containers"]
    assert container["command"][:2] == ["trueup", "run"]
    options = [word for word in container["command"] if word.startswith("--")]
    told = run("run", "--help").stdout
    assert all(option in told for option in options)
    assert (
        deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
    )


def test_every_cron_job_runs_one_job_at_its_time(database: str, tmp_path: Path) -> None:
    found = {}
    for each in documents("cronjobs.yaml"):
        assert each["kind"] == "CronJob"
        (container,) = each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        name = each["metadata"]["name"].removeprefix("trueup-")
        assert container["command"][:4] == ["trueup", "run", "--once", name]
        found[name] = each["spec"]["schedule"]
    assert found == WHEN
    called(container["command"], database, tmp_path)


def test_what_pg_cron_runs_is_sql_of_ours(database: str) -> None:
    """Without the extension: a function that keeps what it was given, which is then run."""
    sql(
        database,
        """
        create schema cron;
        create table cron.job (jobname text primary key, schedule text, command text);
        create function cron.schedule(text, text, text) returns bigint language sql as $$
            insert into cron.job values ($1, $2, $3)
            on conflict (jobname) do update set schedule = excluded.schedule, command = excluded.command
            returning 1::bigint
        $$;
        """,
    )
    for _ in range(2):
        sql(database, (DEPLOY / "pg_cron" / "trueup.sql").read_text())
    jobs = sql(database, "select jobname, schedule, command from cron.job")
    assert len(jobs) == 5
    for name, when, command in jobs:
        assert name.startswith("trueup ")
        config_job = config.Job("queue", at=when)
        schedule.jobs(config.Run(jobs={"x": config_job}))
        sql(database, command)
