"""Backfills: a batch is a transaction, and what was interrupted goes on where it was."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest
from helpers import add_revision, copy_pack, eventually, launch, run, sql, value
from test_dry_run import psql

import trueup
from trueup import backfilling, migration
from trueup.errors import CatalogError, MigrationError

pytestmark = pytest.mark.one_server

ROWS = 230
FILL = """\
-- table: public.calls
-- key:   id
update public.calls as c
set country = case when c.to_number like '+49%' then 'DE' else 'XX' end
where c.id between :first and :last and c.country is null;
"""
FILLED = "select count(*) from public.calls where country is not null"


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped pack with a revision that adds a column, and fills it 50 rows at a time."""
    monkeypatch.setattr(backfilling, "BATCH", 50)
    root = copy_pack(tmp_path / "pack")
    add_revision(
        root,
        "country",
        "alter table public.calls add column country text;",
        "alter table public.calls drop column country;",
    )
    (module,) = (root / "migrations" / "versions").glob("*country.py")
    module.with_suffix(".fill.sql").write_text(FILL)
    return root


@pytest.fixture
def filled(database: str) -> str:
    """A database with calls."""
    sql(
        database,
        "insert into public.companies (id, name) overriding system value values (1, 'one')",
    )
    sql(
        database,
        f"""
        insert into public.calls (id, company_id, retell_call_id, to_number, direction, status)
        overriding system value
        select n, 1, 'call_' || md5(n::text), case when n % 2 = 0 then '+4930' else '+43' end, 'inbound', 'ended'
        from generate_series(1, {ROWS}) as n
        """,
    )
    return database


def stem(pack: Path) -> str:
    (path,) = (pack / "migrations" / "versions").glob("*.fill.sql")
    return path.name.removesuffix(".fill.sql")


def test_all_rows_are_written_once(filled: str, pack: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    done = trueup.migrate(database=filled, pack=pack, progress=lambda what, n, of: seen.append((what, n, of)))
    assert [c.detail for c in done.changes if c.action == "backfill"] == [
        f"{ROWS} rows of public.calls written"
    ]
    assert value(filled, FILLED) == ROWS
    assert [n for _, n, _ in seen] == [0, 50, 100, 150, 200, 250]
    newest = next(d for d in trueup.history(database=filled) if d.kind == "backfill")
    assert (newest.name, newest.outcome) == (stem(pack), "done")
    assert trueup.verify(database=filled, pack=pack).problems == ()
    again = trueup.migrate(database=filled, pack=pack)
    assert not [c for c in again.changes if c.action == "backfill"]


def test_each_batch_is_a_transaction_of_its_own(filled: str, pack: Path) -> None:
    trueup.migrate(database=filled, pack=pack)
    sizes = sql(filled, "select count(*) from public.calls group by xmin::text order by count(*)")
    assert sizes == [(30,), (50,), (50,), (50,), (50,)]


def test_what_was_interrupted_goes_on_where_it_was(filled: str, pack: Path) -> None:
    fill = pack / "migrations" / "versions" / f"{stem(pack)}.fill.sql"
    fill.rename(fill.with_suffix(".later"))
    trueup.migrate(database=filled, pack=pack)
    fill.with_suffix(".later").rename(fill)
    with psycopg.connect(filled) as writer:
        writer.execute("select 1 from public.calls where id = 120 for update")
        process = launch("migrate", "--pack", str(pack), url=filled)
        # the command line's batches are of 5,000 rows: none is done
        eventually(lambda: bool(value(filled, "select count(*) from pg_locks where not granted")))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.communicate()
    assert value(filled, FILLED) == 0
    with psycopg.connect(filled) as writer:
        writer.execute("select 1 from public.calls where id = 120 for update")
        with pytest.raises(MigrationError, match=r"while running .*country\.fill\.sql"):
            _impatiently(filled, pack)
    assert value(filled, FILLED) == 100
    assert [p.what for p in trueup.verify(database=filled, pack=pack).problems] == [f"backfill {stem(pack)}"]
    before = dict(sql(filled, "select id, xmin::text from public.calls where country is not null"))
    trueup.migrate(database=filled, pack=pack)
    assert value(filled, FILLED) == ROWS
    after = dict(sql(filled, "select id, xmin::text from public.calls"))
    assert all(after[key] == xmin for key, xmin in before.items()), "no row is written twice"


def _impatiently(url: str, pack: Path) -> None:
    sql(
        url,
        """update trueup.settings set value = '100 milliseconds'
        where name in ('migrate_lock_timeout', 'migrate_lock_budget')""",
    )
    try:
        trueup.migrate(database=url, pack=pack)
    finally:
        sql(url, "update trueup.settings set value = default_value where name like 'migrate_lock%'")


def test_what_the_server_refuses_says_how_far_it_came(filled: str, pack: Path) -> None:
    sql(filled, "update public.calls set to_number = 'none' where id = 130")
    path = pack / "migrations" / "versions" / f"{stem(pack)}.fill.sql"
    path.write_text(
        FILL.replace("else 'XX'", "when c.to_number = 'none' then (1 / (c.id - c.id))::text else 'XX'")
    )
    with pytest.raises(MigrationError, match=r"after 100 rows: division by zero"):
        trueup.migrate(database=filled, pack=pack)
    path.write_text(FILL)
    with pytest.raises(CatalogError, match=r"was edited after 100 rows of it were written"):
        trueup.migrate(database=filled, pack=pack)
    migration.rollback("bookings@-1", database=filled, pack=pack)
    assert value(filled, "select count(*) from trueup.backfills") == 0
    trueup.migrate(database=filled, pack=pack)
    assert value(filled, FILLED) == ROWS


def test_a_dry_run_does_in_psql_what_migrate_does(filled: str, pack: Path, tmp_path: Path) -> None:
    script = trueup.migrate(database=filled, pack=pack, dry_run=True).sql
    assert value(filled, "select count(*) from trueup.backfills") == 0
    (tmp_path / "script.sql").write_text(script)
    psql(filled, tmp_path / "script.sql")
    assert value(filled, FILLED) == ROWS
    assert sql(filled, "select count(*) from public.calls group by xmin::text order by 1")[-1] == (50,)
    assert not trueup.migrate(database=filled, pack=pack).revisions
    assert trueup.verify(database=filled, pack=pack).problems == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FILL.replace("-- key:   id\n", ""), "say what it fills"),
        (FILL.replace(":last", "100"), "is one statement about the rows between :first and :last"),
        (FILL + "select 1;", "is one statement"),
        (FILL.replace("key:   id", "key:   nr"), r"there is no public\.calls\.nr"),
    ],
)
def test_what_is_no_backfill_is_refused(filled: str, pack: Path, text: str, message: str) -> None:
    path = pack / "migrations" / "versions" / f"{stem(pack)}.fill.sql"
    path.write_text(text)
    with pytest.raises(CatalogError, match=message):
        trueup.migrate(database=filled, pack=pack)


def test_the_command_line_tells_of_it(filled: str, pack: Path) -> None:
    done = run("migrate", "--pack", pack, url=filled)
    assert done.returncode == 0, done.stderr
    assert f"{ROWS} rows of public.calls written" in done.stdout
