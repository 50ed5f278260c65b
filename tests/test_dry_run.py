"""The dry run to the letter: what psql makes of it is what `migrate` makes, and it says what it locks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Databases
from helpers import add_revision, copy_pack, run, sql, value
from test_migrate import schema

import trueup
from trueup import scripts, server, tokens

PER_CENT = """
-- a comment: 100 %; and one that looks like a parameter :name
create table discounts (
    id bigint generated always as identity primary key,
    label text not null default '10 % :off',
    rate numeric generated always as (id % 7) stored
);
create function discount_of(p_id bigint) returns text language sql
begin atomic
    select case when p_id % 2 = 0 then format('%s %%', p_id) else 'none' end;
    select 'x;y';
end;
do $$ begin execute format('comment on table discounts is %L', '50 % off'); end $$;
"""
NARROWER = """
alter table calls alter column disconnection_reason type varchar(200);
alter table appointments alter column status type varchar(40);
"""


def script(url: str, path: Path, *more: str | Path) -> str:
    done = run("migrate", "--dry-run", *more, url=url)
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return done.stdout


def psql(url: str, path: Path) -> None:
    program = server.find_binaries().directory / "psql"
    subprocess.run([program, "-qX", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", path], check=True)


@pytest.mark.one_server
@pytest.mark.parametrize("state", ["empty", "behind", "drifted", "reshaped"])
def test_psql_and_migrate_lead_to_one_catalogue(databases: Databases, tmp_path: Path, state: str) -> None:
    """From each state, once by psql and once by `migrate`: pg_dump says the same of both."""
    pack = copy_pack(tmp_path / "pack")
    add_revision(pack, "discounts", PER_CENT)
    if state in ("behind", "reshaped"):
        add_revision(pack, "narrower", NARROWER)
    if state == "reshaped":
        check = pack / "checks" / "call_direction_missing.sql"
        check.write_text(check.read_text().replace("c.company_id,", "c.company_id::text as company_id,", 1))
    names = [databases.create("template1" if state == "empty" else databases.migrated()) for _ in range(2)]
    by_psql, by_us = (databases.server.url(name) for name in names)
    try:
        for url in (by_psql, by_us):
            if state == "drifted":
                sql(
                    url,
                    "drop trigger calls_fill_direction on public.calls; "
                    "alter table public.calls drop constraint calls_direction_known; "
                    "alter table public.calls drop constraint calls_company_id_customer_id_fkey; "
                    "drop index public.appointments_call_id_idx; drop view trueup.guard_disarmed",
                )
        before = schema(by_psql)
        script(by_psql, tmp_path / "migrate.sql", "--pack", pack)
        assert schema(by_psql) == before, "a dry run changes nothing"
        psql(by_psql, tmp_path / "migrate.sql")
        trueup.migrate(database=by_us, pack=pack)
        assert schema(by_psql) == schema(by_us)
        assert trueup.verify(database=by_psql, pack=pack).ok
        done = trueup.migrate(database=by_psql, pack=pack)
        assert (done.revisions, done.changes) == ((), ())
        assert value(by_psql, "select obj_description('public.discounts'::regclass)") == "50 % off"
        assert value(by_psql, "select public.discount_of(2)") in ("2 %", "x;y")
        ledgers = [
            sql(
                url,
                "select d.name, d.checksum from trueup.deployments as d where d.kind = 'revision' order by 1",
            )
            for url in (by_psql, by_us)
        ]
        assert ledgers[0] == ledgers[1]
    finally:
        for name in names:
            databases.drop(name)


def test_it_says_what_each_statement_locks(database: str, tmp_path: Path) -> None:
    pack = copy_pack(tmp_path / "pack")
    add_revision(
        pack,
        "locks",
        "alter table calls add column spare text;\n"
        "create table harmless (id bigint);\n"
        "insert into companies (name) values ('a');\n"
        "create index spare_idx on staff (name);",
    )
    sql(
        database,
        "drop trigger calls_fill_direction on public.calls; "
        "alter table public.calls drop constraint calls_direction_known; "
        "drop index public.appointments_call_id_idx",
    )
    text = script(database, tmp_path / "migrate.sql", "--pack", pack)
    said = _locks(text)
    assert said["alter table calls add column spare text"] == ["ACCESS EXCLUSIVE on public.calls"]
    assert "create table harmless (id bigint)" not in said
    assert "insert into companies (name) values ('a')" not in said
    assert said["create index spare_idx on staff (name)"] == ["SHARE on public.staff"]
    for beginning, lock in {
        "create index concurrently": "SHARE UPDATE EXCLUSIVE on public.appointments",
        "alter table public.calls add constraint": "ACCESS EXCLUSIVE on public.calls",
        "create or replace trigger calls_fill_direction": "SHARE ROW EXCLUSIVE on public.calls",
    }.items():
        found = [locks for one, locks in said.items() if one.startswith(beginning)]
        assert found, beginning
        assert all(lock in " ".join(locks) for locks in found)


def test_locks_of_constraints_are_those_that_are_taken(database: str) -> None:
    """What the dry run says without having run it, compared with what the server does."""
    from trueup import deploy
    from trueup.deploy import ConstraintState
    from trueup.store import quoted, session

    with session(database, "test") as connection:
        for state in connection.rows("constraint_states", ConstraintState):
            for valid in (True, False):
                statement = deploy.definition(state, valid=valid)
                if state.kind.endswith("index"):
                    statement = (
                        f"create {'unique ' if state.kind.startswith('unique') else ''}index on "
                        f"{state.table_name} {state.definition}"
                    )
                with connection.transaction(rollback=True), connection.recording() as sent:
                    connection.script(statement.replace(quoted(state.name), "as_a_test", 1))
                    (text,) = sent
                lock = scripts.lock_of(statement)
                assert lock is not None
                assert f"-- locks: {lock[0]} on {state.table_name}\n" in text


@pytest.mark.parametrize(
    ("file", "lock"),
    [
        ("triggers/calls_fill_direction.sql", "SHARE ROW EXCLUSIVE on public.calls"),
        ("triggers/call_made_without_appointment.sql", "ACCESS EXCLUSIVE on public.calls"),
        ("checks/call_direction_missing.sql", "ACCESS EXCLUSIVE on trueup.call_direction_missing"),
    ],
)
def test_triggers_and_views_lock_what_is_said_of_them(
    database: str, tmp_path: Path, file: str, lock: str
) -> None:
    """As seen when nothing was locked before, and as known when an earlier transaction of the script had it."""
    pack = copy_pack(tmp_path / "pack")
    (pack / file).write_text((pack / file).read_text() + "\n-- edited\n")
    said = [_locks(script(database, tmp_path / "migrate.sql", "--pack", pack))]
    add_revision(pack, "locks", "lock table calls, trueup.call_direction_missing in access exclusive mode;")
    said.append(_locks(script(database, tmp_path / "migrate.sql", "--pack", pack)))
    assert [lock] in said[0].values()
    assert said[0].items() <= said[1].items()


def _locks(text: str) -> dict[str, list[str]]:
    found = {scripts.bare(one): re.findall(r"^-- locks: (.*)$", one, re.M) for one in tokens.texts(text)}
    return {statement: locks for statement, locks in found.items() if locks}


def test_statements_are_told_apart_as_psql_does() -> None:
    text = """
    -- a ; b
    select 'a;b' as "x;y"; /* ; /* ; */ ; */ do $x$ begin; $$ ; $$ end $x$;
    create function f() returns int language sql begin atomic select case when true then 1 else 2 end; end;
    select e'it\\'s;', 1 as begin_; ;; commit
    -- the end;
    """
    found = [scripts.bare(one) for one in tokens.texts(text)]
    assert [one.split()[0] for one in found] == ["select", ";", "create", "select", "commit"]
    assert len(found) == 5


def test_nothing_of_a_script_is_lost_between_its_statements() -> None:
    """Of every file that is deployed or run."""
    files = [
        path
        for folder in ("checks", "db", "migrations", "triggers", "src")
        for path in (ROOT / folder).rglob("*.sql")
    ]
    assert len(files) > 200
    for path in files:
        text = path.read_text()
        joined = ";".join(tokens.texts(text))
        assert re.sub(r"[\s;]", "", joined) == re.sub(r"[\s;]", "", text), path
