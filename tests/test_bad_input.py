"""Bad input: a clear error in a line or two, an exit code, and nothing changed."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from conftest import ROOT, Databases
from helpers import run, sql, value

import trueup
from trueup import evaluation, packs, server
from trueup.errors import CatalogError
from trueup.model import Result
from trueup.snapshots import Snapshot
from trueup.store import session

HEADER = (ROOT / "checks" / "call_made_without_appointment.sql").read_text()
PREVENTED = "guard; sync appointments_sync_calls"


def refused(done: subprocess.CompletedProcess[str], code: int, *texts: str) -> None:
    """Assert that a command failed as a person would like it to."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr


def small_pack(directory: Path, **files: str) -> Path:
    """Write a pack of one table's check, and whatever else is given."""
    (directory / "checks").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / "checks" / f"{name}.sql").write_text(text)
    return directory


@pytest.mark.parametrize("command", ["migrate", "adopt", "check", "repair", "enforce", "status", "verify"])
def test_unreachable_server(command: str) -> None:
    done = run(command, url="postgresql://postgres@/postgres?host=/nonexistent")
    refused(done, 4, "cannot reach the database", "--database URL")


def test_a_password_is_never_printed(tmp_path: Path) -> None:
    done = run("check", url="postgresql://ada:sesame@127.0.0.1:9/postgres?connect_timeout=2")
    refused(done, 4, "cannot reach the database")
    assert "sesame" not in done.stderr
    broken = run("check", "--database", "postgresql://ada:sesame@[::1/x")
    refused(broken, 4, "cannot be read")
    assert "sesame" not in broken.stderr


def test_wrong_password(open_directory: Path) -> None:
    data = open_directory / "cluster"
    started = server.start(data, die_with_parent=True)
    try:
        sql(started.url(), "create role ada login password 'right'")
        hba = data / "cluster" / "pg_hba.conf"
        hba.write_text("local all ada scram-sha-256\nlocal all all trust\n")
        sql(started.url(), "select pg_reload_conf()")
        url = started.url().replace("postgres@", "ada:wrong@")
        refused(run("check", url=url), 4, "password authentication failed")
    finally:
        server.stop(data, "immediate")


@pytest.mark.one_server
def test_not_a_trueup_database(empty_database: str) -> None:
    for command in ("check", "repair", "status", "verify", "enforce", "history", "prune"):
        refused(run(command, url=empty_database), 4, "not a trueup database", "trueup migrate")
    for words in (("circuit", "list"), ("circuit", "force-open", "x"), ("rollback", "core@base")):
        refused(run(*words, url=empty_database), 4, "not a trueup database", "trueup migrate")
    refused(run("review", "list", url=empty_database), 4, "trueup migrate")
    refused(run("alerts", "list", url=empty_database), 4, "trueup migrate")


@pytest.mark.one_server
def test_a_database_of_a_newer_version(database: str) -> None:
    sql(
        database,
        "update trueup.alembic_version set version_num = 'bookings_9999' where version_num like 'bookings%'",
    )
    for command in ("migrate", "check", "repair", "verify", "status"):
        refused(run(command, url=database), 4, "bookings_9999", "upgrade trueup")


@pytest.mark.one_server
def test_tables_of_an_application_are_not_migrated_unasked(legacy_database: str) -> None:
    refused(run("migrate", url=legacy_database), 4, "already holds", "trueup adopt")
    assert value(legacy_database, "select to_regnamespace('trueup') is null")


@pytest.mark.one_server
def test_adopt_names_the_statement_that_mends(legacy_database: str) -> None:
    sql(
        legacy_database,
        """
        alter table public.calls drop column booking_id;
        alter table public.customers drop column phone_normalized;
        alter table public.appointments alter column starts_at type timestamp;
        alter table public.services alter column duration_minutes type text;
        alter table public.calls alter column booking_confirmed drop not null;
        drop table public.appointment_modifications;
        """,
    )
    for arguments in (["adopt"], ["adopt", "--apply"]):
        done = run(*arguments, url=legacy_database)
        refused(
            done,
            4,
            "column public.calls.booking_id is missing",
            "alter table public.calls add column booking_id text;",
            "public.appointments has timestamps without time zone",
            "column public.services.duration_minutes is text, not integer",
            "public.calls.booking_confirmed may be NULL",
            "table public.appointment_modifications is missing",
        )
    assert value(legacy_database, "select to_regnamespace('trueup') is null")
    mend = [
        line.strip()
        for line in run("adopt", url=legacy_database).stderr.splitlines()
        if line.startswith("    ")
    ]
    for statement in mend:
        sql(legacy_database, statement)
    done = run("adopt", "--apply", url=legacy_database)
    assert done.returncode == 0, done.stderr


@pytest.mark.one_server
def test_read_only_database(databases: Databases) -> None:
    name = databases.create(databases.migrated())
    url = databases.server.url(name)
    databases.admin(f"alter database {name} set default_transaction_read_only = on")
    try:
        for arguments in (["migrate"], ["check"], ["repair", "--apply"], ["enforce"]):
            refused(run(*arguments, url=url), 4, "read only")
        for arguments in (["status"], ["verify"], ["review", "list"]):
            assert run(*arguments, url=url).returncode == 0
    finally:
        databases.drop(name)


ODD_SETTINGS = {
    "datestyle": "'German'",
    "intervalstyle": "'iso_8601'",
    "client_encoding": "'LATIN1'",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "array_nulls": "off",
    "extra_float_digits": "-5",
}


@pytest.mark.one_server
def test_settings_of_a_role_or_database_change_nothing(databases: Databases) -> None:
    """What the driver reads, and what definitions are compared with, is written in one way."""
    name = databases.create(databases.migrated())
    url = databases.server.url(name)
    for setting, text in ODD_SETTINGS.items():
        databases.admin(f"alter database {name} set {setting} = {text}")
    try:
        shown = "select current_setting('datestyle'), current_setting('quote_all_identifiers')"
        assert sql(url, shown) == [("German, DMY", "on")]
        sql(
            url,
            "select factory.company(1); select factory.call(1); "
            "select trueup.queue_review('other', 'call', '1', '5 ' || chr(8364))",
        )
        assert "5 \N{EURO SIGN}" in run("review", "list", url=url, PYTHONUTF8="1").stdout
        checked = trueup.check(database=url)
        assert (checked.violations, checked.exit_code("info")) == (0, 0)
        done = run("verify", url=url)
        assert done.returncode == 0, done.stdout
        assert "NULL" not in {row[0] for row in sql(url, "select owes_full from trueup.checks")}
        for arguments in (["migrate"], ["status"], ["check", "--changed"], ["history"], ["run", "--list"]):
            done = run(*arguments, url=url)
            assert done.returncode == 0, done.stderr
    finally:
        databases.drop(name)


@pytest.mark.one_server
def test_a_database_that_is_not_in_utf8(databases: Databases) -> None:
    name = f"{databases.prefix}_latin"
    for encoding in ("LATIN1", "SQL_ASCII"):
        databases.admin(
            f"create database {name} encoding '{encoding}' locale_provider libc lc_collate 'C' lc_ctype 'C' "
            "template template0"
        )
        url = databases.server.url(name)
        try:
            trueup.migrate(database=url)
            checked = trueup.check(database=url)
            assert (checked.violations, checked.exit_code("info")) == (0, 0)
            assert trueup.verify(database=url).ok
            # what a server says in its own language
            said = Result("call_duplicate", "warning", "error", 0.0, error="ungültig")
            with (
                session(url, "check") as connection,
                evaluation.recorded(connection, "selected", 1) as run_id,
            ):
                snapshot = Snapshot("1:1:", datetime.now(UTC), None)
                evaluation.record_results(connection, run_id, snapshot, [said])
                kept = connection.texts(
                    "select error from trueup.check_results where run_id = %(id)s", id=run_id
                )
            assert kept == ["ungültig"]
        finally:
            databases.drop(name)


@pytest.mark.one_server
def test_unknown_names(database: str) -> None:
    refused(run("check", "call_direction_mising", url=database), 2, "did you mean call_direction_missing")
    refused(run("repair", "zzz", url=database), 2, "no check is called zzz")
    refused(run("enforce", "zzz", url=database), 2, "is called zzz")
    refused(run("guard", "set", "zzz", "enforce", url=database), 2, "zzz")
    refused(run("repair", "--undo", "4711", url=database), 2, "no repair has id 4711")
    refused(run("alerts", "show", "4711", url=database), 2, "4711")
    refused(run("review", "show", "4711", url=database), 2, "4711")


@pytest.mark.one_server
def test_words_that_are_not_utf8(database: str) -> None:
    """As a terminal in Latin-1 sends them; one that is a path may be so."""
    for words in (
        ["review", "next", "--as", "J\udcf6rg"],
        ["alerts", "ack", "1", "--as", "J\udcf6rg"],
        ["check", "--timeout", "5\udcf6"],
        ["adopt", "--host-schema", "b\udcf6"],
    ):
        refused(run(*words, url=database), 2, f"word {len(words)} after trueup is not UTF-8")
    said = run("status", "--database", "postgresql://ada:ses\udcf6me@/x?host=/nonexistent")
    refused(said, 2, "word 3 after trueup is not UTF-8")
    assert "me@" not in said.stderr
    refused(run("status", url="dbname=\udcf6"), 2, "TRUEUP_DATABASE_URL is not UTF-8")


@pytest.mark.one_server
def test_a_time_that_is_none(database: str) -> None:
    for command in (["check"], ["check", "--changed"], ["repair"], ["explain", "call_direction_missing"]):
        refused(run(*command, "--timeout", "soon", url=database), 2, "'soon' is no time", "5min")
    assert value(database, "select count(*) from trueup.check_runs") == 0
    assert run("check", "--timeout", "0", url=database).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("-- call_made_without_appointment\n", "-- call_made\n", 1, "the first line must be"),
        ("-- severity:    critical\n", "", 4, "key 'entity' where 'severity' belongs"),
        (
            "-- severity:    critical",
            "-- severity:    fatal",
            4,
            "severity must be one of critical, warning, info",
        ),
        ("-- repair:      evidence", "-- repair:      magic", 9, "repair must be one of"),
        (
            "-- entity:      call\n",
            "-- entity:      call\n-- entity:      call\n",
            6,
            "key 'entity' stands twice",
        ),
        ("-- cost:", "-- price:", 10, "unknown key 'price'"),
        ("-- invariant:   a call", "-- invariant:\n--   a call", 3, "key 'invariant' has no value"),
    ],
)
def test_malformed_headers(tmp_path: Path, old: str, new: str, line: int, text: str) -> None:
    assert old in HEADER
    pack = small_pack(tmp_path, call_made_without_appointment=HEADER.replace(old, new))
    refused(run("catalog", "--pack", pack), 2, f"checks/call_made_without_appointment.sql:{line}: ", text)


def test_a_check_without_its_view(tmp_path: Path) -> None:
    text = HEADER.replace("create or replace view trueup.call_made", "create or replace view trueup.other")
    pack = small_pack(tmp_path, call_made_without_appointment=text)
    refused(
        run("catalog", "--pack", pack),
        2,
        "no 'create or replace view trueup.call_made_without_appointment as'",
    )


def test_two_checks_with_one_name(tmp_path: Path) -> None:
    text = (ROOT / "src/trueup/core/checks/check_not_run.sql").read_text()
    refused(
        run("catalog", "--pack", small_pack(tmp_path, check_not_run=text)),
        2,
        "two checks are called check_not_run",
    )


def test_two_files_that_create_one_thing(tmp_path: Path) -> None:
    pack = small_pack(
        tmp_path,
        call_made_without_appointment=HEADER.replace("evidence\n", "review\n", 1).replace(
            PREVENTED, "none: a test"
        ),
    )
    (pack / "db" / "views").mkdir(parents=True)
    (pack / "db" / "views" / "x.sql").write_text(
        "create or replace view trueup.call_made_without_appointment as select 1;"
    )
    refused(run("catalog", "--pack", pack), 2, "already created in")


def test_a_function_twice_with_other_parameters(tmp_path: Path) -> None:
    """Which of them is deployed nobody could tell, and each migration would rebuild everything."""
    text = HEADER.replace("evidence\n", "review\n", 1).replace(PREVENTED, "none: a test")
    pack = small_pack(tmp_path, call_made_without_appointment=text)
    (pack / "db" / "functions").mkdir(parents=True)
    (pack / "db" / "functions" / "twice.sql").write_text(
        "".join(
            f"create or replace function trueup.twice(p_it {kind}) returns {kind} language sql immutable\n"
            "return p_it;\n"
            for kind in ("bigint", "text")
        )
    )
    refused(run("catalog", "--pack", pack), 2, "functions/twice.sql: trueup.twice is created twice")


VIEW = (
    "create or replace view trueup.some_candidates as "
    "select 'x' as check_name, 'call' as entity_type, 1::bigint as entity_id;"
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (VIEW, "no line '-- candidates of: <check>, <check>'"),
        (f"-- candidates of: call_made_without_appointment\n{VIEW}", "has no population"),
        (f"-- candidates of: call_made\n{VIEW}", "candidates of 'call_made', which is no check here"),
    ],
)
def test_candidates_that_cannot_be_asked_about(tmp_path: Path, text: str, says: str) -> None:
    pack = small_pack(
        tmp_path,
        call_made_without_appointment=HEADER.replace("evidence\n", "review\n", 1)
        .replace("population:  calls where appointment_made", "population:  none")
        .replace("calls.id, appointments.call_id", "none"),
    )
    (pack / "db" / "views").mkdir(parents=True)
    (pack / "db" / "views" / "some_candidates.sql").write_text(text)
    refused(run("catalog", "--pack", pack), 2, "some_candidates.sql", says)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (small_pack(tmp_path) / "checks" / "x.sql").write_bytes(b"-- x\n\xff\xfe")
    refused(run("catalog", "--pack", tmp_path), 2, "not UTF-8 text")
    (tmp_path / "checks" / "x.sql").write_bytes(b"-- x\n\x00")
    refused(run("catalog", "--pack", tmp_path), 2, "NUL character")


def test_a_pack_without_checks(tmp_path: Path) -> None:
    refused(run("catalog", "--pack", tmp_path), 2, "has no checks")
    refused(run("catalog", "--pack", tmp_path / "nowhere"), 2, "is not a directory")


def test_a_repair_promised_and_not_there(tmp_path: Path) -> None:
    pack = small_pack(tmp_path, call_made_without_appointment=HEADER)
    with pytest.raises(CatalogError, match=r"there is no db/repairs/call_made_without_appointment\.sql"):
        packs.load(pack)


@pytest.mark.parametrize(
    ("prevented", "file"),
    [
        ("guard", "call_made_without_appointment.sql"),
        ("constraint calls_known; fill calls_fill_made", "calls_fill_made.sql"),
        ("sync calls_sync_made; none: a call that is moved", "calls_sync_made.sql"),
        ("none: a test; guard would be slow", None),
        ("constraint calls_direction_known", None),
    ],
)
def test_a_prevention_promised_and_not_there(tmp_path: Path, prevented: str, file: str | None) -> None:
    """The catalogue said that a guard prevents what nothing prevented."""
    text = HEADER.replace("evidence\n", "review\n", 1)
    assert PREVENTED in text
    pack = small_pack(tmp_path, call_made_without_appointment=text.replace(PREVENTED, prevented))
    done = run("catalog", "--pack", pack)
    if file is None:
        assert (done.returncode, done.stderr) == (0, "")
        return
    refused(done, 2, f"but there is no triggers/{file}; write it")
    (pack / "triggers").mkdir()
    (pack / "triggers" / file).touch()
    assert packs.load(pack).checks


def test_a_file_that_does_not_run_names_itself_and_changes_nothing(database: str, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    for folder in ("checks", "triggers", "db", "migrations"):
        shutil.copytree(ROOT / folder, pack / folder)
    view = pack / "db" / "views" / "live_appointments.sql"
    view.write_text(view.read_text().replace("ka.status,", "ka.stat,"))
    done = run("migrate", "--pack", pack, url=database)
    refused(done, 2, "db/views/live_appointments.sql", "ka.stat")
    assert trueup.verify(database=database).ok


def test_keys_that_are_uuid(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        """
        create table public.orders (id uuid primary key default gen_random_uuid(), company_id uuid, paid_at timestamptz);
        insert into public.orders (id, company_id)
        values ('6b3c0b0e-0000-4000-8000-000000000001', '6b3c0b0e-0000-4000-8000-00000000000a');
        """,
    )
    made = run("init", tmp_path / "shop", "--table", "orders", "--column", "paid_at", url=empty_database)
    assert made.returncode == 0, made.stderr
    pack = tmp_path / "shop"
    trueup.migrate(database=empty_database, pack=pack)
    checked = trueup.check(database=empty_database, pack=pack)
    found = next(item for item in checked.results if item.name == "orders_paid_at_missing")
    assert found.violations == 1
    assert UUID(found.examples[0].entity_id)
    repaired = trueup.repair(database=empty_database, pack=pack, apply=True)
    assert repaired.review == 1
    assert trueup.verify(database=empty_database, pack=pack).ok


def test_wrong_usage_is_explained() -> None:
    for arguments in (
        ["zzz"],
        ["check", "--fail-on", "zzz"],
        ["check", "--max-alerts", "-1"],
        ["check", "--examples", "-1"],
        ["migrate", "--wait", "-1"],
        ["migrate", "--wait", "nan"],
        ["check", "--replica-wait", "nan"],
        ["repair", "--undo", "x"],
        ["review", "claim"],
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Usage:" in done.stderr


def test_a_reader_without_rights(database: str) -> None:
    name = f"reader_{database.partition('?')[0].rpartition('_')[2]}"
    sql(database, f"create role {name} login")
    try:
        url = database.replace("postgres@", f"{name}@")
        refused(run("check", url=url), 4, "permission denied", "db/roles.sql")
    finally:
        sql(database, f"drop role {name}")


def test_an_old_library_user_gets_our_errors() -> None:
    with pytest.raises(trueup.errors.DatabaseError):
        trueup.check(database="postgresql:///postgres?host=/nonexistent")
    assert not isinstance(trueup.errors.DatabaseError("x"), psycopg.Error)
