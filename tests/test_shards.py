"""Two shards, each a trueup database, and a coordinator that reads both through postgres_fdw."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from conftest import ROOT
from helpers import run, sql, value
from postgres import SETTINGS, Postgres

import trueup
from trueup import incident, migration, packs, server
from trueup.errors import RefusedError

COORDINATOR = ROOT / "benchmarks" / "coordinator.sql"
ALERTS = """
select al.alert_type, al.entity_type, al.entity_id, al.company_id, al.severity, al.metadata::text
from trueup.data_consistency_alerts as al
where al.status <> 'resolved'
order by 1, 2, 3
"""


@dataclass(frozen=True)
class Shards:
    """URLs of the coordinator, of its two shards, and of one plain database with the same rows."""

    coordinator: str
    first: str
    second: str
    plain: str


def _create(running: server.Server, name: str, template: str = "template1") -> str:
    with psycopg.connect(running.url(), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)".encode())
        connection.execute(f"create database {name} template {template} strategy file_copy".encode())
    return running.url(name)


def _load(url: str, companies: str | None = None) -> None:
    """Load the incident; of a shard only the rows of its companies stay."""
    text = migration.host_sql(packs.load())
    assert text is not None
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())
        connection.execute(incident.legacy_sql().encode())
        if companies:
            for table in migration.host_tables(text):
                column = "id" if table == "companies" else "company_id"
                connection.execute(
                    f"delete from public.{table} where not coalesce({column}, 0) in ({companies})".encode()
                )


@pytest.fixture(scope="module")
def servers(postgres: Postgres) -> Iterator[tuple[server.Server, server.Server]]:
    """Two servers of the release under test; the first holds the coordinator and a shard."""
    binaries = server.find_binaries(postgres.version)
    with contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(server.temporary(binaries=binaries, settings=SETTINGS)) for _ in range(2)
        )
        _load(_create(first, "rows"))
        _load(_create(first, "rows_1"), "0, 1")
        _load(_create(second, "rows_2"), "2")
        yield first, second


@pytest.fixture
def shards(servers: tuple[server.Server, server.Server]) -> Shards:
    """The incident spread over two shards by company, nothing adopted."""
    first, second = servers
    made = Shards(
        _create(first, "coordinator"),
        _create(first, "shard_1", "rows_1"),
        _create(second, "shard_2", "rows_2"),
        _create(first, "plain", "rows"),
    )
    variables = ["companies_1=1, null", "companies_2=2"]
    for number, running in ((1, first), (2, second)):
        variables += [
            f"host_{number}={running.socket_directory}",
            f"port_{number}={running.port}",
            f"database_{number}=shard_{number}",
        ]
    options = [part for variable in variables for part in ("-v", variable)]
    psql = [
        *first.psql_command("coordinator"),
        "-qX",
        "-v",
        "ON_ERROR_STOP=1",
        *options,
        "-f",
        str(COORDINATOR),
    ]
    subprocess.run(psql, check=True)
    return made


def _wrong(found: Any) -> dict[str, int]:
    return {result.name: result.violations for result in found.results if result.violations}


def test_the_coordinator_finds_what_one_database_would(shards: Shards) -> None:
    found = []
    for url in (shards.plain, shards.coordinator):
        trueup.adopt(database=url, apply=True)
        done = trueup.check(database=url)
        assert not done.exit_code("never"), [result.error for result in done.results if result.error]
        tested = {
            result.name: result.rows_tested for result in done.results if result.rows_tested is not None
        }
        found.append((sql(url, ALERTS), _wrong(done), tested, done.rates))
    assert found[0] == found[1]
    assert len(found[0][0]) > 200


@pytest.mark.one_server
def test_the_coordinator_says_what_it_leaves_out(shards: Shards) -> None:
    url = shards.coordinator
    compared = run("adopt", url=url)
    assert compared.returncode == 0, compared.stderr
    assert "(foreign tables as partitions): checks read the rows; triggers" in compared.stdout
    applied = run("adopt", "--apply", url=url)
    assert applied.returncode == 0, applied.stderr
    assert "left out     public.calls has a foreign table as partition" in applied.stdout

    assert set(trueup.status(database=url).constraints) == {"left out"}
    assert trueup.status(database=url).guards == ()
    verified = trueup.verify(database=url)
    assert verified.problems == ()
    assert {note.action for note in verified.notes} == {"left out"}
    assert "nothing to do" in run("migrate", url=url).stdout
    assert sql(url, "select * from trueup.guard_disarmed") == []
    triggers = "select count(*) from pg_trigger as t where not t.tgisinternal and t.tgrelid::regclass::text !~ 'trueup'"
    assert value(url, triggers) == 0

    left = trueup.enforce(database=url)
    assert {change.action for change in left} == {"leave"}
    assert {change.what for change in left} >= set(packs.load().guards)


@pytest.mark.one_server
def test_a_repair_belongs_to_the_shard(shards: Shards) -> None:
    for url in (shards.coordinator, shards.first, shards.second):
        trueup.adopt(database=url, apply=True)
    before = trueup.check(database=shards.coordinator)
    for apply in (False, True):
        with pytest.raises(RefusedError, match=r"public\.calls has a foreign table as partition"):
            trueup.repair(database=shards.coordinator, apply=apply)
    with pytest.raises(psycopg.errors.DatabaseError, match="cannot be repaired here"):
        sql(shards.coordinator, "select trueup.apply_repair('call_direction_missing', 'call', '1')")

    repaired = [trueup.repair(database=url, apply=True) for url in (shards.first, shards.second)]
    assert sum(part.corrected for part in repaired) > 100
    after = trueup.check(database=shards.coordinator)
    assert _wrong(after).get("call_direction_missing") is None
    assert _wrong(after).get("call_booked_without_appointment") is None
    resolved = {result.name: result.resolved for result in after.results}
    assert resolved["call_direction_missing"] == _wrong(before)["call_direction_missing"]
    assert trueup.check(["call_direction_missing"], database=shards.coordinator).violations == 0


@pytest.mark.one_server
def test_nothing_notes_changes_on_the_coordinator(shards: Shards) -> None:
    """So a pass over the changes is a full run there, whoever wrote the rows."""
    trueup.adopt(database=shards.coordinator, apply=True)
    trueup.check(database=shards.coordinator)
    call = value(shards.second, "select min(c.id) from public.calls as c where c.direction is not null")
    sql(shards.second, f"update public.calls set direction = null where id = {call}")
    trueup.check_changed(database=shards.coordinator)
    alert = "select al.status from trueup.data_consistency_alerts as al where al.alert_type = 'call_direction_missing'"
    assert value(shards.coordinator, f"{alert} and al.entity_id = '{call}'") == "open"
    left = {change.what for change in trueup.status(database=shards.coordinator).left_out}
    assert "trigger trueup_changes_update on public.staff" in left


def test_prevention_on_the_shard_holds_for_writes_through_the_coordinator(shards: Shards) -> None:
    for url in (shards.coordinator, shards.second):
        trueup.adopt(database=url, apply=True)
    trueup.repair(database=shards.second, apply=True)
    trueup.enforce(database=shards.second)
    call = value(
        shards.coordinator,
        "select min(c.id) from public.calls as c where c.company_id = 2 and not c.booking_confirmed "
        "and not c.appointment_made",
    )
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        sql(shards.coordinator, f"update public.calls set booking_confirmed = true where id = {call}")
    assert "call_booked_without_appointment" in str(refused.value)
    sql(shards.coordinator, f"update public.calls set direction = null, from_number = null where id = {call}")
    assert value(shards.second, f"select c.direction from public.calls as c where c.id = {call}")


@pytest.mark.one_server
def test_an_alert_of_a_shard_that_cannot_be_reached_is_not_resolved(shards: Shards) -> None:
    url = shards.coordinator
    trueup.adopt(database=url, apply=True)
    trueup.check(database=url)
    filed = sql(url, ALERTS)
    sql(url, "alter server shard_2 options (set dbname 'nowhere')")
    failed = trueup.check(database=url)
    assert failed.exit_code() == 3
    assert all('could not connect to server "shard_2"' in (r.error or "") for r in failed.results if r.error)
    assert [row for row in sql(url, ALERTS) if row[1] != "check"] == filed
    sql(url, "alter server shard_2 options (set dbname 'shard_2')")
    assert trueup.check(database=url).exit_code("never") == 0


@pytest.mark.one_server
def test_views_over_the_shards_do_as_well(shards: Shards) -> None:
    """Plain views instead of partitioned tables: read alike, and left alone alike."""
    url = shards.coordinator
    names = [
        row[0]
        for row in sql(
            url,
            "select c.relname from pg_class as c where c.relnamespace = 'shard_1'::regnamespace and c.relkind = 'f'",
        )
    ]
    for name in names:
        sql(
            url,
            f"alter table public.{name} detach partition shard_1.{name};"
            f"alter table public.{name} detach partition shard_2.{name}; drop table public.{name};"
            f"create view public.{name} as select * from shard_1.{name} union all select * from shard_2.{name}",
        )
    compared = run("adopt", "--apply", url=url)
    assert compared.returncode == 0, compared.stderr
    assert "(views): checks read the rows" in compared.stdout
    assert trueup.verify(database=url).problems == ()
    trueup.adopt(database=shards.plain, apply=True)
    assert _wrong(trueup.check(database=url)) == _wrong(trueup.check(database=shards.plain))


@pytest.mark.one_server
def test_a_table_whose_rows_move_to_shards(shards: Shards) -> None:
    """Adopted while the rows were here: the next migration forgets the triggers instead of missing them."""
    url = shards.plain
    trueup.adopt(database=url, apply=True)
    sql(
        url,
        f"create extension postgres_fdw; create server s foreign data wrapper postgres_fdw "
        f"options ({_options(shards.first)}); create user mapping for current_user server s options (user 'postgres');"
        "alter table public.calls rename to calls_gone; create schema s;"
        "import foreign schema public limit to (calls) from server s into s; "
        "alter foreign table s.calls set schema public",
    )
    trueup.migrate(database=url)
    left = [change.what for change in trueup.status(database=url).left_out]
    assert "trigger calls_fill_outcome on public.calls" in left
    assert "trigger journal_repairs on public.appointments" not in left
    assert trueup.verify(database=url).problems == ()
    assert trueup.check(database=url).exit_code("never") == 0
    assert trueup.status(database=url).constraints["left out"] > 20


def _options(url: str) -> str:
    found = psycopg.conninfo.conninfo_to_dict(url)
    return ", ".join(f"{key} '{found[key]}'" for key in ("host", "port", "dbname"))
