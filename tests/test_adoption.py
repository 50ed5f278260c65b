"""Databases that are not as we would have made them: another schema, other owners, columns that are not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Databases
from helpers import run, sql, value
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from test_acceptance import PICTURE
from test_uninstall import name_of, schema

import trueup
from trueup import adoption, migration, packs, server
from trueup.errors import DatabaseError, UsageError

TABLES = migration.host_tables(migration.host_sql(packs.load()) or "")


@pytest.fixture
def binaries(databases: Databases) -> Path:
    return server.find_binaries(databases.server.version).directory


@pytest.fixture
def moved_incident(databases: Databases) -> Iterator[str]:
    """URL of the incident's database, its tables in schema app."""
    name = databases.create(databases.incident())
    url = databases.server.url(name)
    sql(url, "create schema app; " + "".join(f"alter table public.{t} set schema app; " for t in TABLES))
    yield url
    databases.drop(name)


def story(url: str) -> dict[str, Any]:
    """What a database says after check, repair, check and enforce."""
    first = trueup.check(database=url)
    repaired = trueup.repair(database=url, apply=True)
    second = trueup.check(database=url)
    enforced = trueup.enforce(database=url)
    return {
        "first": {r.name: (r.outcome, r.violations, r.rows_tested) for r in first.results},
        "corrected": repaired.corrected,
        "second": {r.name: (r.outcome, r.violations, r.rows_tested) for r in second.results},
        "enforced": sorted((c.action, c.what) for c in enforced),
        "queue": sql(
            url, "select q.reason, count(*) from trueup.manual_review_queue as q group by 1 order by 1"
        ),
        "journal": sql(url, "select r.check_name, count(*) from trueup.repairs as r group by 1 order by 1"),
    }


def picture(url: str, schema: str) -> list[tuple[Any, ...]]:
    """Return the rows of the application without the times at which they were repaired."""
    timeless = PICTURE.replace("public.", f"{schema}.").replace(
        "select t.name, t.row",
        "select t.name, t.row - 'updated_at' - 'created_at' - 'customer_linked_at' - 'appointment_linked_at'",
    )
    return sql(url, timeless)


def test_another_schema_ends_as_public_does(
    moved_incident: str, incident_database: str, binaries: Path
) -> None:
    as_it_was = schema(moved_incident, binaries)
    said = run("adopt", url=moved_incident)
    assert (said.returncode, "--host-schema app" in said.stderr) == (4, True)
    said = run("migrate", url=moved_incident)
    assert (said.returncode, "--host-schema app" in said.stderr) == (4, True)

    said = run("adopt", "--host-schema", "app", url=moved_incident)
    assert said.returncode == 0, said.stderr
    assert "app.calls: guard call_backlink_broken" in said.stdout
    assert schema(moved_incident, binaries) == as_it_was, "without --apply nothing is changed"
    assert run("adopt", "--apply", "--host-schema", "app", url=moved_incident).returncode == 0

    trueup.adopt(database=incident_database, apply=True)
    assert story(moved_incident) == story(incident_database)
    assert picture(moved_incident, "app") == picture(incident_database, "public")

    # every later command knows, without being told
    verified = run("verify", url=moved_incident)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert run("migrate", url=moved_incident).stdout.startswith("nothing to do")
    assert trueup.migrate(database=moved_incident, dry_run=True).sql == ""
    assert "app.calls" in run("explain", "call_backlink_missing", url=moved_incident).stdout
    assert not trueup.status(database=moved_incident).pending_files
    with pytest.raises(UsageError, match="schema app"):
        trueup.adopt(database=moved_incident, host_schema="public")
    assert value(moved_incident, "select to_regclass('public.calls') is null")

    # changes are tracked, guards refuse, and a booking is made
    sql(moved_incident, "update app.calls set appointment_made = true where id = 1")
    assert value(moved_incident, "select count(*) from trueup.changes where table_name = 'app.calls'") > 0
    with pytest.raises(psycopg.errors.CheckViolation, match="call_outcome_without_appointment"):
        sql(
            moved_incident,
            "insert into app.calls (company_id, retell_call_id, session_outcome) "
            "values (1, 'call_new', 'appointment_booked')",
        )

    removed = trueup.uninstall(
        database=moved_incident, database_name=name_of(moved_incident), no_dump=True, apply=True
    )
    assert removed.applied
    assert schema(moved_incident, binaries) == as_it_was


def test_a_name_that_needs_quotes_is_refused(legacy_database: str) -> None:
    sql(legacy_database, 'create schema "My App"')
    with pytest.raises(UsageError, match="without quotes"):
        trueup.adopt(database=legacy_database, host_schema="My App")
