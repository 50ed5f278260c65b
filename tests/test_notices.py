"""Notices of changed appointments: one for each day touched, whoever wrote; and a cache that goes by them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helpers import eventually, launch, run, sql, value
from rows import factory

import trueup
from trueup import notices
from trueup.errors import DatabaseError

Connection = psycopg.Connection[Any]
SEED = int(os.environ.get("TRUEUP_SEED", "20251022"))
ROUNDS = int(os.environ.get("TRUEUP_ROUNDS", "4"))


@pytest.fixture
def company(database: str) -> Iterator[Connection]:
    """An autocommit connection to a database with companies 1 and 2, and staff 1 and 2."""
    with factory(database) as connection:
        connection.execute("select factory.staff(1), factory.staff(2)")
        yield connection


class Ear:
    """A session that listens as any client of PostgreSQL does."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("listen trueup_appointments")

    def heard(self) -> list[dict[str, Any]]:
        """Return what has been told and not asked for; a marker of our own says when it is all."""
        self.connection.execute("select pg_notify('trueup_appointments', 'end')")
        found: list[dict[str, Any]] = []
        for notify in self.connection.notifies(timeout=10):
            if notify.payload == "end":
                return found
            found.append(json.loads(notify.payload))
        raise AssertionError("waited too long")

    def days(self) -> list[tuple[int | None, str | None]]:
        return [(told["company_id"], told["date"]) for told in self.heard()]


@pytest.fixture
def ear(database: str, company: Connection) -> Iterator[Ear]:
    listening = Ear(database)
    yield listening
    listening.connection.close()


def test_a_booking_tells_its_day_and_nothing_about_persons(company: Connection, ear: Ear) -> None:
    company.execute("select factory.appointment(1)")
    (told,) = ear.heard()
    assert sorted(told) == ["company_id", "date", "position"]
    assert (told["company_id"], told["date"]) == (1, "2025-10-22")
    assert isinstance(told["position"], int)


def test_one_transaction_tells_each_day_once_in_the_end(database: str, company: Connection, ear: Ear) -> None:
    with psycopg.connect(database) as writer:
        for number in (1, 2, 3):
            writer.execute("select factory.appointment(%s)", [number])
        writer.execute(
            "update appointments set starts_at = starts_at + interval '1 day', ends_at = ends_at + interval '1 day' where id = 3"
        )
        writer.execute("update appointments set status = 'cancelled' where id = 2")
        # a transaction that ends between its statements must not make two payloads of one day
        company.execute("select factory.appointment(9, company_id => 2)")
        assert ear.days() == [(2, "2025-10-22")]
        writer.execute("delete from appointments where id = 1")
        assert ear.days() == []
        writer.commit()
    assert ear.days() == [(1, "2025-10-22"), (1, "2025-10-23")]


def test_what_is_rolled_back_is_not_told(database: str, company: Connection, ear: Ear) -> None:
    with psycopg.connect(database) as writer:
        writer.execute("select factory.appointment(1)")
        writer.rollback()
        writer.execute("select factory.appointment(2, starts_at => '2025-10-24 09:00:00+00')")
        with writer.transaction(force_rollback=True):
            writer.execute("select factory.appointment(3)")
        writer.commit()
    assert ear.days() == [(1, "2025-10-24")]


def test_a_repair_and_its_undo_tell_it_too(database: str, company: Connection, ear: Ear) -> None:
    details = {
        "confirmed_at": "2025-10-20T09:01:05Z",
        "calcom_booking": {
            "id": 9000001, "uid": "bk1", "start": "2025-10-22T12:00:00.000Z", "end": "2025-10-22T12:45:00.000Z",
            "eventTypeId": 700001, "status": "accepted", "attendees": [{"name": "Erika Muster", "email": "e@example.org"}],
        },
    }  # fmt: skip
    company.execute("select factory.service(1, calcom_event_type_id => 700001)")
    company.execute(
        "select factory.call(1, booking_confirmed => true, booking_id => 'bk1', booking_details => %s)",
        [json.dumps(details)],
    )
    assert ear.days() == []
    done = trueup.repair(["call_booked_without_appointment"], database=database, apply=True)
    assert done.corrected == 1
    assert set(ear.days()) == {(1, "2025-10-22")}
    trueup.undo(trueup.journal(database=database)[0].id, database=database)
    assert set(ear.days()) == {(1, "2025-10-22")}


@pytest.mark.parametrize(("mode", "told", "recorded"), [("record", 0, 1), ("off", 0, 0), ("notify", 1, 1)])
def test_the_setting_says_who_is_told(
    company: Connection, ear: Ear, mode: str, told: int, recorded: int
) -> None:
    company.execute("update trueup.settings set value = %s where name = 'appointment_notices'", [mode])
    company.execute("select factory.appointment(1)")
    assert len(ear.heard()) == told
    assert company.execute("select count(*) from trueup.appointment_notices").fetchone() == (recorded,)


def test_a_bulk_load_is_one_notice(company: Connection, ear: Ear) -> None:
    company.execute(
        "insert into appointments (company_id, starts_at, ends_at) "
        "select 1, '2025-01-01'::timestamptz + n * interval '1 hour', '2025-01-01 00:30'::timestamptz + n * interval '1 hour' "
        "from generate_series(1, 5000) as n"
    )
    assert ear.days() == [(1, None)]
    company.execute("truncate appointments cascade")
    assert ear.days() == [(None, None)]


def test_verify_knows_the_triggers(database: str, company: Connection) -> None:
    company.execute("alter table appointments disable trigger appointments_notify_update")
    (problem,) = trueup.verify(database=database).problems
    assert "appointments_notify_update on public.appointments is disabled" in problem.detail


def since(
    connection: Connection, position: int | None, company_id: int | None = None
) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select * from trueup.appointment_notices_since(%s, %s)", [position, company_id]
    ).fetchall()


def position(connection: Connection) -> int:
    row = connection.execute("select trueup.appointment_notice_position()").fetchone()
    assert row is not None
    return int(row[0])


def test_a_transaction_that_was_open_is_never_skipped(database: str, company: Connection) -> None:
    """It has the lower number and commits last: who asked in between is told of it the next time."""
    with psycopg.connect(database) as early:
        early.execute("select factory.appointment(1)")
        company.execute("select factory.appointment(2, starts_at => '2025-10-24 09:00:00+00')")
        asked = position(company)
        assert since(company, 1) == [(1, date(2025, 10, 24))]
        early.commit()
    assert (1, date(2025, 10, 22)) in since(company, asked)
    asked = position(company)
    assert since(company, asked) == []


def test_the_position_in_a_notice_is_a_place_to_begin_again(
    database: str, company: Connection, ear: Ear
) -> None:
    """Nothing that had not been told before the notice is below its position."""
    with psycopg.connect(database) as early, psycopg.connect(database) as late:
        early.execute("select factory.appointment(1)")
        late.execute("select factory.appointment(2, starts_at => '2025-10-24 09:00:00+00')")
        late.commit()
        (told,) = ear.heard()
        early.commit()
    assert (1, date(2025, 10, 22)) in since(company, told["position"])


def test_a_session_that_forges_the_position_makes_nobody_miss_anything(
    database: str, company: Connection, ear: Ear
) -> None:
    with psycopg.connect(database) as early, psycopg.connect(database) as forger:
        early.execute("select factory.appointment(1)")
        for number, forged in ((2, "999999999999"), (3, "x"), (4, "")):
            forger.execute("select set_config('trueup.notice_position', %s, false)", [forged])
            forger.execute("select factory.appointment(%s, starts_at => '2025-10-24 09:00:00+00')", [number])
            forger.commit()
        told = ear.heard()
        early.commit()
    assert len(told) == 3
    assert all((1, date(2025, 10, 22)) in since(company, each["position"]) for each in told)


def test_who_was_away_for_too_long_is_told_to_forget_everything(database: str, company: Connection) -> None:
    asked = position(company)
    company.execute("select factory.appointment(1)")
    company.execute("select factory.appointment(2, company_id => 2)")
    assert since(company, asked) == [(1, date(2025, 10, 22)), (2, date(2025, 10, 22))]
    assert since(company, asked, 2) == [(2, date(2025, 10, 22))]
    assert since(company, None) == since(company, 10**12) == since(company, 0) == [(None, None)] or since(
        company, 0
    )
    company.execute("update trueup.appointment_notices set noted_at = noted_at - interval '8 days'")
    company.execute("select * from trueup.prune('appointment_notices')")
    assert company.execute("select count(*) from trueup.appointment_notices").fetchone() == (0,)
    assert since(company, asked) == [(None, None)]
    assert since(company, position(company)) == []


# -- the listener ------------------------------------------------------------------------------


class Heard:
    """A listener in a thread, until it has had enough."""

    def __init__(self, url: str, count: int, **more: Any) -> None:
        self.notices: list[notices.Notice] = []
        self.error: Exception | None = None

        def listen() -> None:
            try:
                for notice in islice(notices.listen(url, **more), count):
                    self.notices.append(notice)
            except Exception as error:
                self.error = error

        self.thread = threading.Thread(target=listen, daemon=True)
        self.thread.start()

    def wait(self, count: int) -> None:
        eventually(lambda: len(self.notices) >= count)

    def days(self) -> list[tuple[int | None, date | None]]:
        return [(notice.company_id, notice.date) for notice in self.notices]


def end_listeners(url: str) -> None:
    sql(
        url,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'trueup listener' and datname = current_database()",
    )


def test_a_listener_begins_with_everything_and_then_hears_each(database: str, company: Connection) -> None:
    heard = Heard(database, 3)
    heard.wait(1)
    company.execute("select factory.appointment(1)")
    company.execute("select factory.appointment(2, company_id => 2)")
    heard.thread.join(20)
    assert heard.days() == [(None, None), (1, date(2025, 10, 22)), (2, date(2025, 10, 22))]
    assert sorted(notice.position for notice in heard.notices) == [
        notice.position for notice in heard.notices
    ]


def test_a_listener_of_one_company_hears_nothing_of_others(database: str, company: Connection) -> None:
    heard = Heard(database, 2, company_id=2)
    heard.wait(1)
    company.execute("select factory.appointment(1)")
    company.execute("select factory.appointment(2, company_id => 2)")
    heard.thread.join(20)
    assert heard.days() == [(None, None), (2, date(2025, 10, 22))]


def test_a_listener_goes_on_over_a_lost_connection_and_misses_nothing(
    database: str, company: Connection
) -> None:
    heard = Heard(database, 4)
    heard.wait(1)
    company.execute("select factory.appointment(1)")
    heard.wait(2)
    end_listeners(database)
    company.execute("select factory.appointment(2, starts_at => '2025-10-24 09:00:00+00')")
    eventually(lambda: (1, date(2025, 10, 24)) in heard.days())
    company.execute("select factory.appointment(3, starts_at => '2025-10-25 09:00:00+00')")
    eventually(lambda: (1, date(2025, 10, 25)) in heard.days() or not heard.thread.is_alive())
    assert heard.error is None


def test_a_listener_asks_for_what_is_recorded_and_not_sent(database: str, company: Connection) -> None:
    company.execute("update trueup.settings set value = 'record' where name = 'appointment_notices'")
    heard = Heard(database, 2, heartbeat=0.05)
    heard.wait(1)
    company.execute("select factory.appointment(1)")
    heard.thread.join(20)
    assert heard.days() == [(None, None), (1, date(2025, 10, 22))]


def test_a_payload_that_is_not_ours_says_to_forget_everything(database: str, company: Connection) -> None:
    payloads = [
        "",
        "x",
        "{}",
        '{"company_id": "a", "date": null, "position": 1}',
        '{"company_id": 1, "date": "soon", "position": 1}',
    ]
    heard = Heard(database, 1 + len(payloads))
    heard.wait(1)
    for payload in payloads:
        company.execute("select pg_notify('trueup_appointments', %s)", [payload])
    heard.thread.join(20)
    assert heard.days() == [(None, None)] * (1 + len(payloads))


def test_only_the_last_of_what_was_missed_moves_the_position(database: str, company: Connection) -> None:
    asked = position(company)
    for number in range(1, 4):
        company.execute(
            "select factory.appointment(%s, starts_at => %s)", [number, f"2025-10-2{number} 09:00:00+00"]
        )
    found = notices.missed(company, asked)
    assert [notice.date for notice in found] == [date(2025, 10, 21), date(2025, 10, 22), date(2025, 10, 23)]
    assert [notice.position for notice in found[:2]] == [asked, asked]
    assert found[2].position > asked
    assert notices.missed(company, found[2].position) == []


def test_the_same_asynchronously(database: str, company: Connection) -> None:
    async def listen() -> list[notices.Notice]:
        found: list[notices.Notice] = []
        stream = notices.listen_async(database)
        async for notice in stream:
            found.append(notice)
            if len(found) == 1:
                company.execute("select factory.appointment(1)")
            elif len(found) == 2:
                await asyncio.to_thread(end_listeners, database)
                company.execute("select factory.appointment(2, company_id => 2)")
            if (notice.company_id, notice.date) == (2, date(2025, 10, 22)):
                break
        await stream.aclose()  # type: ignore[attr-defined]
        return found

    found = asyncio.run(asyncio.wait_for(listen(), 30))
    assert [(notice.company_id, notice.date) for notice in found][:2] == [
        (None, None),
        (1, date(2025, 10, 22)),
    ]


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot reach the database"):
        next(notices.listen(f"host={tmp_path} dbname=none"))


@pytest.mark.one_server
def test_events_listen_prints_a_line_for_each(database: str, company: Connection) -> None:
    printed = launch("events", "listen", "--company", "1", "--count", "2", url=database)
    assert printed.stdout is not None
    assert printed.stdout.readline().startswith("any day     all companies  position ")
    company.execute("select factory.appointment(1)")
    out, _ = printed.communicate(timeout=30)
    assert out.startswith("2025-10-22  company 1  position ")
    assert printed.returncode == 0


@pytest.mark.one_server
def test_events_listen_tells_what_was_missed_and_ends(database: str, company: Connection) -> None:
    asked = position(company)
    company.execute("select factory.appointment(1)")
    done = run("events", "listen", "--position", str(asked), "--missed", "--format", "json", url=database)
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["company_id"], told["date"]) == (1, "2025-10-22")
    again = run("events", "listen", "--position", str(told["position"]), "--missed", url=database)
    assert (again.returncode, again.stdout) == (0, "")


@pytest.mark.one_server
def test_events_listen_ends_when_it_is_told_to(database: str, company: Connection) -> None:
    printed = launch("events", "listen", url=database)
    assert printed.stdout is not None
    printed.stdout.readline()
    printed.send_signal(signal.SIGTERM)
    assert printed.wait(20) == 143
    printed.communicate()


# -- a cache ----------------------------------------------------------------------------------

# what an application would run: a cache of taken times in a file, dropped by notices. The
# version of a day counts its notices, so that an answer which was on its way is not kept.
CACHE = """
import sqlite3, sys
from trueup import notices

url, path = sys.argv[1:]
cache = sqlite3.connect(path, isolation_level=None, timeout=30)
position = cache.execute("select position from place").fetchone()[0]
for notice in notices.listen(url, position=position, heartbeat=1):
    cache.execute("begin immediate")
    where, what = "1", ()
    if notice.company_id is not None:
        where, what = "company_id = ?", (notice.company_id,)
        if notice.date is not None:
            where, what = "company_id = ? and day = ?", (notice.company_id, notice.date.isoformat())
    cache.execute(f"update days set taken = null, version = version + 1 where {where}", what)
    cache.execute("update place set position = ?", (notice.position,))
    cache.execute("commit")
"""
DAYS = [date(2025, 10, 25) + timedelta(days=n) for n in range(3)]  # the night of the change of clocks
MARK = date(2025, 12, 24)
TAKEN = """
select a.id, a.staff_id, a.starts_at::text, a.ends_at::text
from public.appointments as a
inner join public.companies as co on a.company_id = co.id
where
    a.company_id = %s
    and a.deleted_at is null
    and a.status <> 'cancelled'
    and a.starts_at < (%s::date + 1)::timestamp at time zone co.timezone
    and a.ends_at > %s::date::timestamp at time zone co.timezone
order by a.id
"""


class Cached:
    """The cache, its listener in a process of its own, and a reader."""

    def __init__(self, url: str, path: Path) -> None:
        self.url, self.path = url, path
        self.file = sqlite3.connect(path, isolation_level=None, timeout=30)
        self.file.execute("pragma journal_mode = wal")
        self.file.execute(
            "create table days (company_id, day, taken, version default 0, primary key (company_id, day))"
        )
        self.file.execute("create table place (position)")
        self.file.execute("insert into place values (null)")
        for company_id in (1, 2):
            for day in [*DAYS, MARK]:
                self.file.execute(
                    "insert into days (company_id, day) values (?, ?)", (company_id, day.isoformat())
                )
        self.reader = psycopg.connect(url, autocommit=True)
        self.marks = 5000
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", CACHE, self.url, str(self.path)])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def version(self, company_id: int, day: date) -> int:
        (found,) = self.file.execute(
            "select version from days where company_id = ? and day = ?", (company_id, day.isoformat())
        ).fetchone()
        return int(found)

    def settle(self) -> None:
        """Wait until the listener has handled everything that was committed before."""
        before = self.version(1, MARK)
        self.marks += 1
        self.reader.execute(
            "select factory.appointment(%s, starts_at => '2025-12-24 09:00:00+00')", [self.marks]
        )
        eventually(lambda: self.version(1, MARK) > before, 60)

    def true(self, company_id: int, day: date) -> str:
        return json.dumps(self.reader.execute(TAKEN, [company_id, day, day]).fetchall())

    def taken(self, company_id: int, day: date) -> str:
        """Answer as a cache does: what is kept, else what the database says, which is then kept."""
        key = (company_id, day.isoformat())
        kept, version = self.file.execute(
            "select taken, version from days where company_id = ? and day = ?", key
        ).fetchone()
        if kept is not None:
            return str(kept)
        found = self.true(company_id, day)
        self.file.execute(
            "update days set taken = ? where company_id = ? and day = ? and version = ?",
            (found, *key, version),
        )
        return found

    def wrong(self) -> list[tuple[int, date]]:
        return [(c, day) for c in (1, 2) for day in DAYS if self.taken(c, day) != self.true(c, day)]

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.reader.close()
        self.file.close()


@pytest.fixture
def cached(database: str, company: Connection, tmp_path: Path) -> Iterator[Cached]:
    cache = Cached(database, tmp_path / "cache.db")
    cache.start()
    eventually(lambda: cache.file.execute("select position from place").fetchone()[0] is not None, 60)
    yield cache
    cache.close()


def proof(number: int, start: datetime) -> str:
    return json.dumps(
        {
            "confirmed_at": "2025-10-20T09:01:05Z",
            "calcom_booking": {
                "id": 9000000 + number,
                "uid": f"bk{number}",
                "start": start.isoformat(),
                "end": (start + timedelta(minutes=45)).isoformat(),
                "eventTypeId": 700001,
                "status": "accepted",
                "attendees": [{"name": "Erika Muster", "email": f"e{number}@example.org"}],
            },
        }
    )


def some_start(chance: random.Random) -> datetime:
    return datetime(2025, 10, 24, 21, tzinfo=UTC) + timedelta(minutes=15 * chance.randint(0, 300))


WRITES = {
    "insert": "insert into appointments (company_id, starts_at, ends_at) values (%(company)s, %(start)s, %(end)s)",
    "upsert": "insert into appointments (id, company_id, starts_at, ends_at) overriding system value "
    "values (%(key)s, 1, %(start)s, %(end)s) on conflict (id) do update "
    "set starts_at = excluded.starts_at, ends_at = excluded.ends_at, deleted_at = null",
    "move": "update appointments set starts_at = %(start)s, ends_at = %(end)s where id = %(key)s",
    "cancel": "update appointments set status = 'cancelled' where id = %(key)s",
    "confirm": "update appointments set status = 'confirmed' where id = %(key)s",
    "soft": "update appointments set deleted_at = now() where id = %(key)s",
    "revive": "update appointments set deleted_at = null where id = %(key)s",
    "hard": "delete from appointments where id = %(key)s",
    "notes": "update appointments set notes = 'n' where id = %(key)s",
    "many": "update appointments set starts_at = starts_at + interval '15 minutes', "
    "ends_at = ends_at + interval '15 minutes' where id > %(key)s and id < 5000",
}
# what each of the three does besides
THEIRS = {
    "application": {},
    "webhook": {
        "booking": "select trueup.appointment_from_booking(1, 'w%(key)s', %(key)s, 'accepted', %(start)s, %(end)s, "
        "700001, '[]', '{}', 'calcom', 'calcom')",
        "cancelled": "update appointments set status = 'cancelled' where calcom_booking_uid = 'w%(key)s'",
    },
    "repair": {
        "repair": "select trueup.apply_repair('call_booked_without_appointment', 'call', %(key)s::text)",
        "undone": "delete from appointments where call_id = %(key)s",
    },
}


def write(connection: Connection, chance: random.Random, writer: str) -> None:
    """Do what one of the three writers does, in one transaction."""
    statements = {**WRITES, **THEIRS[writer]}
    for _ in range(chance.randint(1, 3)):
        start = some_start(chance)
        given = {"key": chance.randint(1, 12), "company": chance.randint(1, 2), "start": start}
        given["end"] = start + timedelta(minutes=45)
        mine = THEIRS[writer] if chance.random() < 0.4 else {}
        text = statements[chance.choice(sorted(mine or statements))]
        try:
            with connection.transaction():
                connection.execute(text.encode(), given)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            connection.rollback()
            return
        except psycopg.errors.IntegrityError:
            pass  # refused: nothing was written
    if chance.random() < 0.15:
        connection.rollback()
    else:
        connection.commit()


def test_a_cache_never_serves_a_time_that_is_taken(database: str, cached: Cached) -> None:
    """Three writers at once, a reader that fills the cache all the while, a listener that is killed."""
    chance = random.Random(SEED)
    with psycopg.connect(database) as connection:
        connection.execute("select factory.service(1, calcom_event_type_id => 700001)")
        for number in range(1, 13):
            connection.execute(
                "select factory.call(%s, booking_confirmed => true, booking_id => %s, booking_details => %s)",
                [number, f"bk{number}", proof(number, some_start(chance))],
            )
    for turn in range(ROUNDS):
        writers = ["application", "webhook", "repair"]
        seeds = [chance.randint(0, 2**32) for _ in writers]

        def work(writer: str, seed: int) -> None:
            mine = random.Random(seed)
            with psycopg.connect(database, application_name=writer) as connection:
                connection.execute("set lock_timeout = '500ms'")
                connection.commit()
                for _ in range(40):
                    write(connection, mine, writer)

        threads = [threading.Thread(target=work, args=pair) for pair in zip(writers, seeds, strict=True)]
        for thread in threads:
            thread.start()
        for number in range(30):
            for company_id in (1, 2):
                cached.taken(company_id, chance.choice(DAYS))
            if number == 10:
                cached.kill()
            if number == 20:
                cached.start()
        for thread in threads:
            thread.join()
        cached.settle()
        assert cached.wrong() == [], f"round {turn}, TRUEUP_SEED={SEED}"
    assert value(database, "select count(*) from public.appointments") > 10
    assert value(database, "select count(*) from trueup.repairs") > 0
    assert value(database, "select count(*) from public.appointments where source = 'calcom'") > 0


def test_the_test_of_the_cache_can_fail(database: str, cached: Cached) -> None:
    """Without the trigger a kept answer is wrong: what the test above looks at."""
    cached.settle()
    sql(database, "select factory.appointment(1, starts_at => '2025-10-26 09:00:00+00')")
    cached.settle()
    assert cached.wrong() == []
    sql(database, "alter table appointments disable trigger appointments_notify_update")
    sql(database, "update appointments set status = 'cancelled' where id = 1")
    cached.settle()
    assert cached.wrong() == [(1, date(2025, 10, 26))]


def test_what_is_missed_while_the_listener_is_dead_is_caught_up(database: str, cached: Cached) -> None:
    cached.settle()
    assert cached.wrong() == []
    cached.kill()
    sql(database, "select factory.appointment(1, starts_at => '2025-10-26 09:00:00+00')")
    assert cached.wrong() == [(1, date(2025, 10, 26))], "nobody has told it yet"
    cached.start()
    eventually(lambda: cached.wrong() == [], 60)
