"""Packs that `trueup init` or a DBA began: for other tables than those of phone bookings."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import items_pack, sql

import trueup

pytestmark = pytest.mark.one_server
NEGATIVE = ("items.id", "i.price < 0")


@pytest.fixture
def shop(empty_database: str) -> str:
    """URL of a database with one table."""
    sql(empty_database, "create table public.items (id bigint primary key, price integer)")
    return empty_database


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
