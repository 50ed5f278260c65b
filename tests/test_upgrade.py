"""From every revision to head with data in place: the schema of a fresh adoption, and every row still there.

A database is brought to the old revision by the revisions themselves and filled with what head
wrote on the incident, as far as the old tables have the columns. TRUEUP_TEST_UPGRADES=all goes
through all of them (`make upgrades`), without it the suite takes those after which the most changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from conftest import Databases
from helpers import run, sql, value
from test_migrate import schema
from test_uninstall import name_of

import trueup
from trueup import migration, packs, revisions
from trueup.ledger import Ledger
from trueup.store import session

PACK = packs.load()
KNOWN = [script.revision for script in reversed(list(revisions.scripts(PACK).walk_revisions()))]
CHOSEN = ["core_0001", "bookings_0003", "core_0003", "bookings_0007"]
REVISIONS = KNOWN[:-1] if os.environ.get("TRUEUP_TEST_UPGRADES") == "all" else CHOSEN
# what a run, a person or a repair wrote, and nothing can write again; referred tables first
KEPT = (
    "check_runs",
    "check_results",
    "data_consistency_alerts",
    "repairs",
    "repair_changes",
    "manual_review_queue",
    "manual_review_events",
    "sync_failures",
    "webhook_events",
)
COLUMNS = """
select array_agg(quote_ident(att.attname) order by att.attnum)
from pg_attribute as att
where att.attrelid = to_regclass('trueup.' || %s) and att.attnum > 0 and not att.attisdropped and att.attgenerated = ''
"""


@dataclass(frozen=True)
class Head:
    """The incident at head, checked and repaired: its schema, its rows, and its tables without us."""

    schema: str
    rows: dict[str, list[str]]
    bare: str
    violations: int


@pytest.fixture(scope="module")
def head(databases: Databases) -> Iterator[Head]:
    name = databases.create(databases.incident())
    url = databases.server.url(name)
    trueup.adopt(database=url, apply=True)
    trueup.check(database=url)
    trueup.repair(database=url, apply=True)
    violations = trueup.check(database=url).violations
    trueup.migrate(database=url)
    sql(url, "insert into trueup.sync_failures (company_id, operation, error) values (1, 'create', 'x')")
    found = {table: rows(url, table) for table in KEPT}
    assert all(found[table] for table in KEPT if table != "webhook_events")
    as_fresh = schema(url)
    trueup.uninstall(database=url, database_name=name_of(url), no_dump=True, apply=True)
    yield Head(as_fresh, found, name, violations)
    databases.drop(name)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(column) for column in ("id", "run_id", "check_name"))


def rows(url: str, table: str) -> list[str]:
    return [row[0] for row in sql(url, f"select to_jsonb(t)::text from trueup.{table} as t")]


@pytest.fixture(params=REVISIONS)
def old(request: pytest.FixtureRequest, databases: Databases, head: Head) -> Iterator[str]:
    """URL of the incident's database at an old revision, with rows in the tables it has."""
    name = databases.create(head.bare)
    url = databases.server.url(name)
    with session(url, "test") as connection:
        connection.script("create schema trueup")
        ledger = Ledger(connection)
        migration._command(connection, url, PACK, "stamp", "bookings_0001", ledger)
        migration._command(connection, url, PACK, "upgrade", request.param, ledger)
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")
        for table in KEPT:
            (columns,) = connection.execute(COLUMNS, (table,)).fetchone() or (None,)
            if columns and head.rows[table]:
                listed = ", ".join(columns)
                connection.execute(
                    f"insert into trueup.{table} ({listed}) overriding system value select {listed} "
                    f"from jsonb_populate_recordset(null::trueup.{table}, %s::jsonb)".encode(),
                    (f"[{', '.join(head.rows[table])}]",),
                )
                if "id" in columns:
                    connection.execute(
                        f"select setval(pg_get_serial_sequence('trueup.{table}', 'id'), "
                        f"(select max(t.id) from trueup.{table} as t))".encode()
                    )
    yield url
    databases.drop(name)


def test_head_is_reached_and_nothing_is_lost(old: str, head: Head) -> None:
    before = {
        table: [json.loads(row) for row in rows(old, table)]
        for table in KEPT
        if value(old, "select to_regclass('trueup.' || %s) is not null", table)
    }
    assert before.get("data_consistency_alerts") or value(old, "select to_regclass('trueup.checks') is null")
    said = run("migrate", url=old)
    assert said.returncode == 0, said.stderr
    assert schema(old) == head.schema
    assert run("verify", url=old).returncode == 0
    assert trueup.migrate(database=old).revisions == ()
    for table, kept in before.items():
        now = {key(row): row for row in map(json.loads, rows(old, table))}
        for row in kept:
            assert {**now[key(row)], **row} == now[key(row)], table

    # alerts and queue go on where they were
    alerts = "select count(*), coalesce(max(al.id), 0) from trueup.data_consistency_alerts as al where al.status <> 'resolved'"
    open_before = sql(old, alerts)
    found = trueup.check(database=old).violations
    # without rows of ours there is no queue, and nothing in it is overdue
    assert found == head.violations - (not before)
    if before:
        assert sql(old, alerts) == open_before
        repair = value(old, "select max(r.id) from trueup.repairs as r")
        assert run("repair", "--undo", str(repair), url=old).returncode == 0
        assert run("review", "next", "--as", "ann", url=old).returncode == 0
