"""Databases that are not as we would have made them: another schema, other owners, columns that are not there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import ROOT, Databases
from helpers import run, sql, value
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from test_acceptance import PICTURE
from test_uninstall import name_of, schema

import trueup
from trueup import bodies, migration, packs, server
from trueup.errors import TrueupError, UsageError

# what is created later has the higher oid
INDEXES_AND_TRIGGERS = """
select
    (
        select max(i.oid)
        from pg_catalog.pg_class as i
        inner join trueup.constraints as ct on i.relname = ct.name
        where i.relkind = 'i' and ct.check_name is null
    ) < (
        select min(tg.oid)
        from pg_catalog.pg_trigger as tg
        inner join pg_catalog.pg_proc as p on tg.tgfoid = p.oid
        where
            p.pronamespace = 'trueup'::regnamespace
            and tg.tgrelid in ('public.calls'::regclass, 'public.appointments'::regclass)
    )
"""
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


@pytest.mark.one_server
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
    for command in ("migrate", "adopt"):
        assert run(command, "--dry-run", url=moved_incident).stdout == "-- nothing to do\n"
    assert "app.calls" in run("explain", "call_backlink_missing", url=moved_incident).stdout
    assert not trueup.status(database=moved_incident).pending_files
    with pytest.raises(UsageError, match="schema app"):
        trueup.adopt(database=moved_incident, host_schema="public")
    assert value(moved_incident, "select to_regclass('public.calls') is null")

    # so do the files that a superuser runs where the owner may make no roles
    reads = "select has_table_privilege('trueup_runner', 'app.calls', 'select, insert, update, delete')"
    sql(moved_incident, "revoke all on all tables in schema app from trueup_runner")
    assert not value(moved_incident, reads)
    for root in (packs.CORE, ROOT):
        sql(moved_incident, (root / "db" / "roles.sql").read_text())
    assert value(moved_incident, reads)

    # changes are tracked, guards refuse, and a booking is made
    sql(moved_incident, "update app.calls set customer_name = 'Test' where id = 1")
    assert value(moved_incident, "select count(*) from trueup.changes where table_name = 'app.calls'") > 0
    assert run("check", "--changed", url=moved_incident).returncode in (0, 1)
    assert value(moved_incident, "select count(*) from trueup.changes") == 0
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


@pytest.mark.one_server
@pytest.mark.parametrize("name", ["My App", "order", "x; drop table calls"])
def test_a_name_that_needs_quotes_is_refused(legacy_database: str, name: str) -> None:
    with pytest.raises(UsageError, match="without quotes"):
        trueup.adopt(database=legacy_database, host_schema=name)


def test_psql_adopts_as_the_dry_run_says(moved_incident: str, binaries: Path) -> None:
    as_it_was = schema(moved_incident, binaries)
    said = run("adopt", "--host-schema", "app", "--dry-run", url=moved_incident)
    assert said.returncode == 0, said.stderr
    assert schema(moved_incident, binaries) == as_it_was
    done = subprocess.run(
        [binaries / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", moved_incident],
        input=said.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert trueup.verify(database=moved_incident).ok
    assert {change.action for change in trueup.migrate(database=moved_incident).changes} == {"pending"}


@pytest.mark.one_server
def test_no_trigger_looks_for_an_index_that_is_not_there_yet(legacy_database: str) -> None:
    """An insert whose triggers read whole tables kept the writers of a large table waiting for seconds."""
    script = run("adopt", "--dry-run", url=legacy_database).stdout
    first = script.index("create trigger ")
    assert "create index concurrently" not in script[first:]
    trueup.adopt(database=legacy_database, apply=True)
    assert value(legacy_database, INDEXES_AND_TRIGGERS)


@pytest.mark.one_server
def test_an_empty_database_is_not_adopted(empty_database: str) -> None:
    for arguments in (["adopt"], ["adopt", "--apply"]):
        said = run(*arguments, url=empty_database)
        assert (said.returncode, said.stdout) == (4, "")
        assert "holds none of the application's tables" in said.stderr
        assert "trueup migrate" in said.stderr
    assert value(empty_database, "select to_regnamespace('trueup') is null")


@pytest.mark.one_server
def test_what_needs_a_missing_column_is_left_out(legacy_database: str) -> None:
    sql(
        legacy_database,
        "alter table public.appointment_modifications drop column new_starts_at;"
        "alter table public.calls drop column disconnection_reason;"
        "insert into public.companies (name) values ('one');"
        "insert into public.calls (company_id, retell_call_id, appointment_made) values (1, 'call_1', true)",
    )
    said = run("adopt", url=legacy_database)
    assert said.returncode == 0, said.stderr
    assert "alter table public.calls add column disconnection_reason text;" in said.stdout
    why = "public.appointment_modifications.new_starts_at is missing"
    (line,) = [x for x in said.stdout.splitlines() if x.startswith(f"left out     {why}: ")]
    assert "checks/appointment_modification_mismatch.sql" in line

    said = run("adopt", "--apply", url=legacy_database)
    assert said.returncode == 0, said.stderr
    for told in (run("status", url=legacy_database), run("verify", url=legacy_database)):
        assert told.returncode == 0, told.stdout + told.stderr
        assert "checks/appointment_modification_mismatch.sql" in told.stdout
        assert why in told.stdout
    assert value(legacy_database, "select to_regproc('trueup.process_events') is null")
    assert value(legacy_database, "select to_regproc('trueup.book_appointment') is not null")
    asked = run("check", "appointment_modification_mismatch", url=legacy_database)
    assert (asked.returncode, why in asked.stderr) == (2, True)
    found = {r.name: (r.outcome, r.violations) for r in trueup.check(database=legacy_database).results}
    assert "appointment_modification_mismatch" not in found
    assert found["call_made_without_appointment"] == ("complete", 1)
    assert {outcome for outcome, _ in found.values()} == {"complete"}

    # with the column it comes, and nothing else changes
    sql(legacy_database, "alter table public.appointment_modifications add column new_starts_at timestamptz")
    assert "appointment_modification_mismatch" in trueup.migrate(database=legacy_database, dry_run=True).sql
    done = trueup.migrate(database=legacy_database)
    assert "checks/appointment_modification_mismatch.sql" in {c.what for c in done.changes}
    assert value(legacy_database, "select missing_columns from trueup.application") == [
        "calls.disconnection_reason"
    ]
    assert trueup.verify(database=legacy_database).ok
    sql(legacy_database, "alter table public.calls add column disconnection_reason text")
    trueup.migrate(database=legacy_database)
    assert not trueup.status(database=legacy_database).left_out
    assert trueup.verify(database=legacy_database).ok


@pytest.mark.one_server
def test_a_check_outlives_the_repair_that_needs_a_missing_column(legacy_database: str) -> None:
    """Only functions that repairs call name customers.notes; it cost the check, its guard, and two checks more."""
    sql(
        legacy_database,
        "alter table public.customers drop column notes;"
        "insert into public.companies (name) values ('one');"
        "insert into public.calls (company_id, retell_call_id, booking_confirmed) values (1, 'call_1', true)",
    )
    said = run("adopt", url=legacy_database)
    kept = [
        f"db/repairs/{name}.sql" for name in ("booking_missing_locally", "call_booked_without_appointment")
    ]
    assert (
        "left out     needs appointment_from_booking (public.customers.notes is missing); "
        f"the check stays, with repair: review: {', '.join(kept)}\n"
    ) in said.stdout
    assert "checks/" not in said.stdout
    assert run("adopt", "--apply", url=legacy_database).returncode == 0

    registered = "select repair from trueup.checks where name = 'call_booked_without_appointment'"
    assert value(legacy_database, registered) == "review"
    tried = trueup.repair(database=legacy_database, apply=True)
    (people,) = [done for done in tried.checks if done.name == "call_booked_without_appointment"]
    assert (people.review, people.reasons) == (1, (("review", "a person decides", 1),))
    (enforced,) = trueup.enforce(["call_booked_without_appointment"], database=legacy_database)
    assert "1 old violations are in people's hands" in enforced.detail
    assert run("verify", url=legacy_database).returncode == 0

    sql(legacy_database, "alter table public.customers add column notes text")
    trueup.migrate(database=legacy_database)
    assert value(legacy_database, registered) == "evidence"
    assert not trueup.status(database=legacy_database).left_out
    assert trueup.verify(database=legacy_database).ok


@pytest.mark.one_server
def test_a_column_that_goes_later_is_a_fault(database: str) -> None:
    """What was agreed on is what was missing at the adoption; lesson 5 of the incident."""
    sql(database, "alter table public.appointment_modifications drop column new_starts_at cascade")
    assert run("verify", url=database).returncode == 1
    results = {r.name: r.outcome for r in trueup.check(database=database).results}
    assert results["appointment_modification_mismatch"] == "error"


@pytest.mark.one_server
def test_naive_timestamps_are_refused_with_the_statement_for_each_case(
    legacy_database: str,
) -> None:
    sql(
        legacy_database,
        "alter table public.calls alter column started_at type timestamp(0), alter column ended_at type timestamp,"
        "alter column created_at type timestamptz(0);"
        "create index calls_started_at_idx on public.calls (started_at);"
        "insert into public.calls (company_id, retell_call_id, started_at) values (1, 'x', '2025-10-20 14:00')",
    )
    said = run("adopt", "--apply", url=legacy_database)
    assert said.returncode == 4
    assert value(legacy_database, "select to_regnamespace('trueup') is null")
    assert "only the application knows which instant they mean: started_at, ended_at" in said.stderr
    assert "ACCESS EXCLUSIVE" in said.stderr
    (zoned,) = re.findall(r"^ +(alter table .*;)$", said.stderr, re.M)
    (plain,) = re.findall(r"(set timezone = 'UTC'; alter table .*;)$", said.stderr, re.M)

    stored = "select pg_relation_filenode('public.calls')"
    before = value(legacy_database, stored)
    with psycopg.connect(legacy_database) as connection:
        connection.execute(plain.encode())
        assert connection.execute(
            "select started_at = '2025-10-20 14:00+00' from public.calls"
        ).fetchone() == (True,)
        assert connection.execute(stored.encode()).fetchone() == (before,), "nothing is rewritten"
        connection.rollback()
    sql(legacy_database, zoned)
    assert value(legacy_database, "select started_at = '2025-10-20 14:00+02' from public.calls")
    assert value(legacy_database, stored) != before
    assert run("adopt", "--apply", url=legacy_database).returncode == 0


@pytest.fixture
def roles(databases: Databases) -> Iterator[tuple[str, str]]:
    """Two roles: who owns the tables, and who adopts."""
    found = ("adoption_app", "adoption_dba")
    for role in found:
        databases.admin(f"drop role if exists {role}")
        databases.admin(f"create role {role} login")
    yield found
    for role in found:
        databases.admin(f"drop role {role}")


@pytest.mark.one_server
def test_tables_of_another_owner(roles: tuple[str, str], databases: Databases, legacy_database: str) -> None:
    app, dba = roles
    sql(legacy_database, "".join(f"alter table public.{t} owner to {app}; " for t in TABLES))
    url = make_conninfo(legacy_database, user=dba)
    said = run("adopt", url=url)
    assert said.returncode == 4
    assert "public.calls, public.companies, public.customers" in said.stderr
    assert f"belongs to role {app}" in said.stderr
    mends = re.findall(r"^ +(grant [^;]*);", said.stderr, re.M)
    assert len(mends) == 3
    sql(legacy_database, "; ".join(mends))

    owners = "select c.relname, c.relowner::regrole::text from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1"
    before = sql(legacy_database, owners)
    said = run("adopt", "--apply", url=url)
    assert said.returncode == 0, said.stderr
    assert sql(legacy_database, owners) == before
    assert run("verify", url=url).returncode == 0
    written = make_conninfo(legacy_database, user=app)
    sql(written, "insert into public.companies (name) values ('one')")
    sql(written, "insert into public.calls (company_id, retell_call_id) values (1, 'call_1')")
    assert value(legacy_database, "select direction from public.calls") == "inbound"
    name = str(conninfo_to_dict(legacy_database)["dbname"])
    trueup.uninstall(database=url, database_name=name, no_dump=True, apply=True)
    assert sql(legacy_database, owners) == before
    databases.drop(name)


HIDDEN = "alter table public.calls enable row level security; create policy tenant on public.calls using (company_id = 7)"


@pytest.mark.one_server
def test_rows_that_a_policy_hides_are_not_taken_for_none(
    roles: tuple[str, str], databases: Databases, legacy_database: str
) -> None:
    """A policy that holds for the owner, too, would hide every violation, and let constraints arrive valid."""
    app, _ = roles
    database_name = str(conninfo_to_dict(legacy_database)["dbname"])
    databases.admin(f"grant create on database {database_name} to {app}")
    sql(legacy_database, f"alter schema public owner to {app}")
    sql(legacy_database, "".join(f"alter table public.{t} owner to {app}; " for t in TABLES))
    url = make_conninfo(legacy_database, user=app)
    sql(legacy_database, "insert into public.companies (name) values ('one')")
    sql(
        legacy_database,
        "insert into public.calls (company_id, retell_call_id, booking_confirmed) values (1, 'call_1', true)",
    )
    sql(legacy_database, HIDDEN + "; alter table public.calls force row level security")
    for options in ((), ("--apply",), ("--dry-run",)):
        said = run("adopt", *options, url=url)
        assert said.returncode != 0
        assert f"row-level security applies to {app} on public.calls" in said.stdout + said.stderr
        assert "alter table public.calls no force row level security;" in said.stdout + said.stderr
    assert value(legacy_database, "select to_regnamespace('trueup') is null")

    sql(legacy_database, "alter table public.calls no force row level security")
    said = run("adopt", "--apply", url=url)
    assert said.returncode == 0, said.stderr
    states = trueup.status(database=url).constraints
    assert states["not valid"] > 0
    found = {result.name: result for result in trueup.check(database=url).results}
    assert found["call_booked_without_appointment"].violations == 1

    # and what comes later is no silence
    sql(legacy_database, "alter table public.calls force row level security")
    assert run("migrate", url=url).returncode == 4
    sql(legacy_database, "update public.calls set session_outcome = 'voicemail'")
    for options in ((), ("--changed",)):
        said = run("check", *options, url=url)
        assert said.returncode == 3
        assert 'affected by row-level security policy for table "calls"' in said.stdout + said.stderr
    failed = {result.name for result in trueup.check_changed(database=url).results if result.error}
    assert failed >= {"call_booked_without_appointment", "call_duplicate"}, "with candidates and without"
    assert trueup.status(database=legacy_database).constraints == states
    with pytest.raises(TrueupError, match="row-level security"):
        trueup.enforce(database=url)
    databases.drop(database_name)


@pytest.mark.one_server
def test_what_every_insert_must_give_is_told(legacy_database: str) -> None:
    sql(
        legacy_database,
        "alter table public.customers add column tier text not null, add column seen boolean not null default false;"
        "alter table public.calls alter column metadata drop default",
    )
    notes = trueup.adopt(database=legacy_database).notes
    assert [note.split(" is not null")[0] for note in notes] == [
        "public.calls.metadata",
        "public.customers.tier",
    ]


KEYS = """
select format('%I.%I', c.relname, att.attname) as name, format('public.%I', c.relname), att.attname, att.attidentity <> ''
from pg_attribute as att
inner join pg_class as c on att.attrelid = c.oid
where
    c.relnamespace = 'public'::regnamespace
    and c.relkind = 'r'
    and att.atttypid = 'bigint'::regtype
    and (att.attname = 'id' or att.attname ~ '^(company|branch|phone_number|customer|call|appointment|service|staff)_id$')
order by c.relname, att.attnum
"""


@pytest.fixture
def uuid_incident(databases: Databases) -> Iterator[str]:
    """URL of the incident's database, every key a uuid that ends like the number it was."""
    name = databases.create(databases.incident())
    url = databases.server.url(name)
    sql(
        url,
        "create function pg_temp_key(bigint) returns uuid language sql immutable as "
        "$$ select ('00000000-0000-4000-8000-' || lpad($1::text, 12, '0'))::uuid $$",
    )
    for _, table, column, is_identity in sql(url, KEYS):
        if is_identity:
            sql(url, f"alter table {table} alter column {column} drop identity")
        sql(url, f"alter table {table} alter column {column} type uuid using pg_temp_key({column})")
        if is_identity:
            sql(url, f"alter table {table} alter column {column} set default gen_random_uuid()")
    sql(url, "drop function pg_temp_key")
    yield url
    databases.drop(name)


@pytest.mark.one_server
def test_uuid_keys_end_as_numbers_do(uuid_incident: str, incident_database: str, binaries: Path) -> None:
    as_it_was = schema(uuid_incident, binaries)
    said = run("adopt", "--apply", url=uuid_incident)
    assert said.returncode == 0, said.stderr
    # one check lists rows of ours among those of the application
    assert [c.what for c in trueup.status(database=uuid_incident).left_out] == [
        "checks/event_double_encoded.sql",
        "db/repairs/event_double_encoded.sql",
    ]
    trueup.adopt(database=incident_database, apply=True)
    with_uuids, with_numbers = story(uuid_incident), story(incident_database)
    for run_of in ("first", "second"):
        del with_numbers[run_of]["event_double_encoded"]
    assert with_uuids == with_numbers
    assert bodies.tried(None, uuid_incident).faults == ()
    company = "'00000000-0000-4000-8000-000000000001'"
    booked = f"""
        select b.appointment_id
        from public.customers as k
        cross join trueup.book_appointment(
            {company}, '2027-01-04 10:00+00', '2027-01-04 11:00+00', p_customer_id => k.id
        ) as b
        where k.company_id = {company}
        limit 1
    """
    appointment = value(uuid_incident, booked)
    cancelled = f"select replayed from trueup.cancel_appointment({company}, %s)"
    assert [value(uuid_incident, cancelled, appointment) for _ in range(2)] == [False, True]
    assert run("check", "--changed", url=uuid_incident).returncode in (0, 1)
    assert value(uuid_incident, "select count(*) from trueup.changes") == 0

    verified = run("verify", url=uuid_incident)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert trueup.migrate(database=uuid_incident).revisions == ()
    removed = trueup.uninstall(
        database=uuid_incident, database_name=name_of(uuid_incident), no_dump=True, apply=True
    )
    assert removed.applied
    assert schema(uuid_incident, binaries) == as_it_was


@pytest.mark.one_server
def test_keys_of_two_types_are_refused_by_name(legacy_database: str) -> None:
    sql(
        legacy_database,
        "alter table public.calls alter column id drop identity;"
        "alter table public.calls alter column id type uuid using gen_random_uuid();"
        "alter table public.appointments alter column call_id type uuid using gen_random_uuid()",
    )
    said = run("adopt", "--apply", url=legacy_database)
    assert said.returncode == 4
    assert "uuid are calls.id, appointments.call_id; not so are companies.id" in said.stderr
    assert "trueup init DIRECTORY --table public.calls" in said.stderr
