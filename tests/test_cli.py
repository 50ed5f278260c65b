"""The command line as a user meets it: formats, exit codes, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers import TRUEUP, eventually, launch, plant, run, sql, value

pytestmark = pytest.mark.one_server

FAULT = """
select factory.company(1);
select factory.call(id => 1, appointment_made => true, session_outcome => 'appointment_rescheduled')
"""


def test_every_command_that_lists_prints_json(database: str) -> None:
    plant(database, FAULT)
    assert run("repair", "--apply", url=database).returncode == 1
    for arguments in (
        ["migrate"],
        ["adopt"],
        ["check"],
        ["repair"],
        ["repair", "--list"],
        ["enforce", "--dry-run"],
        ["explain", "call_duplicate"],
        ["catalog"],
        ["status"],
        ["verify"],
        ["review", "list"],
        ["review", "show", "1"],
        ["alerts", "list"],
        ["alerts", "show", "1"],
        ["guard", "list"],
        ["contract", "list"],
    ):
        done = run(*arguments, "--format", "json", url=database)
        assert done.returncode in (0, 1), (arguments, done.stderr)
        json.loads(done.stdout)


def test_the_demo_and_its_server_print_json(open_directory: Path) -> None:
    kept = open_directory / "de mo"
    try:
        told = json.loads(run("demo", "--keep", kept, "--format", "json").stdout)
        assert told["data"] == str(kept)
        assert value(told["url"], "select count(*) from public.calls") == 173
        assert json.loads(run("server", "status", "--data", kept, "--format", "json").stdout)["running"]
        assert run("server", "stop", "--data", kept).returncode == 0
        assert run("server", "status", "--data", kept).returncode == 1
        url = run("server", "start", "--data", kept).stdout.splitlines()[-1]
        assert value(url, "select count(*) from pg_database where datname = 'demo'") == 1
        again = run("demo", "--keep", kept)
        assert again.returncode == 4
        assert "is not empty" in again.stderr
    finally:
        run("server", "stop", "--data", kept)


def test_formats_are_what_their_readers_expect(database: str) -> None:
    plant(database, FAULT)
    suite = ElementTree.fromstring(run("check", "--format", "junit", url=database).stdout)
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure")) > 0
    sarif = json.loads(run("check", "--format", "sarif", url=database).stdout)
    assert {item["ruleId"] for item in sarif["runs"][0]["results"]} >= {"call_made_without_appointment"}
    lines = run("check", "--format", "prometheus", url=database).stdout.splitlines()
    assert 'trueup_check_violations{check="call_made_without_appointment",severity="critical"} 1' in lines
    assert sum(line.startswith("# TYPE") for line in lines) == len(
        {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    )


@pytest.mark.parametrize(("fail_on", "code"), [("critical", 1), ("never", 0)])
def test_fail_on(database: str, fail_on: str, code: int) -> None:
    plant(database, FAULT)
    assert run("check", "--fail-on", fail_on, url=database).returncode == code


def test_an_interrupt_is_no_violation(database: str) -> None:
    sql(
        database,
        """
        create or replace view trueup.check_not_run as
        select null::text as company_id, 'check' as entity_type, 1::bigint as entity_id, 'x' as description, '{}'::jsonb as evidence
        from (select pg_sleep(30)) as s
        """,
    )
    runner = launch("check", url=database)
    eventually(
        lambda: value(database, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == 1
    )
    runner.send_signal(signal.SIGINT)
    _, error = runner.communicate(timeout=30)
    assert (runner.returncode, error.strip().splitlines()[-1]) == (130, "trueup: interrupted")
    assert sql(database, "select cr.status from trueup.check_runs as cr") == [("failed",)]
    assert value(database, "select count(*) from trueup.data_consistency_alerts") == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_meets_the_end_of_an_object_ends_the_command(number: signal.Signals, code: int) -> None:
    """What is raised while an object is finished, as a connection, Python prints and forgets."""
    command = f"""
import signal, sys, time
from trueup.__main__ import main
from trueup.cli import cli

class Connection:
    def __del__(self):
        signal.raise_signal({int(number)})

@cli.command()
def told():
    Connection()
    time.sleep(60)

sys.argv = ["trueup", "told"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_an_interrupt_while_the_program_is_loaded_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [TRUEUP, "status"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_a_full_disk_and_a_closed_pipe_are_no_traceback(database: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [TRUEUP, "catalog"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr.strip() == "trueup: output: No space left on device"
    piped = subprocess.run(
        f"{TRUEUP} catalog | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert piped.stderr == ""


def test_debug_shows_the_traceback() -> None:
    assert "Traceback" in run("--debug", "check", url="postgresql:///x?host=/nonexistent").stderr


def test_completion_is_offered() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_TRUEUP_COMPLETE" in run("completion", shell).stdout
    offered = run(_TRUEUP_COMPLETE="bash_complete", COMP_WORDS="trueup check call_dir", COMP_CWORD="2").stdout
    assert "call_direction_missing" in offered
