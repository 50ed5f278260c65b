"""A dump of an adopted database, read again by another cluster: everything goes on where it was."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Databases
from helpers import run, sql, value
from postgres import SETTINGS

import trueup
from trueup import server

ROLES = (
    "trueup_app",
    "trueup_console",
    "trueup_dashboard",
    "trueup_owner",
    "trueup_reviewer",
    "trueup_runner",
)
# the tables of the application and ours, and the extension that an exclusion constraint rests on
SCHEMAS = ("--schema=public", "--schema=trueup", "--extension=btree_gist")
ALERTS = """
select al.id, al.alert_type, al.entity_id, al.occurrences, al.acknowledged_by
from trueup.data_consistency_alerts as al
where al.status <> 'resolved'
order by al.id
"""


@dataclass(frozen=True)
class Source:
    """A database in use, checked and with guards enforced, and the programs of its server."""

    url: str
    programs: Path
    alerts: list[tuple[Any, ...]]

    def dump(self, *options: str) -> bytes:
        command = [str(self.programs / "pg_dump"), *options, "-d", self.url]
        return subprocess.run(command, capture_output=True, check=True).stdout

    def restore(
        self, url: str, dump: bytes, *options: str, custom: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        program = [str(self.programs / "pg_restore")] if custom else [str(self.programs / "psql"), "-qX"]
        return subprocess.run([*program, *options, "-d", url], input=dump, capture_output=True, check=False)


@pytest.fixture(scope="module")
def source(databases: Databases) -> Iterator[Source]:
    name = databases.create(databases.incident())
    url = databases.server.url(name)
    trueup.adopt(database=url, apply=True)
    trueup.check(database=url)
    assert run("guard", "set", "call_outcome_without_appointment", "enforce", url=url).returncode == 0
    found = sql(url, ALERTS)
    sql(url, "select trueup.acknowledge_alert(%s, 'ann')", found[0][0])
    # far ahead of a cluster that has just been made
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(20_000 // 100):
            connection.execute(
                "do $$ begin for i in 1..100 loop perform pg_current_xact_id(); commit; end loop; end $$"
            )
    programs = server.find_binaries(databases.server.version).directory
    yield Source(url, programs, sql(url, ALERTS))
    databases.drop(name)


@pytest.fixture(scope="module")
def cluster(databases: Databases) -> Iterator[server.Server]:
    """A server that has never heard of us."""
    binaries = server.find_binaries(databases.server.version)
    with server.temporary(binaries=binaries, settings=SETTINGS) as started:
        yield started


def fresh(cluster: server.Server, name: str) -> str:
    sql(cluster.url(), f"create database {name}")
    return cluster.url(name)


def goes_on(url: str, source: Source) -> None:
    """Assert that guards refuse, changes are noted, and alerts live on."""
    said = run("verify", url=url)
    assert said.returncode == 0, said.stdout
    assert "missing   role" not in said.stdout
    assert run("migrate", url=url).returncode == 0
    assert sql(url, ALERTS) == source.alerts
    with pytest.raises(psycopg.errors.CheckViolation, match="call_outcome_without_appointment"):
        sql(
            url,
            "insert into public.calls (company_id, retell_call_id, session_outcome) "
            "values (1, 'call_new', 'appointment_booked')",
        )
    trueup.check(database=url)
    seen = {row[0]: row for row in sql(url, ALERTS)}
    for alert_id, check, entity, occurrences, by in source.alerts:
        assert seen.pop(alert_id) == (alert_id, check, entity, occurrences + 1, by)
    assert seen == {}
    alert_id, entity = next((row[0], row[2]) for row in source.alerts if row[1] == "call_direction_missing")
    sql(url, "update public.calls set direction = 'outbound' where id = %s::bigint returning 1", entity)
    assert value(url, "select count(*) from trueup.changes where table_name = 'public.calls'") > 0
    assert run("check", "--changed", url=url).returncode in (0, 1)
    assert value(url, "select count(*) from trueup.changes") == 0
    status = "select status from trueup.data_consistency_alerts where id = %s"
    assert value(url, status, alert_id) == "resolved"


@pytest.mark.one_server
def test_without_the_roles_all_but_the_grants_comes(source: Source, cluster: server.Server) -> None:
    plain, custom = source.dump(), source.dump("--format=custom")
    for options, dump, is_custom in (
        (("-v", "ON_ERROR_STOP=1"), plain, False),
        (("--exit-on-error",), custom, True),
    ):
        url = fresh(cluster, f"strict_{is_custom}".lower())
        done = source.restore(url, dump, *options, custom=is_custom)
        assert done.returncode != 0
        assert b'role "trueup_' in done.stderr

    url = fresh(cluster, "lenient")
    done = source.restore(url, plain)
    errors = [line for line in done.stderr.decode().splitlines() if "ERROR" in line]
    assert errors
    assert all("role " in line for line in errors)
    said = run("verify", url=url)
    assert said.returncode == 0, said.stdout
    for role in ROLES:
        assert f"role {role}" in said.stdout
    xid = "select pg_current_xact_id()::text::bigint"
    assert value(url, xid) < value(source.url, xid) - 10_000
    assert run("migrate", url=url).returncode == 0
    goes_on(url, source)


@pytest.mark.parametrize("form", ["custom", "schemas"])
def test_with_the_roles_everything_comes(source: Source, cluster: server.Server, form: str) -> None:
    for role in ROLES:
        if not value(cluster.url(), "select to_regrole(%s) is not null", role):
            sql(cluster.url(), f"create role {role}")
    url = fresh(cluster, form)
    if form == "custom":
        done = source.restore(url, source.dump("--format=custom"), "--exit-on-error", custom=True)
    else:
        sql(url, "drop schema public" if form == "schemas" else "select 1")
        dump = source.dump(*(SCHEMAS if form == "schemas" else ()))
        done = source.restore(url, dump, "-v", "ON_ERROR_STOP=1")
    assert done.returncode == 0, done.stderr
    goes_on(url, source)


def test_grants_that_did_not_come_are_missed(source: Source, cluster: server.Server) -> None:
    url = fresh(cluster, "ungranted")
    for role in ROLES:
        if not value(cluster.url(), "select to_regrole(%s) is not null", role):
            sql(cluster.url(), f"create role {role}")
    assert source.restore(url, source.dump("--no-privileges"), "-v", "ON_ERROR_STOP=1").returncode == 0
    said = run("verify", url=url)
    assert (said.returncode, "grants to role trueup_runner" in said.stdout) == (1, True)
    trueup.migrate(database=url)
    assert run("verify", url=url).returncode == 0


def test_the_application_alone_loses_the_layer(source: Source, cluster: server.Server) -> None:
    """A dump of schema public has tables and rows; triggers are refused, and adopt puts the layer back."""
    url = fresh(cluster, "alone")
    done = source.restore(url, source.dump("--schema=public"), "-c", "drop schema public", "-f", "-")
    errors = [line for line in done.stderr.decode().splitlines() if "ERROR" in line]
    assert errors
    assert all('schema "trueup" does not exist' in e or "role " in e or "gist" in e for e in errors)
    assert value(url, "select count(*) from public.calls") == value(
        source.url, "select count(*) from public.calls"
    )
    assert run("adopt", "--apply", url=url).returncode == 0
    assert run("verify", url=url).returncode == 0
