"""`trueup lint`: each rule finds the file that breaks it, in its line, and not the one that nearly does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import helpers
import pytest
from conftest import ROOT
from helpers import run, sql, value

import trueup
from trueup import bodies, linting, server
from trueup.errors import CatalogError, UsageError
from trueup.packs import CORE
from trueup.store import ServerSaid, Session
from trueup.tokens import statements, tokens

CHECK = """-- order_unpaid
--
-- invariant:   an order that was sent is paid
-- severity:    critical
-- entity:      order
-- changes:     orders.id
-- population:  orders
-- prevented:   guard
-- repair:      review
-- cost:        one scan of orders

create or replace view trueup.order_unpaid as
select
    null::text as company_id,
    'order' as entity_type,
    o.id as entity_id,
    'sent, and not paid' as description,
    jsonb_build_object('sent', o.is_sent) as evidence
from public.orders as o
where o.is_sent and not o.is_paid;
"""

GUARD = """-- order_unpaid: guard

create or replace function trueup.guard_order_unpaid()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform 1 from public.orders as o where o.id = new.id for no key update;

    if exists (select 1 from trueup.order_unpaid as v where v.entity_id = new.id) then
        perform trueup.guard_tripped('order_unpaid', new.id);
    end if;

    return null;
end;
$$;

drop trigger if exists order_unpaid on public.orders;
create constraint trigger order_unpaid
    after insert or update of is_sent, is_paid on public.orders
    deferrable initially deferred
    for each row
    execute function trueup.guard_order_unpaid();
"""

FUNCTION = """-- total(order): what an order costs

create or replace function trueup.total(p_order_id bigint)
    returns bigint
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_total bigint;
    r record;
begin
    for r in select o.price from public.orders as o where o.id = p_order_id loop
        v_total := coalesce(v_total, 0) + r.price;
    end loop;

    return v_total;
end;
$$;
"""

REVISION = "-- 0002_price: what an order costs\n\nalter table public.orders add column price bigint;\n"


ORDERS = """
create table public.orders (
    id bigint primary key, is_sent boolean not null default false, is_paid boolean not null default false, price bigint
)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A pack with one check, its guard, a function and a revision; nothing is wrong with it."""
    write(tmp_path, "checks/order_unpaid.sql", CHECK)
    write(tmp_path, "triggers/order_unpaid.sql", GUARD)
    write(tmp_path, "db/functions/total.sql", FUNCTION)
    return tmp_path


@pytest.fixture
def scratch(empty_database: str) -> str:
    """A database to be thrown away, with the table of the shop."""
    sql(empty_database, ORDERS)
    return empty_database


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def found(root: Path, *, database: str | None = None) -> list[tuple[str, str, int, str]]:
    """Return what lint finds as (rule, file in the pack, line, message)."""
    done = trueup.lint(root, database=database, use_server=database is not None)
    return [
        (
            finding.rule,
            str(Path(finding.file).resolve().relative_to(root.resolve())),
            finding.line,
            finding.message,
        )
        for finding in done.findings
    ]


def pattern(told: str) -> str:
    """Return messages of servers, parted by |, as a pattern."""
    return "|".join(map(re.escape, told.split("|")))


def function(
    body: str, more: str = "set search_path = pg_catalog, pg_temp", parameters: str = "p_id bigint"
) -> str:
    return (
        f"create or replace function trueup.tried({parameters})\n    returns bigint\n    language plpgsql\n"
        f"    {more}\nas $$\ndeclare\n    v_id bigint;\nbegin\n    {body}\n    return v_id;\nend;\n$$;\n"
    )


TRIED = "db/functions/tried.sql"
# rule, file, the text that breaks it, the line and a word of the message, the text that nearly does
BROKEN = {
    "a header's key": (
        "header",
        "checks/order_unpaid.sql",
        CHECK.replace("severity:    critical", "severity:    grave"),
        (4, "severity must be one of"),
        CHECK.replace("severity:    critical", "severity:    warning"),
    ),
    "a missing repair": (
        "header",
        "checks/order_unpaid.sql",
        CHECK.replace("repair:      review", "repair:      automatic"),
        (1, "there is no db/repairs/order_unpaid.sql"),
        CHECK,
    ),
    "a function of another name": (
        "naming",
        "db/functions/sum.sql",
        FUNCTION.replace("trueup.total", "trueup.added"),
        (1, "creates no function trueup.sum"),
        FUNCTION.replace("trueup.total", "trueup.sum"),
    ),
    "a trigger of another name": (
        "naming",
        "triggers/orders_fill_price.sql",
        "create or replace trigger fill_price before insert on public.orders for each row execute function trueup.f();\n",
        (1, "trigger fill_price does not begin with the name of its file"),
        "create or replace trigger orders_fill_price_late before insert on public.orders for each row execute function trueup.f();\n",
    ),
    "a guard without a check": (
        "naming",
        "triggers/order_lost.sql",
        GUARD.replace("order_unpaid", "order_lost"),
        (21, "no check is called order_lost"),
        "create or replace trigger order_lost after insert on public.orders for each row execute function trueup.f();\n",
    ),
    "a parameter": (
        "naming",
        TRIED,
        function("null;", parameters="id bigint"),
        (1, "parameter id of trueup.tried"),
        function("null;", parameters="p_id bigint, out result bigint"),
    ),
    "a variable": (
        "naming",
        TRIED,
        function("null;").replace("v_id", "the_id"),
        (7, "variable the_id of trueup.tried"),
        function("null;").replace("    v_id bigint;", "    v_id bigint;\n    r record;"),
    ),
    "a table in a body": (
        "unqualified-name",
        TRIED,
        function("select o.id into v_id from orders as o;"),
        (9, "table orders without its schema"),
        function("with orders as (select 1 as id) select o.id into v_id from orders as o;"),
    ),
    "a table behind a comma": (
        "unqualified-name",
        TRIED,
        function("select 1 into v_id from public.orders as o, customers as k;"),
        (9, "table customers"),
        function("select 1 into v_id from public.orders as o, lateral (select o.id, v_id) as k;"),
    ),
    "a table that is joined": (
        "unqualified-name",
        TRIED,
        function("select 1 into v_id\n    from public.orders as o\n    left join customers as k on true;"),
        (11, "table customers"),
        function(
            "select 1 into v_id from public.orders as o left join lateral unnest(array[1]) as k on true;"
        ),
    ),
    "a table that is written": (
        "unqualified-name",
        TRIED,
        function("update orders set id = 1;"),
        (9, "table orders"),
        function("perform 1 from public.orders as o where o.id is distinct from v_id for update of o;"),
    ),
    "a table that is inserted into": (
        "unqualified-name",
        TRIED,
        function("insert into orders values (1);"),
        (9, "table orders"),
        function(
            "insert into public.orders (id) values (1) on conflict (id) do update set id = 2 returning id into v_id;"
        ),
    ),
    "a function of ours": (
        "unqualified-name",
        TRIED,
        function("v_id := total(p_id);"),
        (9, "function total"),
        function("v_id := trueup.total(extract(epoch from now())::bigint) + length('from total(x)');"),
    ),
    "a name in a string": (
        "unqualified-name",
        TRIED,
        function("v_id := 'orders'::regclass::oid;"),
        (9, "table 'orders'"),
        function("v_id := 'public.orders'::regclass::oid + 'pg_class'::regclass::oid;"),
    ),
    "a revision": (
        "unqualified-name",
        "migrations/versions/0002_price.up.sql",
        REVISION.replace("public.", ""),
        (3, "table orders"),
        REVISION,
    ),
    "a reference": (
        "unqualified-name",
        "migrations/versions/0002_price.up.sql",
        "create table trueup.prices (order_id bigint references orders);\n",
        (1, "table orders"),
        "create table trueup.prices (order_id bigint references public.orders on delete cascade on update cascade);\n",
    ),
    "not in": (
        "not-in-select",
        TRIED,
        function(
            "select o.id into v_id from public.orders as o\n    where o.id NOT /* ever */ in -- who\n    (select 1);"
        ),
        (10, "write `not exists`"),
        function(
            "select o.id into v_id from public.orders as o where o.id not in (1, 2) and o.id in (select 1);"
        ),
    ),
    "not in, in a view": (
        "not-in-select",
        "checks/order_unpaid.sql",
        CHECK.replace("not o.is_paid", "o.id not in (select p.id from public.orders as p)"),
        (20, "write `not exists`"),
        CHECK.replace("not o.is_paid", "not o.is_paid -- not in (select 1)"),
    ),
    "no search_path": (
        "search-path",
        TRIED,
        function("null;", "security definer"),
        (1, "trueup.tried has no `set search_path = pg_catalog, pg_temp`"),
        "create function trueup.tried(p_id bigint) returns bigint language sql\nbegin atomic\n    select p_id;\nend;\n",
    ),
    "a search_path without pg_temp": (
        "search-path",
        TRIED,
        function("null;").replace("set search_path = pg_catalog, pg_temp", "set search_path = ''"),
        (1, "trueup.tried finds types of its caller in pg_temp first"),
        function("null;").replace("pg_catalog, pg_temp", "pg_catalog, public, pg_temp"),
    ),
    "a guard without lock": (
        "guard-without-lock",
        "triggers/order_unpaid.sql",
        GUARD.replace(" for no key update", ""),
        (12, "before it locks"),
        GUARD.replace("for no key update", "for update of o skip locked"),
    ),
    "a guard that locks too late": (
        "guard-without-lock",
        "triggers/order_unpaid.sql",
        GUARD.replace(" for no key update", "").replace(
            "return null", "perform 1 from public.orders as o for update; return null"
        ),
        (12, "before it locks"),
        GUARD.replace(
            "perform 1 from public.orders as o where o.id = new.id for no key update",
            "perform pg_advisory_xact_lock(new.id)",
        ),
    ),
    "a guard that locks in the same statement": (
        "guard-without-lock",
        "triggers/order_unpaid.sql",
        GUARD.replace(" for no key update;\n\n    if exists", " for no key update\n\n    and exists"),
        (12, "locks and reads in one statement"),
        GUARD,
    ),
    "a scan under a lock": (
        "squawk",
        "migrations/versions/0002_price.up.sql",
        "alter table public.orders alter column price type text;\n",
        (1, "changing-column-type"),
        REVISION,
    ),
    "a suppression without a reason": (
        "suppression",
        TRIED,
        function("update orders set id = 1; -- lint: unqualified-name"),
        (9, "say why"),
        function("update orders set id = 1; -- lint: unqualified-name: a temporary table of the caller"),
    ),
    "a suppression of nothing": (
        "suppression",
        TRIED,
        function("null; -- lint: unqualified-name: a temporary table of the caller"),
        (9, "nothing here breaks unqualified-name"),
        function("-- lint: unqualified-name: a temporary table of the caller\n    update orders set id = 1;"),
    ),
    "a suppression of no rule": (
        "suppression",
        TRIED,
        function("null; -- lint: everything: I know better"),
        (9, "no rule is called 'everything'"),
        function("null; -- what lint says of this: nothing"),
    ),
}


@pytest.mark.parametrize(("rule", "file", "broken", "told", "near"), BROKEN.values(), ids=BROKEN)
def test_each_rule_has_a_file_that_breaks_it_and_one_that_does_not(
    shop: Path, rule: str, file: str, broken: str, told: tuple[int, str], near: str
) -> None:
    if file.startswith("migrations"):
        for ending in (".py", ".down.sql"):
            write(shop, file.replace(".up.sql", ending), "")
    write(shop, file, near)
    assert found(shop) == []
    write(shop, file, broken)
    said = found(shop)
    line, message = told
    assert (rule, file, line) in {item[:3] for item in said}, said
    assert any(item[:3] == (rule, file, line) and message in item[3] for item in said), said
    assert {item[0] for item in said} <= {rule, "unqualified-name"}, said


def test_a_revision_has_three_files(shop: Path) -> None:
    write(shop, "migrations/versions/0002_price.up.sql", REVISION)
    assert {item[3] for item in found(shop)} == {"0002_price.py is missing", "0002_price.down.sql is missing"}
    write(shop, "migrations/versions/price.up.sql", REVISION)
    assert any("a revision is named" in item[3] for item in found(shop))


# the line within the function's file, a part of the message, and a body that nearly breaks the rule
BODIES = {
    "a column": (
        "select o.pric into v_id from public.orders as o where o.id = p_id;",
        (9, "column o.pric does not exist"),
        "select o.price into v_id from public.orders as o where o.id = p_id;",
    ),
    "a table": (
        "if p_id > 1 then\n        update public.order set price = p_id where id = v_id;\n    end if;",
        (10, 'syntax error at or near "order"|relation "public.order" does not exist'),
        "if p_id > 1 then\n        update public.orders set price = p_id where id = v_id;\n    end if;",
    ),
    "a table that is not there": (
        "delete from public.payments as p where p.id = p_id;",
        (9, 'relation "public.payments" does not exist'),
        "delete from public.orders as p where p.id = p_id returning p.id into strict v_id;",
    ),
    "a function": (
        "v_id := trueup.totals(p_id);",
        (9, "function trueup.totals(bigint) does not exist"),
        "v_id := trueup.total(p_id);",
    ),
    "a condition": (
        "if exists (select 1 from public.orders as o where o.paid) then\n        null;\n    end if;",
        (9, "column o.paid does not exist"),
        "if (case when p_id > 1 then true else false end) then\n        null;\n    end if;",
    ),
    "a word of the language": (
        "iff p_id > 1 then\n        null;\n    end if;",
        (9, "syntax error"),
        "for v_at in 1 .. 3 loop\n        v_id := v_at + p_id;\n    end loop;",
    ),
}


@pytest.mark.parametrize(("broken", "told", "near"), BODIES.values(), ids=BODIES)
def test_a_body_that_cannot_run_is_found(
    shop: Path, scratch: str, broken: str, told: tuple[int, str], near: str
) -> None:
    write(shop, TRIED, function(near))
    assert found(shop, database=scratch) == []
    write(shop, TRIED, function(broken))
    ((rule, file, line, message),) = found(shop, database=scratch)
    assert (rule, file, line) == ("body", TRIED, told[0])
    assert re.search(pattern(told[1]), message), message


@pytest.fixture(scope="module")
def checking() -> Iterator[str]:
    """URL of a PostgreSQL 15 that has plpgsql_check: a copy of the system's, and Debian's package."""
    home = Path("/usr/lib/postgresql/15")
    if not (home / "bin" / "initdb").exists() or not shutil.which("apt-get"):
        pytest.skip("PostgreSQL 15 of Debian is not here")
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        place.chmod(0o755)
        for path in (home, Path("/usr/share/postgresql/15")):
            shutil.copytree(path, place / path.relative_to("/"))
        fetch = ["apt-get", "download", "-q", "postgresql-15-plpgsql-check"]
        if subprocess.run(fetch, cwd=place, capture_output=True, check=False).returncode:
            pytest.skip("Debian's package of plpgsql_check cannot be fetched")
        (package,) = place.glob("*.deb")
        subprocess.run(["dpkg", "-x", package, place], check=True)
        place.chmod(0o755)
        binaries = server.Binaries(place / "usr/lib/postgresql/15/bin", 15, "system")
        with server.temporary(binaries=binaries) as started:
            yield started.url()


def test_plpgsql_check_is_asked_where_there_is_one(shop: Path, checking: str) -> None:
    for root in (None, CORE):
        done = trueup.lint(root, database=checking)
        assert (done.findings, done.notes) == ((), ())
    sql(checking, ORDERS)
    for broken, told, near in BODIES.values():
        write(shop, TRIED, function(near))
        assert found(shop, database=checking) == []
        write(shop, TRIED, function(broken))
        ((rule, file, line, message),) = found(shop, database=checking)
        assert (rule, file, line) == ("body", TRIED, told[0])
        assert re.search(pattern(told[1]), message), message
    write(shop, TRIED, function("execute 'select price from public.order' into v_id;"))
    ((rule, file, line, message),) = found(shop, database=checking)
    assert (rule, line) == ("body", 9), "put together at run time"


def test_a_trigger_is_tried_on_its_table(shop: Path, scratch: str) -> None:
    assert found(shop, database=scratch) == []
    write(
        shop, "triggers/order_unpaid.sql", GUARD.replace("v.entity_id = new.id", "v.entity_id = new.number")
    )
    ((rule, file, line, message),) = found(shop, database=scratch)
    assert (rule, file, line) == ("body", "triggers/order_unpaid.sql", 12)
    assert "number" in message


def test_a_function_in_sql_is_tried(shop: Path, scratch: str) -> None:
    text = (
        "create or replace function trueup.tried(p_id bigint)\n    returns bigint\n    language sql\n"
        "    set search_path = pg_catalog, pg_temp\nas $$\n    select o.{}\n    from public.orders as o;\n$$;\n"
    )
    write(shop, TRIED, text.format("price"))
    assert found(shop, database=scratch) == []
    write(shop, TRIED, text.format("pric"))
    ((rule, file, line, message),) = found(shop, database=scratch)
    assert (rule, file, line) == ("body", TRIED, 6)
    assert "o.pric" in message


@pytest.mark.one_server
def test_a_table_that_a_function_hides_is_found(shop: Path, scratch: str) -> None:
    sql(
        scratch,
        'create schema stock; create table stock."Lots" (order_id bigint); '
        'create view public.lots as select l.order_id from stock."Lots" as l',
    )
    body = "select exists (\n        {} select 1 from {} as l where l.order_id = p_order_id\n    )"
    header = "create or replace function trueup.tried(p_order_id bigint)\n    returns boolean\n"
    string = (
        header + "    language {}\n    stable\n    set search_path = pg_catalog, pg_temp\nas $$\n{}\n$$;\n"
    )
    checked = CHECK.replace("not o.is_paid", "not o.is_paid and not trueup.tried(o.id)")
    write(shop, "checks/order_unpaid.sql", checked)
    for table in ('stock."Lots"', "public.lots"):
        for language, text in (
            ("sql", f"{body.format('', table)};"),
            ("plpgsql", f"begin\n    return ({body.format('', table)});\nend;"),
        ):
            write(shop, TRIED, string.format(language, text))
            ((rule, file, line, message),) = found(shop, database=scratch)
            assert (rule, file, line) == ("hidden-read", "checks/order_unpaid.sql", 6)
            assert 'trueup.tried(bigint) reads stock."Lots"' in message
    # the header says so, time begins the violation anyway, or nothing hides it
    for item in ('stock."Lots".order_id', "time"):
        write(shop, "checks/order_unpaid.sql", checked.replace("orders.id\n", f"orders.id, {item}\n", 1))
        assert found(shop, database=scratch) == []
    write(shop, "checks/order_unpaid.sql", checked)
    write(shop, TRIED, f"{header}    stable\nreturn exists (select 1 from public.lots as l);\n")
    assert [rule for rule, *_ in found(shop, database=scratch) if rule == "hidden-read"] == []
    # what is read besides, or only spoken of, is not hidden
    text = body.format("-- not public.lots\n", "public.orders").replace("l.order_id", "l.id")
    write(shop, TRIED, string.format("sql", f"{text};"))
    assert found(shop, database=scratch) == []


@pytest.mark.one_server
def test_a_table_that_a_function_of_the_application_hides_is_found(shop: Path, scratch: str) -> None:
    """It finds the table by its search_path, or in public."""
    body = "select exists (select 1 from Lots as l where l.order_id = p_order_id)"
    sql(scratch, "create schema stock; create table stock.lots (order_id bigint)")
    checked = CHECK.replace("not o.is_paid", "not o.is_paid and not stock.tried(o.id)")
    write(shop, "checks/order_unpaid.sql", checked)
    sql(
        scratch,
        "create function stock.tried(p_order_id bigint) returns boolean language sql stable "
        f"set search_path = stock, public as $$ {body} $$",
    )
    ((rule, *_, message),) = found(shop, database=scratch)
    assert (rule, message.split(",")[0]) == ("hidden-read", "stock.tried(bigint) reads stock.lots")


def test_a_view_that_the_server_refuses_is_found(shop: Path, scratch: str) -> None:
    write(shop, "checks/order_unpaid.sql", CHECK.replace("not o.is_paid", "not o.is_payed"))
    ((rule, file, line, message),) = found(shop, database=scratch)
    assert (rule, file, line) == ("body", "checks/order_unpaid.sql", 20)
    assert "o.is_payed does not exist" in message


def test_a_revision_that_cannot_run_is_found(shop: Path, scratch: str) -> None:
    program = (ROOT / "migrations/versions/0005_retention.py").read_text()
    text = re.sub(
        r"(down_revision[^=]*= ).*", r"\1None", re.sub(r"(depends_on[^=]*= ).*", r"\1None", program)
    )
    write(shop, "migrations/versions/0002_price.py", re.sub(r"bookings_000\d", "shop_0002", text))
    write(shop, "migrations/versions/0002_price.down.sql", "select 1;\n")
    write(shop, "migrations/versions/0002_price.up.sql", REVISION.replace("price", "cost"))
    assert found(shop, database=scratch) == []
    write(shop, "migrations/versions/0002_price.up.sql", REVISION)
    ((rule, file, _, message),) = found(shop, database=scratch)
    assert (rule, file) == ("body", "migrations/versions")
    assert message == 'a revision cannot run: column "price" of relation "orders" already exists'


def test_nothing_is_left_in_the_database(shop: Path, scratch: str) -> None:
    trueup.lint(shop, database=scratch)
    assert not value(scratch, "select to_regnamespace('trueup')")
    assert not value(scratch, "select count(*) from pg_trigger where not tgisinternal")


def test_the_shipped_pack_is_clean_on_every_server(
    legacy_database: str, database: str, empty_database: str
) -> None:
    """On tables nobody adopted, on a database at head, and on an empty one."""
    for url in (legacy_database, database, empty_database):
        assert trueup.lint(database=url).findings == ()
        assert trueup.lint(CORE, database=url).findings == ()


def test_every_function_of_the_pack_has_statements_that_are_tried(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the preparing sees of plpgsql: nearly all of it, and none of it refused for want of understanding."""
    seen: list[str | None] = []
    real: Callable[..., str | None] = bodies._refused

    def counted(connection: Session, text: str) -> str | None:
        try:
            with connection.transaction():
                connection.script(f"prepare counted as {text}")
            connection.script("deallocate counted")
            seen.append(None)
        except ServerSaid as error:
            seen.append(f"{error.sqlstate} {error.diag.message_primary}: {text}")
        return real(connection, text)

    monkeypatch.setattr(bodies, "_refused", counted)
    monkeypatch.setattr(bodies, "_checker", lambda connection: None)
    trueup.lint(database=database)
    refused = [text for text in seen if text]
    assert len(seen) > 300
    assert len(refused) < len(seen) / 20, "\n".join(refused)


def test_without_a_server_it_says_so(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trueup.lint(shop).notes == (
        "bodies were not tried: name a database to be thrown away that has the application's tables (--database)",
    )
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    for ending in (".py", ".up.sql", ".down.sql"):
        write(shop, f"migrations/versions/0002_price{ending}", REVISION if ending == ".up.sql" else "")
    assert any("squawk" in note for note in trueup.lint(shop, use_server=False).notes)


def test_a_pack_that_cannot_be_loaded_is_not_tried(shop: Path) -> None:
    write(shop, "checks/order_unpaid.sql", CHECK.replace("entity:", "entities:"))
    done = trueup.lint(shop)
    assert [finding.rule for finding in done.findings] == ["header"]
    assert done.notes == ("bodies were not tried: the pack cannot be loaded",)


@pytest.mark.one_server
def test_a_pack_that_init_makes_is_clean(scratch: str, tmp_path: Path) -> None:
    trueup.init(tmp_path / "made", table="public.orders", database=scratch)
    done = trueup.lint(tmp_path / "made", database=scratch)
    assert done.findings == ()
    assert done.files == 2


@pytest.mark.one_server
def test_a_pack_whose_revisions_make_no_tables_is_not_tried_without_them(shop: Path, scratch: str) -> None:
    """As the one that `trueup init` shows: every check was said to read tables that do not exist."""
    module = helpers.REVISION.format(name="own_0001", after="").replace('= ""', "= None")
    write(shop, "migrations/versions/0001_own.py", module)
    write(shop, "migrations/versions/0001_own.up.sql", "create table trueup.prices (id bigint);")
    write(shop, "migrations/versions/0001_own.down.sql", "drop table trueup.prices;")
    done = trueup.lint(shop)
    assert done.findings == ()
    assert any("name a database to be thrown away" in note for note in done.notes)
    assert trueup.lint(shop, database=scratch).findings == ()
    write(shop, "migrations/versions/0001_own.up.sql", f"create table trueup.prices (id bigint);\n{ORDERS}")
    done = trueup.lint(shop)
    assert not any("name a database" in note for note in done.notes)


@pytest.mark.one_server
def test_the_command_tells_file_and_line(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.parent)
    clean = run("lint", shop, "--no-server")
    assert (clean.returncode, clean.stdout) == (0, ""), clean.stderr
    write(shop, TRIED, function("update orders set id = 1;", "security definer"))
    place = f"{shop.name}/{TRIED}"
    text = run("lint", shop, "--no-server")
    assert text.returncode == 1
    assert text.stdout.splitlines() == [
        f"{place}:1: search-path: trueup.tried has no `set search_path = pg_catalog, pg_temp`",
        f"{place}:9: unqualified-name: table orders without its schema",
    ]
    told = json.loads(run("lint", shop, "--no-server", "--format", "json").stdout)
    assert told["findings"][1] == {
        "rule": "unqualified-name",
        "file": place,
        "line": 9,
        "message": "table orders without its schema",
    }
    (ran,) = json.loads(run("lint", shop, "--no-server", "--format", "sarif").stdout)["runs"]
    rules = ran["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == linting.RULE_IDS
    first, second = ran["results"]
    assert rules[second["ruleIndex"]]["id"] == second["ruleId"] == "unqualified-name"
    (location,) = second["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": place}, "region": {"startLine": 9}}
    assert first["level"] == "error"


def test_bad_input_is_one_clear_error(shop: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        trueup.lint(shop / "nowhere")
    (shop / "db/functions/odd.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogError, match="not UTF-8"):
        trueup.lint(shop, use_server=False)


def test_rules_are_told_with_their_reasons() -> None:
    said = run("lint", "--rules").stdout
    for rule in linting.RULES:
        assert re.search(rf"^{rule.id} +{re.escape(rule.why)}$", said, re.M)


def test_every_rule_has_a_test() -> None:
    assert {item[0] for item in BROKEN.values()} | {"body", "hidden-read"} == linting.RULE_IDS


def test_a_faulty_copy_of_the_pack_is_found_in_place(tmp_path: Path) -> None:
    """One fault planted in each of some real files, found there and nowhere else."""
    for folder in ("checks", "triggers", "db", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    planted = {
        "checks/call_backlink_broken.sql": ("from public.calls", "from calls", "unqualified-name"),
        "triggers/call_backlink_broken.sql": ("for no key update", "", "guard-without-lock"),
        "triggers/calls_fill_type.sql": ("set search_path = pg_catalog, pg_temp", "", "search-path"),
        "db/repairs/call_direction_missing.sql": ("p_call_id", "call_id", "naming"),
        "db/views/kept_appointments.sql": ("trueup.kept_appointments", "trueup.all_appointments", "naming"),
    }
    for name, (old, new, _) in planted.items():
        path = tmp_path / name
        assert old in path.read_text(), name
        path.write_text(path.read_text().replace(old, new))
    assert {(item[1], item[0]) for item in found(tmp_path)} == {
        (name, rule) for name, (_, _, rule) in planted.items()
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select 'it''s; not' -- ; from x\n, 1", ["select", "'it''s; not'", ",", "1"]),
        ("a /* b /* c */ ; */ d", ["a", "d"]),
        (r"select E'\'; x', U&'\0041', $tag$ a; $$ b $tag$", ["select", r"E'\'; x'", ",", r"U&'\0041'", ",", "$tag$ a; $$ b $tag$"]),
        ('"Odd ""name""".x::int[1:2]', ['Odd "name"', ".", "x", "::", "int", "[", "1", ":", "2", "]"]),
        ("x->>'a' <> $1 and y.\"z\"", ["x", "->>", "'a'", "<>", "$1", "and", "y", ".", "z"]),
        ("unterminated 'text", ["unterminated", "'", "text"]),
        ("/* never closed", []),
    ],
    ids=["strings", "comments", "dollars", "identifiers", "marks", "open string", "open comment"],
)  # fmt: skip
def test_words_are_cut_as_the_server_cuts_them(text: str, expected: list[str]) -> None:
    assert [token.text for token in tokens(text)] == expected


def test_statements_of_a_standard_body_stay_together() -> None:
    text = "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3;"
    assert [len(statement) > 5 for statement in statements(tokens(text))] == [True, False]


def test_lines_are_counted_through_everything() -> None:
    text = "a\n/* \n\n */ b 'x\ny' c\n$$\n\n$$ d"
    assert [(token.text, token.line) for token in tokens(text) if token.kind == "word"] == [
        ("a", 1), ("b", 4), ("c", 5), ("d", 8),
    ]  # fmt: skip
