"""Calls and appointments partitioned by time: what can be there works, what cannot is left out and told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import FACTORY, ROOT, Databases
from helpers import items_pack, run, sql, value
from postgres import Postgres
from test_acceptance import PICTURE

import trueup
from trueup import incident, migration, packs, server
from trueup.errors import CatalogError
from trueup.store import session
from trueup.tracking import TrackedTable

PARTITIONED = ROOT / "benchmarks" / "partitioned.sql"
STATES = "select cs.name, cs.state from trueup.constraint_states as cs"
ALERTS = """
select al.alert_type, al.entity_type, al.entity_id, al.company_id, al.status, al.metadata::text
from trueup.data_consistency_alerts as al
order by 1, 2, 3
"""
LEFT_OUT = {
    "appointments_booking_uid_key",
    "appointments_company_id_id_key",
    "appointments_idempotency_key_key",
    "appointments_staff_id_excl",
    "calls_company_id_id_key",
    "appointment_modifications_company_id_appointment_id_fkey",
    "appointment_modifications_company_id_call_id_fkey",
    "appointments_company_id_call_id_fkey",
    "calls_company_id_appointment_id_fkey",
}


def _host(url: str) -> None:
    text = migration.host_sql(packs.load())
    assert text is not None
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())
        connection.execute(PARTITIONED.read_bytes())


def _incident(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(incident.legacy_sql().encode())


def _adopted(url: str) -> None:
    trueup.adopt(database=url, apply=True)
    trueup.enforce(database=url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FACTORY.read_bytes())
        connection.execute("select factory.company(1), factory.company(2)")


def _copy(databases: Databases, template: str) -> Iterator[str]:
    name = databases.create(template)
    yield databases.server.url(name)
    databases.drop(name)


def _empty(databases: Databases) -> str:
    return databases.template("partitioned", _host)


@pytest.fixture
def partitioned(databases: Databases) -> Iterator[str]:
    """URL of a database with partitioned tables, adopted while empty, two companies in it."""
    yield from _copy(databases, databases.template("partitioned, adopted", _adopted, _empty(databases)))


@pytest.fixture
def partitioned_incident(databases: Databases) -> Iterator[str]:
    """URL of the incident's database with partitioned tables, not adopted."""
    yield from _copy(databases, databases.template("partitioned incident", _incident, _empty(databases)))


def _left_out(url: str) -> set[str]:
    return {name for name, state in sql(url, STATES) if state == "left out"}


def _index_parts(url: str, index: str) -> tuple[int, int]:
    """Return how many partitions the index has parts on, and how many of those are valid."""
    (found,) = sql(
        url,
        """
        select count(*), count(*) filter (where i.indisvalid)
        from pg_partition_tree(%s::regclass) as part
        inner join pg_index as i on i.indexrelid = part.relid
        where part.level > 0
        """,
        f"public.{index}",
    )
    return found


@pytest.mark.one_server
def test_adopt_tells_what_cannot_be_there(partitioned_incident: str) -> None:
    compared = run("adopt", url=partitioned_incident)
    assert compared.returncode == 0, compared.stderr
    assert "public.appointments, public.calls (partitioned by RANGE (created_at))" in compared.stdout
    assert "Statement triggers fire for statements that name the table" in compared.stdout

    applied = run("adopt", "--apply", url=partitioned_incident)
    assert applied.returncode == 0, applied.stderr
    reason = (
        "public.calls is partitioned by RANGE (created_at): what it refers to cannot be a unique key there"
    )
    assert f"left out     {reason}: foreign key appointment_modifications_company_id_call_id_fkey" in (
        applied.stdout
    )
    assert _left_out(partitioned_incident) == LEFT_OUT

    status = run("status", url=partitioned_incident)
    assert "left out     public.appointments is partitioned" in status.stdout
    assert "9 left out" in status.stdout


@pytest.mark.one_server
def test_the_incident_ends_as_on_plain_tables(partitioned_incident: str, incident_database: str) -> None:
    found = []
    for url in (incident_database, partitioned_incident):
        before = sql(url, PICTURE)
        trueup.adopt(database=url, apply=True)
        assert sql(url, PICTURE) == before, "adoption changes no row"
        trueup.check(database=url)
        filed = sql(url, ALERTS)
        repaired = trueup.repair(database=url, apply=True)
        trueup.enforce(database=url)
        second = trueup.check(database=url)
        again = trueup.repair(database=url, apply=True)
        assert again.corrected == 0
        left = {result.name: result.violations for result in second.results if result.violations}
        found.append((filed, repaired.corrected, repaired.review, left))
    assert found[0] == found[1]
    assert trueup.verify(database=partitioned_incident).problems == ()
    assert {guard.mode for guard in trueup.status(database=partitioned_incident).guards} == {"enforce"}


@pytest.mark.one_server
def test_every_repair_can_be_undone(partitioned_incident: str) -> None:
    before = sql(partitioned_incident, PICTURE)
    trueup.adopt(database=partitioned_incident, apply=True)
    trueup.repair(database=partitioned_incident, apply=True)
    trueup.enforce(database=partitioned_incident)
    tables = {
        row[0] for row in sql(partitioned_incident, "select rc.table_name from trueup.repair_changes as rc")
    }
    assert {"public.calls", "public.appointments"} <= tables, "a partition is not named in the journal"
    assert not any("2025" in table for table in tables)
    for (repair_id,) in sql(partitioned_incident, "select r.id from trueup.repairs as r order by r.id desc"):
        trueup.undo(repair_id, database=partitioned_incident)
    assert sql(partitioned_incident, PICTURE) == before
    assert trueup.verify(database=partitioned_incident).problems == ()


@pytest.mark.one_server
def test_what_is_left_out_is_neither_disarmed_nor_enforced(partitioned: str) -> None:
    assert _left_out(partitioned) == LEFT_OUT
    verified = trueup.verify(database=partitioned)
    assert verified.problems == ()
    assert {note.what.split()[-1] for note in verified.notes} == LEFT_OUT
    assert sql(partitioned, "select * from trueup.guard_disarmed") == []
    left = [change for change in trueup.enforce(database=partitioned) if change.action == "leave"]
    assert {change.what for change in left} == LEFT_OUT
    assert all("partitioned" in change.detail for change in left)
    again = trueup.migrate(database=partitioned)
    assert {change.action for change in again.changes} == {"left out"}
    assert "nothing to do" in run("migrate", url=partitioned).stdout


def test_fills_and_sync_keep_both_sides(partitioned: str) -> None:
    sql(partitioned, "select factory.call(1, direction => null)")
    sql(partitioned, "select factory.appointment(1, call_id => 1, source => 'retell')")
    call = "select c.appointment_made, c.appointment_id, c.appointment_link_status from public.calls as c"
    assert sql(partitioned, call) == [(True, 1, "linked")]
    assert value(partitioned, "select a.idempotency_key is not null from public.appointments as a")
    sql(partitioned, "delete from public.appointments where id = 1")
    assert sql(partitioned, call) == [(False, None, "unlinked")]


def test_a_row_that_moves_to_another_partition_stays_linked(partitioned: str) -> None:
    sql(partitioned, "select factory.call(1)")
    sql(partitioned, "select factory.appointment(1, call_id => 1)")
    for table in ("appointments", "calls"):
        sql(partitioned, f"update public.{table} set created_at = '2025-03-03' where id = 1")
        assert (
            value(partitioned, f"select tableoid::regclass::text from public.{table}") == f"{table}_2025_q1"
        )
    assert trueup.check(database=partitioned).exit_code("warning") == 0
    assert value(partitioned, "select c.appointment_id from public.calls as c") == 1


def test_guards_refuse_on_a_partition_too(partitioned: str) -> None:
    sql(partitioned, "select factory.call(1)")
    for table in ("calls", "calls_2025_q4"):
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            sql(partitioned, f"update public.{table} set booking_confirmed = true where id = 1")
        assert refused.value.diag.constraint_name == "call_booked_without_appointment"
    sql(
        partitioned,
        "begin; update public.calls set booking_confirmed = true where id = 1;"
        "select factory.appointment(1, call_id => 1); commit",
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(partitioned, "delete from public.appointments where id = 1")


def test_what_is_written_to_a_partition_is_found_by_the_checks(partitioned: str) -> None:
    sql(partitioned, "select factory.call(1)")
    sql(
        partitioned,
        """
        insert into public.appointments_2025_q4
            (id, company_id, call_id, starts_at, ends_at, status, source, created_at)
        overriding system value values (1, 1, 1, '2025-10-22 12:00+00', '2025-10-22 12:45+00', 'confirmed', 'manual', '2025-10-20')
        """,
    )
    found = trueup.check(database=partitioned)
    wrong = [r.name for r in found.results if r.violations and r.severity != "info"]
    assert wrong == ["call_appointment_not_flagged", "call_backlink_missing"]
    assert trueup.repair(database=partitioned, apply=True).corrected == 1
    assert trueup.check(database=partitioned).exit_code("warning") == 0


def test_what_a_left_out_constraint_would_refuse_is_found(partitioned: str) -> None:
    sql(partitioned, "select factory.customer(1, company_id => 2), factory.call(1)")
    sql(
        partitioned,
        "select factory.appointment(1, call_id => 1, calcom_booking_uid => 'uid'),"
        "factory.appointment(2, calcom_booking_uid => 'uid', created_at => '2025-03-03'),"
        "factory.appointment(3, company_id => 2, call_id => 1)",
    )
    found = {result.name for result in trueup.check(database=partitioned).results if result.violations}
    assert {"appointment_booking_shared", "tenant_mismatch"} <= found


def test_a_partition_that_comes_later(partitioned: str) -> None:
    sql(
        partitioned,
        """
        create table public.calls_2026_01 partition of public.calls for values from ('2026-01-01') to ('2026-02-01');
        create table public.calls_2026_02 (like public.calls including all excluding identity);
        insert into public.calls_2026_02 (id, company_id, retell_call_id, direction, created_at)
        overriding system value values (2, 1, 'call_2', 'inbound', '2026-02-02');
        alter table public.calls attach partition public.calls_2026_02
            for values from ('2026-02-01') to ('2026-03-01')
        """,
    )
    sql(partitioned, "select factory.call(1, created_at => '2026-01-10')")
    for call in (1, 2):
        with pytest.raises(psycopg.errors.CheckViolation):
            sql(partitioned, f"update public.calls set booking_confirmed = true where id = {call}")
        sql(partitioned, f"select factory.appointment({call}, call_id => {call}, created_at => '2026-01-10')")
        assert (
            value(partitioned, f"select c.appointment_id from public.calls as c where c.id = {call}") == call
        )
    assert trueup.verify(database=partitioned).problems == ()
    assert sql(partitioned, "select * from trueup.guard_disarmed") == []


def test_a_trigger_disabled_on_one_partition_is_disarmed(partitioned: str) -> None:
    sql(partitioned, "alter table public.calls_2025_q4 disable trigger calls_fill_outcome")
    (found,) = trueup.verify(database=partitioned).problems
    assert "calls_fill_outcome on public.calls is disabled" in found.detail
    trueup.migrate(database=partitioned)
    assert trueup.verify(database=partitioned).problems == ()
    assert (
        value(
            partitioned,
            "select count(*) from pg_trigger as t where t.tgname = 'calls_fill_outcome' and t.tgenabled <> 'O'",
        )
        == 0
    )


def test_a_pass_sees_what_is_written_where_one_partition_notes_nothing(partitioned: str) -> None:
    sql(partitioned, "select factory.call(1)")
    trueup.check_changed(database=partitioned)
    owed = "select ch.owes_full from trueup.checks as ch where ch.name = 'call_customer_not_linked'"
    assert value(partitioned, owed) is None
    sql(
        partitioned,
        "alter table public.calls_2025_q4 disable trigger trueup_changes_update;"
        "update public.calls set from_number = '+49', customer_link_status = 'unlinked', customer_id = null",
    )
    assert value(partitioned, "select count(*) from trueup.changes") == 0
    found = {result.name: result.outcome for result in trueup.check_changed(database=partitioned).results}
    assert found["call_customer_not_linked"] == "complete"
    assert found["customer_duplicate"] == "changed"
    assert value(partitioned, owed) == "changes of public.calls are not noted"
    trueup.migrate(database=partitioned)
    trueup.check_changed(database=partitioned)
    assert value(partitioned, owed) is None


ITEMS = (
    # the columns of one partition have other numbers
    "create table items (id bigint, price integer, note text, day date, primary key (id, day)) "
    "partition by range (day); "
    "create table old_items (day date, gone text, note text, price integer, id bigint, "
    "primary key (id, day)); alter table old_items drop column gone; "
    "create table later_items partition of items default partition by range (day); "
    "create table last_items partition of later_items default; "
    "alter table items attach partition old_items for values from ('2025-01-01') to ('2026-01-01'); "
    "create function public.turn() returns trigger language plpgsql as "
    "'begin if new.note = ''turned'' then new.price := -1; end if; return new; end'"
)
NEGATIVE = ("items.id", "i.price < 0")
ITEM_ALERTS = (
    "select al.entity_id from trueup.data_consistency_alerts as al "
    "where al.alert_type = 'item_negative' and al.status <> 'resolved' order by 1"
)


def _outcome(url: str, pack: Path) -> str:
    """Make a pass; return the outcome of the check of the pack."""
    results = {result.name: result for result in trueup.check_changed(database=url, pack=pack).results}
    return results["item_negative"].outcome


@pytest.mark.parametrize("of", ["", "of note"])
@pytest.mark.parametrize(("partition", "day"), [("old_items", "2025-01-01"), ("last_items", "2030-01-01")])
@pytest.mark.parametrize("migrated", [False, True])
def test_a_trigger_of_the_application_on_one_partition(
    empty_database: str, tmp_path: Path, of: str, partition: str, day: str, migrated: bool
) -> None:
    """It may write what its statement does not name; what its list names are columns of the table."""
    sql(empty_database, ITEMS)
    pack = items_pack(tmp_path / "pack", item_negative=NEGATIVE)
    turn = (
        f"create trigger turn before update {of} on {partition} for each row execute function public.turn()"
    )
    if migrated:
        sql(empty_database, turn)
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, f"insert into items (id, price, day) values (1, 1, '{day}'), (2, 1, '{day}')")
    _outcome(empty_database, pack)
    assert _outcome(empty_database, pack) == "changed"
    if not migrated:
        sql(empty_database, turn)
    sql(empty_database, "update items set note = 'turned' where id = 1")
    assert _outcome(empty_database, pack) == ("changed" if migrated else "complete")
    assert sql(empty_database, ITEM_ALERTS) == [("1",)]
    trueup.migrate(database=empty_database, pack=pack)
    _outcome(empty_database, pack)
    sql(empty_database, "update items set note = 'turned'")
    assert _outcome(empty_database, pack) == "changed"
    assert sql(empty_database, ITEM_ALERTS) == [("1",), ("2",)]
    assert trueup.verify(database=empty_database, pack=pack).ok


def test_a_foreign_partition_that_comes_later(empty_database: str, tmp_path: Path) -> None:
    """What is written elsewhere no trigger here sees."""
    sql(
        empty_database,
        "create table items (id bigint primary key, price integer); "
        "create table lines (item_id bigint, day date) partition by range (day); "
        "create table later_lines partition of lines default partition by range (day); "
        "create foreign data wrapper nowhere; create server nowhere foreign data wrapper nowhere; "
        "create foreign table far_lines (item_id bigint, day date) server nowhere",
    )
    lined = "exists (select 1 from public.lines as l where l.item_id = i.id)"
    pack = items_pack(tmp_path / "pack", item_lined=("items.id, lines.item_id", lined))
    trueup.migrate(database=empty_database, pack=pack)
    unarmed = []
    for statement in (
        "select",
        "alter table later_lines attach partition far_lines for values from ('2031-01-01') to ('2032-01-01')",
        "alter table later_lines detach partition far_lines",
    ):
        sql(empty_database, statement)
        with session(empty_database, "test") as connection:
            tables = connection.rows("check_tables", TrackedTable)
        unarmed.append([table.table_name for table in tables if not table.is_armed])
    assert unarmed == [[], ["public.lines"], []]


def test_an_index_is_built_on_each_partition_without_stopping_writers(partitioned: str) -> None:
    """Part by part, also below a partition that is partitioned itself; the script of a dry run does the same."""
    long = "calls_of_a_partition_whose_name_is_nearly_as_long_as_names_may_be"[:60]
    sql(
        partitioned,
        f"""
        create table public.calls_2026 partition of public.calls
            for values from ('2026-01-01') to ('2027-01-01') partition by range (created_at);
        create table public.{long} partition of public.calls_2026
            for values from ('2026-01-01') to ('2026-07-01');
        create table public.calls_2026_1 partition of public.calls_2026
            for values from ('2026-07-01') to ('2027-01-01');
        select factory.call(1);
        drop index public.calls_customer_id_idx, public.calls_booking_id_idx
        """,
    )
    script = trueup.migrate(database=partitioned, dry_run=True).sql
    assert 'create index if not exists "calls_customer_id_idx" on only public.calls' in script
    assert 'create index concurrently if not exists "calls_2025_q4_calls_customer_id_idx"' in script
    added = [change.what for change in trueup.migrate(database=partitioned).changes if change.action == "add"]
    assert sorted(added) == ["calls_booking_id_idx", "calls_customer_id_idx"]
    assert _index_parts(partitioned, "calls_customer_id_idx") == (12, 12)
    assert trueup.verify(database=partitioned).problems == ()

    sql(partitioned, "drop index public.calls_customer_id_idx, public.calls_booking_id_idx")
    psql = server.find_binaries().directory / "psql"
    subprocess.run(
        [psql, "-qX", "-v", "ON_ERROR_STOP=1", "-d", partitioned], input=script, text=True, check=True
    )
    assert _index_parts(partitioned, "calls_customer_id_idx") == (12, 12)
    assert trueup.verify(database=partitioned).problems == ()


def test_an_interrupted_build_is_built_again(partitioned: str) -> None:
    sql(
        partitioned,
        """
        select factory.call(1);
        drop index public.calls_customer_id_idx;
        create index calls_customer_id_idx on only public.calls (customer_id, company_id)
            where customer_id is not null;
        create index calls_2025_q4_calls_customer_id_idx on public.calls_2025_q4 (created_at);
        update trueup.constraints set definition_checksum = null where name = 'calls_customer_id_idx'
        """,
    )
    assert not trueup.verify(database=partitioned).ok
    trueup.migrate(database=partitioned)
    assert _index_parts(partitioned, "calls_customer_id_idx") == (9, 9)
    assert "customer_id" in value(
        partitioned, "select pg_get_indexdef('public.calls_2025_q4_calls_customer_id_idx'::regclass)"
    )
    assert trueup.verify(database=partitioned).problems == ()


def test_a_unique_index_that_rows_contradict_leaves_nothing_behind(partitioned: str) -> None:
    sql(
        partitioned,
        """
        insert into trueup.constraints (name, table_name, kind, definition, check_name, purpose)
        values ('calls_once_key', 'public.calls', 'unique index', '(from_number, created_at)', 'call_duplicate', 'test')
        """,
    )
    sql(partitioned, "select factory.call(1), factory.call(2), factory.call(3, created_at => '2025-02-02')")
    pending = [c for c in trueup.migrate(database=partitioned).changes if c.what == "calls_once_key"]
    assert [(change.action, change.detail) for change in pending] == [
        ("pending", "rows disagree, see check call_duplicate")
    ]
    assert sql(partitioned, "select relname from pg_class where relname like '%calls_once_key%'") == []
    sql(partitioned, "delete from public.calls where id = 2")
    trueup.migrate(database=partitioned)
    assert _index_parts(partitioned, "calls_once_key") == (9, 9)
    with pytest.raises(psycopg.errors.UniqueViolation):
        sql(partitioned, "select factory.call(4)")


def test_a_foreign_key_on_rows_that_disagree_is_not_built(
    partitioned_incident: str, postgres: Postgres
) -> None:
    trueup.adopt(database=partitioned_incident, apply=True)
    states = dict(sql(partitioned_incident, STATES))
    assert states["calls_company_exists"] == ("not valid" if postgres.version >= 18 else "missing")
    assert sql(partitioned_incident, "select * from trueup.guard_disarmed") == []
    sql(
        partitioned_incident,
        "set session_replication_role = replica; update public.calls set company_id = 77 where id = (select min(id) from public.calls where direction is not null)",
    )
    left = {c.what: c.detail for c in trueup.enforce(database=partitioned_incident) if c.action == "leave"}
    assert "tenant_mismatch" in left["calls_company_exists"]


OBSTACLES = [
    # kind, definition, partition key, what stands in the way
    ("unique index", "(company_id, id)", "list (company_id)", None),
    ("unique index", "(company_id, id)", "range (created_at)", "RANGE (created_at)"),
    ("unique index", "(id, lower(retell_call_id), created_at desc)", "range (created_at)", None),
    ("unique index", "(id, date_trunc('day', created_at))", "range (created_at)", "RANGE (created_at)"),
    (
        "unique index",
        "((a(b(id, company_id))), company_id) where created_at > now()",
        "list (company_id)",
        None,
    ),
    (
        "unique index",
        "(company_id, id) where (created_at > now())",
        "range (created_at)",
        "RANGE (created_at)",
    ),
    ("unique index", "(company_id)", "list (lower(retell_call_id))", "LIST (lower(retell_call_id))"),
    ("index", "(id)", "range (created_at)", None),
    ("check", "(id > 0)", "range (created_at)", None),
    ("foreign key", "(company_id) references public.companies (id)", "range (created_at)", None),
    ("foreign key", "(x) references public.t (company_id, id) on delete cascade", "list (company_id)", None),
    ("foreign key", "(x) references public.t(company_id, id)", "range (created_at)", "RANGE (created_at)"),
    ("exclude", "using gist (company_id with =, id with =)", "list (company_id)", None),
    ("exclude", "using gist (id with =, company_id with <>)", "list (company_id)", "LIST (company_id)"),
]


def test_what_stands_in_the_way(database: str, postgres: Postgres) -> None:
    for kind, definition, by, obstacle in OBSTACLES:
        said = value(
            database,
            "drop table if exists public.t; create table public.t "
            "(id bigint, company_id bigint, retell_call_id text, created_at timestamptz) "
            f"partition by {by}; select trueup.constraint_obstacle('{kind}', 'public.t', $${definition}$$)",
        )
        expected = f"public.t is partitioned by {obstacle}: " if obstacle else None
        if kind == "exclude" and postgres.version < 17:
            expected = "public.t is partitioned: an exclusion constraint there needs PostgreSQL 17"
        assert (said and said[: len(expected or "")]) == expected, definition


PACK_CHECK = """-- order_ready
--
-- invariant:   every order is ready
-- severity:    warning
-- entity:      order
-- changes:     orders.number
-- population:  orders
-- prevented:   none: a test
-- repair:      review
-- cost:        reads orders

create or replace view trueup.order_ready as
select
    null::text as company_id,
    'order' as entity_type,
    o.number as entity_id,
    'an order is not ready' as description,
    '{}'::jsonb as evidence
from public.orders as o
where not o.is_ready;
"""


@pytest.mark.parametrize(
    ("keys", "by", "key"),
    [
        ("primary key (number, created_at)", "range (created_at)", "number"),
        ("primary key (created_at, number)", "range (created_at)", "number"),
        ("primary key (number)", "hash (number)", "number"),
        ("primary key (number, shop, created_at)", "range (created_at)", None),
        ("unique (number, created_at)", "range (created_at)", None),
    ],
)
def test_the_key_of_an_entity(
    empty_database: str, tmp_path: Path, keys: str, by: str, key: str | None
) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "order_ready.sql").write_text(PACK_CHECK)
    sql(
        empty_database,
        f"""
        create table public.orders (
            number bigint, shop bigint, is_ready boolean not null default false,
            created_at timestamptz not null default '2025-10-10', {keys}
        ) partition by {by};
        create table public.orders_all partition of public.orders
            {"default" if by.startswith("range") else "for values with (modulus 1, remainder 0)"};
        insert into public.orders values (7)
        """
        if key
        else f"""
        create table public.orders (
            number bigint, shop bigint, is_ready boolean not null default false,
            created_at timestamptz not null default '2025-10-10', {keys}
        ) partition by {by}
        """,
    )
    if key is None:
        with pytest.raises(CatalogError, match="no column is known to be its key"):
            trueup.migrate(database=empty_database, pack=tmp_path)
        return
    trueup.migrate(database=empty_database, pack=tmp_path)
    assert value(empty_database, "select key_column from trueup.check_populations") == key
    found = trueup.check(["order_ready"], database=empty_database, pack=tmp_path)
    assert [example.entity_id for result in found.results for example in result.examples] == ["7"]


def test_init_knows_the_key(partitioned: str, tmp_path: Path) -> None:
    done = run("init", tmp_path / "pack", "--table", "public.calls", url=partitioned)
    assert done.returncode == 0, done.stderr
    text = "".join(path.read_text() for path in (tmp_path / "pack" / "checks").glob("*.sql"))
    assert ".id as entity_id" in text


def test_everything_can_be_removed(partitioned_incident: str, postgres: Postgres) -> None:
    program = server.find_binaries(postgres.version).directory / "pg_dump"

    def schema() -> list[str]:
        done = subprocess.run(
            [program, "--schema-only", "-d", partitioned_incident], capture_output=True, text=True, check=True
        )
        # newer releases put a random word at the beginning and the end
        return [line for line in done.stdout.splitlines() if "restrict " not in line]

    before = schema()
    trueup.adopt(database=partitioned_incident, apply=True)
    trueup.enforce(database=partitioned_incident)
    # what an interrupted build leaves: a part that nobody has attached to the index of the parent
    sql(
        partitioned_incident,
        "drop index public.calls_suspect_idx;"
        "create index calls_suspect_idx on only public.calls (id);"
        "create index calls_2025_q4_calls_suspect_idx on public.calls_2025_q4 (id)",
    )
    name = value(partitioned_incident, "select current_database()")
    trueup.uninstall(database=partitioned_incident, database_name=name, no_dump=True, apply=True)
    assert schema() == before


def test_changes_are_noted_whatever_table_the_statement_names(partitioned: str) -> None:
    """Also of a row that moves: to row triggers that is a deletion and an insertion."""
    sql(partitioned, "select factory.call(1), factory.call(2), factory.call(3)")
    sql(partitioned, "update trueup.guards set mode = 'off'")
    trueup.check(database=partitioned)
    for statement, wrong in (
        ("update public.calls set appointment_made = true where id = 1", {"1"}),
        ("update public.calls_2025_q4 set appointment_made = true where id = 2", {"1", "2"}),
        (
            "update public.calls set appointment_made = true, created_at = '2025-03-03' where id = 3",
            {"1", "2", "3"},
        ),
        ("delete from public.calls_2025_q4 where id = 2", {"1", "3"}),
        ("delete from public.calls where id = 3", {"1"}),
    ):
        sql(partitioned, statement)
        noted = "select bool_and(ch.keys is not null) from trueup.changes as ch where ch.table_name = 'public.calls'"
        assert value(partitioned, noted), statement
        trueup.check_changed(database=partitioned)
        open_now = sql(
            partitioned,
            "select al.entity_id from trueup.data_consistency_alerts as al "
            "where al.alert_type = 'call_made_without_appointment' and al.status <> 'resolved'",
        )
        assert {row[0] for row in open_now} == wrong, statement
