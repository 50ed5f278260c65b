"""Packs that `trueup init` or a DBA began: for other tables than those of phone bookings."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Databases
from helpers import REVISION, items_pack, run, sql, value
from test_docs import BLOCK

import trueup

pytestmark = pytest.mark.one_server
NEGATIVE = ("items.id", "i.price < 0")


@pytest.fixture
def shop(empty_database: str) -> str:
    """URL of a database with one table."""
    sql(empty_database, "create table public.items (id bigint primary key, price integer)")
    return empty_database


def deployed(url: str) -> list[str]:
    return [name for (name,) in sql(url, "select name from trueup.checks where is_active and not is_core")]


def test_a_pack_whose_only_check_has_another_name(shop: str, tmp_path: Path) -> None:
    """Who replaced the example of `trueup init` was told to name the pack, which he had."""
    trueup.init(tmp_path / "shop", table="public.items", database=shop)
    trueup.migrate(database=shop, pack=tmp_path / "shop")
    sql(shop, "insert into public.items (id, price) values (1, null), (2, -1)")
    trueup.check(database=shop, pack=tmp_path / "shop")
    for item, reason in ((1, "items_price_missing"), (2, "items_price_missing"), (1, "asked_by_us")):
        sql(shop, f"select trueup.queue_review('{reason}', 'items', '{item}', 'what is its price?')")
    sql(shop, "select trueup.claim_review('somebody', 2)")

    mine = items_pack(tmp_path / "mine", item_price_negative=NEGATIVE)
    for command in ("migrate", "check", "status", "verify"):
        said = run(command, "--pack", mine, url=shop)
        assert (said.returncode, deployed(shop)) == (4, ["items_price_missing"])
        assert "another pack (its checks: items_price_missing)" in said.stderr
        assert "`trueup migrate --replace-pack`" in said.stderr
    assert trueup.migrate(database=shop, pack=mine, replace_pack=True, dry_run=True).sql
    assert deployed(shop) == ["items_price_missing"]

    said = run("migrate", "--pack", mine, "--replace-pack", url=shop)
    assert (said.returncode, said.stderr) == (0, "")
    assert "drop      trueup.items_price_missing" in said.stdout
    assert deployed(shop) == ["item_price_negative"]
    ended = "select resolution from trueup.data_consistency_alerts where alert_type = 'items_price_missing'"
    assert value(shop, ended) == "definition changed"
    asked = "select q.status, q.resolution_notes from trueup.manual_review_queue as q order by q.id"
    assert sql(shop, asked) == [
        ("resolved", "the check was removed"),
        ("in_progress", None),  # its reviewer has the last word
        ("pending", None),
    ]
    assert run("migrate", "--pack", mine, url=shop).stdout == "nothing to do: the database is at head\n"


def test_views_on_views_go_with_their_pack(shop: str, tmp_path: Path) -> None:
    """In the order of their names, the view that the other reads was dropped first, and that was refused."""
    pack = items_pack(tmp_path / "pack", item_price_negative=NEGATIVE)
    words = pack / "db" / "views"
    words.mkdir(parents=True)
    (words / "a_word.sql").write_text(
        "create or replace view trueup.a_word as select i.id from public.items as i;"
    )
    (words / "b_word.sql").write_text(
        "create or replace view trueup.b_word as select a.id from trueup.a_word as a;"
    )
    trueup.migrate(database=shop, pack=pack)
    for word in words.iterdir():
        word.unlink()
    dropped = {change.what for change in trueup.migrate(database=shop, pack=pack).changes}
    assert dropped == {"trueup.a_word", "trueup.b_word"}
    assert trueup.verify(database=shop, pack=pack).ok


def add_first_revision(pack: Path, up: str, down: str = "select 1;") -> None:
    """Write a pack's revision, one that names nothing of the core in depends_on."""
    stem = pack / "migrations" / "versions" / "0001_own"
    module = REVISION.format(name="own_0001", after="").replace('down_revision = ""', "down_revision = None")
    stem.with_suffix(".py").write_text(module)
    stem.with_suffix(".up.sql").write_text(up)
    stem.with_suffix(".down.sql").write_text(down)


CONSTRAINT = """
insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose) values
('items_price_known', 'public.items', 'check', '(price >= 0)', 'item_price_negative', 'prices');
"""


@pytest.mark.parametrize("by_psql", [False, True])
def test_the_layer_comes_before_the_revisions_of_a_pack(
    shop: str, databases: Databases, tmp_path: Path, by_psql: bool
) -> None:
    """In a fresh database they came first, and wrote into tables that were not there."""
    pack = items_pack(tmp_path / "pack", item_price_negative=NEGATIVE)
    add_first_revision(pack, CONSTRAINT)
    if by_psql:
        sql(shop, trueup.migrate(database=shop, pack=pack, dry_run=True).sql)
    done = trueup.migrate(database=shop, pack=pack)
    assert by_psql or [name for name in done.revisions if not name.startswith("core_")] == ["own_0001"]
    assert (
        value(shop, "select count(*) from pg_catalog.pg_constraint where conname = 'items_price_known'") == 1
    )
    assert trueup.verify(database=shop, pack=pack).ok

    # it has run the pack's own revision: its checks may have what names they like
    items_pack(pack, item_price_wrong=NEGATIVE)
    add_first_revision(pack, CONSTRAINT)
    trueup.migrate(database=shop, pack=pack)
    assert deployed(shop) == ["item_price_wrong"]


def test_a_revision_that_names_what_is_not_there_names_itself(shop: str, tmp_path: Path) -> None:
    """`trueup migrate` said: run `trueup migrate`."""
    pack = items_pack(tmp_path / "pack", item_price_negative=NEGATIVE)
    add_first_revision(pack, "insert into trueup.constrains (name) values ('x');")
    said = run("migrate", "--pack", pack, url=shop)
    wrong = 'relation "trueup.constrains" does not exist (SQLSTATE 42P01)'
    assert (said.returncode, said.stderr) == (3, f"trueup: upgrade of own_0001: {wrong}\n")
    said = run("migrate", "--pack", pack, "--dry-run", url=shop)
    assert said.stderr == f"trueup: {wrong}\n"


def test_the_first_revision_of_a_pack_is_taken_back(shop: str, tmp_path: Path) -> None:
    pack = items_pack(tmp_path / "pack", item_price_negative=NEGATIVE)
    trueup.migrate(database=shop, pack=pack)
    add_first_revision(pack, "insert into public.items values (1, -1);", "delete from public.items;")
    done = trueup.migrate(database=shop, pack=pack, check=True, fail_on_new=True)
    assert (done.rolled_back, value(shop, "select count(*) from public.items")) == ("own_0001", 0)


def test_a_pack_without_tables_is_not_adopted(shop: str, tmp_path: Path) -> None:
    """It was asked for tables named `()`."""
    pack = items_pack(tmp_path / "pack", item_price_negative=NEGATIVE)
    for up in (None, CONSTRAINT, "create table trueup.item_prices (id bigint);"):
        if up:
            add_first_revision(pack, up)
        said = run("adopt", "--pack", pack, url=shop)
        assert said.returncode == 2
        assert "brings no tables of the application to compare" in said.stderr
        assert "`trueup migrate`" in said.stderr


def test_the_first_revision_that_init_shows(shop: str, tmp_path: Path) -> None:
    pack = tmp_path / "shop"
    name = trueup.init(pack, table="public.items", database=shop).check
    blocks = [block for block in BLOCK.finditer((pack / "README.md").read_text()) if block["file"]]
    assert len(blocks) == 3
    for block in blocks:
        (pack / block["file"]).write_text(block["text"])
    constraints = (
        "select conname from pg_constraint where contype = 'c' and conrelid = 'public.items'::regclass"
    )
    for _ in range(2):
        trueup.migrate(database=shop, pack=pack)
        assert sql(shop, constraints) == [(name,)]
        assert trueup.verify(database=shop, pack=pack).ok
        trueup.rollback("base", database=shop, pack=pack)
        assert sql(shop, constraints) == []
