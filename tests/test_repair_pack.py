"""Repairs of a pack of one's own, which write more than one table: what is undone, and what is judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest
from helpers import eventually, launch, sql, value

import trueup
from trueup import repairing
from trueup.errors import CatalogError, RefusedError

pytestmark = pytest.mark.one_server

TABLES = """
create schema sales;
create table sales.orders (id bigint primary key, total integer not null);
create table sales.order_lines (
    order_id bigint references sales.orders (id), line_no integer, amount integer not null, remark text,
    primary key (order_id, line_no)
);
create table sales.shipments (id bigint primary key, order_id bigint, is_sent boolean not null);
create table sales.discounts (order_id bigint, amount integer not null);
create table sales.audit (entry text);
insert into sales.orders values (1, 30), (2, 5);
insert into sales.discounts values (1, 0);
insert into sales.order_lines values (1, 1, 10), (1, 2, 20), (2, 1, 5);
insert into sales.shipments values (7, 1, false)
"""
CHECK = """-- {name}
--
-- invariant:   nothing is wrong
-- severity:    critical
-- entity:      {entity}
-- changes:     {changes}
-- population:  sales.{entity}s
-- prevented:   none: example
-- repair:      {repair}
-- cost:        the changed rows
--
-- Of a test.

create or replace view trueup.{name} as
select
    null::text as company_id,
    '{entity}' as entity_type,
    e.id as entity_id,
    'wrong' as description,
    '{{}}'::jsonb as evidence
from sales.{entity}s as e
where {wrong};
"""
REPAIR = """-- shipment_unsent: repair

create or replace function trueup.repair_shipment_unsent(p_shipment_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update sales.shipments as s set is_sent = true where s.id = p_shipment_id;
    {also};
    return ('corrected', 'sent', null)::trueup.repair_outcome;
end;
$$;
"""
JOURNAL = """
create or replace trigger journal_repairs
    after insert or update or delete on sales.{table}
    for each row
    when (current_setting('trueup.repair_id', true) <> '')
    execute function trueup.journal_row_change({key});
"""
LINES = "select to_jsonb(l) from sales.order_lines as l order by l.order_id, l.line_no"
SHIPMENTS = ("shipments", "'id'")
ORDER_LINES = ("order_lines", "'order_id', 'line_no'")


def shop(directory: Path, also: str, *journals: tuple[str, str]) -> Path:
    """Write a pack whose one repair sends a shipment and does something `also`."""
    shutil.rmtree(directory, ignore_errors=True)
    for folder in ("migrations/versions", "checks", "db/repairs", "triggers"):
        (directory / folder).mkdir(parents=True)
    checks = {
        "shipment_unsent": ("shipment", "sales.shipments.id", "automatic", "not e.is_sent"),
        "order_total_differs": (
            "order",
            "sales.orders.id, sales.order_lines.order_id",
            "review",
            "e.total <> (select sum(l.amount) from sales.order_lines as l where l.order_id = e.id)"
            " - coalesce((select sum(d.amount) from sales.discounts as d where d.order_id = e.id), 0)",
        ),
    }
    for name, (entity, changes, repair, wrong) in checks.items():
        text = CHECK.format(name=name, entity=entity, changes=changes, repair=repair, wrong=wrong)
        (directory / "checks" / f"{name}.sql").write_text(text)
    (directory / "db" / "repairs" / "shipment_unsent.sql").write_text(REPAIR.format(also=also))
    text = "".join(JOURNAL.format(table=table, key=key) for table, key in journals)
    (directory / "triggers" / "journal_repairs.sql").write_text(f"-- journal_repairs\n{text}")
    return directory


def repaired(url: str, pack: Path) -> tuple[str, str]:
    """Repair the shipment; return the outcome and its reason."""
    done = trueup.repair(["shipment_unsent"], database=url, pack=pack, apply=True)
    ((outcome, reason, count),) = done.checks[0].reasons
    assert count == 1
    return outcome, reason


@pytest.mark.parametrize(
    ("also", "rows"),
    [
        ("insert into sales.order_lines values (1, 3, 0), (2, 3, 0)", 3),
        (
            "delete from sales.order_lines as l where l.line_no = 1; update sales.orders as o set total = o.total",
            3,
        ),
        ("update sales.order_lines as l set remark = 'sent', line_no = l.line_no + 10", 4),
        (
            "update sales.order_lines as l set remark = 'sent'; "
            "update sales.order_lines as l set line_no = -l.line_no; "
            "update sales.order_lines as l set remark = null, line_no = 3 + l.line_no",
            10,
        ),
    ],
)
def test_rows_of_a_composite_key_are_undone_one_by_one(
    empty_database: str, tmp_path: Path, also: str, rows: int
) -> None:
    sql(
        empty_database,
        TABLES + "; update sales.order_lines set amount = 0; update sales.orders set total = 0",
    )
    pack = shop(tmp_path, also, SHIPMENTS, ORDER_LINES)
    trueup.migrate(database=empty_database, pack=pack)
    before = sql(empty_database, LINES)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    assert sql(empty_database, LINES) != before
    assert trueup.undo(1, database=empty_database).rows_restored == rows
    assert sql(empty_database, LINES) == before
    assert value(empty_database, "select s.is_sent from sales.shipments as s") is False


@pytest.mark.parametrize("key", ["'order_id'", "'line_no'", "'amount'", "'nothing'"])
def test_a_journal_by_a_part_of_a_key_is_refused(empty_database: str, tmp_path: Path, key: str) -> None:
    sql(empty_database, TABLES)
    pack = shop(tmp_path, "null", SHIPMENTS, ("order_lines", key))
    with pytest.raises(
        CatalogError, match=r"sales.order_lines .*journal_row_change\('order_id', 'line_no'\)"
    ):
        trueup.migrate(database=empty_database, pack=pack)


def test_a_journal_by_a_key_that_may_be_null_is_refused(empty_database: str, tmp_path: Path) -> None:
    """A unique index keeps rows with NULL apart as little as none, and no undo would find them."""
    sql(empty_database, TABLES + "; alter table sales.discounts add unique (order_id, amount)")
    pack = shop(tmp_path, "null", SHIPMENTS, ("discounts", "'order_id', 'amount'"))
    with pytest.raises(CatalogError, match=r"sales.discounts names no unique key"):
        trueup.migrate(database=empty_database, pack=pack)
    sql(
        empty_database,
        "update sales.discounts set order_id = 0; alter table sales.discounts alter order_id set not null",
    )
    trueup.migrate(database=empty_database, pack=pack)


@pytest.mark.parametrize(("key", "is_refused"), [("'order_id'", False), ("'line_no'", True)])
def test_the_journal_of_a_partitioned_table_need_not_name_its_partition_key(
    empty_database: str, tmp_path: Path, key: str, is_refused: bool
) -> None:
    parted = ") partition by range (line_no);\ncreate table sales.all_lines partition of sales.order_lines default;"
    sql(empty_database, TABLES.replace("(order_id, line_no)\n);", f"(order_id, line_no){parted}"))
    pack = shop(tmp_path, "null", SHIPMENTS, ("order_lines", key))
    if is_refused:
        with pytest.raises(CatalogError, match="names no unique key"):
            trueup.migrate(database=empty_database, pack=pack)
    else:
        trueup.migrate(database=empty_database, pack=pack)


def test_undo_touches_no_row_beside_the_one_that_the_journal_means(
    empty_database: str, tmp_path: Path
) -> None:
    sql(empty_database, TABLES)
    pack = shop(tmp_path, "insert into sales.order_lines values (1, 3, 0)", SHIPMENTS, ORDER_LINES)
    trueup.migrate(database=empty_database, pack=pack)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    # the key that kept the rows apart is lost, and another row has it
    sql(
        empty_database,
        "alter table sales.order_lines drop constraint order_lines_pkey; "
        "insert into sales.order_lines values (1, 3, 0)",
    )
    before = sql(empty_database, LINES)
    with pytest.raises(RefusedError, match=r"2 rows of sales.order_lines have the key \[1, 3\]"):
        trueup.undo(1, database=empty_database)
    assert sql(empty_database, LINES) == before
    assert value(empty_database, "select s.is_sent from sales.shipments as s") is True


def test_an_undo_that_a_trigger_of_the_application_swallows_is_refused(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        TABLES + "; create function sales.keep() returns trigger language plpgsql as "
        "$$ begin return null; end $$; "
        "create trigger keep before delete on sales.order_lines for each row execute function sales.keep()",
    )
    pack = shop(tmp_path, "insert into sales.order_lines values (1, 3, 0)", SHIPMENTS, ORDER_LINES)
    trueup.migrate(database=empty_database, pack=pack)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    with pytest.raises(RefusedError, match="concerns 0 rows"):
        trueup.undo(1, database=empty_database)
    assert value(empty_database, "select s.is_sent from sales.shipments as s") is True


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("update", "update sales.order_lines set remark = 'touched' where line_no = new.line_no"),
        ("update", "update sales.order_lines set remark = coalesce(remark, '') || '.' where order_id = 1"),
        ("update", "delete from sales.order_lines where order_id = new.order_id and line_no = new.line_no"),
        (
            "update",
            "update sales.order_lines set remark = new.remark where line_no = new.line_no; "
            "update sales.order_lines set amount = 0, remark = null where line_no = new.line_no",
        ),
        ("insert", "update sales.order_lines set remark = 'touched' where line_no = new.line_no"),
        ("insert", "delete from sales.order_lines where line_no = new.line_no"),
    ],
)
def test_what_a_trigger_writes_before_the_journal_has_its_row_is_undone(
    empty_database: str, tmp_path: Path, event: str, body: str
) -> None:
    """Triggers of one event fire in the order of their names: that of the application wrote the row again first."""
    sql(
        empty_database,
        TABLES + "; update sales.order_lines set amount = 0; update sales.orders set total = 0; "
        "create function sales.again() returns trigger language plpgsql as "
        f"$$ begin {body}; return null; end $$; create trigger again after {event} on sales.order_lines "
        "for each row when (pg_trigger_depth() = 0) execute function sales.again()",
    )
    also = (
        "update sales.order_lines as l set remark = 'sent' where l.order_id = 1"
        if event == "update"
        else "insert into sales.order_lines values (1, 3, 0)"
    )
    pack = shop(tmp_path, also, SHIPMENTS, ORDER_LINES)
    trueup.migrate(database=empty_database, pack=pack)
    before = sql(empty_database, LINES)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    sql(empty_database, "drop trigger again on sales.order_lines")
    trueup.undo(1, database=empty_database)
    assert sql(empty_database, LINES) == before


def test_rows_with_a_column_named_as_an_alias_are_undone(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        TABLES
        + "; alter table sales.shipments add t integer default 5, add r integer, add l integer, add i integer;"
        "create function sales.again() returns trigger language plpgsql as "
        "$$ begin update sales.shipments set t = 6; return null; end $$; create trigger again "
        "after update on sales.shipments for each row when (pg_trigger_depth() = 0) execute function sales.again()",
    )
    pack = shop(tmp_path, "update sales.shipments as s set i = 1", SHIPMENTS)
    trueup.migrate(database=empty_database, pack=pack)
    before = sql(empty_database, "select * from sales.shipments")
    assert repaired(empty_database, pack) == ("corrected", "sent")
    sql(empty_database, "drop trigger again on sales.shipments")
    trueup.undo(1, database=empty_database)
    assert sql(empty_database, "select * from sales.shipments") == before


TYPES = """
create type sales.pair as (x jsonb, y text);
create type sales.mood as enum ('sad', 'glad');
create domain sales.document as jsonb not null;
create type sales.span as range (subtype = integer);
create function sales.as_json(sales.span) returns json language sql immutable
    return json_build_object('from', lower($1), 'to', upper($1));
create cast (sales.span as json) with function sales.as_json(sales.span);
"""
# a type, a value, and what the repair makes of it
VALUES = [
    ("jsonb not null", "'null'", "'{}'"),
    ("jsonb", "'null'", "null"),
    ("jsonb", "null", "'null'"),
    ("jsonb", '\'{"x": 1.50, "y": null}\'', '\'{"x": 1.5, "y": null}\''),
    ("jsonb", "'\"null\"'", "'null'"),
    ("sales.document", "'null'", "'\"null\"'"),
    ("json", '\'{"b": 1,  "a": 2, "a": 3}\'', '\'{"b": 1, "a": 3}\''),
    ("json", "'null'", "null"),
    ("integer[]", "'[0:2]={1,2,3}'", "'{1,2,3}'"),
    ("integer[]", "null", "'{}'"),
    ("text[]", '\'{NULL,"a,b",""}\'', "'{}'"),
    ("numeric(9, 1)[]", "'{{1.0},{2.0}}'", "null"),
    ("jsonb[]", "array['null', null, '1']::jsonb[]", "array[null, null, '1']::jsonb[]"),
    ("json[]", 'array[\'{"b":1,  "a":2}\']::json[]', "null"),
    ("sales.pair", "row('null', 'a \"b\"')", "row(null, 'a \"b\"')"),
    ("sales.pair", "'(,)'", "null"),
    ("sales.pair", "null", "'(,)'"),
    ("sales.span", "'[1,3)'", "'empty'"),
    ("sales.span[]", "array['[1,3)']::sales.span[]", "null"),
    ("sales.mood", "'sad'", "'glad'"),
    ("numeric", "1.50", "1.5"),
    ("numeric", "'NaN'", "2"),
    ("double precision", "'-0'", "0"),
    ("real", "'-0'", "1"),
    ("real[]", "'{-0,0.1}'", "'{0,0.1}'"),
    ("double precision", "0.1::float8 / 3", "1e20"),
    ("interval", "'-1 mon +2 days -03:04:05.000006'", "null"),
    ("timestamptz", "'2025-03-30 02:30:00.123456+02'", "'-infinity'"),
    ("timestamp[]", "'{\"0044-03-15 12:00:00.000001 BC\",infinity}'", "null"),
    ("char(5)", "'ab'", "'c'"),
    ("bit varying", "'0101'", "null"),
    ("bytea", "'\\x00ff'", "null"),
    ("inet", "'10.0.0.1/8'", "null"),
    ("regclass", "'sales.orders'", "'pg_class'"),
    ("tsvector", "'a:1 b:2'", "''"),
]


DATABASE = "do $$ begin execute format('alter database %I {}', current_database()); end $$"


def test_every_value_is_undone_to_what_it_was(empty_database: str, tmp_path: Path) -> None:
    """Whatever of it JSON does not keep, and whatever settings the repair and the undo are run with."""
    names = [f"c{number}" for number in range(len(VALUES))]
    columns = ", ".join(f"add {name} {kind}" for name, (kind, _, _) in zip(names, VALUES, strict=True))
    old = ", ".join(f"{name} = {was}" for name, (_, was, _) in zip(names, VALUES, strict=True))
    new = ", ".join(f"{name} = {becomes}" for name, (_, _, becomes) in zip(names, VALUES, strict=True))
    sql(
        empty_database,
        f"{TABLES}; {TYPES}; delete from sales.shipments; alter table sales.shipments {columns};"
        f"set session_replication_role = replica; insert into sales.shipments (id, order_id, is_sent, c0, c5)"
        f" values (7, 1, false, '1', '1'); update sales.shipments set {old};"
        "alter table sales.shipments add of_c20 numeric generated always as (c20 * 2) stored",
    )
    pack = shop(tmp_path, f"update sales.shipments as s set {new}", SHIPMENTS)
    trueup.migrate(database=empty_database, pack=pack)
    rows = (
        "select " + ", ".join(f"s.{name}::text" for name in [*names, "of_c20"]) + " from sales.shipments as s"
    )
    before = sql(empty_database, rows)
    sql(empty_database, DATABASE.format("set extra_float_digits = -5"))
    assert repaired(empty_database, pack) == ("corrected", "sent")
    assert all(was != now for was, now in zip(before[0], sql(empty_database, rows)[0], strict=True))
    trueup.undo(1, database=empty_database)
    sql(empty_database, DATABASE.format("reset all"))
    assert sql(empty_database, rows) == before


def test_a_virtual_column_stops_no_undo(empty_database: str, tmp_path: Path) -> None:
    kind = "virtual" if value(empty_database, "show server_version_num") >= "18" else "stored"
    sql(
        empty_database,
        f"{TABLES}; alter table sales.shipments add twice bigint generated always as (order_id * 2) {kind}",
    )
    pack = shop(tmp_path, "update sales.shipments as s set order_id = 2", SHIPMENTS)
    trueup.migrate(database=empty_database, pack=pack)
    before = sql(empty_database, "select * from sales.shipments")
    assert repaired(empty_database, pack) == ("corrected", "sent")
    trueup.undo(1, database=empty_database)
    assert sql(empty_database, "select * from sales.shipments") == before


@pytest.mark.parametrize(("was", "becomes"), [("'null'", "null"), ("'{\"x\": 1.50}'", "'{\"x\": 1.5}'")])
def test_a_change_that_json_does_not_see_is_journaled(
    empty_database: str, tmp_path: Path, was: str, becomes: str
) -> None:
    sql(
        empty_database,
        TABLES + f"; alter table sales.orders add note jsonb; update sales.orders set note = {was}",
    )
    pack = shop(tmp_path, f"update sales.orders as o set note = {becomes}", SHIPMENTS, ("orders", "'id'"))
    trueup.migrate(database=empty_database, pack=pack)
    notes = "select o.note::text from sales.orders as o order by o.id"
    before = sql(empty_database, notes)
    shown = repairing.preview("shipment_unsent", "shipment", "7", database=empty_database)
    assert [list(change.before or ()) for change in shown.changes] == [["is_sent"], ["note"], ["note"]]
    assert repaired(empty_database, pack) == ("corrected", "sent")
    assert sql(empty_database, notes) != before
    repair_id = value(empty_database, "select max(r.id) from trueup.repairs as r")
    assert trueup.undo(repair_id, database=empty_database).rows_restored == 3
    assert sql(empty_database, notes) == before


def test_a_deleted_row_comes_back_with_all_that_json_does_not_keep(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        TABLES + "; alter table sales.orders add note jsonb not null default 'null', add sizes integer[];"
        "update sales.orders set sizes = '[0:1]={1,2}'",
    )
    also = "delete from sales.orders as o where o.id = 2 and not exists (select 1 from sales.order_lines as l where l.order_id = 2)"
    sql(
        empty_database,
        "delete from sales.order_lines where order_id = 2; update sales.orders set total = 0 where id = 2",
    )
    pack = shop(tmp_path, also, SHIPMENTS, ("orders", "'id'"))
    trueup.migrate(database=empty_database, pack=pack)
    orders = "select o.id, o.note::text, o.sizes::text from sales.orders as o order by o.id"
    before = sql(empty_database, orders)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    assert len(sql(empty_database, orders)) == 1
    trueup.undo(1, database=empty_database)
    assert sql(empty_database, orders) == before


def test_undo_refuses_what_somebody_changed_and_json_does_not_see(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        TABLES + "; alter table sales.shipments add note jsonb, add sizes integer[] default '{1}'",
    )
    pack = shop(tmp_path, "null", SHIPMENTS)
    trueup.migrate(database=empty_database, pack=pack)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    for column, changed, was in [("note", "'null'", "null"), ("sizes", "'[0:0]={1}'", "'{1}'")]:
        sql(empty_database, f"update sales.shipments set {column} = {changed}")
        with pytest.raises(RefusedError, match=f"sales.shipments 7 has changed since: {column}"):
            trueup.undo(1, database=empty_database)
        sql(empty_database, f"update sales.shipments set {column} = {was}")
    trueup.undo(1, database=empty_database)


def test_an_image_that_is_older_than_its_texts_is_undone(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        TABLES
        + "; alter table sales.shipments add note jsonb default 'null', add sizes integer[] default '{1}'",
    )
    pack = shop(tmp_path, "update sales.shipments as s set sizes = '{2}'", SHIPMENTS)
    trueup.migrate(database=empty_database, pack=pack)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    sql(empty_database, "update trueup.repair_changes set before = before - '', after = after - ''")
    trueup.undo(1, database=empty_database)
    assert sql(empty_database, "select s.is_sent, s.note::text, s.sizes from sales.shipments as s") == [
        (False, "null", [1])
    ]


@pytest.mark.parametrize(
    "also",
    [
        "update sales.order_lines as l set amount = l.amount - 1 where l.order_id = 1 and l.line_no = 2; "
        "update sales.order_lines as l set amount = l.amount + 1 where l.order_id = 1 and l.line_no = 1",
        "insert into sales.order_lines values (2, 9, 0)",
        "delete from sales.order_lines as l where l.amount = 0",
        "insert into sales.discounts values (2, 0)",
        "update sales.discounts as d set amount = -d.amount",
        "set constraints all immediate; truncate sales.discounts",
        "truncate sales.order_lines",
    ],
)
def test_a_repair_that_writes_what_nothing_could_undo_is_refused(
    empty_database: str, tmp_path: Path, also: str
) -> None:
    sql(empty_database, TABLES + "; insert into sales.order_lines values (1, 3, 0)")
    pack = shop(tmp_path, also, SHIPMENTS)
    trueup.migrate(database=empty_database, pack=pack)
    before = sql(empty_database, LINES)
    outcome, reason = repaired(empty_database, pack)
    table = "sales.discounts" if "discounts" in also else "sales.order_lines"
    word = "truncates" if "truncate" in also else "changes"
    assert outcome == "review"
    assert f"the repair {word} {table}, which" in reason
    assert sql(empty_database, LINES) == before
    assert value(empty_database, "select s.is_sent from sales.shipments as s") is False
    # the same by hand is nobody's affair
    sql(empty_database, also)


@pytest.mark.parametrize(
    "also",
    [
        # no row, no value that a check reads, no table that a check reads
        "update sales.order_lines as l set amount = 7 where l.order_id = 7",
        "update sales.discounts as d set amount = 7 where d.order_id = 7",
        "update sales.order_lines as l set remark = 'sent'",
        "insert into sales.audit values ('sent')",
    ],
)
def test_a_repair_may_write_what_no_check_reads(empty_database: str, tmp_path: Path, also: str) -> None:
    sql(empty_database, TABLES)
    pack = shop(tmp_path, also, SHIPMENTS)
    trueup.migrate(database=empty_database, pack=pack)
    assert repaired(empty_database, pack) == ("corrected", "sent")
    assert trueup.undo(1, database=empty_database).rows_restored == 1
    assert value(empty_database, "select s.is_sent from sales.shipments as s") is False


@pytest.mark.parametrize(
    "also",
    [
        "update sales.order_lines as l set amount = 11 where l.order_id = 1 and l.line_no = 1",
        "insert into sales.order_lines values (2, 2, 1)",
        "delete from sales.order_lines as l where l.order_id = 1 and l.line_no = 1",
        # to another order, and both are wrong
        "update sales.order_lines as l set order_id = 2, line_no = 9 where l.order_id = 1 and l.line_no = 1",
    ],
)
def test_a_repair_that_makes_an_entity_wrong_through_another_table_is_rolled_back(
    empty_database: str, tmp_path: Path, also: str
) -> None:
    sql(empty_database, TABLES)
    pack = shop(tmp_path, also, SHIPMENTS, ORDER_LINES)
    trueup.migrate(database=empty_database, pack=pack)
    before = sql(empty_database, LINES)
    outcome, reason = repaired(empty_database, pack)
    assert outcome == "review"
    assert "would cause order_total_differs order" in reason
    assert sql(empty_database, LINES) == before
    assert trueup.check(database=empty_database, pack=pack).violations == 1


def test_what_was_wrong_before_stops_no_repair_and_what_it_mends_is_over(
    empty_database: str, tmp_path: Path
) -> None:
    sql(empty_database, TABLES + "; update sales.orders set total = 31")
    pack = shop(
        tmp_path,
        "update sales.order_lines as l set amount = 11 where l.order_id = 1 and l.line_no = 1; "
        "update sales.order_lines as l set amount = 6 where l.order_id = 2",
        SHIPMENTS,
        ORDER_LINES,
    )
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    shown = repairing.preview("shipment_unsent", "shipment", "7", database=empty_database)
    assert (shown.outcome, shown.resolved) == (
        "corrected",
        ("order_total_differs order 1", "shipment_unsent shipment 7"),
    )
    assert repaired(empty_database, pack) == ("corrected", "sent")
    assert sql(
        empty_database,
        "select al.alert_type, al.entity_id, al.status, al.resolution from trueup.data_consistency_alerts as al "
        "order by 1, 2",
    ) == [
        ("order_total_differs", "1", "resolved", "repaired"),
        ("order_total_differs", "2", "open", None),
        ("shipment_unsent", "7", "resolved", "repaired"),
    ]


def test_an_alert_of_meanwhile_is_not_taken_for_mended(empty_database: str, tmp_path: Path) -> None:
    """A pass that ends while the repair reads the checks has seen more than the repair."""
    sql(empty_database, TABLES)
    pack = shop(tmp_path, "null", SHIPMENTS)
    waits = (
        "case when current_setting('application_name') = 'trueup repair' "
        "and exists (select 1 from sales.shipments as s where s.order_id = e.id and s.is_sent) "
        "then pg_advisory_xact_lock_shared(42) is null else false end"
    )
    for name, changes, wrong in (
        ("order_waits", "sales.orders.id, sales.shipments.order_id", waits),
        ("order_negative", "sales.orders.id", "e.total < 0"),
    ):
        text = CHECK.format(name=name, entity="order", changes=changes, repair="review", wrong=wrong)
        (pack / "checks" / f"{name}.sql").write_text(text)
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    alerts = "select al.alert_type, al.status from trueup.data_consistency_alerts as al order by 1"
    with psycopg.connect(empty_database) as other:
        other.execute("select pg_advisory_xact_lock(42)")
        repair = launch("repair", "shipment_unsent", "--apply", "--pack", str(pack), url=empty_database)
        waiting = (
            "select count(*) > 0 from pg_locks where locktype = 'advisory' and objid = 42 and not granted"
        )
        eventually(lambda: value(empty_database, waiting))
        sql(empty_database, "update sales.orders set total = -1 where id = 1")
        trueup.check_changed(database=empty_database, pack=pack)
        found = sql(empty_database, alerts)
    repair.communicate(timeout=30)
    assert found == [("order_negative", "open"), ("order_total_differs", "open"), ("shipment_unsent", "open")]
    assert sql(empty_database, alerts) == [*found[:2], ("shipment_unsent", "resolved")]
    trueup.check_changed(database=empty_database, pack=pack)
    assert sql(empty_database, alerts) == [*found[:2], ("shipment_unsent", "resolved")]


def test_a_check_that_cannot_be_read_of_one_row_stops_the_repair_of_no_other(
    empty_database: str, tmp_path: Path
) -> None:
    sql(empty_database, TABLES + ", (8, 0, false), (9, 1, false)")
    pack = shop(tmp_path, "perform 1", SHIPMENTS)
    text = CHECK.format(
        name="shipment_odd",
        entity="shipment",
        changes="sales.shipments.id",
        repair="review",
        wrong="1 / e.order_id > 1",
    )
    (tmp_path / "checks" / "shipment_odd.sql").write_text(text)
    trueup.migrate(database=empty_database, pack=pack)
    for apply in (False, True):
        done = trueup.repair(database=empty_database, pack=pack, apply=apply)
        assert [result.error for result in done.run.results if result.error] == ["division by zero"]
        assert sorted(done.checks[0].reasons) == [
            ("corrected", "sent", 2),
            ("review", "a check of it could not be read: division by zero (SQLSTATE 22012)", 1),
        ]
    assert value(empty_database, "select array_agg(id) from sales.shipments where not is_sent") == [8]
    assert value(empty_database, "select array_agg(entity_id) from trueup.manual_review_queue") == ["8"]


def test_an_entity_that_a_view_lists_twice_is_repaired_once(empty_database: str, tmp_path: Path) -> None:
    sql(empty_database, TABLES)
    pack = shop(tmp_path, "perform 1", SHIPMENTS)
    file = pack / "checks" / "shipment_unsent.sql"
    file.write_text(
        file.read_text().replace(
            "from sales.shipments as e", "from sales.shipments as e cross join generate_series(1, 2)"
        )
    )
    trueup.migrate(database=empty_database, pack=pack)
    for apply in (False, True):
        (done,) = trueup.repair(database=empty_database, pack=pack, apply=apply).checks
        assert done.reasons == (("corrected", "sent", 1),)
