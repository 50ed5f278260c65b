"""Migrations: once, restartable, exact in advance, down and up again."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path

import psycopg
import pytest
from conftest import Databases
from helpers import eventually, run, sql, value

import trueup
from trueup import locks, migration, server
from trueup.errors import MigrationError
from trueup.migration import Migration


def test_a_second_migration_does_nothing(empty_database: str) -> None:
    first = trueup.migrate(database=empty_database)
    assert first.revisions
    assert first.warnings == ()
    second = trueup.migrate(database=empty_database)
    assert (second.revisions, second.changes) == ((), ())


def test_constraints_of_a_fresh_database_are_valid(database: str) -> None:
    assert trueup.status(database=database).constraints.keys() == {"valid"}


@pytest.mark.one_server
def test_two_at_once_one_migrates_and_the_other_finds_nothing(empty_database: str) -> None:
    done: list[Migration] = []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        done.append(trueup.migrate(database=empty_database))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bool(item.revisions) for item in done) == [False, True]
    assert sorted(bool(item.changes) for item in done) == [False, True]
    assert trueup.verify(database=empty_database).ok


def test_the_wait_is_bounded_and_names_the_holder(empty_database: str) -> None:
    with (
        locks.one_at_a_time(f"{empty_database}&application_name=elsewhere", 1),
        pytest.raises(
            MigrationError,
            match=r"another migration is running \(pid \d+, user postgres, application elsewhere",
        ),
    ):
        trueup.migrate(database=empty_database, wait=0.5)
    assert value(empty_database, "select to_regclass('trueup.checks') is null")


def test_a_lock_that_is_never_granted_names_who_holds_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "ATTEMPTS", 2)
    sql(database, "update trueup.settings set value = '100 ms' where name = 'migrate_lock_timeout'")
    sql(database, "alter table public.calls drop constraint calls_direction_known")
    with psycopg.connect(database) as writer:
        writer.execute("select count(*) from public.calls")
        with pytest.raises(MigrationError, match=r"in transaction for .* select count"):
            trueup.migrate(database=database)
        writer.rollback()
    trueup.migrate(database=database)
    assert trueup.verify(database=database).ok


def test_a_constraint_that_is_not_valid_yet_is_a_note(database: str) -> None:
    ready = "everything of ours is there, enabled and equal to its file"
    assert run("verify", url=database).stdout.splitlines()[-1] == ready
    sql(database, "alter table public.calls drop constraint calls_direction_known")
    sql(database, "insert into public.companies (name) values ('a')")
    sql(
        database, "insert into public.calls (company_id, retell_call_id) select id, 'c' from public.companies"
    )
    sql(
        database,
        """
        alter table public.calls disable trigger user;
        update public.calls set direction = null;
        alter table public.calls enable trigger user
        """,
    )
    trueup.migrate(database=database)
    done = run("verify", url=database)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"{ready}; constraints that wait for `trueup enforce`: 1"


def test_a_writer_that_ends_in_time_is_waited_for(database: str) -> None:
    sql(database, "drop trigger calls_fill_direction on public.calls")
    with psycopg.connect(database) as writer:
        writer.execute("lock table public.calls in row exclusive mode")
        thread = threading.Thread(target=lambda: trueup.migrate(database=database))
        thread.start()
        eventually(
            lambda: bool(
                value(database, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
            )
        )
        writer.rollback()
        thread.join()
    assert trueup.verify(database=database).ok


def test_an_interrupted_concurrent_build_is_rebuilt(database: str) -> None:
    sql(
        database,
        """
        update pg_index set indisvalid = false, indisready = false
        where indexrelid = 'public.appointments_call_id_idx'::regclass
        """,
    )
    trueup.migrate(database=database)
    assert value(
        database,
        "select indisvalid and indisready from pg_index where indexrelid = 'public.appointments_call_id_idx'::regclass",
    )


@pytest.mark.one_server
@pytest.mark.parametrize("state", ["empty", "drifted", "head"])
def test_the_dry_run_is_what_psql_would_need(databases: Databases, tmp_path: Path, state: str) -> None:
    """Run by psql, it leads to the very schema that `migrate` leads to."""
    name = databases.create("template1" if state == "empty" else databases.migrated())
    url = databases.server.url(name)
    try:
        if state == "drifted":
            sql(
                url,
                "drop trigger calls_fill_direction on public.calls; "
                "alter table public.calls drop constraint calls_direction_known; "
                "drop index public.appointments_call_id_idx; drop view trueup.guard_disarmed",
            )
        before = schema(url)
        dry = run("migrate", "--dry-run", url=url)
        assert dry.returncode == 0, dry.stderr
        assert schema(url) == before, "a dry run changes nothing"
        if state == "head":
            assert dry.stdout == "-- nothing to do\n"
            return
        script = tmp_path / "migrate.sql"
        script.write_text(dry.stdout)
        subprocess.run(
            [
                server.find_binaries().directory / "psql",
                "-qX",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                url,
                "-f",
                script,
            ],
            check=True,
        )
        assert trueup.verify(database=url).ok
        assert trueup.migrate(database=url).changes == ()
        if state == "empty":
            assert schema(url) == schema(databases.server.url(databases.migrated()))
    finally:
        databases.drop(name)


def test_down_and_up_again_is_the_same(databases: Databases) -> None:
    name = databases.create("template1")
    url = databases.server.url(name)
    try:
        trueup.migrate(database=url)
        head = schema(url)
        for target in ("bookings@bookings_0002", "bookings@bookings_0001", "core@base"):
            migration.rollback(target, database=url)
        assert value(url, "select count(*) from pg_proc where pronamespace = 'trueup'::regnamespace") == 0
        assert (
            value(
                url,
                "select count(*) from pg_constraint where contype <> 'p' and conrelid = 'public.calls'::regclass and conname not like '%_key' and contype <> 'n'",
            )
            == 0
        )
        trueup.migrate(database=url)
        assert schema(url) == head
    finally:
        databases.drop(name)


def test_an_adopted_database_becomes_the_fresh_one(databases: Databases) -> None:
    """Adopted while it has rows, its constraints validated later: the same schema in the end."""
    name = databases.create(databases.legacy())
    url = databases.server.url(name)
    try:
        sql(url, "insert into public.companies (name) values ('a')")
        sql(url, "insert into public.customers (company_id, name) values (1, 'Erika Muster')")
        sql(
            url,
            "insert into public.appointments (company_id, starts_at, ends_at, status) values (1, '2025-10-22 12:00+00', '2025-10-22 13:00+00', 'completed')",
        )
        trueup.adopt(database=url, apply=True)
        assert trueup.status(database=url).constraints["not valid"] > 0
        left = [change for change in trueup.enforce(database=url) if change.action == "leave"]
        assert left == []
        assert schema(url) == schema(databases.server.url(databases.migrated()))
    finally:
        databases.drop(name)


def test_the_recorded_schema_is_the_one_at_head(databases: Databases) -> None:
    """db/schema.sql is written by `make schema` on PostgreSQL 18 and never edited."""
    if databases.server.version != 18:
        pytest.skip("db/schema.sql is written on PostgreSQL 18")
    import write_schema

    recorded = write_schema.PATH.read_text()
    assert recorded == write_schema.cleaned(write_schema.dump(databases.server.url(databases.migrated())))


def schema(url: str) -> str:
    """Return the schema of a database as pg_dump writes it, without what tests put there."""
    import write_schema

    text = write_schema.cleaned(write_schema.dump(url))
    # the order of columns in pg_dump follows creation; names are what is compared
    return "\n".join(sorted(re.split(r"\n\n+", text)))


def test_a_restored_database_verifies(databases: Databases) -> None:
    """What pg_dump writes and psql reads again is, to the letter, what was deployed."""
    programs = server.find_binaries(databases.server.version).directory
    source = databases.server.url(databases.migrated())
    name = databases.create("template1")
    url = databases.server.url(name)
    try:
        dumped = subprocess.run(
            [programs / "pg_dump", "--exclude-schema=tap", "--exclude-schema=factory", "-d", source],
            capture_output=True,
            check=True,
        ).stdout
        subprocess.run(
            [programs / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", url],
            input=dumped,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        assert trueup.verify(database=url).problems == ()
        assert trueup.check(["guard_disarmed"], database=url).violations == 0
        assert trueup.migrate(database=url).changes == ()
    finally:
        databases.drop(name)


@pytest.mark.one_server
@pytest.mark.parametrize("revision", ["bookings_9999", "", "bookings@", "@", "heads"])
def test_a_rollback_that_takes_nothing_back_leaves_everything_in_place(database: str, revision: str) -> None:
    """Views and triggers were gone before the revision was looked for, and of no name at all stayed so."""
    view = "select 'trueup.call_duplicate'::regclass::oid"
    before = value(database, view)
    said = run("rollback", revision, url=database)
    assert (said.returncode, len(said.stderr.splitlines())) == (2, 1), said.stderr
    assert "nothing was changed" in said.stderr
    assert value(database, view) == before, "it was dropped and put back"
    assert trueup.verify(database=database).ok
    assert trueup.migrate(database=database).changes == ()


KEPT = """
select
    (select jsonb_agg(al order by al.id) from trueup.data_consistency_alerts as al),
    (select jsonb_agg(q order by q.id) from trueup.manual_review_queue as q),
    (select jsonb_agg(r order by r.id) from trueup.repairs as r),
    (select jsonb_agg(rc order by rc.id) from trueup.repair_changes as rc),
    (select jsonb_agg(g order by g.name) from trueup.guards as g),
    (select jsonb_agg(s order by s.name) from trueup.settings as s),
    (select jsonb_agg(v order by v.version_num) from trueup.alembic_version as v)
"""


@pytest.mark.one_server
def test_a_column_is_altered_while_views_and_triggers_are_away(incident_database: str) -> None:
    """As db/README.md says: a rollback to where the database is takes no revision and no row back."""
    trueup.adopt(database=incident_database, apply=True)
    trueup.repair(database=incident_database, apply=True)
    trueup.enforce(database=incident_database)
    alter = "alter table public.calls alter column direction type varchar(20)"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot alter type of a column"):
        sql(incident_database, alter)
    before = sql(incident_database, KEPT)
    assert all(before[0])
    for (revision,) in sql(incident_database, "select version_num from trueup.alembic_version"):
        assert trueup.rollback(revision, database=incident_database).revisions == ()
    sql(incident_database, alter)
    write = "insert into public.calls (company_id, retell_call_id, appointment_made{}) values (1, 'call_between', true{})"
    with pytest.raises(psycopg.errors.CheckViolation, match="calls_direction_known"):
        sql(incident_database, write.format("", ""))
    sql(incident_database, write.format(", direction", ", 'inbound'"))
    trueup.migrate(database=incident_database)
    assert sql(incident_database, KEPT) == before
    assert trueup.verify(database=incident_database).ok
    assert value(
        incident_database, "select bool_and(owes_full is not null) from trueup.checks where is_active"
    )

    judged = {result.name: result for result in trueup.check_changed(database=incident_database).results}
    assert judged["call_made_without_appointment"].opened == 1
    enforced = {change.what: change.action for change in trueup.enforce(database=incident_database)}
    assert enforced["calls_direction_vocabulary"] == "validate"
