"""Packs that `trueup init` or a DBA began: for other tables than those of phone bookings."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import items_pack, run, sql, value

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
