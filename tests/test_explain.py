"""What a check costs: explained for people, and watched by check_cost_high."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from conftest import ROOT
from helpers import run, sql, value

import trueup
from trueup import cli_explain, evaluation, packs
from trueup.errors import DatabaseError, NotFoundError
from trueup.explaining import Explanation, _Planner
from trueup.store import session

CHECKS = packs.load().checks
# a branch, a line or a service concerns every call or appointment it has, and no index finds those;
# such rows change once in a while
SCANNED_FOR = {
    # before release 18 an index that begins with the company is read whole for it
    ("trueup.webhook_events", "retell_call_id"),
    ("public.branches", "branch_id"),
    ("public.phone_numbers", "phone_number_id"),
    ("public.services", "service_id"),
}

MANY_CALLS = """
insert into public.companies (id, name) overriding system value values (1, 'one'), (2, 'two');
insert into public.calls (company_id, retell_call_id, from_number, to_number, direction, status, started_at)
select
    1 + i % 2, 'call_' || lpad(to_hex(i), 27, '0'), '+4915' || lpad((i % 3000)::text, 9, '0'), '+49301', 'inbound',
    'ended', timestamptz '2025-10-01 08:00+00' + i * interval '1 minute'
from generate_series(1, 20000) as i;
analyze public.calls;
"""


@pytest.fixture(scope="module")
def filled(databases) -> str:  # type: ignore[no-untyped-def]
    """URL of a database with calls enough for the planner to prefer indexes where they help."""

    def fill(url: str) -> None:
        sql(url, MANY_CALLS)

    return str(databases.server.url(databases.template("explained", fill, databases.migrated())))


def explained(url: str, name: str, **options: object) -> Explanation:
    return trueup.explain(name, database=url, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [check.name for check in CHECKS])
def test_every_check_is_judged_by_lookups(filled: str, name: str) -> None:
    """The cost of the changes of one row follows no table, and every column that is followed is explained."""
    found = explained(filled, name)
    assert found.is_current
    assert found.plan.cost > 0
    assert found.plan.duration_ms is None
    assert [each.entity_type for each in found.entities] == sorted(p.entity for p in found.check.populations)
    assert [each.follows for each in found.entities] == [()] * len(found.entities)
    assert len(found.tracked) == len(found.check.sources)
    scanned = {(each.table, each.via) for each in found.tracked if each.follows}
    assert scanned <= SCANNED_FOR

    lines = [*cli_explain.explained(found)]
    wide = [line for line in lines if len(line) > 100 and " " in line.strip()]
    assert not wide, "readable at a hundred columns"
    assert found.check.invariant in " ".join(" ".join(lines).split())


def test_reads_indexes_and_lookups_are_told_apart(filled: str) -> None:
    found = explained(filled, "call_unknown_number")
    reads = {(read.table, read.index): read for read in found.plan.reads}
    assert reads["public.calls", None].whole
    assert reads["public.calls", None].rows == 20000

    found = explained(filled, "call_duplicate")
    reads = {(read.table, read.index): read for read in found.plan.reads}
    assert not reads["public.calls", "calls_numbers_started_at_idx"].whole
    assert {"calls_numbers_started_at_idx", "calls_temporary_idx"} <= {
        index.name for index in found.indexes if index.used
    }
    assert {index.state for index in found.indexes} == {"valid"}
    (calls,) = found.entities
    assert not any(read.whole for read in calls.plan.reads if read.index == "calls_numbers_started_at_idx")
    (tracked,) = found.tracked
    assert (tracked.table, tracked.column, tracked.partners) == ("public.calls", "id", ("other_call_ids",))


def test_an_index_that_is_gone_is_missed(database: str) -> None:
    sql(database, MANY_CALLS)
    sql(database, "drop index public.calls_numbers_started_at_idx")
    found = explained(database, "call_duplicate")
    assert {index.name for index in found.indexes if index.state == "missing"} == {
        "calls_numbers_started_at_idx"
    }
    assert [each.follows for each in found.entities] == [("public.calls",)]
    text = run("explain", "call_duplicate", url=database).stdout
    assert "MISSING" in text
    assert "READS ALL OR A SHARE of calls" in text

    trueup.migrate(database=database)
    assert "READS ALL OR A SHARE" not in run("explain", "call_duplicate", url=database).stdout


def test_analyze_measures_and_changes_nothing(filled: str) -> None:
    before = value(filled, "select count(*) from trueup.check_runs")
    found = explained(filled, "call_unknown_number", analyze=True, entities=10)
    for plan in (found.plan, found.entities[0].plan):
        assert plan.duration_ms is not None
        assert plan.buffers
        assert plan.found == 0
        assert plan.error is None
        assert "actual" in plan.text
    assert found.entities[0].entities == 10
    assert value(filled, "select count(*) from trueup.check_runs") == before


def test_no_plan_is_compiled(database: str) -> None:
    """Where jit is on, as servers are delivered: to compile a plan takes longer than most checks."""
    sql(
        database,
        """
        do $$
        begin
            execute format('alter database %I set jit = on', current_database());
            execute format('alter database %I set jit_above_cost = 0', current_database());
        end;
        $$
        """,
    )
    assert value(database, "select current_setting('jit')") == "on"
    done = run("explain", "customer_duplicate", "--analyze", url=database)
    assert done.returncode == 0, done.stderr
    assert "JIT:" not in done.stdout
    with session(database, "check") as connection:
        assert connection.texts("select current_setting('jit')") == ["off"]


def test_what_does_not_finish_is_said_and_the_plan_shown(database: str) -> None:
    sql(
        database,
        """
        create or replace view trueup.call_direction_missing as
        select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
        from public.calls as c, pg_sleep(60)
        """,
    )
    done = run("explain", "call_direction_missing", "--analyze", "--timeout", "50ms", url=database)
    assert done.returncode == 0, done.stderr
    assert "did not finish within 50ms" in done.stdout
    assert "Function Scan on pg_sleep" in done.stdout


def test_it_runs_where_nothing_may_be_written(filled: str) -> None:
    url = f"{filled}{'&' if '?' in filled else '?'}options=-c%20default_transaction_read_only%3Don"
    assert explained(url, "tenant_mismatch", analyze=True).plan.duration_ms is not None


def test_partitions_are_told_as_their_table(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        """
        create table orders (id bigint primary key, customer text) partition by range (id);
        create table orders_1 partition of orders for values from (0) to (1000);
        create table orders_2 partition of orders for values from (1000) to (2000);
        insert into orders select i, case when i % 500 = 0 then null else 'x' end from generate_series(1, 1999) as i;
        analyze orders
        """,
    )
    pack = tmp_path / "shop"
    trueup.init(pack, table="public.orders", column="customer", database=empty_database)
    trueup.migrate(database=empty_database, pack=pack)
    (name,) = (check.name for check in packs.load(pack).checks if not check.is_core)
    found = explained(empty_database, name, pack=pack)
    assert {(read.table, read.rows) for read in found.plan.reads} == {("public.orders", 1999)}
    assert [(each.table, each.follows) for each in found.entities] == [("public.orders", ())]


@pytest.mark.one_server
def test_the_command_prints_it(filled: str) -> None:
    done = run("explain", "call_unknown_number", "--analyze", "--entities", "20", url=filled)
    assert done.returncode == 0, done.stderr
    for told in (
        "call_unknown_number, checks/call_unknown_number.sql\n",
        "\nmeasured ",
        "  (cost=",
        "\ncalls                         scanned, 20,000 rows, ",
        "\ncalls.id                      the call with that key\n",
        "\nThe 20 newest of calls:\n",
        "\nso           lookups only: ",
    ):
        assert told in done.stdout


@pytest.mark.one_server
def test_json_holds_the_same(filled: str) -> None:
    told = json.loads(run("explain", "call_backlink_missing", "--format", "json", url=filled).stdout)
    assert told["check"]["invariant"] == next(
        c.invariant for c in CHECKS if c.name == "call_backlink_missing"
    )
    assert told["plan"]["cost"] > 0
    assert {entity["entity_type"] for entity in told["entities"]} == {"call"}
    assert {item["table"] for item in told["tracked"]} == {"public.calls", "public.appointments"}


@pytest.mark.one_server
def test_an_unknown_check_is_answered_with_the_nearest(database: str, empty_database: str) -> None:
    with pytest.raises(NotFoundError, match="did you mean call_duplicate"):
        explained(database, "call_duplicat")
    assert run("explain", "call_duplicat", url=database).returncode == 2
    with pytest.raises(DatabaseError, match="not a trueup database"):
        explained(empty_database, "call_duplicate")
    sql(database, "update trueup.checks set is_active = false where name = 'call_duplicate'")
    with pytest.raises(DatabaseError, match="not deployed"):
        explained(database, "call_duplicate")


def test_a_run_keeps_what_it_was_planned_to_cost(database: str) -> None:
    run_ = trueup.check(database=database)
    assert all(result.planned_cost is not None and result.planned_cost > 0 for result in run_.results)
    kept = dict(sql(database, "select r.check_name, r.planned_cost from trueup.check_results as r"))
    assert kept == {result.name: result.planned_cost for result in run_.results}
    trueup.repair(database=database)
    last = explained(database, "call_duplicate").last
    assert last is not None
    assert last.planned_cost == kept["call_duplicate"]


def test_a_plan_gone_wild_is_reported_by_the_run_that_meets_it(database: str) -> None:
    assert trueup.check(database=database).violations == 0
    sql(database, MANY_CALLS)
    sql(
        database,
        """
        create or replace view trueup.call_duplicate as
        select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
        from public.calls as c
        where exists (select 1 from public.calls as o where o.from_number || c.to_number = c.id::text)
        """,
    )
    sql(database, "update trueup.settings set value = '1000000' where name = 'check_cost_ceiling'")
    done = run("check", "call_duplicate", "check_cost_high", "--timeout", "100ms", url=database)
    assert done.returncode == 3
    assert "check_cost_high: check" in done.stdout
    assert "call_duplicate is planned to cost" in done.stdout
    assert "call_duplicate" in run("check", "check_cost_high", url=database).stdout

    sql(database, "update trueup.settings set value = default_value where name = 'check_cost_ceiling'")
    trueup.migrate(database=database)
    trueup.check(["call_duplicate", "check_cost_high"], database=database)
    assert (
        value(
            database,
            "select status from trueup.data_consistency_alerts where alert_type = 'check_cost_high'",
        )
        == "resolved"
    )


def test_a_view_that_cannot_be_planned_costs_nothing_and_stops_nothing(database: str) -> None:
    sql(database, "drop view trueup.call_duplicate")
    results = {result.name: result for result in trueup.check(database=database).results}
    assert results["call_duplicate"].outcome == "error"
    assert results["call_duplicate"].planned_cost is None
    assert results["call_backlink_missing"].planned_cost is not None


def test_nobody_waits_to_be_planned(database: str) -> None:
    with psycopg.connect(database) as deployment, session(database, "test") as connection:
        deployment.execute("select 1 from trueup.checks where name = 'call_duplicate' for update")
        costs = evaluation.planned(connection, list(CHECKS))
    assert set(costs) == {check.name for check in CHECKS} - {"call_duplicate"}


@pytest.mark.one_server
def test_the_pages_of_plans_can_be_written(filled: str, tmp_path: Path) -> None:
    (tmp_path / "call_forgotten.txt").write_text("a check that is gone")
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "plans.py", filled, "--into", tmp_path, "--entities", "5"],
        check=True,
        capture_output=True,
    )
    assert {path.stem for path in tmp_path.glob("*.txt")} == {check.name for check in CHECKS}
    index = (tmp_path / "README.md").read_text()
    assert all(f"[`{check.name}`]({check.name}.txt)" in index for check in CHECKS)
    assert str(tmp_path) not in index


def test_the_time_of_an_execution_is_not_that_of_what_follows(database: str) -> None:
    with session(database, "test") as connection, connection.transaction():
        assert _Planner(connection, "1min").plan("select 1").duration_ms is not None
        assert connection.value("statement_timeout") == "0"


def test_a_check_that_fails_has_a_plan(database: str) -> None:
    sql(
        database,
        "create or replace view trueup.call_direction_missing as "
        "select c.company_id, 'call' as entity_type, c.id as entity_id, (1 / (c.id - c.id))::text as description, "
        "'{}'::jsonb as evidence from public.calls as c",
    )
    sql(database, "select factory.company(1); select factory.call(1)")
    found = trueup.explain("call_direction_missing", database=database, analyze=True)
    assert found.plan.error == "division by zero"
    assert "calls" in found.plan.text
