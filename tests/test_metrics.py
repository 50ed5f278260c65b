"""What Prometheus is told: names and values, as text, as a file, over HTTP, and by a real Prometheus."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from conftest import ROOT
from helpers import eventually, launch, plant, run, sql, value
from packages import unpacked
from prometheus_client.parser import text_string_to_metric_families

import trueup
from trueup import exposition
from trueup.errors import UsageError
from trueup.exposition import METRICS
from trueup.model import Rate
from trueup.operating import metrics
from trueup.operating.config import Metrics

RULES = ROOT / "deploy" / "prometheus"
FAULTS = """
select factory.company(1);
select factory.company(2);
select factory.call(id => 1, company_id => 1, appointment_made => true, session_outcome => 'appointment_rescheduled');
select factory.call(id => 2, company_id => 2, appointment_made => true, session_outcome => 'appointment_rescheduled');
select factory.call(id => 3, company_id => 2, customer_name => 'Hallo');
"""
# what the scheduler and the notifications keep, as far as metrics read it
UNATTENDED = """
insert into trueup.runners (host, pid, version, application, heartbeat_at, silent_after, stopped_at) values
('a', 1, '0', 'x', '2099-01-01 12:00', '1 min', null), ('a', 2, '0', 'x', '2099-01-02', '1 min', null),
('b', 1, '0', 'x', '2099-01-01 12:00', '1 min', now()),
('c', 1, '0', 'trueup run --once full', '2099-01-01 12:00', '1 min', now());
insert into trueup.jobs (name, does, schedule, timeout, due_at) values
('full', 'full', 'x', '1 hour', now() - interval '9 min'), ('changed', 'changed', 'x', '1 hour', now() - interval '11 min');
insert into trueup.job_runs (job, slot, runner_id, started_at, finished_at, deadline_at, outcome)
select r.job, now() - r.ago, 1, now() - r.ago, now() - r.ago + r.took, now(), r.outcome
from (values
    ('full', interval '3 days', interval '90 seconds', 'done'),
    ('full', interval '2 days', interval '9 seconds', 'failed'),
    ('full', interval '1 day', interval '7 seconds', 'failed'),
    ('changed', interval '0', null, 'running')
) as r (job, ago, took, outcome);
insert into trueup.job_runs (job, slot, runner_id, started_at, finished_at, deadline_at, outcome, is_released)
values ('changed', now() - interval '1 hour', 1, now(), now(), now(), 'abandoned', true);
insert into trueup.notification_channels (name, kind, last_sent_at, failures, failing_since) values
('ops', 'x', '2026-01-01 00:00:00+00', 4, now()), ('night', 'x', null, 0, null);
insert into trueup.notifications (channel_id, channel, kind, severity, subject, body, content, state, sent_at)
select 1, 'ops', 'alarm', 'critical', 'x', 'x', '{}', state, case state when 'sent' then now() end
from unnest(array['pending', 'pending', 'sent']) as state;
"""


@pytest.fixture
def login(database: str) -> Iterator[str]:
    """URL of a login that may read what dashboards read."""
    name = f"prom_{value(database, 'select current_database()')}"
    sql(database, f"create role {name} login in role trueup_dashboard")
    yield database.replace("postgres@", f"{name}@")
    sql(database, f"drop owned by {name}; drop role {name}")


def parsed(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return what Prometheus' own parser reads: values by metric and values of its labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text + "\n"):
        metric = METRICS[family.name.removeprefix("trueup_")]
        assert (family.type, family.documentation) == ("gauge", metric.help)
        for sample in family.samples:
            assert set(sample.labels) == set(metric.labels), sample
            key = tuple(sample.labels[label] for label in metric.labels)
            assert key not in found.setdefault(metric.name, {}), f"{family.name} {key} twice"
            found[metric.name][key] = sample.value
    return found


def told(url: str) -> dict[str, dict[tuple[str, ...], float]]:
    done = run("metrics", url=url)
    assert done.returncode == 0, done.stderr
    return parsed(done.stdout)


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode())


def ours(text: str) -> str:
    """Return of what the server tells what is not about the process."""
    return "\n".join(line for line in text.splitlines() if re.match(r"(# \w+ )?trueup_", line))


# -- values


@pytest.mark.one_server
def test_every_number_is_that_of_the_tables(database: str, login: str) -> None:
    made = ("call_made_without_appointment", "critical")
    before = told(login)
    assert before["up"] == {(): 1}
    assert before["alerts"][(*made, "open")] == 0
    assert not before.get("check_violations")
    assert "run_timestamp_seconds" not in before
    plant(database, FAULTS)
    began = time.time()
    # the first run cannot tell what passes had missed
    trueup.check(database=database)
    full = trueup.check(database=database)
    trueup.repair(database=database, apply=True)
    sql(
        database,
        "update trueup.data_consistency_alerts set status = 'acknowledged', acknowledged_by = 'ann' where entity_id = '2'; "
        "update trueup.manual_review_queue set due_at = now() - interval '1 minute' where company_id = '1'; "
        "select trueup.set_guard_mode('call_made_without_appointment', 'enforce'); "
        "select trueup.set_guard_mode('call_backlink_broken', 'enforce', p_company_id => '1')",
    )
    plant(
        database,
        "select factory.behind_the_back(false); update public.calls set status = 'ended' where id = 3",
    )
    found = told(login)
    assert set(found["collector_up"].values()) == {1}
    assert found["alerts"][(*made, "open")] == found["alerts"][(*made, "acknowledged")] == 1
    assert found["alerts_oldest_timestamp_seconds"][(*made, "open")] >= began
    assert found["check_violations"][made] == 2
    assert found["check_rows_tested"][made] == 2
    assert found["check_up"][made] == 1
    assert found["check_late"][made] == 0
    assert found["check_last_complete_timestamp_seconds"][made] >= began
    assert 0 < found["check_duration_seconds"][made] < 60
    assert found["guard_mode"][("call_made_without_appointment", "enforce")] == 1
    assert found["guard_mode"][("call_made_without_appointment", "observe")] == 0
    assert found["guard_mode"][("call_backlink_broken", "observe")] == 1
    assert found["guard_companies"][("call_backlink_broken", "enforce")] == 1
    assert found["guard_companies"][("call_backlink_broken", "observe")] == 0
    whole = next(rate for rate in full.rates if rate.company_id is None)
    assert found["entities"][("",)] == whole.population
    assert found["inconsistent_entities"] == {("",): 3, ("1",): 1, ("2",): 2}
    assert found["consistency_ratio"][("",)] < 1
    assert set(found["run_timestamp_seconds"]) == {("full",), ("repair",)}
    assert found["run_violations"][("full",)] == full.violations
    assert found["run_checks_failed"][("full",)] == 0
    assert found["incremental_missed"] == {(): sum(result.missed or 0 for result in full.results)}
    assert found["repair_entities"] == {
        ("corrected",): 1, ("review",): 2, ("clean",): 0, ("busy",): 0, ("undone",): 0,
    }  # fmt: skip
    reason = ("call_made_without_appointment", "pending")
    assert found["review_items"] == {reason: 2}
    assert found["review_overdue_items"] == {reason: 1}
    assert found["review_oldest_timestamp_seconds"][reason] >= began
    assert found["changes_waiting"][()] == value(database, "select count(*) from trueup.changes")
    assert found["sync_failures"] == {("pending",): 0, ("manual_review",): 0}
    assert found["circuits"] == {("closed",): 0, ("open",): 0, ("half_open",): 0}
    assert not found.keys() & {"runners", "job_running", "notification_failures"}


@pytest.mark.one_server
def test_runners_jobs_and_channels_are_told_where_there_are_any(database: str, login: str) -> None:
    sql(database, UNATTENDED)
    found = told(login)
    assert set(found["collector_up"].values()) == {1}
    assert found["runners"] == {("a",): 2, ("b",): 0}
    assert found["runner_heartbeat_timestamp_seconds"][("a",)] == 4070995200
    # what its runner gave up when it was told to stop is no failure
    assert found["job_failures"] == {("full",): 2, ("changed",): 0}
    assert found["job_overdue"] == {("full",): 0, ("changed",): 1}
    assert found["job_running"] == {("full",): 0, ("changed",): 1}
    assert found["job_duration_seconds"] == {("full",): 7, ("changed",): 0}
    assert set(found["job_timestamp_seconds"]) == {
        ("full", "done"), ("full", "failed"), ("changed", "abandoned"),
    }  # fmt: skip
    assert found["notification_failures"] == {("ops",): 4, ("night",): 0}
    assert found["notification_sent_timestamp_seconds"] == {("ops",): 1767225600}
    assert found["notifications_pending"] == {("ops",): 2, ("night",): 0}


@pytest.mark.one_server
def test_the_last_sign_of_life_is_told_however_long_ago(database: str, login: str) -> None:
    sql(
        database,
        "insert into trueup.runners (host, pid, version, application, silent_after, started_at, heartbeat_at) values "
        "('a', 1, '0', 'trueup run', '1 min', now() - interval '9 days', now() - interval '25 hours'), "
        "('b', 1, '0', 'trueup run', '1 min', now() - interval '9 days', now() - interval '3 days')",
    )
    found = told(login)
    assert found["runners"] == {("a",): 0}
    assert time.time() - found["runner_heartbeat_timestamp_seconds"][("a",)] == pytest.approx(90000, abs=60)


def test_a_circuit_that_is_open_is_told_by_name(database: str, login: str) -> None:
    for number in range(30):
        sql(database, "select trueup.set_circuit_mode(%s, 'force_open', null, 'ann')", f"provider:{number}")
    found = told(login)
    assert found["circuits"] == {("closed",): 0, ("open",): 30, ("half_open",): 0}
    assert len(found["circuit_opened_timestamp_seconds"]) == exposition.MOST


def test_a_run_tells_the_same_as_the_tables_do_afterwards(database: str) -> None:
    plant(database, FAULTS)
    said = parsed(run("check", "--format", "prometheus", url=database).stdout)
    found = told(database)
    for name, samples in said.items():
        if name == "check_planned_cost" or name == "check_duration_seconds":
            assert found[name].keys() == samples.keys()
        else:
            assert found[name] == pytest.approx(samples), name


@pytest.mark.one_server
def test_what_an_application_names_is_bounded(database: str) -> None:
    sql(
        database,
        "insert into trueup.manual_review_queue (reason, entity_type, entity_id, description, due_at) "
        "select 'reason ' || n.i, 'x', n.j, 'x', now() from generate_series(1, 60) as n (i) cross join lateral generate_series(1, n.i) as n2 (j)".replace(
            "n.j", "n2.j"
        ),
    )
    found = told(database)
    assert len(found["review_items"]) == 21
    assert found["review_items"][("reason 60", "pending")] == 60
    assert found["review_items"][("other", "pending")] == sum(range(1, 41))


@pytest.mark.one_server
def test_companies_beyond_the_largest_are_added_up() -> None:
    rates = [Rate(None, 1000, 10, Decimal("99.00"))]
    rates += [Rate(str(number), number, number % 2, Decimal(0)) for number in range(1, 31)]
    ratio, entities, wrong = (
        {labels[0]: found for labels, found in family.samples} for family in exposition.consistency(rates, 5)
    )
    assert set(entities) == {"", "30", "29", "28", "27", "26", "other"}
    assert entities["other"] == sum(range(1, 26))
    assert wrong["other"] == 13
    assert ratio[""] == 0.99
    # cut, not rounded: 1 means that not one is wrong
    assert exposition.consistency([Rate(None, 10**6, 1, Decimal(0))])[0].samples == ((("",), 0.9999),)
    assert exposition.consistency([Rate(None, 0, 0, Decimal(100))])[0].samples == ((("",), 1.0),)


def test_a_group_that_cannot_be_read_does_not_hide_the_others(
    database: str, login: str, caplog: pytest.LogCaptureFixture
) -> None:
    sql(database, "revoke select on trueup.guards from trueup_dashboard")
    reading = metrics.Reader(login).read()
    found = parsed(reading.text)
    assert reading.error is None
    assert {name for (name,), up in found["collector_up"].items() if not up} == {"checks", "guards"}
    assert "alerts" in found
    assert {getattr(record, "collector", None) for record in caplog.records} == {"checks", "guards"}


# -- how it is told


@pytest.mark.one_server
def test_a_file_is_whole_and_for_others_to_read(database: str, tmp_path: Path) -> None:
    path = tmp_path / "trueup.prom"
    path.write_text("old")
    assert run("metrics", "--file", path, url=database).returncode == 0
    assert parsed(path.read_text().rstrip("\n"))["up"] == {(): 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["trueup.prom"]
    done = run("metrics", "--file", path, url="postgresql:///nothing?host=/nowhere")
    assert (done.returncode, done.stderr.count("cannot reach the database")) == (4, 1)
    assert parsed(path.read_text().rstrip("\n"))["up"] == {(): 0}
    done = run("metrics", "--file", tmp_path / "no" / "trueup.prom", url=database)
    assert (done.returncode, done.stderr) == (
        2, f"trueup: {tmp_path}/no/trueup.prom: cannot be written: No such file or directory\n",
    )  # fmt: skip


@pytest.mark.one_server
def test_a_database_without_trueup_is_down(empty_database: str) -> None:
    done = run("metrics", url=empty_database)
    assert done.returncode == 4
    assert "not a trueup database" in done.stderr
    assert parsed(done.stdout)["up"] == {(): 0}


@pytest.mark.one_server
def test_over_http(database: str, login: str) -> None:
    with metrics.serve("127.0.0.1", 0, database=login, settings=Metrics(cache=timedelta(seconds=30))) as url:
        text = fetched(url)
        assert parsed(ours(text))["up"] == {(): 1}
        assert "process_resident_memory_bytes" in text
        assert fetched(url.replace("/metrics", "/healthz")) == "alive\n"
        for path, code in (("/other", 404), ("/metrics/../healthz", 404)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                fetched(url.replace("/metrics", path))
            assert refused.value.code == code
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, data=b"x", timeout=20)
        assert refused.value.code == 405
        # kept for a while: many who ask cost the database nothing
        sql(database, "select factory.company(1)")
        with ThreadPoolExecutor(8) as pool:
            assert {ours(each) for each in pool.map(fetched, [url] * 16)} == {ours(text)}
        request = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.read().endswith(b"# EOF\n")
        # nothing stays open between two scrapes
        eventually(
            lambda: (
                value(
                    database,
                    "select count(*) from pg_stat_activity where application_name = 'trueup metrics'",
                )
                == 0
            )
        )
        port = int(url.split(":")[2].split("/")[0])
        with (
            pytest.raises(UsageError, match=rf"127\.0\.0\.1 port {port}: Address already in use"),
            metrics.serve("127.0.0.1", port),
        ):
            pass
    with pytest.raises(urllib.error.URLError):
        fetched(url)


@contextmanager
def silent() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.one_server
def test_a_silent_database_is_down_and_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    threads = threading.active_count()
    with silent() as port:
        settings = Metrics(timeout=timedelta(seconds=0.5), cache=timedelta(milliseconds=1))
        url = f"postgresql://u:hidden@127.0.0.1:{port}/x"
        with metrics.serve("127.0.0.1", 0, database=url, settings=settings) as served:
            for _ in range(3):
                began = time.monotonic()
                found = parsed(ours(fetched(served)))
                assert time.monotonic() - began < 5
                assert found["up"] == {(): 0}
                assert set(found) == {"up", "build_info", "collection_duration_seconds"}
            assert fetched(served.replace("/metrics", "/healthz")) == "alive\n"
            # one waits, however often one asks
            assert threading.active_count() <= threads + 4
    said = " ".join(str(getattr(record, "reason", "")) for record in caplog.records)
    assert "did not answer within 0.5 s" in said
    assert "hidden" not in said


@pytest.mark.one_server
def test_the_database_goes_and_comes_back(database: str, databases: Any) -> None:
    name = value(database, "select current_database()")
    settings = Metrics(cache=timedelta(milliseconds=1))
    with metrics.serve("127.0.0.1", 0, database=database, settings=settings) as url:
        assert parsed(ours(fetched(url)))["up"] == {(): 1}
        databases.admin(f"alter database {name} with allow_connections false")
        assert parsed(ours(fetched(url)))["up"] == {(): 0}
        databases.admin(f"alter database {name} with allow_connections true")
        assert parsed(ours(fetched(url)))["up"] == {(): 1}


@pytest.mark.one_server
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_command_serves_until_it_is_told_to_end(database: str, number: int) -> None:
    server = launch("metrics", "--port", "0", url=database)
    assert server.stdout is not None
    url = server.stdout.readline().split()[-1]
    assert url.startswith("http://127.0.0.1:")
    assert parsed(ours(fetched(url)))["up"] == {(): 1}
    server.send_signal(number)
    assert server.communicate(timeout=20) == ("", "")
    assert server.returncode == 0
    done = run("metrics", "--port", "0", "--file", "x", url=database)
    assert (done.returncode, "exclude each other" in done.stderr) == (2, True)


@pytest.mark.one_server
def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(UsageError, match=r"pip install 'trueup\[run\]'"), metrics.serve("127.0.0.1", 0):
        pass


# -- Prometheus itself


@pytest.mark.one_server
def test_every_alarm_and_panel_names_metrics_that_are_told() -> None:
    rules = yaml.safe_load((RULES / "trueup.rules.yml").read_text())["groups"][0]["rules"]
    tested = (RULES / "trueup.rules.test.yml").read_text()
    for rule in rules:
        for name, labels in re.findall(r"\btrueup_(\w+)(?:\{([^}]*)\})?", rule["expr"]):
            assert set(re.findall(r"(\w+)=", labels)) <= set(METRICS[name].labels), rule["alert"]
        # fires in one test at least, and is silent in another
        assert re.search(rf"alertname: {rule['alert']}\n\s+exp_alerts", tested), rule["alert"]
        assert f"alertname: {rule['alert']}}}" in tested, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}


@pytest.mark.one_server
def test_promtool_approves_of_rules_names_and_configuration(database: str) -> None:
    promtool = unpacked("prometheus") / "usr" / "bin" / "promtool"
    for arguments in (
        ["check", "rules", "--lint-fatal", "trueup.rules.yml"],
        ["test", "rules", "trueup.rules.test.yml"],
        ["check", "config", "prometheus.yml"],
    ):
        done = subprocess.run([promtool, *arguments], cwd=RULES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    plant(database, FAULTS)
    trueup.check(database=database)
    trueup.repair(database=database, apply=True)
    sql(database, UNATTENDED)
    sql(database, "select trueup.set_circuit_mode('provider:x', 'force_open', null, 'ann')")
    text = metrics.Reader(database).read().text
    assert {name.removeprefix("trueup_") for name in re.findall(r"^# TYPE (\w+)", text, re.M)} == set(METRICS)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text + "\n", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.one_server
def test_a_prometheus_scrapes_it_and_answers(database: str, login: str, tmp_path: Path) -> None:
    program = unpacked("prometheus") / "usr" / "bin" / "prometheus"
    plant(database, FAULTS)
    trueup.check(database=database)
    with metrics.serve("127.0.0.1", 0, database=login, settings=Metrics(cache=timedelta(seconds=1))) as url:
        configuration = yaml.safe_load((RULES / "prometheus.yml").read_text())
        configuration["global"]["evaluation_interval"] = "1s"
        configuration["rule_files"] = [str(RULES / "trueup.rules.yml")]
        (scrape,) = configuration["scrape_configs"]
        scrape |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
        scrape["static_configs"] = [{"targets": [url.split("/")[2]]}]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [
                program,
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]
        )
        try:

            def asked(query: str) -> list[tuple[dict[str, str], str]]:
                where = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
                try:
                    found = json.loads(fetched(where))["data"]["result"]
                except urllib.error.URLError:
                    return []
                return [(each["metric"], each["value"][1]) for each in found]

            critical = 'sum by (check) (trueup_alerts{severity="critical", status="open"}) > 0'
            eventually(lambda: bool(asked(critical)), 60)
            assert asked(critical) == [({"check": "call_made_without_appointment"}, "2")]
            assert asked('trueup_inconsistent_entities{company="2"}')[0][1] == "2"
            assert float(asked('time() - trueup_run_timestamp_seconds{kind="full"}')[0][1]) < 120
            # the rule waits for a minute, so it is pending
            pending = 'ALERTS{alertname="TrueupCriticalAlert"}'
            eventually(lambda: bool(asked(pending)), 30)
            assert {metric["alertstate"] for metric, _ in asked(pending)} == {"pending"}
            assert asked('ALERTS{alertname="TrueupDown"}') == []
            sql(
                database,
                f"revoke connect on database {value(database, 'select current_database()')} from public",
            )
            eventually(lambda: asked("trueup_up") != [] and asked("trueup_up")[0][1] == "0", 30)
        finally:
            server.terminate()
            server.wait(timeout=20)


def test_the_role_that_is_enough_may_do_nothing_else(login: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(login, "select keys from trueup.changes")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(login, "update trueup.settings set value = '1'")
