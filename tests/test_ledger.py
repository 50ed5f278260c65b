"""The ledger: who deployed what, how it ended; what it refuses; what a migration did to the violations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from conftest import ROOT, Databases
from helpers import add_revision, copy_pack, eventually, launch, plant, run, sql, value

import trueup
from trueup import migration, packs, revisions
from trueup.errors import CatalogError, DatabaseError, MigrationError

FACTS = """
select d.kind, d.name, d.outcome, d.finished_at >= d.started_at, d.actor, d.application_name, d.version, d.checksum
from trueup.deployments as d
order by d.id
"""

NEWEST_CORE = max(int(path.name[:4]) for path in (packs.CORE / "migrations" / "versions").glob("[0-9]*.py"))
NEWEST = max(int(path.name[:4]) for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the shipped pack."""
    return copy_pack(tmp_path / "pack")


@pytest.mark.one_server
def test_every_revision_and_deployment_is_written_down(empty_database: str) -> None:
    done = trueup.migrate(database=empty_database)
    rows = sql(empty_database, FACTS)
    assert [row[1] for row in rows if row[0] == "revision"] == list(done.revisions)
    assert {row[0] for row in rows} == {"revision", "files", "constraint"}
    assert {row[2:7] for row in rows if row[0] != "revision"} == {
        ("done", True, "postgres", "trueup migrate", trueup.__version__)
    }
    assert all(len(row[7]) == 64 for row in rows)
    trueup.migrate(database=empty_database)
    assert sql(empty_database, FACTS) == rows, "what does nothing is not written down"


@pytest.mark.one_server
def test_history_shows_it(database: str) -> None:
    sql(database, "drop trigger calls_fill_direction on public.calls")
    assert run("migrate", url=database).returncode == 0
    done = run("history", "--limit", "1", url=database)
    assert done.returncode == 0, done.stderr
    assert "triggers/calls_fill_direction.sql" in done.stdout
    assert "local trueup migrate" in done.stdout
    newest = trueup.history(database=database)[0]
    assert (newest.kind, newest.outcome, newest.client_address) == ("files", "done", None)
    assert newest.seconds is not None


@pytest.mark.one_server
def test_a_rollback_is_written_down(database: str) -> None:
    migration.rollback("bookings@bookings_0004", database=database)
    newest = trueup.history(database=database)[0]
    assert (newest.kind, newest.name, newest.outcome) == ("revision taken back", "bookings_0005", "done")
    assert (
        run("rollback", "bookings@bookings_0003", url=database)
        .stdout.splitlines()[-1]
        .startswith("nothing is")
    )


def test_a_failure_is_written_down_with_its_reason(database: str, pack: Path) -> None:
    add_revision(pack, "broken", "create table public.half (id bigint);\nselect 1 / 0;")
    with pytest.raises(MigrationError, match="division by zero"):
        trueup.migrate(database=database, pack=pack)
    newest = trueup.history(database=database)[0]
    assert (newest.name, newest.outcome) == ("broken", "failed")
    assert "division by zero" in (newest.detail or "")
    assert value(database, "select to_regclass('public.half') is null")


def test_an_interrupted_revision_is_known_as_such_and_run_again(database: str, pack: Path) -> None:
    add_revision(
        pack,
        "slow",
        "create table public.slow as select 1 as n;\nselect pg_sleep(case when exists "
        "(select 1 from public.companies) then 0 else 60 end);",
    )
    runner = launch("migrate", "--pack", str(pack), url=database)
    sleeping = (
        "select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    )
    eventually(lambda: bool(sql(database, sleeping)))
    assert trueup.history(database=database)[0].outcome == "running"
    runner.kill()
    runner.communicate()
    sql(database, f"select pg_terminate_backend(x.pid) from ({sleeping}) as x")
    sql(database, "insert into public.companies (name) values ('a')")
    done = trueup.migrate(database=database, pack=pack)
    assert done.revisions == ("slow",)
    rows = [row[1:3] for row in sql(database, FACTS) if row[1] == "slow"]
    assert rows == [("slow", "interrupted"), ("slow", "done")]


@pytest.mark.one_server
def test_an_edited_revision_is_refused_by_name_and_file(database: str, pack: Path) -> None:
    path = pack / "migrations" / "versions" / "0004_check_indexes.up.sql"
    path.write_text(path.read_text() + "\n-- a remark\n")
    refused = r"0004_check_indexes\.up\.sql: revision bookings_0004 was edited"
    for dry_run in (True, False):
        with pytest.raises(CatalogError, match=refused):
            trueup.migrate(database=database, pack=pack, dry_run=dry_run)
    assert trueup.status(database=database, pack=pack).edited
    assert not trueup.verify(database=database, pack=pack).ok
    done = run("migrate", "--pack", pack, url=database)
    assert done.returncode == 2
    assert "--accept-edited bookings_0004" in done.stderr
    assert run("migrate", "--pack", pack, "--accept-edited", "bookings_0004", url=database).returncode == 0
    assert trueup.verify(database=database, pack=pack).ok
    assert trueup.history(database=database)[0].kind == "edit accepted"
    with pytest.raises(CatalogError, match="has run no revision of this name"):
        trueup.migrate(database=database, pack=pack, accept_edited=["bookings_0999"])


@pytest.mark.one_server
def test_other_line_ends_are_no_edit(database: str, pack: Path) -> None:
    path = pack / "migrations" / "versions" / "0004_check_indexes.up.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert trueup.migrate(database=database, pack=pack).revisions == ()


def newest_of_core() -> str:
    newest = max((packs.CORE / "migrations" / "versions").glob("[0-9]*.py"))
    return f"core_{newest.stem[:4]}"


@pytest.mark.one_server
def test_a_database_from_before_the_ledger(database: str) -> None:
    """What it holds is found, and from then on an edit is noticed."""
    migration.rollback("core@core_0005", database=database)
    done = trueup.migrate(database=database)
    assert done.revisions[0] == "core_0006"
    assert done.revisions[-1] == f"core_{NEWEST_CORE:04}"
    rows = sql(database, FACTS)
    assert ("found", "bookings_0005") in [row[:2] for row in rows]
    assert ("revision", "core_0006") in [row[:2] for row in rows]
    assert trueup.verify(database=database).ok


@pytest.mark.one_server
def test_a_database_ahead_of_the_package_is_refused(database: str, pack: Path) -> None:
    add_revision(pack, "later", "select 1;")
    trueup.migrate(database=database, pack=pack)
    before = sql(database, FACTS)
    for attempt in (trueup.migrate, trueup.status, trueup.verify, trueup.lint):
        with pytest.raises(DatabaseError, match=r"at revision .*later, which this package does not know"):
            attempt(database=database)
    assert sql(database, FACTS) == before


@pytest.mark.one_server
def test_two_revisions_after_the_same_one_are_explained_in_a_line(database: str, pack: Path) -> None:
    add_revision(pack, "mine", "select 1;")
    add_revision(pack, "yours", "select 1;", after=f"bookings_{NEWEST:04}")
    done = run("migrate", "--pack", pack, url=database)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    for text in (
        f"mine ({NEWEST + 1:04}_mine.py)",
        f"yours ({NEWEST + 2:04}_yours.py)",
        f"both follow bookings_{NEWEST:04}",
        "down_revision",
    ):
        assert text in line
    assert trueup.migrate(database=database).revisions == ()


@pytest.mark.one_server
def test_revisions_of_one_name_or_after_none_are_explained(database: str, pack: Path) -> None:
    versions = pack / "migrations" / "versions"
    add_revision(pack, "lost", "select 1;", after="bookings_0999")
    with pytest.raises(
        CatalogError,
        match=rf"{NEWEST + 1:04}_lost\.py: revision lost follows bookings_0999, and there is no",
    ):
        trueup.migrate(database=database, pack=pack)
    for look in (trueup.status, trueup.verify):
        with pytest.raises(CatalogError, match="revision lost follows bookings_0999"):
            look(database=database, pack=pack)
    assert trueup.check(database=database, pack=pack).status == "complete", (
        "runs ask for no more than the names"
    )
    for path in versions.glob("*_lost.*"):
        path.unlink()
    (versions / "0999_twin.py").write_text((versions / "0005_retention.py").read_text())
    with pytest.raises(
        CatalogError, match=r"0005_retention\.py and 0999_twin\.py are both called bookings_0005"
    ):
        trueup.migrate(database=database, pack=pack)


@pytest.mark.one_server
def test_what_has_nothing_to_run_loads_no_alembic(database: str) -> None:
    """Alembic and SQLAlchemy take longer to import than what is left to do."""
    program = """
import sys, trueup
for command in (trueup.migrate, trueup.status, trueup.verify):
    command(database=sys.argv[1])
    assert not {"alembic", "sqlalchemy"} & set(sys.modules), command
"""
    subprocess.run([sys.executable, "-c", program, database], check=True)


@pytest.mark.one_server
def test_what_modules_spell_is_what_alembic_knows(database: str, pack: Path) -> None:
    loaded = packs.load(pack)
    known = {script.revision: script for script in revisions.scripts(loaded).walk_revisions()}
    spelled = revisions.walk(loaded)
    assert {script.name for script in spelled} == set(known)
    for script in spelled:
        assert str(script.path) == known[script.name].path
        assert script.follows == tuple(filter(None, [known[script.name].down_revision]))
        assert script.depends == tuple(filter(None, [known[script.name].dependencies]))

    # one that is computed, and depends on what bears a label: Alembic is asked
    add_revision(pack, "later", "select 1;")
    (module,) = (pack / "migrations" / "versions").glob("*_later.py")
    text = module.read_text().replace('revision = "later"', 'revision = "la" + "ter"')
    module.write_text(text.replace("depends_on = None", 'depends_on = "core"'))
    assert trueup.migrate(database=database, pack=pack).revisions == ("later",)
    assert [(script.name, script.depends) for script in revisions.walk(packs.load(pack))] == [
        *((script.name, script.depends) for script in spelled),
        ("later", ("core_0001",)),
    ]
    assert trueup.migrate(database=database, pack=pack).revisions == ()
    assert trueup.verify(database=database, pack=pack).ok


def test_nobody_but_the_owner_writes_the_ledger(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("set role trueup_runner")
        connection.execute("select count(*) from trueup.deployments")
        for statement in ("delete from trueup.deployments", "update trueup.deployments set actor = 'x'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())


# ------------------------------------------------------------------ violations, before and after

LOSE_DIRECTION = """
alter table calls disable trigger user;
alter table calls drop constraint calls_direction_known;
update calls set direction = null where id <= 3;
alter table calls enable trigger user;
"""
FIND_DIRECTION = """
update calls set direction = 'inbound' where direction is null;
"""
CALLS = """
select factory.company(1);
select factory.call(id => i) from generate_series(1, 5) as i
"""


def test_the_difference_is_kept(database: str, pack: Path) -> None:
    plant(database, CALLS)
    add_revision(pack, "loses_direction", LOSE_DIRECTION)
    done = trueup.migrate(database=database, pack=pack, check=True)
    assert "call_direction_missing" in done.checked
    assert "appointment_times_invalid" not in done.checked, "it reads no table that the revision names"
    (found,) = [d for d in done.differences if d.check_name == "call_direction_missing"]
    assert (found.before, found.after, found.appeared, found.disappeared) == (0, 3, 3, 0)
    assert done.grew
    assert done.rolled_back is None
    kept = trueup.history(database=database)[0]
    assert (kept.kind, kept.name, kept.outcome) == ("checks", "loses_direction", "done")
    assert {
        "check": "call_direction_missing",
        "before": 0,
        "after": 3,
        "appeared": 3,
        "disappeared": 0,
    } in kept.checks
    assert value(database, "select count(*) from trueup.data_consistency_alerts") == 0, "nothing is filed"


def test_as_many_mended_as_broken_is_a_difference_and_no_growth(database: str, pack: Path) -> None:
    plant(database, f"select factory.legacy('calls_direction_known'); {CALLS}")
    plant(database, "update public.calls set direction = null where id = 5")
    add_revision(
        pack,
        "moves",
        "alter table calls disable trigger user; update calls set direction = null where id = 1; "
        "update calls set direction = 'inbound' where id = 5; alter table calls enable trigger user;",
    )
    done = trueup.migrate(database=database, pack=pack, check=True, fail_on_new=True)
    (found,) = [d for d in done.differences if d.check_name == "call_direction_missing"]
    assert (found.before, found.after, found.appeared, found.disappeared) == (1, 1, 1, 1)
    assert not done.grew
    assert done.revisions == ("moves",)


@pytest.mark.one_server
def test_the_last_revision_is_taken_back_when_violations_grow(database: str, pack: Path) -> None:
    plant(database, CALLS)
    views = "select o.kind, o.identity, os.state from trueup.objects as o join trueup.object_states as os using (id) order by 1, 2"
    before = sql(database, views)
    add_revision(pack, "harmless", "create table harmless (id bigint);", "drop table harmless;")
    add_revision(pack, "loses_direction", LOSE_DIRECTION, FIND_DIRECTION)
    # a file that cannot be without the revision's neighbours does not matter: the old ones come back
    check = pack / "checks" / "call_direction_missing.sql"
    check.write_text(
        check.read_text().replace("create or replace view", "-- new words\n\ncreate or replace view")
    )
    done = run("migrate", "--pack", pack, "--check", "--fail-on-new", url=database)
    assert done.returncode == 1, done.stderr
    assert "rolled back  revision loses_direction, because violations grew" in done.stdout
    assert "revisions that stay: harmless" in done.stdout
    assert "call_direction_missing: 0 violations before, 3 after (3 new, 0 gone)" in done.stdout
    assert sql(database, views) == before
    assert value(database, "select count(*) from public.calls where direction is null") == 0
    assert sql(database, "select version_num from trueup.alembic_version order by 1") == [
        (f"core_{NEWEST_CORE:04}",),
        ("harmless",),
    ]
    rows = [(row.kind, row.name, row.outcome) for row in trueup.history(database=database)]
    assert ("checks", "loses_direction", "failed") in rows
    assert ("revision taken back", "loses_direction", "done") in rows
    assert value(database, "select count(*) from trueup.guard_disarmed") == 0


def test_nothing_new_nothing_taken_back(database: str, databases: Databases) -> None:
    done = run("migrate", "--check", "--fail-on-new", url=database)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 checks concerned" in done.stdout
    assert run("migrate", "--fail-on-new", url=database).returncode == 2
