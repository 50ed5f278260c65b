"""The review console over HTTP: who gets in, who sees what, what is done, and what an error looks like."""

from __future__ import annotations

import html
import json
import logging
import re
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import write_translations
from click.testing import CliRunner
from conftest import Databases
from console import PASSWORD, add_people, console_database, emptied, quick
from helpers import TRUEUP, eventually, plant, run, sql, value
from psycopg.conninfo import conninfo_to_dict
from rows import flagged_call, queue
from werkzeug.test import TestResponse

import trueup
from trueup.cli_web import user as user_command
from trueup.errors import DatabaseError, UsageError
from trueup.operating.config import Web
from trueup.web import users
from trueup.web.app import Console, create_app
from trueup.web.serving import refuse_exposed

pytestmark = pytest.mark.one_server

Connection = psycopg.Connection[Any]
CHECK = "call_made_without_appointment"
STATE = (
    "select q.id, q.status, q.claimed_by, q.claim_token, q.snoozed_until, q.assigned_to, q.lease_expires_at "
    "from trueup.manual_review_queue as q order by q.id"
)
ALERTS = "select al.id, al.status, al.snoozed_until, al.accepted_at from trueup.data_consistency_alerts as al"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_hasher", quick())
    users._nobodys.cache_clear()


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[tuple[str, str]]:
    with console_database(databases) as made:
        yield made


@pytest.fixture
def database(shared: tuple[str, str]) -> str:
    """URL of an empty database, for its superuser."""
    emptied(shared[0])
    return shared[0]


@pytest.fixture
def login(shared: tuple[str, str], database: str) -> str:
    """URL for the console's own login."""
    return shared[1]


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@contextmanager
def opened(web: Web, database: str) -> Iterator[Console]:
    made = create_app(web, database)
    made.config["RATELIMIT_ENABLED"] = False
    yield made
    made.pool.close()


@pytest.fixture
def app(login: str, db: Connection) -> Iterator[Console]:
    with opened(Web(rate="100000 per minute"), login) as made:
        yield made


class Person:
    """Somebody with a browser: cookies are kept, forms carry their token."""

    def __init__(self, app: Console, name: str | None = None, **headers: str) -> None:
        self.client = app.test_client()
        self.headers = headers
        self.csrf = ""
        if name:
            assert self.sign_in(name).status_code == 303

    def get(self, path: str, **headers: str) -> TestResponse:
        answer = self.client.get(path, headers={**self.headers, **headers})
        if found := re.search(r'name="csrf_token" value="([^"]+)"', answer.text):
            self.csrf = found[1]
        return answer

    def post(self, path: str, **form: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.csrf, **form}, headers=self.headers)

    def sign_in(self, name: str, password: str = PASSWORD, **form: str) -> TestResponse:
        self.get("/sign-in")
        answer = self.post("/sign-in", name=name, password=password, **form)
        if answer.status_code == 303:
            self.get("/account")
        return answer

    def token(self, item_id: int) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.get(f"/items/{item_id}").text)
        return found[1] if found else ""

    def claim(self, item_id: int) -> str:
        assert self.post(f"/items/{item_id}/claim").status_code == 303
        return self.token(item_id)


@pytest.fixture
def people(database: str) -> None:
    add_people(database)


def plain(answer: TestResponse) -> str:
    """Return what a person reads of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def item(db: Connection, entity: str = "1", company: str | None = "1", reason: str = "something") -> int:
    return queue(db, reason, entity, p_company_id=company)


def repairable(db: Connection) -> int:
    """Plant a call whose backlink is missing, which a repair corrects, and queue it."""
    plant(
        db.info.dsn,
        "select factory.call(id => 7); select factory.appointment(id => 70, call_id => 7); "
        "update public.calls set appointment_id = null where id = 7",
    )
    return item(db, "7", reason="call_backlink_missing")


# signing in


def test_whoever_is_not_signed_in_sees_nothing(app: Console, people: None) -> None:
    nobody = Person(app)
    nobody.get("/sign-in")
    for path in paths(app):
        for method in path[1]:
            answer = nobody.client.open(path[0], method=method, data={"csrf_token": nobody.csrf})
            if path[0] in ("/sign-in", "/language", "/health"):
                continue
            assert (answer.status_code, "/sign-in" in answer.location) == (302, True), path


def paths(app: Console, number: int = 1) -> list[tuple[str, list[str]]]:
    """Return every address of the console with its methods, for one item, alert and run."""
    made = []
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if rule.endpoint == "static":
                continue
            actions = re.search(r"any\(([^)]*)\)", rule.rule)
            names = [name.strip() for name in actions[1].split(",")] if actions else [""]
            for name in names:
                path = re.sub(r"<any\([^>]*>", name, re.sub(r"<int[^>]*>", str(number), rule.rule))
                made.append((path, sorted((rule.methods or set()) & {"GET", "POST"})))
    assert len(made) > 25
    return made


def test_a_wrong_password_and_an_unknown_name_look_alike(app: Console, people: None) -> None:
    wrong, unknown = Person(app).sign_in("ann", "wrong"), Person(app).sign_in("nobody", "wrong")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert plain(wrong) == plain(unknown)
    assert "Name or password is wrong." in plain(wrong)
    assert Person(app).sign_in("ANN").status_code == 303


def test_attempts_are_counted_for_all_processes(
    app: Console, login: str, people: None, db: Connection
) -> None:
    with opened(Web(), login) as other:
        for number in range(5):
            assert Person((app, other)[number % 2]).sign_in("ann", "wrong").status_code == 401
        for name in ("ann", " Ann"):
            refused = Person(other).sign_in(name)
            assert refused.status_code == 429
            assert 0 < int(refused.headers["Retry-After"]) <= 30
    assert Person(app).sign_in("bob").status_code == 303
    # one that came too early is not counted: others cannot lock a name for ever
    assert db.execute("select count(*) from trueup.console_attempts where not succeeded").fetchone() == (5,)
    db.execute("update trueup.console_attempts set happened_at = happened_at - interval '31 seconds'")
    assert Person(app).sign_in("ann", "wrong").status_code == 401
    assert int(Person(app).sign_in("ann").headers["Retry-After"]) > 30
    db.execute("update trueup.console_attempts set happened_at = happened_at - interval '16 minutes'")
    assert Person(app).sign_in("ann").status_code == 303
    assert Person(app).sign_in("ann", "wrong").status_code == 401


def test_a_hundred_attempts_at_once_are_a_hundred(app: Console, people: None, db: Connection) -> None:
    ready = [Person(app) for _ in range(16)]
    for person in ready:
        person.get("/sign-in")
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda p: p.post("/sign-in", name="ann", password="wrong").status_code, ready))
    assert sorted(codes) == [401] * 5 + [429] * 11


def test_an_address_that_tries_many_names_waits(app: Console, people: None) -> None:
    for number in range(20):
        assert Person(app).sign_in(f"name {number}", "wrong").status_code == 401
    assert Person(app).sign_in("bob").status_code == 429


def test_what_was_there_before_the_sign_in_is_worth_nothing_after(app: Console, people: None) -> None:
    person = Person(app)
    person.client.set_cookie("trueup", "planted")
    person.get("/sign-in")
    before = person.csrf
    person.sign_in("ann")
    cookie = person.client.get_cookie("trueup")
    assert cookie is not None
    assert (cookie.value != "planted", cookie.http_only, cookie.same_site) == (True, True, "Lax")
    answer = person.client.post("/items/next", data={"csrf_token": before})
    assert answer.status_code == 400


def test_the_way_back_after_the_sign_in_is_ours(app: Console, people: None) -> None:
    asked = Person(app).get("/items/7?x=1")
    assert asked.location == "/sign-in?next=/items/7?x%3D1"
    assert Person(app).sign_in("ann", next="/items/7?x=1").location == "/items/7?x=1"
    for elsewhere in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "/\t/evil.example",
    ):
        assert Person(app).sign_in("ann", next=elsewhere).location == "/", elsewhere


@pytest.mark.parametrize(
    "ending",
    [
        "update trueup.console_sessions set last_seen_at = last_seen_at - interval '61 minutes'",
        "update trueup.console_sessions set expires_at = now()",
        "update trueup.console_users set disabled_at = now()",
    ],
    ids=["idle", "too old", "disabled"],
)
def test_a_session_ends(app: Console, people: None, db: Connection, ending: str) -> None:
    ann = Person(app, "ann")
    item_id = item(db)
    token = ann.claim(item_id)
    db.execute(ending.encode())
    assert ann.get("/").status_code == 302
    assert ann.post(f"/items/{item_id}/release", token=token).status_code == 302
    assert value(db.info.dsn, "select status from trueup.manual_review_queue") == "in_progress"


def test_a_page_that_asks_for_news_does_not_keep_the_session(
    app: Console, people: None, db: Connection
) -> None:
    ann = Person(app, "ann")
    seen = "select last_seen_at < now() - interval '30 minutes' from trueup.console_sessions"
    db.execute("update trueup.console_sessions set last_seen_at = last_seen_at - interval '40 minutes'")
    assert ann.get("/", **{"X-Poll": "1"}).status_code == 200
    assert value(db.info.dsn, seen)
    assert ann.get("/").status_code == 200
    assert not value(db.info.dsn, seen)


def test_signing_out_ends_the_session_and_not_only_the_cookie(app: Console, people: None) -> None:
    ann = Person(app, "ann")
    cookie = ann.client.get_cookie("trueup")
    assert cookie is not None
    ann.post("/sign-out")
    thief = Person(app)
    thief.client.set_cookie("trueup", cookie.value)
    assert thief.get("/").status_code == 302


def test_a_new_password_ends_every_session(app: Console, database: str, people: None) -> None:
    ann, other = Person(app, "ann"), Person(app, "ann")
    assert ann.post("/account", old="wrong", new="x" * 12, again="x" * 12).status_code == 422
    assert ann.post("/account", old=PASSWORD, new="x" * 12, again="y" * 12).status_code == 422
    assert ann.post("/account", old=PASSWORD, new="short", again="short").status_code == 422
    assert ann.post("/account", old=PASSWORD, new="x" * 12, again="x" * 12).status_code == 303
    assert ann.get("/").status_code == 200
    assert other.get("/").status_code == 302
    assert Person(app).sign_in("ann").status_code == 401
    users.set_password("ann", PASSWORD, database=database)
    assert ann.get("/").status_code == 302
    assert Person(app).sign_in("ann").status_code == 303


def test_a_flood_of_requests_is_stopped(login: str, people: None) -> None:
    made = create_app(Web(rate="5 per minute"), login)
    person = Person(made)
    codes = [person.get("/sign-in").status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    made.pool.close()


# a name from a proxy


def test_a_name_from_a_proxy(login: str, database: str, people: None) -> None:
    users.add("pia", None, "reviewer", ["1"], "en", database=database)
    web = Web(trusted_header="X-Remote-User", trusted_proxies=("127.0.0.1",))
    with opened(web, login) as app:
        pia = Person(app, **{"X-Remote-User": "pia"})
        assert pia.get("/").status_code == 200
        assert pia.get("/account").status_code == 200
        assert value(database, "select count(*) from trueup.console_sessions") == 1
        # the cookie alone opens nothing, and who the proxy names counts
        pia.headers = {}
        assert pia.get("/").status_code == 401
        pia.headers = {"X-Remote-User": "bob"}
        assert "bob" in plain(pia.get("/account"))
        assert Person(app, **{"X-Remote-User": "nobody"}).get("/").status_code == 403
        stranger = app.test_client()
        for headers in ({"X-Remote-User": "ada"}, {"X-Remote-User": "ada", "X-Forwarded-For": "127.0.0.1"}):
            answer = stranger.get("/", headers=headers, environ_base={"REMOTE_ADDR": "10.1.2.3"})
            assert answer.status_code == 403
        signing_in = Person(app, **{"X-Remote-User": "pia"})
        signing_in.get("/")
        assert signing_in.post("/sign-in", name="ada", password=PASSWORD).status_code == 404


def test_a_forwarded_address_is_believed_of_a_proxy_only(login: str, database: str, people: None) -> None:
    with opened(Web(trusted_proxies=("10.0.0.0/8",)), login) as app:
        for peer, written in (("10.9.9.9", "192.0.2.7"), ("192.0.2.99", "192.0.2.99")):
            client = app.test_client()
            page = client.get("/sign-in", environ_base={"REMOTE_ADDR": peer})
            csrf = re.findall(r'name="csrf_token" value="([^"]+)"', page.text)[0]
            client.post(
                "/sign-in",
                data={"csrf_token": csrf, "name": "ann", "password": PASSWORD},
                headers={"X-Forwarded-For": "192.0.2.7"},
                environ_base={"REMOTE_ADDR": peer},
            )
            said = "select host(address) from trueup.console_sessions order by id desc limit 1"
            assert value(database, said) == written


def test_a_header_that_proves_nothing_is_refused(login: str, db: Connection) -> None:
    with pytest.raises(UsageError, match="needs trusted_proxies"):
        create_app(Web(trusted_header="X-Remote-User"), login)
    with pytest.raises(UsageError, match="trusted_proxies: 'here'"):
        create_app(Web(trusted_proxies=("here",)), login)
    with pytest.raises(UsageError, match="is no time zone"):
        create_app(Web(zone="Nowhere/At all"), login)


# forms


def test_no_form_is_believed_without_its_token(app: Console, people: None, db: Connection) -> None:
    ann = Person(app, "ann")
    item_id = item(db)
    before = sql(db.info.dsn, STATE)
    for path, methods in paths(app, item_id):
        if "POST" in methods:
            answer = ann.client.post(path, data={"note": "x", "language": "de"})
            assert (answer.status_code, "This form is out of date" in answer.text) == (400, True), path
    assert sql(db.info.dsn, STATE) == before
    assert value(db.info.dsn, "select language from trueup.console_users where name = 'ann'") == "en"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/?after=x", None),
        ("/?after=[1,2,3]", None),
        ('/?after=[1,"2025-01-01",99999999999999999999]', None),
        ("/?status=odd", None),
        ("/?severity=odd", None),
        ("/?priority=9", None),
        ("/?reason=a%00b", None),
        ("/alerts/?status=odd", None),
        ("/runs?before=-1", None),
        ("/runs?before=\u0663", None),
        ("/items/{}/snooze", {"until_at": "tomorrow-ish"}),
        ("/items/{}/snooze", {"until": "99999999999d"}),
        ("/items/{}/snooze", {"until_at": "9999-12-31T23:59+00:00", "note": "a\0b"}),
        ("/items/{}/release", {"token": "no token"}),
        ("/items/{}/dismiss", {"note": "x" * 4001}),
    ],
)
def test_what_cannot_be_read_is_said_in_plain_words(
    app: Console, people: None, db: Connection, path: str, form: dict[str, str] | None
) -> None:
    ann = Person(app, "ann")
    path = path.format(item(db))
    answer = ann.get(path) if form is None else ann.post(path, **form)
    assert answer.status_code == 400
    assert "This request makes no sense" in plain(answer)


def test_odd_addresses_are_not_found(app: Console, people: None, db: Connection) -> None:
    ann = Person(app, "ann")
    for path in (
        "/items/0",
        "/items/99999999999999999999",
        "/items/x",
        "/alerts/1",
        "/runs/1",
        "/nowhere",
        "/report",
    ):
        assert ann.get(path).status_code == 404, path
    assert ann.get("/items/next").status_code in (404, 405)
    assert ann.post("/items/1/fly").status_code == 404
    assert ann.client.post("/sign-in", data=b"x" * 100_000).status_code == 413


# who sees what


WAITS = "select exists (select 1 from pg_stat_activity where usename = %s and wait_event_type = 'Lock')"
IDLE_IN_TRANSACTION = """
select exists (
    select 1
    from pg_stat_activity
    where application_name = %s and datname = current_database() and state = 'idle in transaction'
)
"""


def test_the_report_is_of_ones_own_company(login: str, database: str, people: None, db: Connection) -> None:
    name = f"report_{value(database, 'select current_database()')}"
    sql(database, f"create role {name} login in role trueup_dashboard")
    as_reader = database.replace("postgres@", f"{name}@")
    try:
        repairable(db)
        trueup.check(database=database)
        with opened(Web(rate="100000 per minute", report_database_url=as_reader), login) as app:
            bob = Person(app, "bob")
            assert 'href="/report"' in bob.get("/").text
            answer = bob.get("/report")
            assert answer.status_code == 200
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert "company 1" in plain(answer).lower()
            assert bob.get("/report?company=2").status_code == 404
            assert Person(app, "ann").get("/report").status_code == 200
        # one that takes long holds no session of the console, and ends
        short = Web(
            rate="100000 per minute", report_database_url=as_reader, statement_timeout=timedelta(seconds=2)
        )
        with opened(short, login) as app, psycopg.connect(database) as holder, ThreadPoolExecutor(1) as pool:
            ann = Person(app, "ann")
            holder.execute("lock table trueup.consistency_rates")
            slow = pool.submit(ann.get, "/report")
            eventually(lambda: value(database, WAITS, name))
            assert not value(database, IDLE_IN_TRANSACTION, "trueup web")
            assert slow.result(20).status_code == 500
    finally:
        sql(database, f"drop owned by {name}; drop role {name}")


def test_the_login_of_the_console_reaches_nothing_by_itself(
    login: str, app: Console, people: None, db: Connection
) -> None:
    item_id = item(db)
    ann = Person(app, "ann")
    ann.claim(item_id)
    for table in (
        "manual_review_queue",
        "console_users",
        "console_sessions",
        "data_consistency_alerts",
        "repairs",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql(login, f"select * from trueup.{table}")
    for call in (
        f"claim_review('eve', {item_id})",
        "accept_alert(1, 'eve', 'x')",
        "violation_under_review('a', 'b', 'c')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql(login, f"select trueup.{call}")
    views = [
        name
        for (name,) in sql(db.info.dsn, "select viewname from pg_views where viewname like 'console\\_%'")
    ]
    assert len(views) == 9
    for view in views:
        for forged in ("", "00", "ff" * 32):
            with psycopg.connect(login) as connection:
                connection.execute("select set_config('trueup.console_session', %s, true)", (forged,))
                assert connection.execute(f"select count(*) from trueup.{view}".encode()).fetchone() == (0,)
    with pytest.raises(psycopg.errors.DatabaseError, match="nobody is signed in"):
        sql(login, f"select trueup.console_write('claim', {item_id})")


@pytest.mark.parametrize("role", ["trueup_runner", "trueup_reviewer", "trueup_app", "trueup_dashboard"])
def test_no_other_role_signs_in_for_people(database: str, role: str) -> None:
    for statement in (
        "select password_hash from trueup.console_users",
        "select token_hash from trueup.console_sessions",
        "select key from trueup.console_keys",
        "select trueup.console_attempt('ann', null)",
        "select trueup.console_begin_session('ann', sha256('x'), 'proxy', '1 h', '1 h', null, null)",
        "insert into trueup.console_users (name, role) values ('eve', 'admin')",
        "delete from trueup.console_audit",
    ):
        with psycopg.connect(database) as connection:
            connection.execute(f"set role {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_an_item_of_another_company_is_not_there(app: Console, people: None, db: Connection) -> None:
    """Every address there is, with an item, an alert of company 2 and of none, asked by Bob of company 1."""
    mine, theirs, nobodys = item(db, "1", "1"), item(db, "2", "2"), item(db, "3", None)
    file = "select trueup.file_alert(%s, %s, 'call', %s, 'wrong', '{}')"
    alerts = [
        db.execute(file.encode(), (CHECK, company, str(number))).fetchone()
        for number, company in enumerate(("1", "2", None), 1)
    ]
    # items and alerts bear the same numbers, so that every address is asked about both
    assert [row and row[0] for row in alerts] == [mine, theirs, nobodys]
    bob, cyd, ann = Person(app, "bob"), Person(app, "cyd"), Person(app, "ann")
    cyds = cyd.claim(theirs)
    anns = ann.claim(nobodys)
    before = sql(db.info.dsn, STATE), sql(db.info.dsn, ALERTS)
    absent = bob.get("/items/4711")
    bob.get("/account")
    asked = 0
    for number, token in ((theirs, cyds), (nobodys, anns)):
        for path, methods in paths(app, number):
            if str(number) not in path or path.startswith("/runs"):
                continue
            for method in methods:
                form = {"token": token, "note": "mine now", "until": "2h", "to": "bob"}
                answer = bob.get(path) if method == "GET" else bob.post(path, **form)
                assert (answer.status_code, plain(answer)) == (404, plain(absent)), (method, path)
                asked += 1
    assert asked >= 28
    assert (sql(db.info.dsn, STATE), sql(db.info.dsn, ALERTS)) == before
    for path in ("/", "/?company=2", "/?status=resolved", "/alerts/", "/alerts/?company=2"):
        page = bob.get(path).text
        assert f"/{theirs}" not in re.sub(r"/static/\S+", "", page), path
        assert f"/{nobodys}" not in re.sub(r"/static/\S+", "", page), path
    assert bob.get(f"/items/{mine}").status_code == 200
    assert ann.get(f"/items/{theirs}").status_code == 200
    # the next one is of their own company, too
    assert bob.post("/items/next", company="2").location == "/"
    assert bob.post("/items/next").location == f"/items/{mine}"
    assert bob.post("/items/next").location == "/"


def test_companies_and_role_count_from_the_next_request_on(
    app: Console, database: str, people: None, db: Connection
) -> None:
    item_id = item(db, "1", "1")
    bob = Person(app, "bob")
    assert bob.get(f"/items/{item_id}").status_code == 200
    users.set_companies("bob", ["2"], database=database)
    assert bob.get(f"/items/{item_id}").status_code == 404
    users.set_companies("bob", None, database=database)
    assert bob.post(f"/items/{item_id}/claim").status_code == 303
    users.set_role("bob", "viewer", database=database)
    assert bob.post(f"/items/{item_id}/release", token=bob.token(item_id)).status_code == 403


def test_a_viewer_looks_and_changes_nothing(app: Console, people: None, db: Connection) -> None:
    item_id = item(db)
    db.execute("select trueup.file_alert(%s, '1', 'call', '1', 'wrong', '{}')", (CHECK,))
    vic = Person(app, "vic")
    before = sql(db.info.dsn, STATE), sql(db.info.dsn, ALERTS)
    for path, methods in paths(app, item_id):
        if "POST" in methods and path.startswith(("/items", "/alerts")):
            form = {"note": "x", "until": "2h", "to": "vic"}
            assert vic.post(path, **form).status_code == 403, path
    assert (sql(db.info.dsn, STATE), sql(db.info.dsn, ALERTS)) == before
    page = vic.get(f"/items/{item_id}").text
    assert f"/items/{item_id}/" not in page
    assert vic.get("/").status_code == 200


def test_what_is_shown_of_rows_is_masked(app: Console, people: None, db: Connection) -> None:
    plant(
        db.info.dsn,
        "select factory.customer(id => 3, name => 'Erika Mustermann', phone => '+49301234567', email => 'erika@example.com');"
        "select factory.call(id => 7, customer_id => 3, from_number => '+49301234567', to_number => '+49309999999', "
        'booking_details => \'{"calcom_booking": {"uid": "bk1", "attendees": [{"name": "Erika", '
        '"email": "erika@example.com"}]}}\')',
    )
    item_id = queue(
        db,
        CHECK,
        "7",
        p_company_id="1",
        p_metadata='{"phone": "+49301234567", "at": "2025-10-20T09:00:00+00:00"}',
    )
    page = Person(app, "ann").get(f"/items/{item_id}")
    assert "customer 3" in plain(page)
    assert "bk1" in page.text
    assert "Oct 20, 2025, 11:00:00" in plain(page)
    for secret in ("Erika", "Mustermann", "49301234567", "erika@", "49309999999"):
        assert secret not in page.text


def test_a_row_with_a_column_named_as_an_alias_is_shown(app: Console, people: None, db: Connection) -> None:
    plant(
        db.info.dsn,
        "alter table public.calls add t text;"
        """select factory.call(id => 7, booking_details => '{"calcom_booking": {"uid": "bk1"}}')""",
    )
    try:
        assert "bk1" in Person(app, "ann").get(f"/items/{item(db, '7')}").text
    finally:
        plant(db.info.dsn, "alter table public.calls drop t")


def test_a_row_of_another_company_is_only_said_to_be_there(
    app: Console, people: None, db: Connection
) -> None:
    plant(db.info.dsn, "select factory.call(id => 8, company_id => 2, to_number => 'geheim')")
    item_id = queue(db, "call_duplicate", "1", p_company_id="1", p_metadata='{"call_ids": [8]}')
    assert "geheim" not in Person(app, "bob").get(f"/items/{item_id}").text
    assert "A row of a company that is not yours." in plain(Person(app, "bob").get(f"/items/{item_id}"))
    assert "A row of a company that is not yours." not in plain(Person(app, "ann").get(f"/items/{item_id}"))


def test_rows_that_name_the_row_are_found_by_their_index(login: str, db: Connection, people: None) -> None:
    plant(
        db.info.dsn,
        "select factory.call(id => i) from generate_series(1, 3000) as i;"
        "select factory.appointment(id => i, call_id => i) from generate_series(1, 3000) as i",
    )
    db.execute("analyze public.calls, public.appointments")
    read = "select seq_tup_read from pg_stat_user_tables where relid = 'public.appointments'::regclass"
    item_id = queue(db, "something", "2999", p_company_id="1")
    db.execute("select pg_stat_force_next_flush()")
    before = value(db.info.dsn, read)
    with opened(Web(), login) as app:
        assert "appointment 2999" in plain(Person(app, "ann").get(f"/items/{item_id}"))
    # what a session has read is counted when it ends
    theirs = "select count(*) from pg_stat_activity where usename = %s"
    eventually(lambda: value(db.info.dsn, theirs, conninfo_to_dict(login)["user"]) == 0)
    assert value(db.info.dsn, read) == before


def test_what_is_no_key_names_no_row_and_hides_none(app: Console, people: None, db: Connection) -> None:
    plant(db.info.dsn, "select factory.call(id => 7, retell_call_id => 'named')")
    # appointments have an index on company_id, which is a number
    item_id = queue(
        db,
        "something",
        "k-17",
        p_entity_type="company",
        p_company_id="1",
        p_metadata='{"call_id": 7}',
    )
    assert "call 7" in plain(Person(app, "ann").get(f"/items/{item_id}"))


# the life of an item


def test_the_life_of_an_item(app: Console, people: None, db: Connection) -> None:
    item_id = item(db)
    ann = Person(app, "ann")
    first = ann.claim(item_id)
    # a second click is the same claim
    assert ann.claim(item_id) == first
    assert ann.post(f"/items/{item_id}/extend", token=first).status_code == 303
    assert ann.post(f"/items/{item_id}/reassign", token=first, to="nobody").status_code == 422
    assert ann.post(f"/items/{item_id}/reassign", token=first, to="cyd").status_code == 422
    assert ann.post(f"/items/{item_id}/reassign", token=first, to="bob", note="his").status_code == 303
    assert "For bob" in plain(ann.get(f"/items/{item_id}"))
    bob = Person(app, "bob")
    assert bob.post("/items/next").location == f"/items/{item_id}"
    second = bob.token(item_id)
    assert bob.post(f"/items/{item_id}/snooze", token=second, until="2h").status_code == 303
    assert f"/items/{item_id}" not in re.sub(r'role="status".*?</div>', "", bob.get("/").text, flags=re.S)
    assert f"/items/{item_id}" in bob.get("/?status=snoozed").text
    third = bob.claim(item_id)
    refused = bob.post(f"/items/{item_id}/dismiss", token=third, note="  ")
    assert (refused.status_code, "Say why it may stay as it is." in plain(refused)) == (422, True)
    assert bob.post(f"/items/{item_id}/dismiss", token=third, note="a test call").status_code == 303
    assert "dismissed" in plain(bob.get("/"))
    # said twice with its token, a decision stands
    assert bob.post(f"/items/{item_id}/dismiss", token=third, note="a test call").status_code == 303
    assert bob.post(f"/items/{item_id}/reopen").status_code == 303
    history = plain(ann.get(f"/items/{item_id}"))
    for word in (
        "queued",
        "claimed",
        "extended",
        "handed over",
        "put off",
        "dismissed",
        "reopened",
        "a test call",
    ):
        assert word in history
    assert "reopened bob" in history
    assert "from 127.0.0.1" in history


def test_what_somebody_else_did_meanwhile_is_told(app: Console, people: None, db: Connection) -> None:
    item_id = item(db)
    ann, bob = Person(app, "ann"), Person(app, "bob")
    token = ann.claim(item_id)
    late = bob.post(f"/items/{item_id}/claim")
    assert (late.status_code, f"Item {item_id} is with ann now" in plain(late)) == (409, True)
    # nor with the token of somebody else
    assert bob.post(f"/items/{item_id}/release", token=token).status_code == 409

    db.execute("update trueup.manual_review_queue set lease_expires_at = now() - interval '1 s'")
    lapsed = ann.post(f"/items/{item_id}/dismiss", token=token, note="typed at length")
    assert lapsed.status_code == 409
    assert "ran out. Nobody has taken it since" in plain(lapsed)
    assert "typed at length" in lapsed.text
    bob.claim(item_id)
    stale = ann.post(f"/items/{item_id}/dismiss", token=token, note="typed at length")
    assert (stale.status_code, f"Item {item_id} is with bob now" in plain(stale)) == (409, True)
    bob.post(f"/items/{item_id}/resolve", token=bob.token(item_id), note="called back")
    over = ann.post(f"/items/{item_id}/extend", token=token)
    assert (over.status_code, "decided meanwhile: resolved by bob" in plain(over)) == (409, True)
    assert "called back" in over.text


def test_an_own_claim_made_anew_makes_the_old_page_stale(app: Console, people: None, db: Connection) -> None:
    item_id = item(db)
    ann = Person(app, "ann")
    old = ann.claim(item_id)
    ann.post(f"/items/{item_id}/release", token=old)
    free = ann.post(f"/items/{item_id}/dismiss", token=old, note="x")
    assert "You do not hold item" in plain(free)
    ann.claim(item_id)
    assert "anew since this page was made" in plain(
        ann.post(f"/items/{item_id}/dismiss", token=old, note="x")
    )


def test_what_is_still_wrong_is_not_resolved_and_nothing_typed_is_lost(
    app: Console, people: None, db: Connection
) -> None:
    flagged_call(db, 7)
    item_id = item(db, "7", reason=CHECK)
    ann = Person(app, "ann")
    token = ann.claim(item_id)
    assert "still wrong" in plain(ann.get(f"/items/{item_id}"))
    refused = ann.post(f"/items/{item_id}/resolve", token=token, note="typed at length")
    assert (refused.status_code, "still wrong, so the item cannot be resolved" in plain(refused)) == (
        422,
        True,
    )
    assert "typed at length" in refused.text
    db.execute("update public.calls set appointment_made = false where id = 7")
    assert "right by now" in plain(ann.get(f"/items/{item_id}"))
    assert ann.post(f"/items/{item_id}/resolve", token=token, note="done").status_code == 303


def test_a_preview_changes_nothing_and_the_repair_does_what_it_said(
    app: Console, people: None, db: Connection
) -> None:
    item_id = repairable(db)
    tables = ("repairs", "repair_changes", "manual_review_events", "data_consistency_alerts", "changes")
    rows = (
        "select (select count(*) from trueup.%s), (select to_jsonb(c) from public.calls as c where c.id = 7)"
    )
    ann = Person(app, "ann")
    token = ann.claim(item_id)
    before = [sql(db.info.dsn, rows % table) for table in tables]
    page = ann.get(f"/items/{item_id}")
    assert [sql(db.info.dsn, rows % table) for table in tables] == before
    shown = plain(page)
    assert re.search(r"calls 7 · changed Column Before After appointment id . 70", shown)
    assert re.search("It ends: .*call backlink missing call 7", shown)
    assert ann.post(f"/items/{item_id}/repair", token=token, note="as proposed").status_code == 303
    assert value(db.info.dsn, "select appointment_id from public.calls where id = 7") == 70
    assert sql(
        db.info.dsn,
        "select q.status, q.decided_by, r.actor, q.resolution_notes from trueup.manual_review_queue as q "
        "inner join trueup.repairs as r on q.repair_id = r.id",
    ) == [("resolved", "ann", "ann", "as proposed")]
    assert ann.post(f"/items/{item_id}/repair", token=token, note="as proposed").status_code == 303


def test_a_row_that_somebody_holds_delays_a_page_by_seconds(
    app: Console, people: None, db: Connection
) -> None:
    item_id = repairable(db)
    ann = Person(app, "ann")
    ann.claim(item_id)
    with psycopg.connect(db.info.dsn) as other:
        other.execute("select 1 from public.calls where id = 7 for update")
        began = time.monotonic()
        page = plain(ann.get(f"/items/{item_id}"))
        assert time.monotonic() - began < 6
    assert "somebody else holds the row" in page


def test_two_people_ask_for_the_next_item_at_once(app: Console, people: None, db: Connection) -> None:
    for number in range(6):
        item(db, str(number))
    asking = [Person(app, name) for name in ("ann", "bob") * 3]
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda person: person.post("/items/next").location, asking))
    assert len(set(got)) == 6


def test_the_queue_by_pages_and_filters(app: Console, people: None, db: Connection) -> None:
    made = [
        item(db, str(number), "1" if number % 2 else "2", f"reason_{number % 3}") for number in range(120)
    ]
    db.execute("update trueup.manual_review_queue set due_at = '2025-10-20 09:00+00' where id % 4 = 0")
    ann = Person(app, "ann")
    seen: list[int] = []
    path: str | None = "/"
    while path:
        page = ann.get(path).text
        seen += [int(number) for number in re.findall(r'href="/items/(\d+)"', page)]
        more = re.search(r'href="([^"]+)" rel="next"', page)
        path = html.unescape(more[1]) if more else None
    assert (len(seen), set(seen)) == (120, set(made))
    for query, count in (
        ("reason=reason_1", 40),
        ("company=1", 50),
        ("overdue=1", 30),
        ("mine=1", 0),
        ("priority=5", 50),
    ):
        page = ann.get(f"/?{query}").text
        assert len(re.findall(r"data-line", page)) == count, query
    assert "60" in plain(Person(app, "bob").get("/"))


def test_alerts_are_acknowledged_put_off_and_accepted(app: Console, people: None, db: Connection) -> None:
    (alert_id,) = db.execute(
        "select trueup.file_alert(%s, '1', 'call', '7', 'wrong', '{}')", (CHECK,)
    ).fetchone() or (0,)
    bob = Person(app, "bob")
    assert f"/alerts/{alert_id}" in bob.get("/alerts/").text
    assert bob.post(f"/alerts/{alert_id}/acknowledge").status_code == 303
    assert "acknowledged" in plain(bob.get(f"/alerts/{alert_id}")).lower()
    assert bob.post(f"/alerts/{alert_id}/snooze", until_at="2001-01-01T09:00").status_code == 422
    assert bob.post(f"/alerts/{alert_id}/snooze", until="tomorrow").status_code == 303
    assert f"/alerts/{alert_id}" in bob.get("/alerts/?status=snoozed").text
    assert bob.post(f"/alerts/{alert_id}/accept", until="", note="known").status_code == 422
    assert bob.post(f"/alerts/{alert_id}/accept", until="30d", note=" ").status_code == 422
    assert bob.post(f"/alerts/{alert_id}/accept", until="30d", note="ticket 12").status_code == 303
    assert "ticket 12" in plain(bob.get(f"/alerts/{alert_id}"))
    assert sql(
        db.info.dsn, "select accepted_by, accepted_until > now() from trueup.data_consistency_alerts"
    ) == [("bob", True)]


def test_runs_and_guards_are_shown_and_totals_only_to_who_sees_all(
    app: Console, database: str, people: None, db: Connection
) -> None:
    flagged_call(db, 7)
    assert run("check", url=database).returncode == 1
    ann, bob = Person(app, "ann"), Person(app, "bob")
    run_id = value(database, "select max(id) from trueup.check_runs")
    for person in (ann, bob):
        assert "full" in plain(person.get("/runs"))
        assert "call made without appointment" in plain(person.get(f"/runs/{run_id}"))
        assert "observes" in plain(person.get("/guards"))
    for company in ("1", "2"):
        db.execute("select trueup.set_guard_mode(%s, 'enforce', 'ann', %s)", (CHECK, company))
    assert "company 1: refuses company 2: refuses" in plain(ann.get("/guards"))
    assert "company 1: refuses" in plain(bob.get("/guards"))
    assert "company 2" not in plain(bob.get("/guards"))
    db.execute("delete from trueup.guard_companies")
    assert re.search(r"complete \d+ %|complete \d+\.\d+ %", plain(bob.get("/runs")))
    assert f"check={CHECK}" in ann.get(f"/runs/{run_id}").text
    assert f"check={CHECK}" not in bob.get(f"/runs/{run_id}").text


# what is kept


def test_everything_done_is_kept_and_cannot_be_changed(
    app: Console, database: str, people: None, db: Connection
) -> None:
    item_id = item(db)
    bob = Person(app, "bob")
    bob.post(f"/items/{item_id}/release", token=bob.claim(item_id), note="no")
    bob.post("/sign-out")
    done = sql(
        database,
        "select action, actor, role, host(address), item_id, company_id from trueup.console_audit where id > 5 order by id",
    )
    assert done == [
        ("signed in", "bob", "reviewer", "127.0.0.1", None, None),
        ("claim", "bob", "reviewer", "127.0.0.1", item_id, "1"),
        ("release", "bob", "reviewer", "127.0.0.1", item_id, "1"),
        ("signed out", "bob", "reviewer", "127.0.0.1", None, None),
    ]
    for change in (
        "update trueup.console_audit set actor = 'x'",
        "delete from trueup.console_audit",
        "truncate trueup.console_audit",
    ):
        with pytest.raises(psycopg.Error, match="append-only"):
            sql(database, change)
    assert "given back" in plain(Person(app, "ada").get("/log"))
    assert "given back" not in plain(Person(app, "ann").get("/log"))


def test_an_open_page_gets_news_and_nothing_else(app: Console, people: None, db: Connection) -> None:
    item_id = item(db)
    ann = Person(app, "ann")
    first = ann.get("/", **{"X-Poll": "1"})
    again = ann.get("/", **{"X-Poll": "1", "If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) in ((200, 304, b""), (200, 200, again.data))
    ann.post(f"/items/{item_id}/extend", token=ann.claim(item_id))
    news = ann.get("/", **{"X-Poll": "1", "If-None-Match": first.headers["ETag"]})
    assert (news.status_code, "yours" in plain(news)) == (200, True)
    # what is to be said to a person waits for the person
    assert "is yours for longer" not in plain(news)
    assert "is yours for longer" in plain(ann.get("/"))


# headers, errors


def test_every_answer_carries_what_protects_it(app: Console, people: None) -> None:
    ann = Person(app, "ann")
    for path in ("/", "/nowhere", "/sign-in"):
        headers = ann.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert "Strict-Transport-Security" not in headers
    for page in ("/", "/alerts/", "/account"):
        assert not re.search(r"<script(?! src)|<style| style=| on\w+=", ann.get(page).text)
    secure = app.test_client().get("/sign-in", base_url="https://console.example")
    assert "Strict-Transport-Security" in secure.headers
    assert all("Secure" in cookie for cookie in secure.headers.getlist("Set-Cookie"))


def test_an_error_bears_a_number_and_is_logged_once(
    app: Console, people: None, caplog: pytest.LogCaptureFixture, db: Connection
) -> None:
    ann = Person(app, "ann")
    db.execute("revoke select on trueup.console_guards from trueup_console")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with caplog.at_level(logging.INFO, "trueup"):
        answer = ann.get("/guards")
    db.execute("grant select on trueup.console_guards to trueup_console")
    assert answer.status_code == 503
    number = re.search(r"number (\w{8})", plain(answer))
    assert number is not None
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.__dict__["error_id"] == number[1]
    assert record.__dict__["sqlstate"] == "42501"
    assert "Traceback" not in answer.text
    assert "console_guards" not in answer.text


def test_a_lost_database_is_said_and_comes_back(
    app: Console, database: str, databases: Any, people: None, db: Connection
) -> None:
    ann = Person(app, "ann")
    name = value(database, "select current_database()")
    databases.admin(f"alter database {name} allow_connections false")
    try:
        databases.admin(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
        for path in ("/", "/health"):
            answer = ann.get(path)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
            assert "The database does not answer" in plain(answer)
    finally:
        databases.admin(f"alter database {name} allow_connections true")
    assert ann.get("/").status_code == 200
    assert ann.get("/health").json == {"status": "ok"}


def test_a_request_waits_for_a_session_and_not_for_ever(
    login: str, people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueup.web.pool.PATIENCE", 0.2)
    with opened(Web(threads=1), login) as app:
        with app.pool.session():
            assert Person(app).get("/health").status_code == 503
        assert Person(app).get("/health").status_code == 200


def test_a_database_without_trueup_is_refused(empty_database: str) -> None:
    with pytest.raises(DatabaseError, match="not a trueup database"):
        create_app(Web(), empty_database)


# languages


def test_no_string_lacks_its_german() -> None:
    catalog = write_translations.merged()
    lacking = [
        message.id
        for message in catalog
        if message.id and not all(message.string if isinstance(message.string, tuple) else [message.string])
    ]
    assert lacking == []
    assert [str(error) for message in catalog if message.id for error in message.check()] == []
    po, mo = write_translations.written(catalog)
    assert (
        write_translations.GERMAN.read_bytes(),
        write_translations.GERMAN.with_suffix(".mo").read_bytes(),
    ) == (
        po,
        mo,
    ), "python tests/write_translations.py"


def test_no_text_of_a_page_is_outside_the_translations() -> None:
    for path in (write_translations.PACKAGE / "templates").glob("*.html"):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text(), flags=re.S)
        text = re.sub(r"<kbd>.*?</kbd>|<[^>]*>", " ", text, flags=re.S)
        left = set(re.findall(r"[A-Za-z]{2,}", text)) - {"trueup", "English", "Deutsch", "doctype", "html"}
        assert not left, (path.name, left)


def test_the_language_is_the_browsers_until_somebody_chooses(
    app: Console, database: str, people: None
) -> None:
    users.add("uli", PASSWORD, "reviewer", None, None, database=database)
    uli = Person(app, **{"Accept-Language": "fr, de-AT;q=0.8, en;q=0.5"})
    assert "Kennwort" in uli.get("/sign-in").text
    uli.sign_in("uli")
    assert 'lang="de"' in uli.get("/").text
    assert uli.post("/language", language="en", next="/alerts/").location == "/alerts/"
    assert 'lang="en"' in uli.get("/").text
    elsewhere = Person(app, "uli")
    assert 'lang="en"' in elsewhere.get("/").text
    nobody = Person(app)
    nobody.get("/sign-in")
    nobody.post("/language", language="de")
    assert "Anmelden" in nobody.get("/sign-in").text


# the command


def test_users_by_the_command_line(database: str, db: Connection) -> None:
    def invoke(*arguments: str, stdin: str = "") -> Any:
        return CliRunner().invoke(user_command, [*arguments, "--database", database], input=stdin)

    assert "no users" in invoke("list").output
    added = invoke(
        "add", "ann", "--company", "7", "--company", "8", "--password-stdin", stdin=f"{PASSWORD}\n"
    )
    assert added.output == "ann may sign in as reviewer, company 7, 8\n"
    assert PASSWORD not in str(sql(database, "select * from trueup.console_users"))
    asked = invoke("add", "bob", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert PASSWORD not in asked.output
    assert isinstance(invoke("add", "ANN", "--no-password").exception, UsageError)
    assert "12 to 1000" in str(invoke("password", "ann", "--password-stdin", stdin="short\n").exception)
    assert "no user eve" in str(invoke("disable", "eve").exception)
    assert invoke("companies", "ann").exit_code == 2
    invoke("companies", "ann", "--all")
    invoke("role", "ann", "--role", "viewer")
    invoke("disable", "bob")
    listed = {u["name"]: u for u in json.loads(invoke("list", "--format", "json").output)}
    assert (listed["ann"]["companies"], listed["ann"]["role"], listed["bob"]["disabled_at"] is None) == (
        None,
        "viewer",
        False,
    )
    invoke("disable", "bob", "--undo")
    actions = [action for (action,) in sql(database, "select action from trueup.console_audit order by id")]
    assert actions == [
        "user added",
        "user added",
        "companies changed",
        "role changed",
        "user disabled",
        "user enabled",
    ]


def test_it_listens_beyond_this_machine_only_with_tls_or_when_told() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "console.example", "", "localhost.evil.example"):
        with pytest.raises(UsageError, match="--tls-cert"):
            refuse_exposed(Web(host=host))
        refuse_exposed(Web(host=host, insecure=True))
        refuse_exposed(Web(host=host, tls_cert=Path("c"), tls_key=Path("k")))
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        refuse_exposed(Web(host=host))
    with pytest.raises(UsageError, match="needs both"):
        refuse_exposed(Web(tls_cert=Path("c")))
    done = run("web", "--host", "0.0.0.0", url="postgresql://nobody@127.0.0.1:1/x")
    assert (done.returncode, "--insecure" in done.stderr) == (2, True)


def test_it_serves_with_tls_and_stops_when_told(login: str, people: None, tmp_path: Path) -> None:
    """The real server: certificate, header with an underscore, SIGTERM."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate, and is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "trueup.toml").write_text(
        f'[web]\nport = 0\ntrusted_header = "X-Remote-User"\ntrusted_proxies = ["127.0.0.1"]\n'
        f'tls_cert = "{certificate}"\ntls_key = "{key}"\n'
    )
    process = subprocess.Popen(
        [TRUEUP, "web", "--config", tmp_path / "trueup.toml", "--database", login],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert address.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate))

        def ask(header: str) -> int:
            request = urllib.request.Request(address, headers={header: "bob"})
            try:
                with urllib.request.urlopen(request, context=context, timeout=20) as answer:
                    assert "Strict-Transport-Security" in answer.headers
                    assert "__Host-trueup=" in str(answer.headers.get_all("Set-Cookie"))
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code

        assert ask("X-Remote-User") == 200
        assert ask("X_Remote_User") == 401
    finally:
        process.terminate()
        _out, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert not re.search(r" (warning|error) ", said), said
