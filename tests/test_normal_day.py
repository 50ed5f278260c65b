"""A normal day files nothing, and the flags of a call are what its appointments say.

An application that works as it should must never see an alert: guards observe, and every
check of the pack is empty at the end. The property test leaves the normal day and writes
anything at all to a few calls, against a model of decision D1 that knows no SQL.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[tuple[Any, ...]]

CALLS = 1000
COMPANY, STAFF, CUSTOMERS, OUR_NUMBER = 1, 10, 200, "+493012345678"
LENGTH = timedelta(minutes=45)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@dataclass
class Day:
    """What an application does on one day, one transaction after the other.

    Times are relative to now, because checks look at the age of things: calls lie two hours
    back, appointments start tomorrow and later, each in an hour of its own.
    """

    connection: Connection
    dice: random.Random
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    hours: int = 0
    calls: int = 0
    booked: dict[int, list[int]] = field(default_factory=dict)

    def one(self, statement: str, *values: object) -> int:
        row = self.connection.execute(statement.encode(), values).fetchone()
        assert row is not None
        return int(row[0])

    def do(self, statement: str, *values: object) -> None:
        self.connection.execute(statement.encode(), values)

    def slot(self) -> datetime:
        self.hours += 1
        return self.now + timedelta(days=1, hours=self.hours)

    def open(self) -> None:
        """Set up a company with staff, a service, a telephone number and customers."""
        self.do("insert into public.companies (id, name) overriding system value values (1, 'a company')")
        self.do(
            "insert into public.branches (id, company_id, name) overriding system value values (1, 1, 'a branch')"
        )
        self.do(
            "insert into public.staff (id, company_id, branch_id, name) overriding system value "
            "select g, 1, 1, 'staff ' || g from generate_series(1, %s) as g",
            STAFF,
        )
        self.do(
            "insert into public.services (id, company_id, name, duration_minutes, calcom_event_type_id) "
            "overriding system value values (1, 1, 'a service', 45, 700001)"
        )
        self.do(
            "insert into public.phone_numbers (id, company_id, branch_id, number) overriding system value "
            "values (1, 1, 1, %s)",
            OUR_NUMBER,
        )
        self.do(
            "insert into public.customers (id, company_id, name, phone, email, source) overriding system value "
            "select g, 1, 'Customer ' || g, '+4917000' || lpad(g::text, 5, '0'), 'c' || g || '@example.org', "
            "'retell' from generate_series(1, %s) as g",
            CUSTOMERS,
        )

    def call(self, customer: int, *, outcome: str | None = None, known_id: int | None = None) -> int:
        """Record a call of one minute."""
        self.calls += 1
        began = self.now - timedelta(hours=2) + timedelta(seconds=6 * self.calls)
        return self.one(
            "insert into public.calls (id, company_id, branch_id, phone_number_id, retell_call_id, "
            "from_number, to_number, direction, call_type, status, started_at, ended_at, duration_ms, "
            "customer_id, session_outcome, created_at) overriding system value "
            "values (coalesce(%s, nextval('public.calls_id_seq')), 1, 1, 1, %s, %s, %s, 'inbound', "
            "'phone_call', 'ended', %s, %s, 60000, %s, %s, %s) returning id",
            known_id,
            f"call_{self.calls:027x}",
            f"+4917000{customer:05d}",
            OUR_NUMBER,
            began,
            began + timedelta(minutes=1),
            customer,
            outcome,
            began,
        )

    def appointment(self, call: int | None, customer: int, uid: str | None = None) -> int:
        """Book for the phone agent, or with no uid for a person who enters it."""
        start = self.slot()
        made = self.one(
            "insert into public.appointments (company_id, branch_id, customer_id, service_id, staff_id, "
            "call_id, starts_at, ends_at, status, source, sync_origin, calcom_booking_id, calcom_booking_uid, "
            "calcom_sync_status, idempotency_key, metadata) "
            "values (1, 1, %s, 1, %s, %s, %s, %s, 'confirmed', %s, %s, %s, %s, %s, %s, '{}') returning id",
            customer,
            self.hours % STAFF + 1,
            call,
            start,
            start + LENGTH,
            "retell" if uid else "manual",
            "retell" if uid else "admin",
            9_000_000 + self.hours if uid else None,
            uid,
            "synced" if uid else None,
            uuid.uuid5(uuid.NAMESPACE_OID, uid) if uid else None,
        )
        if call is not None:
            self.booked.setdefault(call, []).append(made)
        return made

    def confirm(self, call: int, uid: str, appointment: int) -> None:
        """Write the provider's answer and the flags to the call, as if there were no trigger."""
        self.do(
            "update public.calls as c set booking_confirmed = true, booking_id = %s, booking_details = %s, "
            "appointment_made = true, appointment_id = a.id, appointment_link_status = 'linked', "
            "session_outcome = 'appointment_booked' from public.appointments as a "
            "where c.id = %s and a.id = %s",
            uid,
            Jsonb(self.answer(uid, appointment)),
            call,
            appointment,
        )

    def answer(self, uid: str, appointment: int) -> dict[str, Any]:
        row = self.connection.execute(
            "select a.starts_at, a.ends_at, a.calcom_booking_id, k.name, k.email "
            "from public.appointments as a inner join public.customers as k on a.customer_id = k.id where a.id = %s",
            [appointment],
        ).fetchone()
        assert row is not None
        start, end, booking, name, email = row
        return {
            "confirmed_at": self.now.isoformat(),
            "calcom_booking": {
                "id": booking,
                "uid": uid,
                "start": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "end": end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "duration": 45,
                "eventTypeId": 700001,
                "status": "accepted",
                "attendees": [{"name": name, "email": email, "timeZone": "Europe/Berlin"}],
                "metadata": {},
            },
        }

    def book(self) -> None:
        """Book in a call: in one transaction or in three, in either order."""
        customer = self.dice.randint(1, CUSTOMERS)
        uid = f"bk{self.hours:06d}"
        way = self.dice.choice(["three", "one", "call last", "link later"])
        if way == "three":
            call = self.call(customer)
            made = self.appointment(call, customer, uid)
            self.confirm(call, uid, made)
            return
        with self.connection.transaction():
            if way == "call last":
                call = self.one("select nextval('public.calls_id_seq')")
                made = self.appointment(call, customer, uid)
                self.call(customer, known_id=call)
            elif way == "link later":
                made = self.appointment(None, customer, uid)
                call = self.call(customer)
                self.do("update public.appointments set call_id = %s where id = %s", call, made)
                self.booked[call] = [made]
            else:
                call = self.call(customer)
                made = self.appointment(call, customer, uid)
            self.confirm(call, uid, made)

    def book_twice(self) -> None:
        """Book two appointments in one call, and sometimes delete one of them."""
        self.book()
        call = max(self.booked)
        customer = self.one("select c.customer_id from public.calls as c where c.id = %s", call)
        self.appointment(call, customer, f"bk{self.hours:06d}")
        if self.dice.random() < 0.5:
            made = self.booked[call].pop(self.dice.randrange(2))
            self.delete(made)

    def delete(self, appointment: int) -> None:
        if self.dice.random() < 0.5:
            self.do("update public.appointments set deleted_at = now() where id = %s", appointment)
        else:
            self.do("delete from public.appointments where id = %s", appointment)

    def enter_by_hand(self) -> None:
        """A person enters an appointment for a call by mistake, and takes it back, or not."""
        customer = self.dice.randint(1, CUSTOMERS)
        call = self.call(customer)
        made = self.appointment(call, customer)
        if self.dice.random() < 0.5:
            self.delete(made)
            self.booked[call] = []

    def reschedule(self) -> None:
        """Move an appointment, in the call that made it or in a later one."""
        call, made = self.some()
        by = self.another_call(call, "appointment_rescheduled") if self.dice.random() < 0.5 else call
        start = self.slot()
        with self.connection.transaction():
            self.do(
                "insert into public.appointment_modifications "
                "(company_id, appointment_id, call_id, kind, old_starts_at, new_starts_at, actor) "
                "select 1, a.id, %s, 'reschedule', a.starts_at, %s, 'agent' from public.appointments as a "
                "where a.id = %s",
                by,
                start,
                made,
            )
            self.do(
                "update public.appointments set previous_starts_at = starts_at, starts_at = %s, ends_at = %s "
                "where id = %s",
                start,
                start + LENGTH,
                made,
            )

    def cancel(self) -> None:
        """Cancel an appointment in a later call; the call that made it has made it all the same."""
        call, made = self.some()
        by = self.another_call(call, "appointment_cancelled")
        with self.connection.transaction():
            self.do(
                "update public.appointments set status = 'cancelled', cancelled_at = now() where id = %s",
                made,
            )
            self.do(
                "insert into public.appointment_modifications "
                "(company_id, appointment_id, call_id, kind, actor) values (1, %s, %s, 'cancel', 'agent')",
                made,
                by,
            )

    def delete_and_restore(self) -> None:
        """Delete softly and restore before anybody sees it."""
        _, made = self.some()
        with self.connection.transaction():
            self.do("update public.appointments set deleted_at = now() where id = %s", made)
            self.do("update public.appointments set deleted_at = null where id = %s", made)

    def hear_again(self) -> None:
        """The provider's webhook for a booking comes once more: an upsert by booking uid."""
        call, made = self.some()
        self.do(
            "insert into public.appointments (company_id, branch_id, customer_id, service_id, call_id, "
            "starts_at, ends_at, source, sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, "
            "idempotency_key) select 1, 1, a.customer_id, 1, %s, a.starts_at, a.ends_at, a.source, 'calcom', "
            "a.calcom_booking_id, a.calcom_booking_uid, 'synced', a.idempotency_key "
            "from public.appointments as a where a.id = %s and a.calcom_booking_uid is not null "
            "on conflict (company_id, calcom_booking_uid) "
            "where deleted_at is null and calcom_booking_uid is not null do update set call_id = excluded.call_id, updated_at = now()",
            call,
            made,
        )

    def hear_the_end(self) -> None:
        """The telephone's last webhook writes most of the call's columns once more."""
        call, _ = self.some()
        self.do(
            "update public.calls set status = 'analyzed', appointment_made = appointment_made, "
            "session_outcome = session_outcome, metadata = metadata || %s where id = %s",
            Jsonb({"retell": {"call_type": "phone_call"}}),
            call,
        )

    def load(self, count: int) -> None:
        """Load calls and then their appointments by COPY, in one transaction."""
        with self.connection.transaction(), self.connection.cursor() as cursor:
            customers = [self.dice.randint(1, CUSTOMERS) for _ in range(count)]
            calls = [self.call(customer) for customer in customers]
            with cursor.copy(
                "copy public.appointments (company_id, branch_id, customer_id, service_id, staff_id, "
                "call_id, starts_at, ends_at, status, source, idempotency_key, metadata) from stdin"
            ) as copy:
                for call, customer in zip(calls, customers, strict=True):
                    start = self.slot()
                    key = uuid.uuid5(uuid.NAMESPACE_OID, str(call))
                    row = (1, 1, customer, 1, self.hours % STAFF + 1, call, start, start + LENGTH)
                    copy.write_row((*row, "confirmed", "retell", key, json.dumps({})))

    def some(self) -> tuple[int, int]:
        """Return a call and one of its appointments that was not cancelled."""
        rows = self.connection.execute(
            "select la.call_id, la.id from trueup.live_appointments as la where la.call_id is not null "
            "order by la.id"
        ).fetchall()
        call, made = self.dice.choice(rows)
        return int(call), int(made)

    def another_call(self, call: int, outcome: str) -> int:
        customer = self.one("select c.customer_id from public.calls as c where c.id = %s", call)
        return self.call(customer, outcome=outcome)


@pytest.mark.one_server
def test_a_normal_day_files_nothing(connection: Connection) -> None:
    day = Day(connection, random.Random(2025))
    day.open()
    day.load(50)
    usual = [
        (day.book, 40),
        (day.book_twice, 8),
        (day.enter_by_hand, 8),
        (day.reschedule, 10),
        (day.cancel, 8),
        (day.delete_and_restore, 8),
        (day.hear_again, 8),
        (day.hear_the_end, 10),
    ]
    acts, weights = zip(*usual, strict=True)
    while day.calls < CALLS:
        day.dice.choices(acts, weights)[0]()

    modes = connection.execute("select distinct g.mode from trueup.guards as g").fetchall()
    assert modes == [("observe",)]
    alerts = connection.execute(
        "select al.alert_type, al.entity_id, al.metadata from trueup.data_consistency_alerts as al"
    ).fetchall()
    assert alerts == []
    assert violations(connection) == {}


def test_the_day_was_not_an_empty_one(connection: Connection) -> None:
    """A fault on such a day is reported: the test above does not pass for want of looking."""
    day = Day(connection, random.Random(2025))
    day.open()
    day.book()
    day.do("update public.calls set appointment_made = false")
    assert violations(connection) == {}
    day.do("alter table public.appointments disable trigger user")
    day.do("update public.appointments set deleted_at = now()")
    assert {
        "call_made_without_appointment",
        "call_outcome_without_appointment",
        "call_backlink_broken",
    } <= violations(connection).keys()


def violations(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return what every check of the application's own tables reports, by check."""
    checks = connection.execute(
        "select distinct p.check_name from trueup.check_populations as p where p.table_name like 'public.%'"
    ).fetchall()
    assert len(checks) >= 8
    found = {
        name: connection.execute(
            f"select v.entity_id, v.description, v.evidence from trueup.{name} as v".encode()
        ).fetchall()
        for (name,) in checks
    }
    return {name: rows for name, rows in found.items() if rows}


# --- the property -----------------------------------------------------------

SEVERAL = 4
START = datetime(2025, 10, 22, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Appointment:
    call: int | None
    start: int
    cancelled: bool = False
    deleted: bool = False


@dataclass
class Model:
    """Decision D1 in plain words: what each call must say after each statement."""

    appointments: dict[int, Appointment] = field(default_factory=dict)
    named: dict[int, int | None] = field(default_factory=lambda: dict.fromkeys(range(1, SEVERAL + 1)))

    def settle(self) -> None:
        for call, named in self.named.items():
            kept = {key: a for key, a in self.appointments.items() if a.call == call and not a.deleted}
            if named not in kept:
                self.named[call] = min(
                    kept, key=lambda key: (kept[key].cancelled, kept[key].start, key), default=None
                )

    def says(self) -> list[tuple[Any, ...]]:
        return [
            (call, True, named, "linked", True, "appointment_booked")
            if named
            else (call, False, None, "unlinked", False, None)
            for call, named in sorted(self.named.items())
        ]


calls = st.none() | st.integers(1, SEVERAL)
some = st.lists(st.integers(0, 9), min_size=1, max_size=4)
new = st.lists(
    st.builds(Appointment, calls, st.integers(0, 20), st.booleans(), st.just(False) | st.booleans()),
    min_size=1,
    max_size=3,
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "call": calls,
        "start": st.integers(0, 20),
        "cancelled": st.booleans(),
        "deleted": st.booleans(),
    },
).filter(bool)
acts = st.one_of(
    st.tuples(st.just("insert"), new),
    st.tuples(st.just("upsert"), some, new),
    st.tuples(st.just("update"), some, changes),
    st.tuples(st.just("update"), some, changes),
    st.tuples(st.just("delete"), some),
    st.tuples(st.just("unset"), st.integers(1, SEVERAL), st.integers(0, 3)),
)
UNSET = (
    "appointment_made = false",
    "appointment_id = null",
    "appointment_link_status = 'unlinked'",
    "appointment_linked_at = null",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(acts, min_size=1, max_size=12))
def test_flags_are_what_the_appointments_say(connection: Connection, sequence: list[tuple[Any, ...]]) -> None:
    model = Model()
    with connection.transaction(force_rollback=True):
        connection.execute(
            "insert into public.companies (id, name) overriding system value values (1, 'a company')"
        )
        connection.execute(
            "insert into public.calls (id, company_id, retell_call_id, direction) overriding system value "
            "select g, 1, 'call_' || g, 'inbound' from generate_series(1, %s) as g",
            [SEVERAL],
        )
        connection.execute("update trueup.guards set mode = 'enforce'")
        for act in sequence:
            perform(connection, model, act)
            model.settle()
            assert said(connection) == model.says(), act
        connection.execute("set constraints all immediate")
        assert connection.execute("select * from trueup.data_consistency_alerts").fetchall() == []


def perform(connection: Connection, model: Model, act: tuple[Any, ...]) -> None:
    """Do one statement to the database and to the model."""
    kind, *what = act
    ids = sorted(model.appointments)
    if kind == "insert":
        write(connection, {max(ids, default=0) + 1 + n: a for n, a in enumerate(what[0])}, model)
    elif kind == "upsert" and ids:
        old = dict.fromkeys(ids[n % len(ids)] for n in what[0])
        write(connection, dict(zip([*old, max(ids) + 1], what[1], strict=False)), model)
    elif kind == "unset":
        call, column = what
        connection.execute(f"update public.calls set {UNSET[column]} where id = %s".encode(), [call])
    elif ids and kind in ("update", "delete"):
        chosen = list(dict.fromkeys(ids[n % len(ids)] for n in what[0]))
        if kind == "delete":
            connection.execute("delete from public.appointments where id = any(%s)", [chosen])
            for key in chosen:
                del model.appointments[key]
        else:
            values = columns(replace(Appointment(None, 0), **what[1]))
            names = {"call": ["call_id"], "start": ["starts_at", "ends_at"], "deleted": ["deleted_at"]}
            names["cancelled"] = ["status", "cancelled_at"]
            setting = [name for key in what[1] for name in names[key]]
            connection.execute(
                f"update public.appointments set {', '.join(f'{name} = %s' for name in setting)} "
                "where id = any(%s)".encode(),
                [*(values[name] for name in setting), chosen],
            )
            for key in chosen:
                model.appointments[key] = replace(model.appointments[key], **what[1])


def write(connection: Connection, rows: dict[int, Appointment], model: Model) -> None:
    """Insert rows, or update those that are there, in one statement."""
    values: list[object] = []
    for key, row in rows.items():
        values += [key, *columns(row).values()]
    connection.execute(
        "insert into public.appointments "
        "(id, company_id, call_id, starts_at, ends_at, status, cancelled_at, deleted_at) "
        f"overriding system value values {', '.join(['(%s, 1, %s, %s, %s, %s, %s, %s)'] * len(rows))} "
        "on conflict (id) do update set call_id = excluded.call_id, starts_at = excluded.starts_at, "
        "ends_at = excluded.ends_at, status = excluded.status, cancelled_at = excluded.cancelled_at, "
        "deleted_at = excluded.deleted_at".encode(),
        values,
    )
    model.appointments |= rows


def columns(row: Appointment) -> dict[str, object]:
    start = START + timedelta(hours=row.start)
    return {
        "call_id": row.call,
        "starts_at": start,
        "ends_at": start + LENGTH,
        "status": "cancelled" if row.cancelled else "confirmed",
        "cancelled_at": START if row.cancelled else None,
        "deleted_at": START if row.deleted else None,
    }


def said(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select c.id, c.appointment_made, c.appointment_id, c.appointment_link_status, "
        "c.appointment_linked_at is not null, c.session_outcome from public.calls as c order by c.id"
    ).fetchall()
