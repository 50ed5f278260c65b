"""trueup leaves: the schema as it was, the rows where they are, the alerts in a file, nobody waiting.

Each test compares pg_dump --schema-only before the adoption and after the removal, on both servers.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Databases
from helpers import connected, eventually, launch, run, sql, value
from psycopg.conninfo import conninfo_to_dict

import trueup
from trueup import server, uninstalling
from trueup.errors import DatabaseError, MigrationError, UsageError

# what an application has besides what the pack needs: columns, defaults, owners, rules of its own
GROWN = """
create role grown_owner;
create schema reporting;
alter table public.calls
    add column provider text not null default 'retell',
    add column cost_cents integer check (cost_cents >= 0),
    add column tags text[] default '{}';
alter table public.customers alter column source set default 'import', add column birthday date;
create type public.mood as enum ('good', 'bad');
alter table public.appointments add column mood public.mood;
alter table public.calls alter column status set default 'registered';
-- of our name, and the application's
create index calls_customer_id_idx on public.calls (customer_id);
-- of the name of one that a later revision widens
create index appointments_call_id_idx on public.appointments (call_id);
alter table public.appointments add constraint appointments_times_ordered check (ends_at > starts_at);
create index calls_provider_idx on public.calls (provider, created_at desc);
create function public.touch() returns trigger language plpgsql as $$ begin new.updated_at := now(); return new; end $$;
create trigger calls_touch before update on public.calls for each row execute function public.touch();
create view reporting.calls_by_day as select c.created_at::date as day, count(*) as calls from public.calls as c group by 1;
comment on table public.calls is 'what the agent heard';
alter table public.staff owner to grown_owner;
grant select, update (notes) on public.customers to grown_owner;
grant usage on schema reporting to grown_owner;
alter table public.companies enable row level security;
create policy everybody on public.companies using (true);
"""


@pytest.fixture
def binaries(databases: Databases) -> Path:
    return server.find_binaries(databases.server.version).directory


@pytest.fixture
def used_database(databases: Databases) -> Iterator[str]:
    """URL of the incident's database, adopted and used."""
    name = databases.create(databases.template("used", adopted, databases.incident()))
    yield databases.server.url(name)
    databases.drop(name)


@pytest.fixture
def grown_database(databases: Databases, incident_database: str) -> Any:
    """The incident's database with columns, rules, objects and owners of the application's own."""
    sql(incident_database, GROWN)
    yield incident_database
    databases.drop(name_of(incident_database))
    databases.admin("drop role grown_owner")


def name_of(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])


def dumped(url: str, binaries: Path, *options: str) -> str:
    done = subprocess.run(
        [binaries / "pg_dump", *options, "-d", url], capture_output=True, text=True, check=True
    )
    # newer releases put a random word at the beginning and the end
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.M)


def schema(url: str, binaries: Path) -> str:
    return dumped(url, binaries, "--schema-only")


def stored(url: str, binaries: Path) -> list[str]:
    """Return the rows of the application, whatever order references give the tables."""
    return sorted(dumped(url, binaries, "--data-only", "--schema=public").splitlines())


def adopted(url: str) -> None:
    """Adopt, and use everything that leaves something behind."""
    trueup.adopt(database=url, apply=True)
    trueup.check(database=url)
    trueup.repair(database=url, apply=True)
    trueup.enforce(database=url)


def removed(url: str, **more: Any) -> uninstalling.Removal:
    return trueup.uninstall(database=url, database_name=name_of(url), no_dump=True, apply=True, **more)


@pytest.mark.one_server
def test_the_incidents_schema_is_as_it_was_and_its_rows_stay(
    incident_database: str, binaries: Path, tmp_path: Path
) -> None:
    before = schema(incident_database, binaries)
    adopted(incident_database)
    rows = stored(incident_database, binaries)
    assert schema(incident_database, binaries) != before

    name, file = name_of(incident_database), tmp_path / "alerts.jsonl"
    done = run("uninstall", "--database-name", name, "--dump", file, "--apply", url=incident_database)
    assert done.returncode == 0, done.stderr
    assert f"{name} is as it was before us; alerts, repairs and the queue are in {file}" in done.stdout
    assert schema(incident_database, binaries) == before
    assert stored(incident_database, binaries) == rows

    again = run("uninstall", "--database-name", name, "--dump", file, "--apply", url=incident_database)
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"nothing to do: nothing of ours is in {name}\n"
    trueup.adopt(database=incident_database, apply=True)
    assert trueup.verify(database=incident_database).ok, "it can come back"


@pytest.mark.one_server
def test_what_the_application_added_is_left_alone(grown_database: str, binaries: Path) -> None:
    before = schema(grown_database, binaries)
    adopted(grown_database)
    done = removed(grown_database)
    assert schema(grown_database, binaries) == before
    assert [text.partition(":")[0] for text in done.stays if "before us" in text] == [
        "index appointments_call_id_idx on public.appointments",
        "check appointments_times_ordered on public.appointments",
        "index calls_customer_id_idx on public.calls",
    ]


def test_the_tables_of_a_fresh_database_stay(database: str, binaries: Path, legacy_database: str) -> None:
    sql(database, "drop schema factory cascade; drop extension if exists pgtap")
    done = removed(database)
    assert any("even if revision 0001 created it" in text for text in done.stays)
    mine = dumped(database, binaries, "--schema-only", "--schema=public")
    assert mine == dumped(legacy_database, binaries, "--schema-only", "--schema=public")


@pytest.mark.one_server
def test_the_dry_run_is_the_script(incident_database: str, used_database: str, binaries: Path) -> None:
    before = schema(incident_database, binaries)
    everything = dumped(used_database, binaries)
    done = run("uninstall", url=used_database)
    assert done.returncode == 0, done.stderr
    assert dumped(used_database, binaries) == everything, "nothing was changed"
    steps = trueup.uninstall(database=used_database).steps
    assert done.stdout.count("-- locks: ") == len(steps)
    subprocess.run(
        [binaries / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", used_database],
        input=done.stdout,
        text=True,
        check=True,
        capture_output=True,
    )
    assert schema(used_database, binaries) == before


def test_the_locks_are_those_that_are_told(used_database: str) -> None:
    """Each statement is run and rolled back, the last one after all others; what it then holds exclusively is what the plan says."""
    held = """
        select array_agg(distinct l.relation::regclass::text order by l.relation::regclass::text)
        from pg_locks as l
        inner join pg_class as c on l.relation = c.oid
        where l.pid = pg_backend_pid() and l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
            and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    """
    steps = trueup.uninstall(database=used_database).steps
    with psycopg.connect(used_database) as connection:
        for step in steps:
            if step.is_concurrent:
                assert "SHARE UPDATE EXCLUSIVE" in step.locks
                continue
            if step is steps[-1]:
                connection.autocommit = True
                for before in steps[:-1]:
                    for statement in before.statements:
                        connection.execute(statement.encode())
                connection.autocommit = False
            for statement in step.statements:
                connection.execute(statement.encode())
            (row,) = connection.execute(held.encode()).fetchall()
            told = sorted(set(re.findall(r"public\.(\w+)", step.locks)))
            assert [name.removeprefix("public.") for name in row[0] or []] == told, step
            assert step.what.startswith(("references", "constraints and triggers")) or not told
            connection.rollback()


@pytest.mark.one_server
def test_interrupted_after_any_step_it_goes_on(
    incident_database: str, used_database: str, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema(incident_database, binaries)
    real, left = uninstalling._carry_out, 0

    def breaking(connection: Any, step: uninstalling.Step) -> str | None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return real(connection, step)

    monkeypatch.setattr(uninstalling, "_carry_out", breaking)
    tries = 0
    while schema(used_database, binaries) != before:
        left = 13
        tries += 1
        assert tries < 20
        try:
            removed(used_database)
        except KeyboardInterrupt:
            continue
    assert tries > 3


@pytest.mark.one_server
@pytest.mark.parametrize(
    "table", ["public.appointments", "public.staff", "trueup.settings"], ids=["calls", "staff", "schema"]
)
def test_killed_while_it_waits_it_is_run_again(
    incident_database: str, used_database: str, binaries: Path, tmp_path: Path, table: str
) -> None:
    before = schema(incident_database, binaries)
    name, file = name_of(used_database), tmp_path / "alerts.jsonl"
    arguments = ("uninstall", "--database-name", name, "--dump", str(file), "--apply")
    with connected(used_database, 1) as (holder,):
        holder.execute(f"lock table {table} in access share mode".encode())
        running = launch(*arguments, url=used_database)
        eventually(
            lambda: value(
                used_database,
                "select count(*) > 0 from pg_locks as l where not l.granted and l.relation = %s::regclass",
                table,
            )
        )
        running.kill()
        running.communicate()
    eventually(
        lambda: (
            not value(
                used_database,
                "select count(*) from pg_stat_activity where application_name like 'trueup %%' and datname = %s",
                name,
            )
        )
    )
    done = run(*arguments, url=used_database)
    assert done.returncode == 0, done.stderr
    assert schema(used_database, binaries) == before
    assert not [path for path in tmp_path.iterdir() if path != file and path.stat().st_size == 0]


def test_an_index_half_dropped_is_dropped(incident_database: str, used_database: str, binaries: Path) -> None:
    before = schema(incident_database, binaries)
    sql(
        used_database,
        "update pg_index set indisvalid = false where indexrelid = 'public.calls_suspect_idx'::regclass",
    )
    removed(used_database)
    assert schema(used_database, binaries) == before


def test_an_index_whose_build_was_cut_off_is_ours(
    incident_database: str, used_database: str, binaries: Path
) -> None:
    before = schema(incident_database, binaries)
    sql(
        used_database,
        "update pg_index set indisvalid = false where indexrelid = 'public.calls_suspect_idx'::regclass;"
        "update trueup.constraints set definition_checksum = null, server_version = null where name = 'calls_suspect_idx'",
    )
    trueup.migrate(database=used_database)
    assert trueup.verify(database=used_database).ok
    removed(used_database)
    assert schema(used_database, binaries) == before


def test_who_holds_a_table_is_named_and_the_next_call_goes_on(
    incident_database: str, used_database: str, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema(incident_database, binaries)
    monkeypatch.setattr(uninstalling, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(uninstalling, "ATTEMPTS", 2)
    with connected(used_database, 1) as (holder,):
        holder.execute("select 1 from public.calls limit 1")
        with pytest.raises(MigrationError, match=f"held by pid {holder.info.backend_pid},"):
            removed(used_database)
        holder.rollback()
        holder.execute("select 1 from trueup.checks limit 1")
        with pytest.raises(MigrationError, match=f"schema trueup is held by pid {holder.info.backend_pid},"):
            removed(used_database)
    removed(used_database)
    assert schema(used_database, binaries) == before


@pytest.mark.one_server
def test_writers_go_on(used_database: str) -> None:
    """Nobody is refused, nothing deadlocks, and no write waits longer than a catalogue change takes."""
    stop, waits, errors = threading.Event(), [], []

    def write(number: int) -> None:
        with psycopg.connect(used_database, autocommit=True) as connection:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    with connection.transaction():
                        order = ("customers", "calls", "appointments")
                        for table in order if number else reversed(order):
                            connection.execute(
                                f"update public.{table} set updated_at = now() where id = "
                                f"(select max(id) - {number} from public.{table})".encode()
                            )
                    connection.execute(
                        "insert into public.calls (company_id, retell_call_id, booking_confirmed) "
                        "values (1, 'call_' || gen_random_uuid(), false)"
                    )
                except psycopg.Error as error:
                    errors.append(error)
                waits.append(time.monotonic() - began)
                time.sleep(0.005)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.3)
        removed(used_database)
        time.sleep(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors
    assert len(waits) > 50
    assert max(waits) < 0.9, f"the lock timeout is 0.1 s, the machine is shared: {max(waits)}"


def test_nothing_refuses_a_write_while_triggers_go_one_table_after_the_other(
    used_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the sync would have put right, when it is gone already and a guard is not, passes."""
    real, tried = uninstalling._carry_out, []
    write = "update public.calls set session_outcome = 'appointment_booked' where id = 173"
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(used_database, write)

    def writing(connection: Any, step: uninstalling.Step) -> str | None:
        done = real(connection, step)
        if step.what.startswith("constraints") and step.tables == ("public.appointments",):
            sql(used_database, write)
            tried.append(step)
        return done

    monkeypatch.setattr(uninstalling, "_carry_out", writing)
    removed(used_database)
    assert len(tried) == 1


@pytest.mark.one_server
def test_a_writer_waits_no_longer_than_the_timeout(used_database: str) -> None:
    """Behind a transaction that stays open the removal tries and steps aside, again and again."""
    waits = []
    with connected(used_database, 2) as (holder, writer):
        holder.execute("select 1 from public.calls limit 1")
        removing = threading.Thread(target=removed, args=(used_database,))
        removing.start()
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            began = time.monotonic()
            writer.execute("update public.calls set updated_at = now() where id = 1")
            writer.rollback()
            waits.append(time.monotonic() - began)
            time.sleep(0.01)
        holder.rollback()
        removing.join()
    assert 0.05 < max(waits) < 0.9, "as long as the lock timeout, and what a shared machine adds"
    assert not value(used_database, "select to_regnamespace('trueup')")


def test_the_dump_holds_every_row(used_database: str, tmp_path: Path) -> None:
    odd = 'a "quoted" \\ back\tslash\nline, \u0001\u0002 and ü'.replace("\u0001\u0002", "\x01\x02")
    sql(
        used_database,
        "select trueup.queue_review('odd', 'call', '1', %s)",
        odd,
    )
    expected = {
        name: [
            row[0]
            for row in sql(
                used_database,
                f"set timezone = 'UTC'; select to_jsonb(t) from trueup.{name} as t order by id",
            )
        ]
        for name in uninstalling.DUMPED
    }
    assert all(expected.values())
    file = tmp_path / "alerts.jsonl"
    done = trueup.uninstall(
        database=used_database, database_name=name_of(used_database), dump=file, apply=True
    )
    first, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert first["rows"] == {name: len(rows) for name, rows in expected.items()}
    assert done.dump is not None
    assert done.dump.rows == first["rows"]
    found: dict[str, list[Any]] = {name: [] for name in uninstalling.DUMPED}
    for line in lines:
        found[line["table"]].append(line["row"])
    assert found == expected
    assert odd in {row["description"] for row in found["manual_review_queue"]}
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_filed_meanwhile_is_in_the_dump(
    used_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = uninstalling._carry_out

    def filing(connection: Any, step: uninstalling.Step) -> str | None:
        if step.what.startswith("guards off"):
            sql(used_database, "select trueup.queue_review('late', 'call', '2', 'while it ran')")
        return real(connection, step)

    monkeypatch.setattr(uninstalling, "_carry_out", filing)
    file = tmp_path / "alerts.jsonl"
    done = trueup.uninstall(
        database=used_database, database_name=name_of(used_database), dump=file, apply=True
    )
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert any(row.get("row", {}).get("description") == "while it ran" for row in rows)
    assert done.dump is not None
    assert rows[0]["rows"] == done.dump.rows


@pytest.mark.one_server
def test_no_file_is_overwritten(used_database: str, binaries: Path, tmp_path: Path) -> None:
    before = schema(used_database, binaries)
    file = tmp_path / "notes.txt"
    file.write_text("mine\n")
    with pytest.raises(UsageError, match="exists and holds something else"):
        trueup.uninstall(database=used_database, database_name=name_of(used_database), dump=file, apply=True)
    assert file.read_text() == "mine\n"
    assert list(tmp_path.iterdir()) == [file]
    assert schema(used_database, binaries) == before
    done = run(
        "uninstall", "--database-name", name_of(used_database), "--dump", tmp_path / "no" / "where", "--apply",
        url=used_database,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert schema(used_database, binaries) == before


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"no_dump": True}, "say --database-name trueup_test"),
        ({"no_dump": True, "database_name": "another"}, "not another"),
        ({"database_name": ""}, "not ;|--dump FILE"),
        ({"database_name": "mine"}, "--dump FILE, or say --no-dump"),
        ({"database_name": "mine", "no_dump": True, "dump": Path("x")}, "not both"),
    ],
    ids=["no name", "wrong name", "empty name", "no dump", "both"],
)
def test_it_wants_to_be_told(
    incident_database: str, binaries: Path, given: dict[str, Any], said: str
) -> None:
    trueup.adopt(database=incident_database, apply=True)
    before = dumped(incident_database, binaries)
    if given.get("database_name") == "mine":
        given = {**given, "database_name": name_of(incident_database)}
    with pytest.raises(UsageError, match=said):
        trueup.uninstall(database=incident_database, apply=True, **given)
    assert dumped(incident_database, binaries) == before


RESTS = {
    "view public.wrong_calls": "create view public.wrong_calls as select v.entity_id from trueup.call_direction_missing as v",
    "materialized view public.open_alerts": "create materialized view public.open_alerts as select al.id from trueup.data_consistency_alerts as al",
    "default value for column notes of table public.staff": "alter table public.staff add column notes text default trueup.setting('review_lease')",
    "constraint notes_call_fkey on table public.notes": "create table public.notes (company_id bigint, call_id bigint, constraint notes_call_fkey "
    "foreign key (company_id, call_id) references public.calls (company_id, id))",
    "column outcome of table public.staff": "alter table public.staff add column outcome trueup.repair_outcome",
    "index public.rooms_excl": "create table public.rooms (room bigint, during tstzrange, constraint rooms_excl exclude using gist "
    "(room trueup.gist_int8_ops with =, during with &&))",
    "policy seen on table public.staff": "create policy seen on public.staff using (trueup.setting('review_lease') is not null)",
    "function public.outcome(trueup.repair_outcome)": "create function public.outcome(trueup.repair_outcome) returns int language sql return 1",
}


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("what", "statement"), RESTS.items(), ids=[name.split()[0] + str(i) for i, name in enumerate(RESTS)]
)
def test_what_rests_on_ours_is_named_and_kept(
    incident_database: str, binaries: Path, what: str, statement: str
) -> None:
    trueup.adopt(database=incident_database, apply=True)
    assert not trueup.uninstall(database=incident_database).obstacles
    sql(incident_database, statement)
    before = schema(incident_database, binaries)
    told = trueup.uninstall(database=incident_database).obstacles
    assert any(what in text for text in told), told
    with pytest.raises(UsageError, match="rests on something of ours"):
        removed(incident_database)
    assert schema(incident_database, binaries) == before
    done = run("uninstall", url=incident_database)
    assert done.returncode == 2
    assert what in done.stderr


def test_a_schema_of_somebody_else_is_refused(legacy_database: str) -> None:
    sql(legacy_database, "create schema trueup; create table trueup.horses (id int)")
    with pytest.raises(DatabaseError, match="did not make"):
        removed(legacy_database)
    assert value(legacy_database, "select to_regclass('trueup.horses') is not null")


def test_a_database_without_us_has_nothing_to_remove(legacy_database: str, binaries: Path) -> None:
    before = schema(legacy_database, binaries)
    assert not removed(legacy_database).steps
    assert schema(legacy_database, binaries) == before


def test_an_adoption_that_was_cut_off_is_removed(legacy_database: str, binaries: Path) -> None:
    before = schema(legacy_database, binaries)
    sql(legacy_database, "create schema trueup")
    removed(legacy_database)
    assert schema(legacy_database, binaries) == before


@pytest.mark.one_server
def test_the_owner_of_the_tables_can_and_nobody_else(
    databases: Databases, incident_database: str, binaries: Path
) -> None:
    name = name_of(incident_database)
    databases.admin(
        "create role removing_owner login; create role removing_other login; create role looking login"
    )
    try:
        databases.admin(f"grant create on database {name} to removing_owner")
        sql(
            incident_database,
            """
            do $$ declare r record; begin
                for r in select c.oid::regclass as name from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' loop
                    execute format('alter table %s owner to removing_owner', r.name);
                end loop;
            end $$;
            grant usage, create on schema public to removing_owner
            """,
        )
        url = conninfo_to_dict(incident_database)
        owner, other = (
            psycopg.conninfo.make_conninfo("", **{**url, "user": user})
            for user in ("removing_owner", "removing_other")
        )
        before = schema(incident_database, binaries)
        trueup.adopt(database=owner, apply=True)
        sql(incident_database, "grant trueup_dashboard to looking; grant trueup_runner to removing_other")
        trueup.migrate(database=incident_database)
        assert (
            value(
                incident_database,
                "select count(*) from pg_db_role_setting where setrole = 'looking'::regrole",
            )
            == 1
        )
        with pytest.raises(DatabaseError, match="belongs to another role"):
            removed(other)
        sql(incident_database, "alter table public.staff owner to postgres")
        with pytest.raises(DatabaseError, match=r"public\.staff, owned by"):
            removed(owner)
        sql(incident_database, "alter table public.staff owner to removing_owner")
        done = removed(owner)
        assert schema(incident_database, binaries) == before
        assert ["looking" in text for text in done.warnings] == [True], "only who may change a role resets it"
        removed(incident_database)
        assert not value(
            incident_database, "select count(*) from pg_db_role_setting where setrole = 'looking'::regrole"
        )
    finally:
        databases.drop(name)
        databases.admin("drop role removing_owner; drop role removing_other; drop role looking")


@pytest.mark.one_server
def test_another_migration_is_waited_for(incident_database: str) -> None:
    trueup.adopt(database=incident_database, apply=True)
    with connected(incident_database, 1) as (holder,):
        holder.execute("select pg_advisory_lock(128034944677232)")
        with pytest.raises(MigrationError, match="another migration is running"):
            removed(incident_database, wait=0.2)
    assert value(incident_database, "select to_regnamespace('trueup') is not null")
