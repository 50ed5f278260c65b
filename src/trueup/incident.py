"""The legacy database of the reference incident, for the demo and the acceptance tests.

Two companies, a hair salon and a physiotherapy practice, in October 2025: what a voice
agent, a calendar provider and an application that never compared notes had stored.
Everything is invented. The telephone numbers are of the ranges that the German regulator
keeps free for films and books, the addresses of domains that nobody can register. The
same rows come out every time.

Every call is in exactly one of these groups; the faults of a group are all there is to
find in it, except where the second table says that faults of two kinds share a call:

    calls  group                                 what is wrong
       44  confirmed: right                   4  nothing
                      backlink               17  the appointment names the call, not the reverse;
                                                 12 of them lack some of the booking flags, too
                      unlinked               10  the appointment bears the booking uid, 6 are the
                                                 agent's own and so miss their call
                      without appointment    13  nothing but the proof in booking_details; in 5 the
                                                 application noted that it failed, in 1 the proof is
                                                 encoded twice
        9  booked, not made                      outcome appointment_booked: 3 linkable (1 is the agent's
                                                 own), 6 without evidence
        6  made, no appointment                  flagged appointment_made, nothing to link
       29  without direction                     13 called a line of ours, 16 did not
        1  link unproven                         linked, method and confidence NULL
       60  link status: withheld             43  stored unlinked: 27 are anonymous, 16 gave a name
                        others               17  5 name_only for a fragment of speech, 4 anonymous
                                                 from a known number, 2 unlinked who gave a name,
                                                 4 whose customer is known, 2 linked to nobody
       24  odd, and right                        nothing
      173

    calls  fault                                 shares a call with
       11  fragment of speech as a name          4 withheld, 5 others (name_only), 2 without direction
       50  call type missing                     20 without direction, 30 withheld; 4 of these cannot be told

Of the 31 customers without a company 27 are named by one company only (11 by confirmed calls,
3 by calls without direction, 13 by appointments of the desk), 2 by both, 2 by none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, cycle
from random import Random
from typing import Any
from uuid import UUID, uuid5


@dataclass(frozen=True)
class Part:
    """One number of the composition, as statements/incident_counts.sql measures it.

    `before` holds of the legacy database, `after` once it was adopted and repaired.
    """

    name: str
    title: str
    before: int
    after: int


COMPOSITION = (
    Part("calls", "calls", 173, 173),
    Part("appointments", "appointments", 140, 153),
    Part("appointments_backfilled", "appointments created from the provider's proof", 0, 13),
    Part("customers", "customers", 60, 65),
    Part("confirmed", "confirmed calls", 44, 44),
    Part("confirmed_right", "confirmed, call and appointment name each other", 4, 44),
    Part("confirmed_backlink_missing", "confirmed, the appointment names the call only", 17, 0),
    Part("confirmed_unlinked", "confirmed, an unlinked appointment bears the booking uid", 10, 0),
    Part("confirmed_without_appointment", "confirmed, no appointment at all", 13, 0),
    Part("confirmed_without_appointment_withheld", "  of these, the caller withheld the number", 2, 0),
    Part("confirmed_without_appointment_double_encoded", "  of these, the proof is encoded twice", 1, 0),
    Part("confirmed_without_appointment_foreign_email", "  of these, an e-mail of the other company", 1, 0),
    Part("booked_not_made", "outcome appointment_booked, but not made", 9, 6),
    Part("booked_not_made_linkable", "  of these, an appointment bears the booking uid", 3, 0),
    Part("booked_not_made_unproven", "  of these, without any evidence", 6, 6),
    Part("made_without_appointment", "flagged as made, without an appointment", 6, 6),
    Part("direction_missing", "calls without direction", 29, 0),
    Part("direction_missing_line_ours", "  of these, a line of ours was called", 13, 0),
    Part("direction_missing_line_unknown", "  of these, neither number is ours", 16, 0),
    Part("direction_defaulted", "direction by default, and marked as one", 0, 16),
    Part("linked_without_confidence", "linked without confidence", 1, 0),
    Part("link_status_wrong", "wrong customer_link_status", 60, 0),
    Part("link_status_wrong_anonymous", "  of these, withheld and stored unlinked, no name", 27, 0),
    Part("link_status_wrong_name_only", "  of these, withheld and stored unlinked, with a name", 16, 0),
    Part("link_status_wrong_other", "  of these, others", 17, 0),
    Part("fragment_names", "fragments of speech stored as names", 11, 0),
    Part("fragment_phrases", "  different phrases among them", 3, 0),
    Part("call_type_missing", "ended calls without call_type", 50, 4),
    Part("call_type_missing_payload", "  of these, the stored payload tells it", 46, 0),
    Part("call_type_missing_unknown", "  of these, nothing tells it", 4, 4),
    Part("customers_without_company", "customers without a company", 31, 4),
    Part("customers_without_company_evidenced", "  of these, named by one company only", 27, 0),
    Part("customers_without_company_other", "  of these, named by both or by none", 4, 4),
    Part("odd_calls", "calls that look odd and are right", 24, 24),
)

_TABLES = (
    "companies",
    "branches",
    "staff",
    "services",
    "phone_numbers",
    "customers",
    "calls",
    "appointments",
    "appointment_modifications",
)
_FIRST_NAMES = (
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Emil",
    "Frieda",
    "Greta",
    "Hannes",
    "Ida",
    "Jonas",
    "Klara",
    "Lukas",
)
_LAST_NAMES = (
    "Albers",
    "Brandt",
    "Conrad",
    "Dietz",
    "Ebert",
    "Falk",
    "Gruber",
    "Hansen",
    "Ihle",
    "Jansen",
    "Keller",
)
_FRAGMENTS = ("Guten Tag.", "mir nicht", "Gleich fertig")
_WITHHELD = ("anonymous", "Anonymous", "unknown", "withheld", " private ", "RESTRICTED", "", None)
_OUTCOMES = ("information_only", "callback_requested", "transferred", "abandoned", "other", None)
_UID_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
_NAMESPACE = UUID("6f0d3c1e-5a0b-5b7e-9c55-2a3f6f7d1b10")
_OPENED = datetime(2025, 10, 1, 6, tzinfo=UTC)

_UNBOOKED: dict[str, Any] = {
    "session_outcome": None,
    "appointment_made": False,
    "appointment_id": None,
    "appointment_link_status": "unlinked",
    "appointment_linked_at": None,
}
_CREATION_FAILED: dict[str, Any] = {
    "session_outcome": "creation_failed",
    "appointment_link_status": "creation_failed",
    "booking_failed": True,
    "booking_failure_reason": "customer could not be created",
    "requires_manual_processing": True,
}


@dataclass(eq=False)
class _Row:
    """A row; as a value it stands for its id, which is known when all rows are."""

    columns: dict[str, Any]
    id: int = 0

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def set(self, **columns: Any) -> None:
        self.columns |= columns


@dataclass
class _House:
    """One company, and what belongs to it; `prefix` and a number of three digits are a telephone number."""

    id: int
    name: str
    prefix: str
    agent: str
    lines: list[_Row] = field(default_factory=list)
    services: list[_Row] = field(default_factory=list)
    customers: list[_Row] = field(default_factory=list)
    homeless: list[_Row] = field(default_factory=list)
    slots: list[tuple[_Row, datetime]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(300))


def legacy_sql() -> str:
    """Return the database as SQL for psql: it fills the empty tables of the host revision."""
    tables = _incident().tables
    statements = ["-- the legacy database of the reference incident, generated by trueup.incident"]
    statements += [_insert(table, tables[table]) for table in _TABLES]
    statements += [
        f"select setval(pg_get_serial_sequence('public.{table}', 'id'), {len(tables[table])});"
        for table in _TABLES
    ]
    return "\n\n".join(statements) + "\n"


def planted() -> dict[str, frozenset[int]]:
    """Return the ids of the rows of each group and fault: of calls, unless the name begins otherwise."""
    return {name: frozenset(row.id for row in rows) for name, rows in _incident().groups.items()}


@cache
def _incident() -> _Incident:
    return _Incident()


class _Incident:
    """Builds all rows, then numbers each table in the order of its creation times."""

    def __init__(self) -> None:
        self.random = Random(20251018)
        self.tables: dict[str, list[_Row]] = {table: [] for table in _TABLES}
        self.groups: dict[str, list[_Row]] = {}
        self.bookings = count(9_000_001)
        self.busy: dict[_Row | None, list[datetime]] = {}
        self.names = self._names()
        self.starts = self._starts()
        self.salon = self._house(
            _House(1, "Salon Morgenrot", "+493023125", "agent_0a4c71d2e98b53f6c1"),
            {"Haarschnitt": 45, "Waschen und Föhnen": 30, "Färben": 90, "Bart und Kontur": 30},
            {"Mitte": ("Jule", "Mert"), "Ost": ("Svea", "Timo")},
        )
        self.practice = self._house(
            _House(2, "Physiotherapie am Deich", "+494066969", "agent_7be02f13a64d90c85e"),
            {"Krankengymnastik": 45, "Manuelle Therapie": 30, "Lymphdrainage": 60},
            {"Hafen": ("Enno", "Rieke", "Wiebke")},
        )
        self.houses = (self.salon, self.practice)
        self.turns = cycle((self.salon, self.practice, self.salon, self.salon, self.practice))
        self._customers()
        self._confirmed()
        self._confirmed_without_appointment()
        self._booked_not_made()
        self._made_without_appointment()
        self._without_direction()
        self._link_unproven()
        self._withheld_unlinked()
        self._other_link_statuses()
        self._odd_bookings()
        self._odd_calls()
        self._desk()
        for rows in self.tables.values():
            rows.sort(key=lambda row: row["created_at"])
            for number, row in enumerate(rows, start=1):
                row.id = number

    # What there is to draw from

    def _names(self) -> Iterator[str]:
        names = [f"{first} {last}" for first in _FIRST_NAMES for last in _LAST_NAMES]
        self.random.shuffle(names)
        return iter(names)

    def _starts(self) -> list[datetime]:
        """Times of calls: shop hours of 6 to 18 October, at least a minute apart."""
        days = [datetime(2025, 10, day, 6, tzinfo=UTC) for day in range(6, 19) if day != 12]
        minutes = [day + timedelta(minutes=2 * n) for day in days for n in range(300)]
        return [
            start + timedelta(seconds=self.random.randrange(60)) for start in self.random.sample(minutes, 173)
        ]

    def _slots(self, staff: list[_Row]) -> list[tuple[_Row, datetime]]:
        """Times of appointments: 20 to 31 October, two hours for each, so nobody is in two at once."""
        slots = [
            (member, datetime(2025, 10, day, hour, self.random.choice((0, 15, 30)), tzinfo=UTC))
            for member in staff
            for day in range(20, 32)
            if day not in (25, 26)
            for hour in (8, 10, 12, 14)
        ]
        self.random.shuffle(slots)
        return slots

    def _house(self, house: _House, services: dict[str, int], branches: dict[str, tuple[str, ...]]) -> _House:
        def add(table: str, **columns: Any) -> _Row:
            return self._add(table, company_id=house.id, **columns, created_at=_OPENED, updated_at=_OPENED)

        self._add("companies", name=house.name, created_at=_OPENED, updated_at=_OPENED)
        staff = []
        for number, (name, members) in enumerate(branches.items(), start=100):
            branch = add("branches", name=name)
            house.lines.append(add("phone_numbers", branch_id=branch, number=f"{house.prefix}{number}"))
            staff += [add("staff", branch_id=branch, name=member) for member in members]
        for number, (name, minutes) in enumerate(services.items(), start=690_001 + 10_000 * house.id):
            row = add("services", name=name, duration_minutes=minutes, calcom_event_type_id=number)
            house.services.append(row)
        house.slots = self._slots(staff)
        return house

    def _slot(self, house: _House, customer: _Row | None) -> tuple[_Row, datetime]:
        """Take a free slot in which the customer has no other appointment near."""
        taken = self.busy.setdefault(customer, [])
        for number, (_, starts) in enumerate(house.slots):
            if all(abs(starts - other) > timedelta(hours=3) for other in taken):
                taken.append(starts)
                return house.slots.pop(number)
        raise AssertionError("no slot is left")

    def _stranger(self, house: _House) -> str:
        return f"{house.prefix}{next(house.numbers) + 300}"

    def _any(self, house: _House) -> _Row:
        return self.random.choice(house.customers)

    def _uid(self) -> str:
        return "bk" + "".join(self.random.choices(_UID_LETTERS, k=18))

    # Rows that agree with themselves, and what a group changes about them

    def _add(self, table: str, **columns: Any) -> _Row:
        row = _Row(columns)
        self.tables[table].append(row)
        return row

    def _group(self, name: str, *rows: _Row) -> None:
        self.groups.setdefault(name, []).extend(rows)

    def _customer(self, house: _House, company_id: int | None) -> _Row:
        name = next(self.names)
        area, line, number = house.prefix[3:5], house.prefix[5:], next(house.numbers)
        forms = (f"+49 {area} {line} {number}", f"0049 {area} {line}-{number}", f"{house.prefix}{number}")
        created = _OPENED + timedelta(minutes=self.random.randrange(60, 2000))
        return self._add(
            "customers",
            company_id=company_id,
            name=name,
            phone=self.random.choice(forms),
            email=_email(name),
            source=self.random.choice(("phone", "import", "website")),
            created_at=created,
            updated_at=created,
        )

    def _call(self, house: _House, customer: _Row | None = None, **changes: Any) -> _Row:
        """Add an inbound call, linked by its number if it has a customer, else with the status of rule K."""
        started = changes.pop("started_at", None) or self.starts.pop()
        seconds = self.random.randrange(35, 240)
        ended = started + timedelta(seconds=seconds)
        line = self.random.choice(house.lines)
        columns: dict[str, Any] = {
            "company_id": house.id,
            "branch_id": line["branch_id"],
            "phone_number_id": line,
            "retell_call_id": f"call_{self.random.randrange(16**27):027x}",
            "from_number": _plain_phone(customer["phone"]) if customer else self._stranger(house),
            "to_number": line["number"],
            "direction": "inbound",
            "call_type": "phone_call",
            "status": self.random.choice(("ended", "analyzed", "analyzed")),
            "started_at": started,
            "ended_at": ended,
            "duration_ms": seconds * 1000,
            "disconnection_reason": self.random.choice(("user_hangup", "user_hangup", "agent_hangup")),
            "customer_id": customer,
            "customer_name": self.random.choice((None, customer["name"])) if customer else None,
            "customer_link_status": "linked",
            "session_outcome": self.random.choice(_OUTCOMES),
            "metadata": _json({"retell": {"agent_id": house.agent, "call_type": "phone_call"}}),
            "created_at": started,
            "updated_at": ended,
        }
        if customer:
            columns["customer_link_method"] = "phone_match"
            columns["customer_link_confidence"] = "100.00"
            columns["customer_linked_at"] = started
        columns |= changes
        if not customer and "customer_link_status" not in changes:
            columns["customer_link_status"] = _link_status(columns["customer_name"], columns["from_number"])
        return self._add("calls", **columns)

    def _appointment(
        self, house: _House, customer: _Row, created: datetime, source: str = "retell", **changes: Any
    ) -> _Row:
        """Add an appointment that took place, known to the provider unless the desk entered it."""
        member, starts = self._slot(house, customer)
        service = self.random.choice(house.services)
        columns: dict[str, Any] = {
            "company_id": house.id,
            "branch_id": member["branch_id"],
            "customer_id": customer,
            "service_id": service,
            "staff_id": member,
            "call_id": None,
            "starts_at": starts,
            "ends_at": starts + timedelta(minutes=service["duration_minutes"]),
            "status": "completed",
            "source": source,
            "sync_origin": "admin" if source == "manual" else source,
            "created_at": created,
            "updated_at": created,
        }
        if source in ("retell", "calcom"):
            columns["calcom_booking_id"] = next(self.bookings)
            columns["calcom_booking_uid"] = self._uid()
            columns["calcom_sync_status"] = "synced"
        if source == "retell":
            columns["idempotency_key"] = uuid5(_NAMESPACE, columns["calcom_booking_uid"])
        return self._add("appointments", **columns | changes)

    def _booked(self, house: _House, customer: _Row, **changes: Any) -> tuple[_Row, _Row]:
        """Add a call and the appointment it made, in agreement."""
        call = self._call(house, customer, **changes)
        appointment = self._appointment(house, customer, _after(call), call_id=call)
        call.set(
            session_outcome="appointment_booked",
            appointment_made=True,
            appointment_id=appointment,
            appointment_link_status="linked",
            appointment_linked_at=appointment["created_at"],
        )
        return call, appointment

    def _confirm(self, call: _Row, appointment: _Row, attendee: str, email: str, **more: Any) -> None:
        """Store the provider's answer with the call: booking_details of shape (b), or with more of (c)."""
        service = appointment["service_id"]
        booking = {
            "id": appointment["calcom_booking_id"],
            "uid": appointment["calcom_booking_uid"],
            "start": _iso(appointment["starts_at"]),
            "end": _iso(appointment["ends_at"]),
            "duration": service["duration_minutes"],
            "eventTypeId": service["calcom_event_type_id"],
            "status": "accepted",
            "attendees": [{"name": attendee, "email": email, "timeZone": "Europe/Berlin"}],
            "metadata": {},
        }
        call.set(
            booking_confirmed=True,
            booking_id=booking["uid"],
            booking_details=_json({"confirmed_at": _iso(_after(call)), "calcom_booking": booking, **more}),
        )

    def _cancel(self, appointment: _Row, at: datetime) -> None:
        appointment.set(status="cancelled", cancelled_at=at, updated_at=at)

    def _modify(
        self, appointment: _Row, call: _Row | None, kind: str, at: datetime, new: datetime | None = None
    ) -> None:
        self._add(
            "appointment_modifications",
            company_id=appointment["company_id"],
            appointment_id=appointment,
            call_id=call,
            kind=kind,
            old_starts_at=appointment["starts_at"],
            new_starts_at=new,
            actor="retell" if call else "calcom",
            created_at=at,
            updated_at=at,
        )

    def _reschedule(self, house: _House, appointment: _Row, call: _Row | None, at: datetime) -> None:
        """Move the appointment; the provider gives it a new uid."""
        length = appointment["ends_at"] - appointment["starts_at"]
        member, starts = self._slot(house, appointment["customer_id"])
        self._modify(appointment, call, "reschedule", at, starts)
        appointment.set(
            branch_id=member["branch_id"],
            staff_id=member,
            previous_starts_at=appointment["starts_at"],
            starts_at=starts,
            ends_at=starts + length,
            calcom_booking_uid=self._uid(),
            updated_at=at,
        )

    def _availability(self, house: _House) -> str:
        """Return booking_details of shape (a): somebody asked whether there was time."""
        service = self.random.choice(house.services)["name"]
        checked = "2025-10-15T09:20:00.000Z"
        return _json({"date": "22.10.2025", "time": "14:00", "service": service, "checked_at": checked})

    def _extraction(self, house: _House) -> str:
        """Return booking_details of shape (d): what a model heard."""
        service = self.random.choice(house.services)["name"]
        return _json({"starts_at": "2025-10-23T10:00:00+02:00", "service_name": service, "confidence": 80})

    # The groups, in the order of the table above

    def _customers(self) -> None:
        for house, own, homeless in ((self.salon, 18, 17), (self.practice, 11, 10)):
            house.customers += [self._customer(house, house.id) for _ in range(own)]
            house.homeless += [self._customer(house, None) for _ in range(homeless)]
            self._group("customers_evidenced", *house.homeless)
        self.shared = [self._customer(house, None) for house in self.houses]
        unused = [self._customer(house, None) for house in self.houses]
        self._group("customers_other", *self.shared, *unused)

    def _confirmed(self) -> None:
        homeless = {house.id: iter(house.homeless) for house in self.houses}

        for house in (self.salon, self.salon, self.practice, self.practice):
            customer = self._any(house)
            call, appointment = self._booked(house, customer)
            self._confirm(call, appointment, customer["name"], customer["email"])
            self._group("confirmed_right", call)

        for number in range(17):
            house = next(self.turns)
            customer = next(homeless[house.id]) if number < 8 else self._any(house)
            call, appointment = self._booked(house, customer)
            self._confirm(call, appointment, customer["name"], customer["email"])
            self._group("confirmed_backlink", call)
            if number < 5:
                call.set(appointment_id=None)
            else:
                call.columns |= _UNBOOKED
                self._group("confirmed_not_flagged", call)
                if number < 11:
                    call.set(appointment_made=True, session_outcome="appointment_booked")
            if number in (6, 12):
                self._cancel(appointment, appointment["created_at"] + timedelta(days=1))

        for number in range(10):
            house = next(self.turns)
            customer = next(homeless[house.id]) if number < 3 else self._any(house)
            call = self._call(house, customer, session_outcome=None)
            source = "retell" if number < 6 else "calcom"
            appointment = self._appointment(house, customer, _after(call), source)
            self._confirm(call, appointment, customer["name"], customer["email"])
            self._group("confirmed_unlinked", call)
            if source == "retell":
                self._group("appointments_without_call", appointment)
            if number > 7:
                call.set(booking_id=None)

    def _confirmed_without_appointment(self) -> None:
        salon, practice = self.salon, self.practice
        callers: tuple[tuple[_House, str, _Row | None, bool], ...] = (
            (salon, "known number", salon.customers[1], False),
            (salon, "linked", salon.customers[2], False),
            (salon, "linked", salon.customers[3], True),
            (salon, "known e-mail", salon.customers[4], False),
            (salon, "new", None, False),
            (salon, "new", None, True),
            (salon, "withheld", None, False),
            (salon, "withheld", None, True),
            (salon, "known number", salon.customers[5], False),
            (salon, "foreign e-mail", practice.customers[0], False),
            (practice, "known number", practice.customers[1], True),
            (practice, "linked", practice.customers[2], False),
            (practice, "known e-mail", practice.customers[3], True),
        )
        for number, (house, how, customer, is_failed) in enumerate(callers):
            attendee = customer["name"] if customer else next(self.names)
            # the agent gives its own address for whoever has none: one for both withheld callers
            email = "termin@example.com" if how == "withheld" else _email(attendee)
            changes: dict[str, Any] = {"session_outcome": None}
            if how == "new" or (how == "withheld" and is_failed):
                changes["customer_name"] = attendee
            if how == "withheld":
                changes["from_number"] = None if is_failed else "anonymous"
            elif customer and how == "known number":
                changes["from_number"] = _plain_phone(customer["phone"])
            call = self._call(house, customer if how == "linked" else None, **changes)
            self._group("confirmed_without_appointment", call)

            service = house.services[number % len(house.services)]
            _, starts = self._slot(house, customer)
            booking = _Row(
                {
                    "calcom_booking_id": next(self.bookings),
                    "calcom_booking_uid": self._uid(),
                    "starts_at": starts,
                    "ends_at": starts + timedelta(minutes=service["duration_minutes"]),
                    "service_id": service,
                }
            )
            if is_failed:
                error = {"appointment_creation_failed": True, "appointment_creation_error": "no customer_id"}
                self._confirm(call, booking, attendee, email, **error)
                call.columns |= _CREATION_FAILED
                self._group("confirmed_creation_failed", call)
            else:
                self._confirm(call, booking, attendee, email)
            if number % 3 == 0:
                call.set(booking_id=None)
            if number == 8:
                call.set(booking_details=_json(call["booking_details"]))
                self._group("confirmed_double_encoded", call)

    def _booked_not_made(self) -> None:
        for source in ("retell", "calcom", "calcom"):
            house = next(self.turns)
            customer = self._any(house)
            call = self._call(house, customer, session_outcome="appointment_booked")
            appointment = self._appointment(house, customer, _after(call), source)
            call.set(booking_id=appointment["calcom_booking_uid"])
            self._group("booked_linkable", call)
            if source == "retell":
                self._group("appointments_without_call", appointment)
        for number in range(6):
            house = next(self.turns)
            details = (None, self._availability(house), self._extraction(house))[number % 3]
            caller = self._any(house) if number < 3 else None
            call = self._call(house, caller, session_outcome="appointment_booked", booking_details=details)
            self._group("booked_unproven", call)

    def _made_without_appointment(self) -> None:
        # four leave no trace, one call's appointment was deleted, one names what another call made
        for outcome in (None, None, None, "appointment_cancelled", "appointment_rescheduled", None):
            house = next(self.turns)
            customer = self._any(house)
            call = self._call(house, customer, session_outcome=outcome, appointment_made=True)
            self._group("made_unproven", call)
            if outcome == "appointment_rescheduled":
                others = self.groups["confirmed_right"]
                call.set(booking_id=next(c["booking_id"] for c in others if c["company_id"] == house.id))
        deleted = call["ended_at"] + timedelta(hours=5)
        self._appointment(house, customer, _after(call), call_id=call, deleted_at=deleted, updated_at=deleted)

    def _without_direction(self) -> None:
        callers = [(self.salon, self.salon.homeless[-1]), (self.practice, self.practice.homeless[-1])]
        callers.append((self.practice, self.practice.homeless[-2]))
        for number in range(29):
            house = next(self.turns)
            customer = name = None
            if number < 3:
                house, customer = callers[number]
            elif number % 3 == 0:
                customer = self._any(house)
            elif number in (4, 5):
                name = _FRAGMENTS[number - 4]
            elif number % 3 == 1:
                name = next(self.names)
            changes: dict[str, Any] = {"direction": None}
            if name:
                changes["customer_name"] = name
            if number >= 13:
                changes |= {"branch_id": None, "phone_number_id": None, "to_number": None}
                if customer or number % 2:
                    changes["to_number"] = f"{house.prefix}{900 + number}"
                else:
                    retell = {"agent_id": house.agent, "call_type": "web_call"}
                    changes |= {
                        "from_number": None,
                        "call_type": "web_call",
                        "metadata": _json({"retell": retell}),
                    }
            call = self._call(house, customer, **changes)
            self._group("direction_line_ours" if number < 13 else "direction_line_unknown", call)
            if number in (4, 5):
                self._group("fragment_names", call)
            if number < 20:
                call.set(call_type=None)
                self._group("call_type_payload", call)

    def _link_unproven(self) -> None:
        customer = self._any(self.salon)
        call = self._call(self.salon, customer, customer_link_method=None, customer_link_confidence=None)
        self._group("link_unproven", call)

    def _withheld_unlinked(self) -> None:
        for number in range(43):
            name = None
            if number >= 27:
                name = next(self.names)
            elif number < 4:
                name = _FRAGMENTS[number % 3]
            number_shown = _WITHHELD[number % len(_WITHHELD)]
            call = self._call(
                next(self.turns),
                from_number=number_shown,
                customer_name=name,
                customer_link_status="unlinked",
            )
            self._group("status_anonymous" if number < 27 else "status_name_only", call)
            if number < 4:
                self._group("fragment_names", call)
            if 10 <= number < 36:
                call.set(call_type=None)
                self._group("call_type_payload", call)
            elif number >= 39:
                call.set(call_type=None, metadata=_json({}))
                self._group("call_type_unknown", call)

    def _other_link_statuses(self) -> None:
        spoken: list[tuple[str | None, str]] = [
            (fragment, "name_only") for fragment in (*_FRAGMENTS, *_FRAGMENTS[:2])
        ]
        spoken += [(None, "anonymous"), (None, "anonymous"), (next(self.names), "anonymous")]
        spoken += [(next(self.names), status) for status in ("anonymous", "unlinked", "unlinked")]
        for name, status in spoken:
            call = self._call(next(self.turns), customer_name=name, customer_link_status=status)
            self._group("status_other", call)
            if name in _FRAGMENTS:
                self._group("fragment_names", call)

        for status in ("unlinked", "unlinked", "name_only", "anonymous"):
            house = next(self.turns)
            call = self._call(house, self._any(house), customer_link_status=status)
            if status == "anonymous":
                call.set(from_number="anonymous", customer_link_method="manual_link")
            else:
                call.set(customer_link_method=None, customer_link_confidence=None, customer_linked_at=None)
            self._group("status_customer_not_linked", call)

        for known_as in (None, next(self.names)):
            call = self._call(next(self.turns), customer_name=known_as, customer_link_status="linked")
            call.set(customer_link_method="phone_match", customer_link_confidence="100.00")
            call.set(customer_linked_at=call["started_at"])
            self._group("status_linked_to_nobody", call)

    def _odd_bookings(self) -> None:
        """Add 14 calls that made or changed a booking which did not stay as it was."""
        for outcome in ("appointment_cancelled", "appointment_cancelled", None, None):
            house = next(self.turns)
            customer = self._any(house)
            first, second = sorted((self.starts.pop(), self.starts.pop()))
            call, appointment = self._booked(house, customer, started_at=first)
            self._group("odd", call)
            later = None
            if outcome:
                later = self._call(house, customer, started_at=second, session_outcome=outcome)
                self._group("odd", later)
            else:
                self.starts.append(second)
            self._modify(appointment, later, "cancel", second + timedelta(seconds=30))
            self._cancel(appointment, second + timedelta(seconds=30))

        for number in range(3):
            house = next(self.turns)
            customer = self._any(house)
            first, second = sorted((self.starts.pop(), self.starts.pop()))
            call, appointment = self._booked(house, customer, started_at=first)
            later = self._call(house, customer, started_at=second, session_outcome="appointment_rescheduled")
            self._group("odd", call, later)
            if number == 2:
                self._reschedule(house, appointment, None, first + (second - first) / 2)
            self._reschedule(house, appointment, later, second + timedelta(seconds=30))

        # a mother books for her child, too
        mother, child = self.salon.customers[6:8]
        call, _ = self._booked(self.salon, mother)
        self._group("odd", call)
        booked_for = _json({"booked_for": "child"})
        self._appointment(self.salon, child, call["ended_at"], call_id=call, metadata=booked_for)

        # a caller changes his mind before he hangs up
        caller = self.practice.customers[5]
        call, appointment = self._booked(self.practice, caller)
        self._group("odd", call)
        self._cancel(appointment, call["ended_at"])
        self._appointment(self.practice, caller, call["ended_at"], call_id=call)

    def _odd_calls(self) -> None:
        """Add 10 calls that talk of a booking and made none, or that we made ourselves."""
        for outcome in ("information_only", "callback_requested", None):
            house = next(self.turns)
            details = self._availability(house)
            call = self._call(house, self._any(house), session_outcome=outcome, booking_details=details)
            self._group("odd", call)
        for outcome in ("information_only", "callback_requested", "other"):
            house = next(self.turns)
            call = self._call(house, session_outcome=outcome, booking_details=self._extraction(house))
            self._group("odd", call)

        for number in range(4):
            house = next(self.turns)
            callee = self._any(house) if number in (0, 3) else None
            line = house.lines[0]
            call = self._call(
                house, callee, direction="outbound", branch_id=line["branch_id"], phone_number_id=line
            )
            call.set(from_number=line["number"], to_number=call["from_number"])
            self._group("odd", call)
            if number == 1:
                call.set(session_outcome="voicemail", disconnection_reason="voicemail_reached")
            elif number == 2:
                call.set(status="failed", disconnection_reason="dial_no_answer", session_outcome=None)
                call.set(ended_at=call["started_at"], duration_ms=0)
            elif number == 3:
                call.set(customer_link_status="pending_review", customer_link_method="name_match")
                call.set(customer_link_confidence="60.00")

    def _desk(self) -> None:
        """Add what the desk, the website and the provider's page booked, until there are 140."""
        seen = {row["customer_id"] for row in self.tables["calls"]}
        due = [
            (house, customer) for house in self.houses for customer in house.homeless if customer not in seen
        ]
        due += [(house, customer) for house in self.houses for customer in self.shared]
        while len(self.tables["appointments"]) < 140:
            house, customer = due.pop() if due else (house := next(self.turns), self._any(house))
            created = datetime(2025, 10, self.random.randrange(2, 18), 7, tzinfo=UTC)
            created += timedelta(minutes=self.random.randrange(600))
            source = self.random.choice(("manual", "manual", "calcom", "api"))
            appointment = self._appointment(house, customer, created, source)
            end = self.random.randrange(12)
            if end == 0:
                appointment.set(status="no_show")
            elif end == 1:
                self._cancel(appointment, created + timedelta(days=1))


def _after(call: _Row) -> datetime:
    """Return when the booking of a call was made: half a minute into it."""
    moment: datetime = call["started_at"] + timedelta(seconds=30)
    return moment


def _email(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.com"


def _plain_phone(phone: str) -> str:
    return re.sub(r"^00", "+", re.sub(r"[^0-9+]", "", phone))


def _link_status(name: str | None, number: str | None) -> str:
    """Return the status of a call without a customer, rule K of the checks."""
    if name and name not in _FRAGMENTS:
        return "name_only"
    return "anonymous" if number in _WITHHELD else "unlinked"


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _insert(table: str, rows: list[_Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.columns))
    lines = []
    for row in rows:
        values = [_literal(row.columns[name]) if name in row.columns else "default" for name in names]
        lines.append(f"({', '.join([str(row.id), *values])})")
    head = f"insert into public.{table} (id, {', '.join(names)}) overriding system value values"
    return head + "\n" + ",\n".join(lines) + ";"


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, _Row):
        return str(value.id)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
