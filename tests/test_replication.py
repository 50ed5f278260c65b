"""Logical replication between two servers: the application's tables alone, and the whole database, to move it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest
from conftest import FACTORY, ROOT, Databases
from helpers import eventually, plant, run, sql, value
from postgres import SETTINGS

import trueup
from trueup import server

LOGICAL = {**SETTINGS, "wal_level": "logical", "max_wal_senders": "4", "max_replication_slots": "4"}
CHECK, GUARD = "call_made_without_appointment", "call_made_without_appointment"
ENTITIES = f"""
select al.entity_id, al.status
from trueup.data_consistency_alerts as al
where al.alert_type = '{CHECK}'
order by al.id
"""

# by the default of the identity, which must be past what was copied
BOOKED = """
insert into public.appointments (company_id, call_id, starts_at, ends_at)
values (1, {0}, '2025-10-2{0} 12:00+00', '2025-10-2{0} 13:00+00')
"""


@dataclass(frozen=True)
class Pair:
    """A publisher of the release under test and a subscriber of the newest, each with a database."""

    publisher: str
    subscriber: str

    def subscribe(self, what: str) -> None:
        """Publish and subscribe, and wait for the first copy."""
        sql(self.publisher, f"create publication app {what}")
        sql(self.subscriber, f"create subscription app connection '{self.publisher}' publication app")
        eventually(
            lambda: value(self.subscriber, "select bool_and(srsubstate = 'r') from pg_subscription_rel"),
            60,
        )

    def caught_up(self) -> None:
        """Wait until the subscriber has applied what the publisher has written."""
        position = value(self.publisher, "select pg_current_wal_insert_lsn()::text")
        eventually(
            lambda: value(
                self.publisher,
                "select confirmed_flush_lsn >= %s::pg_lsn from pg_replication_slots where slot_name = 'app'",
                position,
            ),
            60,
        )


@pytest.fixture(scope="module")
def servers(databases: Databases) -> Iterator[tuple[server.Server, server.Server]]:
    binaries = server.find_binaries(databases.server.version), server.find_binaries()
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(server.temporary(binaries=found, settings=LOGICAL)) for found in binaries
        )
        yield first, second


@pytest.fixture
def pair(servers: tuple[server.Server, server.Server], request: pytest.FixtureRequest) -> Iterator[Pair]:
    name = re.sub(r"\W.*", "", request.node.name)[:60]
    for each in servers:
        sql(each.url(), f"create database {name}")
    made = Pair(servers[0].url(name), servers[1].url(name))
    trueup.migrate(database=made.publisher)
    sql(made.publisher, FACTORY.read_text())
    sql(made.publisher, "select factory.company(1)")
    yield made
    if value(made.subscriber, "select exists (select from pg_subscription where subname = 'app')"):
        sql(made.subscriber, "drop subscription app")


def test_what_fires_on_a_subscriber_with_a_layer_of_its_own(pair: Pair) -> None:
    trueup.migrate(database=pair.subscriber)
    pair.subscribe("for tables in schema public")
    run("guard", "set", GUARD, "enforce", url=pair.subscriber)
    changes = "select count(*) from trueup.changes"
    sql(pair.subscriber, "delete from trueup.changes")

    # triggers of the ordinary kind are silent: nothing refused, nothing noted, nothing disarmed
    plant(pair.publisher, "select factory.call(id => 1, appointment_made => true)")
    pair.caught_up()
    assert sql(pair.subscriber, "select appointment_made from public.calls") == [(True,)]
    assert value(pair.subscriber, changes) == 0
    assert run("verify", url=pair.subscriber).returncode == 0
    trueup.check([CHECK], database=pair.subscriber)
    assert sql(pair.subscriber, ENTITIES) == [("1", "open")]
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(
            pair.subscriber,
            "update public.calls set appointment_made = false; update public.calls set appointment_made = true",
        )

    # switched to always, those of rows fire: an update is noted, an insert by a statement's trigger is not
    for event in ("insert", "update"):
        sql(pair.subscriber, f"alter table public.calls enable always trigger trueup_changes_{event}")
    plant(pair.publisher, "select factory.call(id => 2)")
    pair.caught_up()
    assert value(pair.subscriber, "select count(*) from public.calls") == 2
    assert value(pair.subscriber, changes) == 0
    sql(pair.publisher, "update public.calls set appointment_made = false where id = 1")
    pair.caught_up()
    assert value(pair.subscriber, changes) == 1
    assert run("verify", url=pair.subscriber).returncode == 0
    assert trueup.check_changed(database=pair.subscriber).status
    assert sql(pair.subscriber, ENTITIES) == [("1", "resolved")]

    # a guard that is always on and enforced stops the replication; in observe it files an alert
    sql(pair.subscriber, f"alter table public.calls enable always trigger {GUARD}")
    plant(pair.publisher, "select factory.call(id => 3, appointment_made => true)")
    eventually(
        lambda: value(pair.subscriber, "select sum(apply_error_count) > 0 from pg_stat_subscription_stats"),
        60,
    )
    assert value(pair.subscriber, "select count(*) from public.calls") == 2
    assert run("guard", "set", GUARD, "observe", url=pair.subscriber).returncode == 0
    pair.caught_up()
    assert sql(pair.subscriber, ENTITIES) == [("1", "resolved"), ("3", "open")]


@pytest.mark.one_server
def test_a_database_moves_to_another_server_while_it_is_used(pair: Pair, databases: Databases) -> None:
    """The way to a newer release without a long pause: rows of both schemas, the structure by pg_dump."""
    plant(
        pair.publisher,
        "select factory.call(id => i, appointment_made => true) from generate_series(1, 3) as i",
    )
    trueup.check(database=pair.publisher)
    run("guard", "set", GUARD, "enforce", url=pair.publisher)
    programs = server.find_binaries().directory
    dump = subprocess.run(
        [str(programs / "pg_dump"), "--schema-only", "--no-publications", "-d", pair.publisher],
        capture_output=True,
        check=True,
    ).stdout
    for role in ("app", "console", "dashboard", "owner", "reviewer", "runner"):
        if not value(pair.subscriber, "select to_regrole('trueup_' || %s) is not null", role):
            sql(pair.subscriber, f"create role trueup_{role}")
    psql = [str(programs / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", pair.subscriber]
    subprocess.run(psql, input=dump, check=True, stdout=subprocess.DEVNULL)
    pair.subscribe("for all tables")

    # everything of ours works on a publisher of all tables, and comes over
    sql(pair.publisher, BOOKED.format(1))
    assert run("check", "--changed", url=pair.publisher).returncode in (0, 1)
    assert run("check", url=pair.publisher).returncode in (0, 1)
    assert sql(pair.publisher, ENTITIES) == [("1", "resolved"), ("2", "open"), ("3", "open")]
    pair.caught_up()
    sql(pair.subscriber, "drop subscription app")
    subprocess.run(psql, input=identities().encode(), check=True, stdout=subprocess.DEVNULL)

    for url in (pair.publisher, pair.subscriber):
        assert sql(url, ENTITIES) == [("1", "resolved"), ("2", "open"), ("3", "open")]
    assert run("migrate", url=pair.subscriber).returncode == 0
    said = run("verify", url=pair.subscriber)
    assert said.returncode == 0, said.stdout
    sql(pair.subscriber, BOOKED.format(2))
    run("check", "--changed", url=pair.subscriber)
    assert sql(pair.subscriber, ENTITIES) == [("1", "resolved"), ("2", "resolved"), ("3", "open")]
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(pair.subscriber, "select factory.call(id => 9, appointment_made => true)")


def identities() -> str:
    """Return the statement of db/README.md that sets identities after the rows have come."""
    text = (ROOT / "db" / "README.md").read_text()
    (found,) = re.findall(r"```text\n(do \$\$\n.*?setval.*?)```", text, re.S)
    return str(found)
