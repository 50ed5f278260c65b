"""The provider's list: what is stored of it, what is refused, and how it is read over HTTP."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from helpers import TRUEUP, connected, run, sql, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import factory

import trueup
from trueup.errors import ProviderError, UsageError
from trueup.provider import BookingList

Connection = psycopg.Connection[Any]
TOKEN = "cal_live_0123456789"
START, UNTIL = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)


def booking(number: int, **more: Any) -> dict[str, Any]:
    """A booking as the provider lists it; each has a time of its own."""
    start = START + timedelta(hours=number)
    return {
        "id": 9000000 + number,
        "uid": f"bkDemoUid{number:04}",
        "status": "accepted",
        "start": start.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "end": (start + timedelta(minutes=45)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "eventTypeId": 700001,
        "attendees": [
            {"name": "Erika Muster", "email": f"e{number}@example.org", "timeZone": "Europe/Berlin"}
        ],
        "metadata": {},
        "rescheduledFromUid": None,
        "createdAt": "2025-09-20T09:01:05.000Z",
        **more,
    }


def page(*bookings: Any, **pagination: Any) -> dict[str, Any]:
    return {"status": "success", "data": list(bookings), "pagination": pagination}


@pytest.fixture
def company(database: str) -> Iterator[Connection]:
    """An autocommit connection to a database with companies 1 and 2."""
    with factory(database) as connection:
        connection.execute("select factory.service(1, calcom_event_type_id => 700001)")
        yield connection


def store(connection: Connection, content: Any, company_id: int = 1, **more: Any) -> Any:
    given = {"p_company_id": company_id, "p_page": json.dumps(content), **more}
    arguments = ", ".join(f"{name} => %({name})s{'::jsonb' if name == 'p_page' else ''}" for name in given)
    return connection.execute(f"select * from trueup.import_bookings({arguments})".encode(), given).fetchone()


def begun(connection: Connection, company_id: int = 1) -> int:
    row = connection.execute(
        "select trueup.begin_booking_import(%s, %s, %s)", [company_id, START, UNTIL]
    ).fetchone()
    assert row is not None
    return int(row[0])


STORED = "select s.company_id, s.booking_uid, s.status from trueup.booking_snapshots as s order by 1, 2"


def test_pages_are_stored_and_the_same_page_once(company: Connection) -> None:
    import_id = begun(company)
    first = page(booking(1), booking(2), totalItems=3)
    assert store(company, first, p_import_id=import_id) == (import_id, "running", 2, 2, 2, 3)
    assert store(company, first, p_import_id=import_id) == (import_id, "running", 2, 0, 2, 3)
    last = page(booking(3), totalItems=3)
    for added in (1, 0):
        assert store(company, last, p_import_id=import_id, p_is_last=True) == (
            import_id,
            "complete",
            1,
            added,
            3,
            3,
        )
    assert len(company.execute(STORED).fetchall()) == 3


def test_a_page_without_an_import_begins_one(company: Connection) -> None:
    found = store(company, page(booking(1)), p_is_last=True)
    assert found[1] == "complete"
    assert company.execute("select i.window_from from trueup.booking_imports as i").fetchall() == [(None,)]


def test_a_list_that_shows_fewer_than_there_are_proves_nothing(company: Connection) -> None:
    import_id = begun(company)
    assert (
        store(company, page(booking(1), totalItems=2), p_import_id=import_id, p_is_last=True)[1]
        == "incomplete"
    )
    # the page that was missing, after all
    assert (
        store(company, page(booking(2), totalItems=2), p_import_id=import_id, p_is_last=True)[1] == "complete"
    )


def test_two_companies_have_the_same_uid(company: Connection) -> None:
    store(company, page(booking(1)), 1)
    store(company, page(booking(1, status="cancelled")), 2)
    assert company.execute(STORED).fetchall() == [
        (1, "bkDemoUid0001", "accepted"),
        (2, "bkDemoUid0001", "cancelled"),
    ]


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ([], "It is no object with an array data."),
        (None, "It is no object with an array data."),
        ("not encoded twice", "It is no object with an array data."),
        ({"status": "success", "data": {}}, "It is no object with an array data."),
        ({"status": "error", "data": [], "error": {"message": "no"}}, 'Its status is "error".'),
        (page(booking(1), "x"), "Item 1: it is no object."),
        (page(booking(1), booking(2, uid=" ")), "Item 1: it has no uid."),
        (page(booking(1), booking(2, uid=17)), "Item 1: it has no uid."),
        (page(booking(1, status=None)), "Item 0: it has no status."),
        (page(booking(1, start="2025-10-22T12:00:00")), "Item 0: it has no readable start and end."),
        (page(booking(1, end="tomorrow")), "Item 0: it has no readable start and end."),
        (page(booking(1, end="2025-09-01T00:00:00Z")), "Item 0: it ends before it starts."),
        (page(booking(1), booking(2), booking(1)), "Item 0: its uid stands twice on the page."),
    ],
)
def test_a_bad_page_is_refused_whole_and_says_why(company: Connection, content: Any, detail: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        store(company, content)
    assert (refused.value.sqlstate, refused.value.diag.message_detail) == ("TU401", detail)
    assert company.execute(STORED).fetchall() == []


def test_a_page_that_was_encoded_twice_is_read(company: Connection) -> None:
    assert store(company, json.dumps(page(booking(1))))[2] == 1


def test_an_import_of_another_company_is_not_found(company: Connection) -> None:
    import_id = begun(company, 2)
    for company_id, number in ((1, import_id), (1, 999), (3, None)):
        with pytest.raises(psycopg.Error) as refused:
            store(company, page(booking(1)), company_id, p_import_id=number)
        assert refused.value.sqlstate == "TU402"
    assert company.execute(STORED).fetchall() == []


def test_the_last_page_cannot_have_a_next_one(company: Connection) -> None:
    with pytest.raises(psycopg.Error, match="the last page says that there are more"):
        store(company, page(booking(1), hasNextPage=True), p_is_last=True)


@pytest.mark.parametrize(
    "arguments",
    [
        "1, now()",
        "1, now(), now()",
        "1, now(), now() - interval '1 day'",
        "1, p_taken_at => now() + interval '1 hour'",
    ],
)
def test_a_window_or_a_time_that_makes_no_sense_is_refused(company: Connection, arguments: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        company.execute(f"select trueup.begin_booking_import({arguments})".encode())
    assert refused.value.sqlstate == "TU401"


def test_a_large_page_with_a_lot_beside_it_is_read(company: Connection) -> None:
    content = page(*(booking(n, metadata={"text": "x" * 50_000}) for n in range(200)))
    assert len(json.dumps(content)) > 10_000_000
    assert store(company, content)[2] == 200


def test_two_lists_of_one_company_at_once_end_in_the_newer(database: str, company: Connection) -> None:
    older, newer = begun(company), begun(company)
    barrier = threading.Barrier(2)

    def read(connection: Connection, import_id: int, numbers: list[int], status: str) -> None:
        barrier.wait()
        for number in numbers:
            content = page(*(booking(number * 10 + n, status=status) for n in range(10)))
            store(connection, content, p_import_id=import_id)
            connection.commit()

    with connected(database, 2) as (one, two):
        threads = [
            threading.Thread(target=read, args=[one, older, list(range(20)), "pending"]),
            threading.Thread(target=read, args=[two, newer, list(reversed(range(20))), "accepted"]),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sql(database, "select s.status, count(*) from trueup.booking_snapshots as s group by 1") == [
        ("accepted", 200)
    ]


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(booking(1))), inner, max_size=10)
    ),
    max_leaves=20,
)


def outcome(connection: Connection, content: Any) -> str | None:
    try:
        store(connection, content)
    except psycopg.Error as error:
        return error.sqlstate
    return "stored"


@pytest.mark.one_server
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.dictionaries(st.sampled_from(sorted(booking(1))), ANY, max_size=10), ANY)
def test_whatever_a_page_holds_it_is_stored_or_refused(
    company: Connection, odd: dict[str, Any], other: Any
) -> None:
    for content in (page(booking(1, **odd)), page(booking(1), other), other):
        assert outcome(company, content) in ("stored", "TU401")


# -- over HTTP ---------------------------------------------------------------------------------


@dataclass
class Provider:
    """A server that lists bookings as the provider documents it, and does what it is told before."""

    bookings: list[dict[str, Any]] = field(default_factory=list)
    # what the next requests are answered with instead of a page
    odd: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    after_page: Callable[[int], None] = lambda skip: None
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append((handler.path, dict(handler.headers)))
        if self.odd:
            self.odd.pop(0)(handler)
            return
        query = {name: found[0] for name, found in parse_qs(urlsplit(handler.path).query).items()}
        skip, take = int(query["skip"]), int(query["take"])
        found = [
            b for b in self.bookings if b["start"] >= query["afterStart"] and b["end"] <= query["beforeEnd"]
        ]
        listed = found[skip : skip + take]
        has_next = skip + take < len(found)
        send(handler, 200, json.dumps(page(*listed, totalItems=len(found), hasNextPage=has_next)))
        self.after_page(skip)


def send(
    handler: BaseHTTPRequestHandler, status: int, body: str, *, length: int | None = None, **headers: str
) -> None:
    data = body.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data) if length is None else length))
    for name, text in headers.items():
        handler.send_header(name.replace("_", "-"), text)
    handler.end_headers()
    handler.wfile.write(data)


@contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}/v2/bookings"
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving(Provider([booking(n) for n in range(1, 251)])) as running:
        yield running


class Reading:
    """Reads the list without waiting, and keeps how long it would have waited."""

    def __init__(self, provider: Provider, **more: Any) -> None:
        self.pauses: list[float] = []
        self.list = BookingList(provider.url, TOKEN, **{"timeout": 5.0, "sleep": self.pauses.append, **more})

    def count(self) -> int:
        found = [json.loads(page.text)["data"] for page in self.list.pages(START, UNTIL)]
        return len({item["uid"] for items in found for item in items})


def slow(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.6)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, each in time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(8):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, '{"status": "success", "data": [{"id', length=1000)
    handler.close_connection = True


def test_all_pages_are_read_in_order_with_the_window_and_the_token(provider: Provider) -> None:
    assert Reading(provider).count() == 250
    paths = [urlsplit(path) for path, _ in provider.requests]
    assert [parse_qs(path.query)["skip"] for path in paths] == [["0"], ["99"], ["198"]]
    assert parse_qs(paths[0].query)["afterStart"] == ["2025-10-01T00:00:00Z"]
    assert parse_qs(paths[0].query)["beforeEnd"] == ["2025-12-01T00:00:00Z"]
    headers = provider.requests[0][1]
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["cal-api-version"] == "2024-08-13"


@pytest.mark.parametrize(
    "fault",
    [
        lambda h: send(h, 500, "sorry"),
        lambda h: send(h, 502, "<html>"),
        lambda h: send(h, 200, "<html>not json"),
        lambda h: send(h, 200, '{"status": "success", "data": [{"id'),
        lambda h: send(h, 200, '{"status": "success"}'),
        lambda h: send(h, 200, "\xff\xfe"),
        lambda h: send(h, 200, "x", Content_Encoding="gzip"),
        lambda h: h.connection.close(),
        cut_off,
        slow,
        drip,
    ],
    ids=[
        "500",
        "502",
        "garbage",
        "half",
        "no list",
        "bytes",
        "encoding",
        "closed",
        "cut off",
        "slow",
        "drip",
    ],
)
def test_a_fault_is_tried_again_after_a_pause_that_grows(
    provider: Provider, fault: Callable[..., None]
) -> None:
    provider.odd = [fault, fault]
    reading = Reading(provider, timeout=0.4)
    assert reading.count() == 250
    assert len(provider.requests) == 5
    first, second = reading.pauses
    assert 0.5 <= first <= 1
    assert 1 <= second <= 2


def test_a_rate_limit_is_waited_for_as_long_as_it_says(provider: Provider) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    provider.odd = [
        lambda h: send(h, 429, "{}", Retry_After="7"),
        lambda h: send(h, 429, "{}", Retry_After=later),
        lambda h: send(h, 429, "{}", Retry_After="soon"),
    ]
    reading = Reading(provider)
    assert reading.count() == 250
    assert reading.pauses[0] == 7
    assert 15 < reading.pauses[1] <= 20
    assert reading.pauses[2] <= 4


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([lambda h: send(h, 429, "{}", Retry_After="3600")], "too many requests"),
        ([lambda h: send(h, 500, "")] * 5, "asked 5 times"),
        ([lambda h: send(h, 401, "{}")], "the token is not accepted"),
        ([lambda h: send(h, 404, "{}")], "status 404"),
        ([lambda h: send(h, 302, "", Location="http://example.org/")], "status 302"),
        ([lambda h: send(h, 200, json.dumps(page(hasNextPage=True)))], "none came"),
        ([lambda h: send(h, 200, json.dumps(page(booking(1), hasNextPage=True)))], "none came"),
    ],
)
def test_what_cannot_be_mended_ends_with_one_clear_error(
    provider: Provider, answers: list[Any], message: str
) -> None:
    provider.odd = list(answers)
    with pytest.raises(ProviderError, match=message) as failed:
        Reading(provider).count()
    assert len(provider.requests) == len(answers)
    assert TOKEN not in str(failed.value)
    assert "127.0.0.1" in str(failed.value)


def test_the_circuit_is_asked_and_told(provider: Provider) -> None:
    class Circuit:
        def __init__(self) -> None:
            self.told: list[str] = []

        def allow(self) -> str | None:
            if len(self.told) == 4:
                raise ProviderError("open")
            return f"permit {len(self.told)}"

        def report(self, permit: str | None, outcome: str, seconds: float) -> None:
            assert permit == f"permit {len(self.told)}"
            assert seconds >= 0
            self.told.append(outcome)

    circuit = Circuit()
    provider.odd = [lambda h: send(h, 500, ""), lambda h: send(h, 429, "{}", Retry_After="0")]
    with pytest.raises(ProviderError, match="open"):
        Reading(provider, circuit=circuit).count()
    assert circuit.told == ["failure", "refusal", "success", "success"]


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("ftp://example.org/", TOKEN),
        ("api.cal.com", TOKEN),
        ("https://me:secret@example.org/", TOKEN),
        ("http://example.org/v2/bookings", TOKEN),
        ("https://example.org/", "two\nlines"),
        ("https://example.org/", "zwölf"),
    ],
)
def test_an_address_or_a_token_that_must_not_be_used_is_refused(url: str, token: str) -> None:
    with pytest.raises(UsageError) as refused:
        BookingList(url, token)
    assert token not in str(refused.value)
    assert TOKEN not in repr(BookingList("https://example.org/", TOKEN))


def test_without_httpx_it_says_what_to_install(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "httpx":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r"trueup\[api\]"):
        Reading(provider).count()


# -- the command ---------------------------------------------------------------------------------


@pytest.mark.one_server
def test_a_provider_that_fails_is_left_alone_until_its_circuit_lets_one_through(
    database: str, company: Connection, provider: Provider
) -> None:
    arguments = ("reconcile", "--company", "1", "--api", provider.url)
    provider.odd = [lambda h: send(h, 503, "", Retry_After="0")] * 5
    failed = run(*arguments, url=database, TRUEUP_API_TOKEN=TOKEN)
    assert failed.returncode == 3
    assert "circuit booking_list:company:1: open" in failed.stderr
    asked = len(provider.requests)
    assert asked == 3, "failures in a row that open it"
    assert run(*arguments, url=database, TRUEUP_API_TOKEN=TOKEN).returncode == 3
    assert len(provider.requests) == asked, "an open circuit spares the provider"

    provider.odd = []
    company.execute("update trueup.circuit_breaker_states set open_until = now() - interval '1 second'")
    for state in ("half_open", "closed"):  # after two that went well, one request each
        assert run(*arguments, url=database, TRUEUP_API_TOKEN=TOKEN).returncode == 0
        assert value(database, "select current_state from trueup.circuit_breaker_states") == state


@pytest.mark.one_server
def test_reconcile_over_http_check_and_repair(database: str, company: Connection, provider: Provider) -> None:
    company.execute(
        "select factory.appointment(1, calcom_booking_uid => 'unknown there', created_at => '2025-09-01 00:00:00+00')"
    )
    provider.odd = [lambda h: send(h, 503, "", Retry_After="0")]
    arguments = ("reconcile", "--company", "1", "--from", "2025-10-01T00:00Z", "--to", "2025-12-01T00:00Z")
    done = run(*arguments, "--api", provider.url, url=database, TRUEUP_API_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "250 of 250 bookings, 250 of them new" in done.stdout
    assert "250 bookings have no appointment, 1 appointments no booking, 0 differ" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    trueup.repair(["booking_missing_locally"], database=database, apply=True, max_changes=1000)
    again = json.loads(
        run(
            *arguments, "--api", provider.url, "--format", "json", url=database, TRUEUP_API_TOKEN=TOKEN
        ).stdout
    )
    assert (again["status"], again["missing_locally"], again["differing"]) == ("complete", 0, 0)
    assert value(database, "select count(*) from public.appointments") == 251
    assert (
        value(
            database, "select count(*) from trueup.booking_snapshots as s where s.attendee_email is not null"
        )
        == 0
    )
    assert trueup.check(database=database).exit_code("warning") == 1, (
        "the one that the provider does not hold"
    )


def test_bookings_that_go_while_pages_are_read_make_it_read_again(
    database: str, company: Connection, provider: Provider
) -> None:
    def lose_one(skip: int) -> None:
        if skip == 0 and len(provider.bookings) == 250:
            del provider.bookings[0]

    provider.after_page = lose_one
    done = trueup.reconcile_api(1, provider.url, TOKEN, start=START, until=UNTIL, database=database)
    # the hundred-and-first slipped to the page before, unseen; the second reading has it
    assert (done.status, done.bookings, done.expected) == ("complete", 249, 249)
    assert sql(database, "select i.status from trueup.booking_imports as i order by i.id") == [
        ("running",),
        ("complete",),
    ]
    assert (
        value(database, "select count(*) from trueup.booking_snapshots where booking_uid = 'bkDemoUid0101'")
        == 1
    )


@pytest.mark.one_server
def test_a_list_that_never_holds_still_is_given_up(
    database: str, company: Connection, provider: Provider
) -> None:
    def lose_one(skip: int) -> None:
        del provider.bookings[0]

    provider.after_page = lose_one
    with pytest.raises(ProviderError, match="bookings went while the list was read"):
        trueup.reconcile_api(1, provider.url, TOKEN, start=START, until=UNTIL, database=database)
    assert len(provider.requests) == 6


def test_the_pages_before_an_error_stay_and_prove_nothing(
    database: str, company: Connection, provider: Provider
) -> None:
    company.execute(
        "select factory.appointment(1, calcom_booking_uid => 'unknown there', created_at => '2025-09-01 00:00:00+00')"
    )
    provider.after_page = lambda skip: provider.odd.append(lambda h: send(h, 401, "{}"))
    done = run(
        "reconcile", "--company", "1", "--from", "2025-10-01T00:00Z", "--to", "2025-12-01T00:00Z", "--api", provider.url,
        url=database, TRUEUP_API_TOKEN=TOKEN,
    )  # fmt: skip
    assert done.returncode == 3
    assert "the token is not accepted (401)" in done.stderr
    assert "Traceback" not in done.stderr
    assert value(database, "select count(*) from trueup.booking_snapshots") == 100
    assert sql(database, "select * from trueup.booking_missing_remotely") == []
    assert sql(database, "select i.status from trueup.booking_imports as i") == [("running",)]


@pytest.mark.one_server
def test_reconcile_from_a_file_and_from_standard_input(
    database: str, company: Connection, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(page(booking(1), booking(2)), indent=2))
    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n".join(json.dumps(page(booking(n), totalItems=3)) for n in (1, 2, 3)) + "\n")
    for file, count in ((whole, 2), (lines, 3)):
        done = json.loads(run("reconcile", "--company", "1", file, "--format", "json", url=database).stdout)
        assert (done["status"], done["bookings"], done["missing_locally"]) == ("complete", count, count)
    assert "proves nothing" in run("reconcile", "--company", "1", whole, url=database).stdout
    few = tmp_path / "few.json"
    few.write_text(json.dumps(page(booking(1), totalItems=3)))
    done_few = run(
        "reconcile", "--company", "1", few, "--from", "2025-10-01", "--to", "2025-11-01", url=database
    )
    assert done_few.returncode == 1
    assert "incomplete" in done_few.stderr


def test_an_old_file_is_as_old_as_it_is(database: str, company: Connection, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps(page(booking(1))))
    os.utime(old, (time.time() - 3 * 86400,) * 2)
    assert (
        json.loads(run("reconcile", "--company", "1", old, "--format", "json", url=database).stdout)[
            "missing_locally"
        ]
        == 0
    )
    fresh = run(
        "reconcile",
        "--company",
        "1",
        old,
        "--taken-at",
        datetime.now(UTC).isoformat(),
        "--format",
        "json",
        url=database,
    )
    assert json.loads(fresh.stdout)["missing_locally"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfe{}", "is not UTF-8 text (byte 0)"),
        (b"{}\n{", "neither JSON nor a page of JSON on each line (line 2)"),
        (b"[]", "page 1: this is no page of the provider's list"),
        (json.dumps(page(booking(1), booking(2, uid=None))).encode(), "Item 1: it has no uid."),
        (b'{"status": "success", "data": [], "x": "\\u0000"}', "page 1: unsupported Unicode escape sequence"),
        (b'{"status": "success", "data": [], "x": NaN}', "page 1: invalid input syntax for type json"),
    ],
)
def test_a_bad_file_is_one_clear_error(
    database: str, company: Connection, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "list.json"
    file.write_bytes(content)
    done = run("reconcile", "--company", "1", file, url=database)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert company.execute(STORED).fetchall() == []


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--company", "1"), "give either FILE or --api URL"),
        (("--company", "1", "--api", "https://example.org/"), "environment variable TRUEUP_API_TOKEN"),
        (("--company", "9", "-"), "company 9 does not exist"),
        (("--company", "1", "--api", "https://example.org/", "--taken-at", "2025-10-01"), "is for a FILE"),
        (("--company", "1", "-", "--from", "2025-10-01"), "both --from and --to"),
        (("--company", "1", "-", "--from", "soon", "--to", "later"), "'soon' is no time"),
    ],
)
def test_wrong_use_is_told(
    database: str, company: Connection, arguments: tuple[str, ...], message: str
) -> None:
    done = subprocess.run(
        [TRUEUP, "reconcile", *arguments],
        input=json.dumps(page(booking(1))),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TRUEUP_DATABASE_URL": database},
    )
    assert done.returncode == 2
    assert message in done.stderr
