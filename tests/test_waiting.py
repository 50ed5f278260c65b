"""Migrations beside others: one at a time, no lock waited for long, interrupted anywhere and run again."""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Databases
from helpers import add_revision, copy_pack, eventually, items_pack, launch, plant, run, sql, value
from pooler import pgbouncer, through
from postgres import Postgres
from psycopg.conninfo import conninfo_to_dict
from test_migrate import schema

import trueup
from trueup import locks, migration, server
from trueup.errors import DatabaseError, MigrationError
from trueup.store import Session

ROWS = """
select factory.company(1);
select factory.call(id => i) from generate_series(1, 20000) as i
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the shipped pack."""
    return copy_pack(tmp_path / "pack")


# ------------------------------------------------------------------ one at a time


@pytest.mark.one_server
def test_a_pool_in_transaction_mode_is_refused_before_anything_changes(
    postgres: Postgres, databases: Databases
) -> None:
    """Where the lock would not hold, every command that needs it says so."""
    name = databases.create(databases.legacy())
    url = databases.server.url(name)
    try:
        before = schema(url)
        with pgbouncer(postgres, "transaction") as pool:
            pooled = through(pool, url)
            for _ in range(3):
                with pytest.raises(DatabaseError, match="pooler in transaction mode"):
                    trueup.adopt(database=pooled, apply=True)
            done = run("adopt", "--apply", url=pooled)
            assert done.returncode == 4
            assert "connect to the server itself, or to a pool in session mode" in done.stderr
            assert schema(url) == before
        trueup.adopt(database=url, apply=True)
        head = schema(url)
        with pgbouncer(postgres, "transaction") as pool:
            pooled = through(pool, url)
            for refused in (
                lambda: trueup.migrate(database=pooled),
                lambda: trueup.migrate(database=pooled, dry_run=True),
                lambda: trueup.enforce(database=pooled),
                lambda: migration.rollback("core@base", database=pooled),
            ):
                with pytest.raises(DatabaseError, match="pooler in transaction mode"):
                    refused()
        assert schema(url) == head
    finally:
        databases.drop(name)


@pytest.mark.one_server
def test_a_pool_in_session_mode_will_do(postgres: Postgres, empty_database: str) -> None:
    with pgbouncer(postgres, "session") as pool:
        pooled = through(pool, empty_database)
        assert trueup.migrate(database=pooled).revisions
        assert trueup.migrate(database=pooled).changes == ()
    assert trueup.verify(database=empty_database).ok


@pytest.mark.one_server
def test_who_waits_for_the_lock_holds_no_index_up(database: str) -> None:
    """`create index concurrently` waits for old snapshots: whoever waits for the migration lock has none."""
    plant(database, ROWS.replace("20000", "200"))
    sql(database, "drop index public.appointments_call_id_idx")
    with psycopg.connect(database) as writer:
        writer.execute("lock table public.appointments in row exclusive mode")
        first = launch("migrate", url=database)
        eventually(
            lambda: bool(
                sql(
                    database,
                    "select 1 from pg_stat_activity where query like 'create index concurrently%' "
                    "and wait_event_type = 'Lock' and datname = current_database()",
                )
            )
        )
        second = launch("migrate", url=database)
        eventually(
            lambda: (
                value(
                    database,
                    "select count(*) from pg_stat_activity where application_name = 'trueup migration lock' "
                    "and datname = current_database()",
                )
                == 2
            )
        )
        time.sleep(1)
        writer.rollback()
        for runner in (first, second):
            _, error = runner.communicate(timeout=60)
            assert (runner.returncode, error) == (0, "")
    built = [row.name for row in trueup.history(database=database, limit=500)]
    assert built.count("appointments_call_id_idx") == 2, "by the first migration, and by one of the two"
    assert trueup.verify(database=database).ok


def test_a_lost_lock_stops_the_migration_between_two_steps(database: str, pack: Path) -> None:
    add_revision(
        pack,
        "unlocks",
        "select pg_terminate_backend(a.pid) from pg_stat_activity as a "
        "where a.application_name = 'trueup migration lock' and a.datname = current_database();",
    )
    sql(database, "drop trigger calls_fill_direction on public.calls")
    with pytest.raises(MigrationError, match="held the migration lock is gone"):
        trueup.migrate(database=database, pack=pack)
    assert not trueup.verify(database=database, pack=pack).ok
    assert trueup.migrate(database=database, pack=pack).revisions == ()
    assert trueup.verify(database=database, pack=pack).ok


# ------------------------------------------------------------------ locks on tables


@pytest.mark.one_server
def test_the_message_says_who_blocked_a_revision(
    database: str, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "ATTEMPTS", 2)
    sql(database, "update trueup.settings set value = '600 ms' where name = 'migrate_lock_timeout'")
    add_revision(pack, "widens", "alter table calls add column spare text;")
    with psycopg.connect(f"{database}&application_name=report") as reader:
        reader.execute("select count(*) from public.calls")
        pid = reader.info.backend_pid
        with pytest.raises(MigrationError) as refused:
            trueup.migrate(database=database, pack=pack)
    text = str(refused.value)
    assert re.search(
        rf"while running upgrade heads, blocked by pid {pid}, user postgres, application report, "
        r"in transaction for \d+ s, idle in transaction: select count\(\*\) from public\.calls",
        text,
    ), text
    newest = trueup.history(database=database)[0]
    assert (newest.name, newest.outcome) == ("widens", "failed")
    assert f"pid {pid}" in (newest.detail or "")
    assert trueup.migrate(database=database, pack=pack).revisions == ("widens",)


def test_waiting_for_locks_has_a_budget(database: str, pack: Path) -> None:
    sql(
        database,
        "update trueup.settings set value = '300 ms' where name = 'migrate_lock_timeout'; "
        "update trueup.settings set value = '1 second' where name = 'migrate_lock_budget'",
    )
    add_revision(pack, "widens", "alter table calls add column spare text;")
    with psycopg.connect(database) as reader:
        reader.execute("select count(*) from public.calls")
        began = time.monotonic()
        with pytest.raises(MigrationError, match=r"no lock was granted in [1-4] attempts"):
            trueup.migrate(database=database, pack=pack)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(("state", "attempts"), [("40001", 1), ("40P01", 1), ("55P03", 3)])
def test_only_a_lock_not_granted_is_tried_again(
    database: str, pack: Path, monkeypatch: pytest.MonkeyPatch, state: str, attempts: int
) -> None:
    monkeypatch.setattr(locks, "ATTEMPTS", 3)
    sql(database, "create sequence public.attempts")
    add_revision(
        pack,
        "fails",
        f"do $$ begin perform nextval('attempts'); raise exception 'no' using errcode = '{state}'; end $$;",
    )
    with pytest.raises(MigrationError):
        trueup.migrate(database=database, pack=pack)
    assert value(database, "select last_value from public.attempts") == attempts
    assert [row.name for row in trueup.history(database=database)].count("fails") == 1


@pytest.mark.one_server
def test_a_deployment_and_a_run_that_reads_its_views_do_not_end_the_migration(
    empty_database: str, tmp_path: Path
) -> None:
    """The run reads them in an order of its own: the server ends one of the two."""
    sql(empty_database, "create table public.items (id bigint primary key, price integer)")
    below = [("items.id", f"i.price < {limit}") for limit in (0, 1)]
    pack = items_pack(tmp_path / "pack", item_a=below[0], item_b=below[0])
    trueup.migrate(database=empty_database, pack=pack)
    items_pack(pack, item_a=below[1], item_b=below[1])
    waiting = "select count(*) from pg_stat_activity where application_name like 'trueup migrate%' and wait_event_type = 'Lock'"
    with psycopg.connect(empty_database) as reader:
        # the migration looks for a deadlock, and this one does not
        reader.execute("set local deadlock_timeout = '1min'")
        reader.execute("select from trueup.item_b")
        migrating = launch("migrate", "--pack", str(pack), url=empty_database)
        eventually(lambda: value(empty_database, waiting) == 1)
        reader.execute("select from trueup.item_a")
    said = migrating.communicate(timeout=60)
    assert migrating.returncode == 0, said
    assert trueup.verify(database=empty_database, pack=pack).ok


def test_no_statement_that_defines_anything_runs_without_a_lock_timeout(empty_database: str) -> None:
    """The server itself refuses one that does."""
    sql(
        empty_database,
        """
        create function public.refuse() returns event_trigger language plpgsql as $$
        begin
            if current_setting('lock_timeout') = '0' then
                raise exception '% without a lock timeout: %', tg_tag, current_query();
            end if;
        end $$;
        create event trigger refuse on ddl_command_start execute function public.refuse();
        """,
    )
    trueup.migrate(database=empty_database)
    migration.rollback("bookings@bookings_0001", database=empty_database)
    sql(
        empty_database,
        "set lock_timeout = '1s'; insert into public.companies (name) values ('a'); "
        "alter table public.companies add column spare text",
    )
    trueup.migrate(database=empty_database)
    trueup.enforce(database=empty_database)
    assert trueup.verify(database=empty_database).ok


@pytest.mark.one_server
def test_a_deployment_in_parts_forgets_nothing_when_one_of_them_waits(databases: Databases) -> None:
    """What the parts before did is in the result and in the ledger, and is done once."""
    found = {}
    for refused in (0, 60):
        name = databases.create("template1")
        url = databases.server.url(name)
        sql(
            url,
            f"""
            create sequence public.triggers;
            create function public.hold() returns event_trigger language plpgsql as $$
            begin
                if nextval('public.triggers') = {refused} then
                    raise exception 'held by somebody' using errcode = '55P03';
                end if;
            end $$;
            create event trigger hold on ddl_command_start when tag in ('CREATE TRIGGER')
                execute function public.hold();
            """,
        )
        done = trueup.migrate(database=url)
        ledger = [row.detail for row in trueup.history(database=url) if row.kind == "files"]
        found[refused] = (sorted((change.action, change.what) for change in done.changes), ledger)
        assert value(url, "select last_value from public.triggers") > 60
        assert trueup.verify(database=url).ok
        databases.drop(name)
    assert found[60] == found[0]


# ------------------------------------------------------------------ interrupted


def gone(url: str) -> None:
    """Wait until no session of ours is left."""
    eventually(
        lambda: (
            value(
                url,
                "select count(*) from pg_stat_activity where application_name like 'trueup %' "
                "and datname = current_database() and pid <> pg_backend_pid()",
            )
            == 0
        )
    )


@pytest.mark.one_server
@pytest.mark.parametrize("how", ["the runner is killed", "the connection is lost"])
def test_interrupted_anywhere_and_run_again(databases: Databases, how: str) -> None:
    name = databases.create("template1")
    url = databases.server.url(name)
    chance = random.Random(20251020)
    try:
        for _ in range(6):
            runner = launch("migrate", url=url)
            time.sleep(chance.uniform(0.5, 2.5))
            if how == "the runner is killed":
                runner.kill()
                runner.communicate()
                sql(
                    url,
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name like 'trueup m%' and datname = current_database()",
                )
            else:
                sql(
                    url,
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = 'trueup migrate' and datname = current_database()",
                )
                _, error = runner.communicate(timeout=60)
                assert runner.returncode in (0, 3, 4), error
                assert "fault of trueup" not in error
            gone(url)
        trueup.migrate(database=url)
        assert trueup.verify(database=url).ok
        assert schema(url) == schema(databases.server.url(databases.migrated()))
        assert value(url, "select count(*) from trueup.deployments where outcome = 'running'") == 0
    finally:
        databases.drop(name)


ADDED = {
    "calls_direction_known": "select count(*) from pg_constraint where conname = 'calls_direction_known'",
    "calls_retell_call_id_idx": "select count(*) from pg_class where relname = 'calls_retell_call_id_idx'",
}


@pytest.mark.one_server
@pytest.mark.parametrize("then", ["migrated", "enforced", "uninstalled"])
@pytest.mark.parametrize("name", ADDED)
def test_what_was_added_and_not_recorded_is_ours(
    legacy_database: str, name: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after the statement that adds a constraint or index, before the one that records it."""
    run_statement = Session.run

    def interrupted(self: Session, statement: str, /, **parameters: Any) -> int:
        if statement == "record_constraint" and parameters["name"] == name:
            raise KeyboardInterrupt
        return run_statement(self, statement, **parameters)

    sql(legacy_database, "insert into public.companies (name) values ('a')")
    sql(legacy_database, "insert into public.calls (company_id, retell_call_id) values (1, 'call_1')")
    with monkeypatch.context() as patched:
        patched.setattr(Session, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trueup.adopt(database=legacy_database, apply=True)
    assert value(legacy_database, ADDED[name]) == 1
    if then == "enforced":
        with contextlib.suppress(DatabaseError):
            trueup.enforce([name], database=legacy_database)
    if then != "uninstalled":
        done = trueup.migrate(database=legacy_database)
        assert [change.what for change in done.changes if change.action == "keep"] == []
        assert (
            value(legacy_database, "select was_there from trueup.constraints where name = %s", name) is False
        )
        assert trueup.verify(database=legacy_database).ok
    database_name = str(conninfo_to_dict(legacy_database)["dbname"])
    trueup.uninstall(database=legacy_database, database_name=database_name, no_dump=True, apply=True)
    assert value(legacy_database, ADDED[name]) == 0


def test_what_a_script_added_and_did_not_record_is_ours(
    database: str, binaries: Path, tmp_path: Path
) -> None:
    """The script of a dry run, ended in the same place."""
    sql(
        database,
        "alter table public.calls drop constraint calls_direction_known; "
        "update trueup.constraints set definition_checksum = null, server_version = null "
        "where name = 'calls_direction_known'",
    )
    text = run("migrate", "--dry-run", url=database).stdout
    recording = text.index("update trueup.constraints")
    script = tmp_path / "half.sql"
    script.write_text(text[:recording])
    subprocess.run(
        [binaries / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", script], check=True
    )
    assert value(database, ADDED["calls_direction_known"]) == 1
    assert trueup.migrate(database=database).changes == ()
    assert not value(
        database, "select was_there from trueup.constraints where name = 'calls_direction_known'"
    )


@pytest.fixture
def binaries(databases: Databases) -> Path:
    return server.find_binaries(databases.server.version).directory


@pytest.fixture
def small_disk(postgres: Postgres, databases: Databases) -> Iterator[Path]:
    """A tablespace `small` on a disk of 6 MB."""
    if postgres.binaries is None:
        pytest.skip("a tablespace is made on a server that the tests started themselves")
    socket = Path(str(conninfo_to_dict(postgres.admin_url)["host"]))
    disk = socket.parent / "small"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if made.returncode:
        disk.rmdir()
        pytest.skip(f"no small disk can be made here: {made.stderr.strip()}")
    try:
        server._give(disk, server._server_user(socket.parent), 0o700)
        databases.admin(f"create tablespace small location '{disk}'")
        yield disk
    finally:
        with contextlib.suppress(psycopg.Error):
            databases.admin("drop tablespace if exists small")
        subprocess.run(["umount", "--lazy", disk], check=True)
        disk.rmdir()


@pytest.mark.one_server
def test_a_full_disk_is_told_and_the_migration_run_again(
    databases: Databases, small_disk: Path, pack: Path
) -> None:
    """First a revision finds the disk full, then the build of an index; the disk is emptied each time."""
    name = databases.create(databases.migrated())
    url = databases.server.url(name)
    full = f"{url}&options=-c%20default_tablespace%3Dsmall"
    filler = small_disk / "filler"
    try:
        plant(url, ROWS)
        add_revision(pack, "copies", "create table copies as select c.* from calls as c;")
        filler.write_bytes(b"x" * (5 << 20))
        with pytest.raises(MigrationError, match="No space left on device"):
            trueup.migrate(database=full, pack=pack)
        newest = trueup.history(database=url)[0]
        assert (newest.name, newest.outcome) == ("copies", "failed")
        assert value(url, "select to_regclass('public.copies') is null")
        assert trueup.migrate(database=url, pack=pack).revisions == ("copies",)

        sql(url, "drop index public.appointments_call_id_idx")
        sql(
            url,
            "set session_replication_role = replica; insert into public.appointments (company_id, call_id, starts_at, ends_at) "
            "select 1, i, '2025-10-22 12:00+00', '2025-10-22 13:00+00' from generate_series(1, 200000) as i",
        )
        with pytest.raises(MigrationError, match="No space left on device"):
            trueup.migrate(database=full, pack=pack)
        assert value(url, "select to_regclass('public.appointments_call_id_idx') is null"), (
            "no broken leftover"
        )
        filler.unlink()
        trueup.migrate(database=url, pack=pack)
        assert trueup.verify(database=url, pack=pack).ok
    finally:
        databases.drop(name)


def test_a_leftover_of_a_killed_build_is_found_and_rebuilt(database: str) -> None:
    """The server process dies in the middle of `create index concurrently`, and nobody cleans up after it."""
    plant(database, ROWS.replace("20000", "200"))
    sql(database, "drop index public.appointments_call_id_idx")
    with psycopg.connect(database) as writer:
        writer.execute("lock table public.appointments in row exclusive mode")
        runner = launch("migrate", url=database)
        building = (
            "select pid from pg_stat_activity where query like 'create index concurrently%' "
            "and wait_event_type = 'Lock' and datname = current_database()"
        )
        eventually(lambda: bool(sql(database, building)))
        runner.kill()
        runner.communicate()
        sql(database, f"select pg_terminate_backend(x.pid) from ({building}) as x")
        gone(database)
        writer.rollback()
    broken = "select not i.indisvalid from pg_index as i where i.indexrelid = to_regclass('public.appointments_call_id_idx')"
    assert value(database, broken)
    assert not trueup.verify(database=database).ok
    assert "appointments_call_id_idx" in {c.what for c in trueup.migrate(database=database).changes}
    assert not value(database, broken)
    assert trueup.verify(database=database).ok
