"""What dashboards read: the views, who sees which rows of them, what they cost, and Grafana's panels."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from conftest import ROOT
from helpers import connected, items_pack, plant, run, sql, value

import trueup
from trueup import deploy, packs
from trueup.store import session

sys.path.insert(0, str(ROOT / "benchmarks"))

import dashboards as benchmark

VIEWS = sorted(file.stem for file in packs.load().files if file.folder == "db/dashboards")
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "trueup.json").read_text(encoding="utf-8"))
FAULTS = """
select factory.company(1);
select factory.company(2);
select factory.call(id => 1, company_id => 1, appointment_made => true, session_outcome => 'appointment_rescheduled');
select factory.call(id => 2, company_id => 2, appointment_made => true, session_outcome => 'appointment_rescheduled');
select factory.call(id => 3, company_id => 2, direction => 'inbound');
"""


@pytest.fixture
def login(database: str) -> Iterator[str]:
    """URL of a login that may read what dashboards read."""
    name = f"dash_{value(database, 'select current_database()')}"
    sql(database, f"create role {name} login in role trueup_dashboard")
    yield database.replace("postgres@", f"{name}@")
    sql(database, f"drop owned by {name}; drop role {name}")


@pytest.fixture
def faulty(database: str) -> str:
    """A database with a critical violation in each of two companies, filed and handed to people."""
    plant(database, FAULTS)
    trueup.check(database=database)
    trueup.repair(database=database, apply=True)
    return database


def test_every_view_and_column_says_what_it_is(database: str) -> None:
    said = sql(
        database,
        """
        select
            c.relname::text,
            obj_description(c.oid),
            array_agg(a.attname::text order by a.attnum) filter (where col_description(c.oid, a.attnum) is null),
            c.reloptions
        from pg_class as c
        inner join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0
        where c.relnamespace = 'trueup'::regnamespace and c.relname = any(%s)
        group by c.oid
        order by c.relname
        """,
        VIEWS,
    )
    assert [name for name, _, _, _ in said] == VIEWS
    for name, comment, bare, options in said:
        assert comment, name
        assert bare is None, (name, bare)
        # without it the view would show every company to who is bound to one
        assert options == ["security_invoker=true"], name


def test_the_role_reads_every_view_and_nobody_else(faulty: str, login: str) -> None:
    for name in VIEWS:
        sql(login, f"select * from trueup.{name}")
    stranger = login.replace("dash_", "stranger_")
    name = stranger.split("//")[1].split("@")[0]
    sql(faulty, f"create role {name} login")
    try:
        for view in VIEWS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                sql(stranger, f"select * from trueup.{view}")
    finally:
        sql(faulty, f"drop role {name}")


@pytest.mark.one_server
def test_alerts(faulty: str) -> None:
    sql(
        faulty,
        "update trueup.data_consistency_alerts set status = 'acknowledged', acknowledged_by = 'ann' where entity_id = '1'",
    )
    counted = "select company_id, severity, status, alerts from trueup.alerts_by_check where check_name = 'call_made_without_appointment' order by 1"
    assert sql(faulty, counted) == [("1", "critical", "acknowledged", 1), ("2", "critical", "open", 1)]
    sql(
        faulty,
        "update trueup.data_consistency_alerts set accepted_by = 'ann', accepted_until = now() + interval '1 day' where entity_id = '1'; "
        "update trueup.data_consistency_alerts set snoozed_until = now() + interval '1 day' where entity_id = '2'",
    )
    assert [row[2] for row in sql(faulty, counted)] == ["accepted", "snoozed"]
    overview = "select open_alerts, quiet_alerts from trueup.checks_overview where check_name = 'call_made_without_appointment'"
    assert sql(faulty, overview) == [(0, 2)]
    # mended: gone from the open ones, and counted on its day
    plant(faulty, "update public.calls set appointment_made = false, session_outcome = null where id = 1")
    trueup.check(database=faulty)
    assert [row[0] for row in sql(faulty, counted)] == ["2"]
    days = "select company_id, opened, reopened, resolved from trueup.alerts_by_day where check_name = 'call_made_without_appointment' and day = current_date order by 1"
    assert sql(faulty, days) == [("1", 1, 0, 1), ("2", 1, 0, 0)]
    plant(
        faulty,
        "update public.calls set appointment_made = true, session_outcome = 'appointment_rescheduled' where id = 1",
    )
    trueup.check(database=faulty)
    assert sql(faulty, days) == [("1", 1, 1, 0), ("2", 1, 0, 0)]
    assert value(
        faulty,
        "select open_since > detected_at from trueup.alerts_open where entity_id = '1' and check_name = 'call_made_without_appointment'",
    )


def test_consistency_and_runs(faulty: str) -> None:
    run = trueup.check(database=faulty)
    now = sql(
        faulty,
        "select company_id, population, wrong, rate, run_id from trueup.consistency_now order by company_id nulls first",
    )
    assert now == [(each.company_id, each.population, each.wrong, each.rate, run.id) for each in run.rates]
    assert [row[2] for row in now] == [2, 1, 1]
    # a pass over changes measures no rate, and hides none
    trueup.check_changed(database=faulty)
    assert value(faulty, "select max(run_id) from trueup.consistency_now") == run.id
    assert {row[0] for row in sql(faulty, "select kind from trueup.consistency_by_run")} == {"full", "repair"}
    newest = sql(
        faulty,
        "select kind, status, case kind when 'full' then violations end, missed, rate from trueup.runs_recent where kind in ('full', 'changed') order by run_id desc limit 2",
    )
    assert newest == [
        ("changed", "complete", None, None, None),
        ("full", "complete", run.violations, 0, run.rate),
    ]


def test_checks(faulty: str) -> None:
    made = "select severity, guard_mode, violations, rows_tested, last_outcome, is_late from trueup.checks_overview where check_name = 'call_made_without_appointment'"
    assert sql(faulty, made) == [("critical", "observe", 2, 2, "complete", False)]
    sql(
        faulty,
        "update trueup.check_results set finished_at = finished_at - interval '49 hours'; update trueup.checks set registered_at = registered_at - interval '49 hours'",
    )
    assert value(faulty, "select bool_and(is_late) from trueup.checks_overview")
    # never evaluated, but new: it has time
    sql(faulty, "delete from trueup.check_results; update trueup.checks set registered_at = now()")
    assert not value(faulty, "select bool_or(is_late) from trueup.checks_overview")
    assert value(faulty, "select count(*) from trueup.checks_overview where last_outcome is null") == len(
        packs.load().checks
    )


@pytest.mark.one_server
def test_a_setting_that_is_deleted_has_its_default(empty_database: str, tmp_path: Path) -> None:
    # one without settings of its own
    sql(empty_database, "create table items (id bigint primary key, price int)")
    pack = items_pack(tmp_path / "pack", item_price_negative=("items.price", "i.price < 0"))
    trueup.migrate(database=empty_database, pack=pack)
    defaults = dict(sql(empty_database, "select name, default_value from trueup.settings"))
    sql(empty_database, SCHEDULE)
    late = "select name from trueup.checks where registered_at < now() - interval '2 days' order by name"
    overdue = "select job from trueup.jobs_overview where is_overdue"
    sql(empty_database, "update trueup.checks set registered_at = registered_at - interval '49 hours'")
    sql(empty_database, "delete from trueup.settings")
    for name, default in defaults.items():
        assert value(empty_database, "select trueup.setting(%s)", name) == default, name
    assert value(empty_database, "select count(*) from trueup.overdue_jobs()") == 1
    assert sql(empty_database, overdue) == [("changed",)]
    assert sql(
        empty_database, "select check_name from trueup.checks_overview where is_late order by 1"
    ) == sql(empty_database, late)
    assert value(empty_database, "select count(*) from trueup.check_not_run") == len(
        sql(empty_database, late)
    )


@pytest.mark.one_server
def test_reviews_and_repairs(faulty: str) -> None:
    queue = "select company_id, reason, status, items, overdue from trueup.review_queue_overview order by 1"
    assert sql(faulty, queue) == [
        (company, "call_made_without_appointment", "pending", 1, 0) for company in ("1", "2")
    ]
    sql(faulty, "update trueup.manual_review_queue set due_at = now() - interval '1 minute'")
    sql(
        faulty,
        "update trueup.manual_review_queue set snoozed_until = now() + interval '1 hour' where company_id = '2'",
    )
    assert [row[2:] for row in sql(faulty, queue)] == [("pending", 1, 1), ("snoozed", 1, 0)]
    claim = trueup.review.next_item("ann", database=faulty)
    assert claim is not None
    trueup.review.dismiss(claim.item.id, claim.token, "known", database=faulty)
    decided = "select company_id, resolved, dismissed, in_time from trueup.review_decisions_by_day"
    assert sql(faulty, decided) == [("1", 0, 1, 0)]
    # what a run closes nobody has decided
    plant(faulty, "update public.calls set appointment_made = false, session_outcome = null")
    trueup.check(database=faulty)
    closed = "select decided_by ~ '^run' from trueup.manual_review_queue where status = 'resolved'"
    assert sql(faulty, closed) == [(True,)]
    assert sql(faulty, decided) == [("1", 0, 1, 0)]
    plant(
        faulty,
        "update public.calls set customer_name = 'Hallo' where id = 3",
    )
    trueup.repair(["call_transcript_name"], database=faulty, apply=True)
    repairs = (
        "select company_id, check_name, corrected, undone from trueup.repairs_by_day where day = current_date"
    )
    assert sql(faulty, repairs) == [("2", "call_transcript_name", 1, 0)]
    trueup.undo(trueup.journal(database=faulty)[0].id, database=faulty)
    assert sql(faulty, repairs) == [("2", "call_transcript_name", 1, 1)]


def test_bookings_circuits_and_synchronisation(database: str) -> None:
    plant(
        database,
        """
        select factory.company(1);
        select factory.call(id => 1), factory.call(id => 2), factory.call(id => 3), factory.call(id => 4), factory.call(id => 5);
        update public.calls set created_at = now(), deleted_at = null, booking_confirmed = false;
        update public.calls set booking_confirmed = true where id in (2, 3);
        select factory.appointment(id => 7, call_id => 3);
        update public.calls set appointment_id = 7 where id = 3;
        update public.calls set deleted_at = now() where id = 4;
        update public.calls set created_at = now() - interval '8 days' where id = 5;
        insert into trueup.sync_failures (company_id, operation, attempt_count) values (1, 'create', 0), (1, 'create', 3);
        insert into trueup.sync_failures (company_id, operation, status) values (1, 'create', 'resolved');
        """,
    )
    assert sql(
        database, "select company_id, calls, confirmed, with_appointment from trueup.bookings_by_day"
    ) == [("1", 3, 2, 1)]
    assert sql(
        database, "select company_id, operation, status, failures, exhausted from trueup.sync_overview"
    ) == [("1", "create", "pending", 2, 1)]
    for _ in range(3):
        (permit,) = sql(database, "select permit from trueup.circuit_allow('provider:x')")
        sql(database, "select * from trueup.circuit_report(%s, 'failure', null)", permit[0])
    assert sql(
        database, "select service_key, state, mode, opened_at is not null from trueup.circuit_overview"
    ) == [("provider:x", "open", "automatic", True)]


SCHEDULE = """
insert into trueup.jobs (name, does, schedule, timeout, is_enabled, due_at) values
('changed', 'changed', 'every 5m', '1 hour', true, now() - interval '11 min'),
('full', 'full', '0 2 * * * UTC', '1 hour', true, now() + interval '1 hour'),
('old', 'full', 'x', '1 hour', false, now() - interval '1 year');
insert into trueup.runners (host, pid, version, application, heartbeat_at, silent_after, stopped_at) values
('a', 1, '1', 'trueup run', now() - interval '1 min', '2 min', null),
('a', 2, '1', 'trueup run', now() - interval '3 min', '2 min', null),
('a', 3, '1', 'trueup run', now() - interval '3 min', '2 min', now()),
('a', 4, '1', 'trueup run', now() - interval '2 days', '2 min', null);
insert into trueup.job_runs (job, slot, runner_id, started_at, finished_at, deadline_at, outcome, is_released, error)
select r.job, now() - r.ago, 1, now() - r.ago, now() - r.ago + interval '7 s', now(), r.outcome, r.is_released, r.error
from (values
    ('full', interval '8 days', 'failed', false, 'x'),
    ('full', interval '3 days', 'done', false, null),
    ('full', interval '2 days', 'abandoned', true, 'told to stop'),
    ('full', interval '1 day', 'failed', false, 'QueryCanceled 57014')
) as r (job, ago, outcome, is_released, error);
insert into trueup.notification_channels (name, kind, failures, failing_since) values ('ops', 'ntfy', 2, now());
insert into trueup.notifications (channel_id, channel, company_id, kind, severity, subject, body, content)
select 1, 'ops', n.company_id, 'alarm', 'info', 'x', 'x', '{}' from (values ('1'), ('2'), (null)) as n (company_id);
"""


@pytest.mark.one_server
def test_schedule_runners_and_channels(database: str, login: str) -> None:
    # a database that was never scheduled has nothing to say
    assert trueup.status(database=database).schedule is None
    assert "schedule" not in run("status", url=database).stdout
    sql(database, SCHEDULE)
    assert sql(
        login,
        "select job, is_enabled, last_outcome, last_error, last_duration_seconds, is_overdue, runs_7_days, failures_7_days from trueup.jobs_overview order by 1",
    ) == [
        ("changed", True, None, None, None, True, 0, 0),
        ("full", True, "failed", "QueryCanceled 57014", 7, False, 2, 1),
        ("old", False, None, None, None, False, 0, 0),
    ]
    assert sql(
        login, "select pid, state, heartbeat_age_seconds >= 60 from trueup.runners_overview order by 1"
    ) == [(1, "up", True), (2, "silent", True), (3, "stopped", True)]
    channels = "select channel, kind, failures, pending_messages from trueup.channels_overview"
    assert sql(login, channels) == [("ops", "ntfy", 2, 3)]
    with connected(login, 1) as (connection,):
        connection.execute("set trueup.company = '2'")
        assert connection.execute(channels.encode()).fetchall() == [("ops", "ntfy", 2, 1)]
    assert re.search(
        r"^schedule     1 runner up; full due by \d{4}-\S+ \S+ \S+; overdue: changed$",
        run("status", url=database).stdout,
        re.M,
    )


COMPANIES = """
select distinct company_id from trueup.{view}
"""
OF_NONE = (
    "checks_overview",
    "runs_recent",
    "circuit_overview",
    "jobs_overview",
    "runners_overview",
    "channels_overview",
)
OF_A_COMPANY = [view for view in VIEWS if view not in OF_NONE]


def companies(connection: psycopg.Connection[Any], view: str) -> set[str | None]:
    rows = connection.execute(COMPANIES.format(view=view).encode()).fetchall()
    return {None if row[0] is None else str(row[0]) for row in rows}


def fill(url: str) -> None:
    """Put a row of each of two companies, and where that can be of none, behind every view."""
    plant(
        url,
        """
        update public.calls set created_at = now();
        insert into trueup.sync_failures (company_id, operation) values (1, 'create'), (2, 'create'), (null, 'create');
        insert into trueup.booking_imports (company_id, taken_at) values (1, now()), (2, now());
        insert into trueup.repairs (check_name, company_id, entity_type, entity_id, reason)
        select 'x', n.company_id, 'call', '1', 'x' from (values ('1'), ('2'), (null)) as n (company_id);
        insert into trueup.guard_companies (guard, company_id, mode)
        values ('call_made_without_appointment', '1', 'enforce'), ('call_made_without_appointment', '2', 'observe');
        insert into trueup.guard_trips (guard, company_id, entity_type, entity_id, role_name, application)
        select 'x', n.company_id, 'call', '1', 'x', 'x' from (values ('1'), ('2'), (null)) as n (company_id);
        insert into trueup.notifications (channel, kind, company_id, severity, subject, body, content)
        select 'x', 'alarm', n.company_id, 'info', 'x', 'x', '{}' from (values ('1'), ('2'), (null)) as n (company_id);
        insert into trueup.notification_mutes (company_id, reason, ends_at)
        select n.company_id, 'x', now() from (values ('1'), ('2'), (null)) as n (company_id);
        insert into trueup.data_consistency_alerts (company_id, alert_type, severity, entity_type, entity_id, description)
        values (null, 'x', 'info', 'x', '1', 'x');
        insert into trueup.manual_review_queue (company_id, reason, entity_type, entity_id, description, due_at, status, decided_at, claim_token)
        select n.company_id, 'x', 'call', n.company_id, 'x', now(), 'resolved', now(), gen_random_uuid() from (values ('1'), ('2')) as n (company_id);
        """
        + SCHEDULE,
    )


def test_who_is_bound_to_a_company_sees_no_other(faulty: str, login: str) -> None:
    fill(faulty)
    tables = [
        "data_consistency_alerts",
        "manual_review_queue",
        "consistency_rates",
        "repairs",
        "notifications",
        "notification_mutes",
        "guard_companies",
        "guard_trips",
        "sync_failures",
        "booking_imports",
        "guard_companies",
        "guard_trips",
        "notifications",
        "notification_mutes",
    ]
    with connected(login, 1) as (connection,):
        connection.autocommit = True
        for view in [*OF_A_COMPANY, *tables]:
            assert companies(connection, view) >= {"1", "2"}, view
        connection.execute("set trueup.company = '2'")
        for view in [*OF_A_COMPANY, *tables]:
            assert companies(connection, view) == {"2"}, view
        own = "select guard_companies from trueup.checks_overview where guard_companies is not null"
        assert connection.execute(own.encode()).fetchall() == [({"2": "observe"},)]
        open_alerts = "select sum(open_alerts) from trueup.checks_overview where check_name = 'call_made_without_appointment'"
        assert connection.execute(open_alerts.encode()).fetchone() == (1,)
        rate = connection.execute("select rate from trueup.runs_recent where kind = 'full'").fetchone()
        assert rate == (value(faulty, "select rate from trueup.consistency_now where company_id = '2'"),)
        connection.execute("reset trueup.company")
        assert companies(connection, "alerts_open") == {None, "1", "2"}
        # bound by its login, it cannot get out, whatever it sets
        name = login.split("//")[1].split("@")[0]
        sql(faulty, "insert into trueup.dashboard_logins values (%s, '1'), ('another', '2')", name)
        for company in ("", "2", "*"):
            connection.execute("select set_config('trueup.company', %s, false)", [company])
            for view in [*OF_A_COMPANY, *tables]:
                assert companies(connection, view) == {"1"}, view
        assert connection.execute("select * from trueup.dashboard_logins").fetchall() == [(name, "1")]
        for statement in (
            "delete from trueup.dashboard_logins",
            "insert into trueup.dashboard_logins values ('x', '1')",
            "alter table trueup.repairs disable row level security",
            "select firing from trueup.notification_channels",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_who_is_bound_to_nothing_writes_and_sees_as_before(faulty: str) -> None:
    """The runner files and repairs whatever its session sets: a run that saw half would resolve the rest."""
    name = f"run_{value(faulty, 'select current_database()')}"
    sql(faulty, f"create role {name} login in role trueup_runner")
    try:
        runner = faulty.replace("postgres@", f"{name}@")
        settings = runner + ("&" if "?" in runner else "?") + "options=-c%20trueup.company%3D2"
        before = sql(faulty, "select id, status from trueup.data_consistency_alerts order by id")
        assert trueup.check(database=settings).violations == 2
        assert sql(faulty, "select id, status from trueup.data_consistency_alerts order by id") == before
        plant(
            faulty,
            "update public.calls set appointment_made = false, session_outcome = null where company_id = 1",
        )
        trueup.check(database=settings)
        assert value(faulty, "select count(*) from trueup.alerts_open") == 1
        assert trueup.prune(database=settings, apply=True) is not None
    finally:
        sql(faulty, f"drop owned by {name}; drop role {name}")


def test_a_view_that_lost_its_option_is_noticed_and_mended(database: str) -> None:
    """Without security_invoker it would show every company, and its query reads the same."""
    sql(database, "alter view trueup.alerts_open reset (security_invoker)")
    problems = trueup.verify(database=database).problems
    assert [change.what for change in problems] == ["db/dashboards/alerts_open.sql"]
    trueup.migrate(database=database)
    assert trueup.verify(database=database).ok
    options = "select count(*) from pg_class where relnamespace = 'trueup'::regnamespace and 'security_invoker=true' = any(reloptions)"
    before = value(database, options)
    assert before == len(VIEWS) + 1
    # what a rollback that fails puts back is what was there
    with session(database, "test") as connection:
        kept = deploy.remembered(connection)
        deploy.undeploy(connection, packs.load())
        deploy.put_back(connection, kept)
    assert value(database, options) == before


@pytest.mark.one_server
def test_no_view_is_slow_and_none_reads_all_calls(database: str) -> None:
    plant(
        database,
        "select factory.company(1), factory.company(2); "
        "select factory.call(id => n.i, company_id => 1 + n.i % 2, created_at => now() - n.i * interval '1 hour') from generate_series(1, 3000) as n (i)",
    )
    sql(database, "analyze public.calls")
    found = benchmark.measure(database, alerts=20_000, repetitions=3)
    assert {f"trueup.{view}" for view in VIEWS} < found["queries"].keys()
    assert {name: cost for name, cost in found["queries"].items() if cost["ms"] > benchmark.MOST_MS} == {}
    assert found["queries"]["trueup.alerts_open"]["rows"] == 10_000
    assert found["queries"]["trueup.bookings_by_day"]["rows"] >= 14
    # nothing is left of what was put behind them
    assert value(database, "select count(*) from trueup.data_consistency_alerts") == 0
    with connected(database, 1) as (connection,):
        connection.execute("set local enable_seqscan = off")
        for view in VIEWS:
            plan = connection.execute(f"explain select * from trueup.{view}".encode()).fetchall()
            text = "\n".join(row[0] for row in plan)
            assert "on calls" not in text or "calls_created_at_idx" in text, view


# -- Grafana: there is none here, but its files are read and its queries run

MACROS = re.compile(r"\$__timeFilter\(([^)]+(?:\([^)]*\))?)\)")


def expanded(text: str, company: str, checks: list[str]) -> str:
    """Return a query as Grafana sends it: macros of the PostgreSQL data source, then variables."""
    text = MACROS.sub(r"\1 between '2000-01-01T00:00:00Z' and '2100-01-01T00:00:00Z'", text)
    listed = ",".join(f"'{check}'" for check in checks)
    text = text.replace("$company", company.replace("'", "''")).replace("$check", listed)
    assert "$" not in text, text
    return text


def panels() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (panel["title"], target["rawSql"], panel)
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]


@pytest.mark.one_server
def test_every_panel_answers_for_the_role(faulty: str, login: str) -> None:
    fill(faulty)
    checks = [row[0] for row in sql(login, variable("check"))]
    assert {"call_made_without_appointment", "x"} <= set(checks)
    assert [row[0] for row in sql(login, variable("company"))] == ["all", "2", "1"]
    with connected(login, 1) as (connection,):
        for title, query, panel in panels():
            for company in ("all", "2", "it's none"):
                cursor = connection.execute(expanded(query, company, checks).encode())
                rows = cursor.fetchall()
                columns = [column.name for column in cursor.description or []]
                assert len(set(columns)) == len(columns), title
                if panel["targets"][0]["format"] == "time_series":
                    assert columns[0] == "time", title
                if panel["type"] == "stat" and company != "it's none":
                    assert len(rows) == 1, title
                if company == "all" and title not in ("Circuits", "Decisions"):
                    assert rows, title
    shown = {title: query for title, query, _ in panels()}
    for company, critical in (("all", 2), ("2", 1), ("3", 0)):
        assert value(login, expanded(shown["Critical alerts"], company, checks)) == critical
    assert value(login, expanded(shown["Critical alerts"], "all", ["call_duplicate"])) == 0


def variable(name: str) -> str:
    (query,) = [each["query"] for each in DASHBOARD["templating"]["list"] if each["name"] == name]
    return str(query)


@pytest.mark.one_server
def test_the_dashboard_shows_what_it_should() -> None:
    said = " ".join(query for _, query, _ in panels())
    for view in VIEWS:
        assert f"trueup.{view}" in said, f"no panel shows {view}"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        assert panel["description"], panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.one_server
def test_grafana_is_provisioned_with_the_data_source_that_the_dashboard_names() -> None:
    (source,) = provisioned("datasources")["datasources"]
    (provider,) = provisioned("dashboards")["providers"]
    assert provider["type"] == "file"
    uids = {
        each["datasource"]["uid"]
        for panel in DASHBOARD["panels"]
        for each in (panel, *panel["targets"], *DASHBOARD["templating"]["list"])
    }
    assert uids == {source["uid"]} == {"trueup"}
    assert source["type"] == DASHBOARD["panels"][0]["datasource"]["type"]
    secrets = re.findall(
        r"^\s*password: (.*)$", (GRAFANA / "provisioning/datasources/trueup.yaml").read_text(), re.M
    )
    assert secrets == ["$TRUEUP_DATABASE_PASSWORD"]


def provisioned(kind: str) -> dict[str, Any]:
    path: Path = GRAFANA / "provisioning" / kind / "trueup.yaml"
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert loaded["apiVersion"] == 1
    return dict(loaded)
