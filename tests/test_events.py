"""Webhook events: received once, applied in any order to one state, and nothing is lost."""

from __future__ import annotations

import asyncio
import hmac
import json
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Databases
from helpers import connected, eventually, launch, plant, run, sql, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueup
from trueup import events, packs
from trueup.errors import RefusedError
from trueup.events import AsyncEvents, Events, is_signed

GROUND = """
select factory.company(1), factory.company(2);
select factory.service(1, 1, 45, 700001), factory.service(2, 2, 45, 700002);
select factory.phone_number(1, '+493012345601', 1), factory.phone_number(2, '+493012345602', 2);
"""


def call_id(number: int) -> str:
    return f"call_{number:027x}"


def call_event(kind: str = "call_ended", number: int = 1, **changes: Any) -> dict[str, Any]:
    call: dict[str, Any] = {
        "call_id": call_id(number),
        "agent_id": "agent_1",
        "call_type": "phone_call",
        "from_number": "+491701111111",
        "to_number": "+493012345601",
        "direction": "inbound",
        "call_status": {"call_started": "ongoing"}.get(kind, "ended"),
        "start_timestamp": 1760950800000,
        "metadata": {},
    }
    if kind != "call_started":
        call |= {
            "end_timestamp": 1760950861000,
            "duration_ms": 61000,
            "disconnection_reason": "user_hangup",
        }
    if kind == "call_analyzed":
        call["call_analysis"] = {"call_successful": True, "custom_analysis_data": {"appointment_made": True}}
    return {"event": kind, "call": call | changes}


def booking_event(
    kind: str = "BOOKING_CREATED",
    uid: str = "bk1",
    start: str = "2025-10-22T12:00:00.000Z",
    at: str = "2025-10-20T09:01:05.000Z",
    previous: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "bookingId": 9000001 + sum(map(ord, uid)),
        "uid": uid,
        "eventTypeId": 700001,
        "title": "Haircut",
        "startTime": start,
        "endTime": start.replace(":00:00.000Z", ":45:00.000Z"),
        "status": "ACCEPTED",
        "attendees": [{"name": "Erika Muster", "email": "erika@example.com", "timeZone": "Europe/Berlin"}],
        "metadata": {},
        "length": 45,
    }
    if previous is not None:
        payload["rescheduleUid"] = previous
    if kind == "BOOKING_CANCELLED":
        payload |= {"status": "CANCELLED", "cancellationReason": "ill"}
        del payload["eventTypeId"]
    payload |= changes
    return {"triggerEvent": kind, "createdAt": at, "payload": payload}


def receive(url: str, *events: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = []
    for event in events:
        provider = "calcom" if "triggerEvent" in event else "retell"
        found += sql(url, "select * from trueup.receive_event(%s, %s)", provider, json.dumps(event))
    return found


def process(url: str) -> None:
    while value(url, "select objects from trueup.process_events()"):
        pass


@pytest.fixture
def ground(database: str) -> str:
    sql(database, GROUND)
    return database


def test_a_call_and_its_booking(ground: str) -> None:
    receive(ground, call_event("call_started"), call_event(), call_event("call_analyzed"))
    receive(ground, booking_event(metadata={"call_id": call_id(1)}))
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events") == [("processed", None)] * 4
    assert sql(
        ground, "select company_id, status, direction, duration_ms, appointment_made from public.calls"
    ) == [(1, "analyzed", "inbound", 61000, True)]
    assert sql(
        ground,
        "select company_id, status, source, calcom_booking_uid, call_id is not null from public.appointments",
    ) == [(1, "confirmed", "calcom", "bk1", True)]


def appointments(url: str, columns: str) -> list[tuple[Any, ...]]:
    return sql(url, f"select {columns} from public.appointments order by id")


# --- received ---------------------------------------------------------------------------


def test_an_event_is_stored_once(ground: str) -> None:
    ((first, duplicate, status),) = receive(ground, booking_event())
    assert (duplicate, status) == (False, "received")
    assert receive(ground, booking_event()) == [(first, True, "received")]
    process(ground)
    assert receive(ground, booking_event()) == [(first, True, "processed")]
    ((other, duplicate, _),) = receive(ground, booking_event(at="2025-10-20T09:01:06.000Z"))
    assert other != first
    assert not duplicate
    # a provider event has no time of its own: then NULL equals NULL
    ((started, _, _),) = receive(ground, call_event("call_started", start_timestamp=None))
    assert receive(ground, call_event("call_started", start_timestamp=None)) == [(started, True, "received")]


def test_eight_receive_one_event_at_once(ground: str) -> None:
    barrier = threading.Barrier(8)

    def one(_: int) -> tuple[int, bool]:
        with psycopg.connect(ground, autocommit=True) as connection:
            barrier.wait()
            received = Events(connection).receive("calcom", booking_event())
            return received.event_id, received.duplicate

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(8)))
    assert len({event_id for event_id, _ in found}) == 1
    assert sorted(duplicate for _, duplicate in found) == [False] + [True] * 7
    assert value(ground, "select count(*) from trueup.webhook_events") == 1


@pytest.mark.parametrize(
    "twice",
    [
        lambda event: json.dumps(event),
        lambda event: json.dumps(json.dumps(event)),
        lambda event: event | {"payload": json.dumps(event["payload"])},
        lambda event: (
            event | {"payload": event["payload"] | {"metadata": json.dumps(event["payload"]["metadata"])}}
        ),
    ],
)
def test_what_is_encoded_twice_is_stored_decoded(ground: str, twice: Any) -> None:
    event = booking_event(metadata={"call_id": call_id(1), "by": "agent"})
    sql(ground, "select * from trueup.receive_event('calcom', %s)", json.dumps(twice(event)))
    assert sql(ground, "select body, named_call_id from trueup.webhook_events") == [(event, call_id(1))]


@pytest.mark.parametrize(
    ("provider", "body", "sqlstate", "says"),
    [
        ("calcom", "[]", "TU302", "no JSON object"),
        ("calcom", "17", "TU302", "no JSON object"),
        ("calcom", "null", "TU302", "no JSON object"),
        ("calcom", '"a word"', "TU302", "no JSON object"),
        ("calcom", "{}", "TU302", "has no type"),
        ("calcom", '{"triggerEvent": 5}', "TU302", "has no type"),
        ("calcom", '{"triggerEvent": "BOOKING_CREATED"}', "TU302", "has no payload"),
        ("calcom", '{"triggerEvent": "BOOKING_CREATED", "payload": []}', "TU302", "has no payload"),
        ("calcom", '{"triggerEvent": "BOOKING_CREATED", "payload": {}}', "TU303", "which object"),
        ("calcom", '{"triggerEvent": "BOOKING_CREATED", "payload": {"uid": " "}}', "TU303", "which object"),
        ("calcom", '{"triggerEvent": "BOOKING_CREATED", "payload": {"uid": 7}}', "TU303", "which object"),
        ("calcom", json.dumps(booking_event(uid="x" * 5000)), "TU303", "which object"),
        ("retell", '{"event": "call_ended", "call": {"call_id": null}}', "TU303", "which object"),
        ("stripe", "{}", "TU301", "unknown provider"),
        ("calcom", "not json", "TU302", "no JSON"),
        ("calcom", '{"triggerEvent": "\\u0000"}', "TU302", "no JSON"),
        ("calcom", "[" * 100_000, "TU302", "no JSON"),
        ("calcom", json.dumps(booking_event(title="x" * 10_000_000)), "TU304", "larger than 1000000 bytes"),
    ],
    ids=lambda given: given[:30] if isinstance(given, str) else None,
)
def test_bad_input_is_refused_and_nothing_stored(
    ground: str, provider: str, body: str, sqlstate: str, says: str
) -> None:
    with psycopg.connect(ground) as connection:
        with pytest.raises(RefusedError, match=says) as refused:
            Events(connection).receive(provider, body)
        assert refused.value.sqlstate == sqlstate
    assert value(ground, "select count(*) from trueup.webhook_events") == 0


@pytest.mark.parametrize(
    "event",
    [
        {"triggerEvent": "PING", "createdAt": "2025-10-20T09:01:05.000Z", "payload": {}},
        {"triggerEvent": "MEETING_ENDED", "payload": {"uid": "bk1"}},
        {"triggerEvent": "call_ended", "payload": None},
    ],
)
def test_what_means_nothing_to_us_is_kept_as_ignored(ground: str, event: dict[str, Any]) -> None:
    ((_, _, status),) = receive(ground, event)
    assert status == "ignored"
    assert value(ground, "select error is not null and processed_at is not null from trueup.webhook_events")
    process(ground)
    assert value(ground, "select status from trueup.webhook_events") == "ignored"


# --- processed --------------------------------------------------------------------------


def test_a_status_never_goes_down(ground: str) -> None:
    receive(ground, call_event("call_analyzed"))
    process(ground)
    receive(ground, call_event("call_started"), call_event("call_ended"))
    process(ground)
    assert sql(ground, "select status, ended_at is not null from public.calls") == [("analyzed", True)]


def test_item_6_every_event_of_a_booking_reaches_its_call(ground: str) -> None:
    """Item 6 of the incident: cancel, move, delete and re-delivery, not the creation alone."""
    flags = (
        "select c.appointment_made, c.appointment_link_status, c.appointment_id = a.id, c.session_outcome, "
        "la.id is not null from public.calls as c cross join public.appointments as a "
        "left join trueup.live_appointments as la on la.id = a.id"
    )
    named: dict[str, Any] = {"metadata": {"call_id": call_id(1)}}
    receive(ground, call_event(), booking_event(**named))
    process(ground)
    assert sql(ground, flags) == [(True, "linked", True, "appointment_booked", True)]
    receive(
        ground,
        booking_event("BOOKING_RESCHEDULED", "bk2", "2025-10-23T12:00:00.000Z", said(0), "bk1", **named),
    )
    process(ground)
    assert sql(ground, flags) == [(True, "linked", True, "appointment_booked", True)]
    # cancelled: it was made and is linked, and is not live (decision D1)
    receive(ground, booking_event("BOOKING_CANCELLED", "bk2", "2025-10-23T12:00:00.000Z", said(1), **named))
    process(ground)
    assert sql(ground, flags) == [(True, "linked", True, "appointment_booked", False)]
    # deleted: the flags go, and no further event of call or booking sets them again
    sql(ground, "update public.appointments set deleted_at = now()")
    gone = [(False, "unlinked", None, None, False)]
    assert sql(ground, flags) == gone
    receive(
        ground, call_event("call_analyzed"), booking_event("BOOKING_CONFIRMED", "bk2", at=said(2), **named)
    )
    process(ground)
    assert sql(ground, flags) == gone
    sql(ground, "update public.appointments set deleted_at = null")
    assert sql(ground, flags) == [(True, "linked", True, "appointment_booked", False)]


@pytest.mark.parametrize(
    ("changes", "duration"),
    [
        ({"duration_ms": 10**12}, 61000),
        ({"duration_ms": "NaN"}, 61000),
        ({"duration_ms": 10**12, "end_timestamp": None}, None),
        ({"start_timestamp": 1}, None),
    ],
)
def test_a_duration_that_no_integer_holds_stops_no_call(
    ground: str, changes: dict[str, Any], duration: int | None
) -> None:
    receive(ground, call_event(**changes))
    process(ground)
    assert sql(ground, "select status, duration_ms from public.calls") == [("ended", duration)]
    receive(ground, call_event("call_analyzed", **changes))
    process(ground)
    assert sql(ground, "select status, duration_ms from public.calls") == [("analyzed", duration)]


def test_a_call_stored_without_an_end_in_sight_gets_its_own(ground: str) -> None:
    """Before PostgreSQL 17 the server does not subtract infinite times."""
    plant(
        ground,
        f"select factory.call(1, retell_call_id => '{call_id(1)}', status => 'ongoing', "
        "ended_at => 'infinity', duration_ms => null)",
    )
    calls = "select ended_at::text, duration_ms from public.calls"
    receive(ground, call_event("call_started"))
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events") == [("processed", None)]
    assert sql(ground, calls) == [("infinity", None)]
    receive(ground, call_event())
    process(ground)
    assert sql(ground, calls) == [("2025-10-20 09:01:01+00", 61000)]


def test_an_opinion_sets_no_flag(ground: str) -> None:
    """Decision D3: what a model says of a call is no booking."""
    receive(ground, call_event("call_analyzed"))
    process(ground)
    assert sql(
        ground,
        "select appointment_made, booking_confirmed, session_outcome, appointment_link_status from public.calls",
    ) == [(False, False, None, "unlinked")]


def test_item_8_nobody_gets_what_is_nobodys(ground: str) -> None:
    """Item 8 of the incident: no search through all companies, no company 1 by default."""
    receive(
        ground,
        call_event(to_number="+4999", from_number="+4998"),
        booking_event(eventTypeId=799999),
        booking_event("BOOKING_CANCELLED", uid="bk7"),
    )
    process(ground)
    assert (
        sql(ground, "select status, company_id, left(error, 14) from trueup.webhook_events")
        == [("parked", None, "unknown tenant")] * 3
    )
    for table in ("calls", "appointments", "customers"):
        assert value(ground, f"select count(*) from public.{table}") == 0
    assert value(ground, "select count(*) from trueup.event_unprocessed") == 3

    sql(ground, "select factory.phone_number(3, '+4999', 2), factory.service(3, 2, 45, 799999)")
    with psycopg.connect(ground) as connection:
        assert len(Events(connection).retry(status="parked")) == 3
    process(ground)
    assert sql(
        ground, "select company_id from public.calls union all select company_id from public.appointments"
    ) == [
        (2,),
        (2,),
    ]
    assert sql(ground, "select object_id from trueup.webhook_events where status = 'parked'") == [("bk7",)]


def test_evidence_that_contradicts_itself_is_no_evidence(ground: str) -> None:
    receive(ground, call_event(to_number="+493012345602"))
    process(ground)
    receive(ground, booking_event(metadata={"call_id": call_id(1)}))
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events where provider = 'calcom'") == [
        ("parked", "the event type and the call are of different companies")
    ]
    assert appointments(ground, "id") == []


def test_a_line_that_calls_another_company_is_told_by_the_direction(ground: str) -> None:
    numbers = {"from_number": "+493012345601", "to_number": "+493012345602"}
    receive(ground, call_event(number=1, **numbers), call_event(number=2, direction="outbound", **numbers))
    receive(ground, call_event(number=3, direction=None, **numbers))
    process(ground)
    assert sql(ground, "select company_id, direction from public.calls order by retell_call_id") == [
        (2, "inbound"),
        (1, "outbound"),
    ]
    assert value(ground, "select error from trueup.webhook_events where status = 'parked'") == (
        "unknown tenant: the numbers are lines of two companies"
    )


def test_a_booking_and_a_call_the_application_stored_are_found(ground: str) -> None:
    """What is the application's stays: a re-delivery never overwrites and never empties a column."""
    sql(
        ground,
        "select factory.customer(5, 1, 'Erika', '+491701111111'), factory.staff(6, 1);"
        "select factory.call(id => 7, retell_call_id => %s, customer_id => 5, customer_name => 'Erika', "
        "  session_outcome => 'callback_requested', metadata => '{\"mine\": 1}');"
        "select factory.appointment(id => 8, calcom_booking_uid => 'bk1', customer_id => 5, staff_id => 6,"
        "  source => 'manual', starts_at => '2025-10-22 12:00:00+00', ends_at => '2025-10-22 12:45:00+00',"
        "  metadata => '{\"mine\": 2}');"
        "update public.appointments set notes = 'mine', status = 'completed' where id = 8".replace(
            "%s", f"'{call_id(1)}'"
        ),
    )
    keep = "id, company_id, customer_id, staff_id, notes, metadata, source, status, starts_at, cancelled_at"
    before = appointments(ground, keep)
    receive(
        ground,
        call_event("call_analyzed", from_number=None, disconnection_reason=None),
        booking_event(start="2025-10-22T13:00:00.000Z", attendees=[], metadata=None),
        booking_event("BOOKING_CANCELLED", start="2025-10-22T13:00:00.000Z"),
    )
    process(ground)
    assert appointments(ground, keep) == before
    assert appointments(ground, "service_id, calcom_booking_id is not null") == [(1, True)]
    assert sql(
        ground,
        "select id, customer_id, customer_name, session_outcome, from_number, metadata -> 'mine' from public.calls",
    ) == [(7, 5, "Erika", "callback_requested", "+491700000000", 1)]


def test_an_event_of_a_call_without_a_company_makes_no_second_call(ground: str) -> None:
    sql(
        ground,
        "alter table public.calls alter column company_id drop not null, drop constraint calls_company_known",
    )
    plant(
        ground,
        f"select factory.call(id => 5, company_id => null, retell_call_id => '{call_id(1)}', status => 'ongoing', "
        "ended_at => null, duration_ms => null)",
    )
    calls = "select id, company_id, status from public.calls order by id"
    receive(ground, call_event())
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events") == [
        ("parked", "the call with this id has no company")
    ]
    assert sql(ground, calls) == [(5, None, "ongoing")]
    # somebody says whose it is
    sql(ground, "update public.calls set company_id = 1")
    sql(ground, "select trueup.retry_events(p_status => 'parked')")
    process(ground)
    assert sql(ground, calls) == [(5, 1, "ended")]
    # near miss: one that has a company beside it is brought up to date, and the other left alone
    plant(ground, f"select factory.call(id => 6, company_id => null, retell_call_id => '{call_id(1)}')")
    receive(ground, call_event("call_analyzed"))
    process(ground)
    assert sql(ground, calls) == [(5, 1, "analyzed"), (6, None, "ended")]


def test_a_move_that_the_application_asked_for_is_one_step(ground: str) -> None:
    receive(ground, booking_event())
    process(ground)
    sql(
        ground,
        "update public.appointments set starts_at = '2025-10-23 12:00+00', ends_at = '2025-10-23 12:45+00', "
        "calcom_booking_uid = 'bk2';"
        "insert into public.appointment_modifications "
        "(company_id, appointment_id, kind, old_starts_at, new_starts_at, actor) "
        "select 1, a.id, 'reschedule', '2025-10-22 12:00+00', '2025-10-23 12:00+00', 'ann' from public.appointments as a",
    )
    receive(
        ground,
        booking_event(
            "BOOKING_RESCHEDULED", "bk2", "2025-10-23T12:00:00.000Z", "2025-10-20T10:00:00.000Z", "bk1"
        ),
    )
    process(ground)
    assert sql(ground, "select actor from public.appointment_modifications") == [("ann",)]
    assert appointments(ground, "calcom_booking_uid, count(*) over ()") == [("bk2", 1)]


@pytest.mark.parametrize("cancel", ["", ", status = 'cancelled', cancelled_at = now()"])
def test_a_move_has_the_status_of_the_booking_it_leads_to(ground: str, cancel: str) -> None:
    receive(ground, booking_event())
    process(ground)
    sql(ground, f"update public.appointments set notes = 'mine' {cancel}")
    told = "status, calcom_booking_uid, cancelled_at is null"
    to_two = booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", status="PENDING")
    receive(ground, to_two)
    process(ground)
    assert appointments(ground, told) == [("pending", "bk2", True)]
    receive(ground, booking_event("BOOKING_CONFIRMED", "bk2", start(2), said(3)))
    process(ground)
    assert appointments(ground, told) == [("confirmed", "bk2", True)]
    # near miss: a word that says nothing of it
    sql(ground, f"update public.appointments set notes = 'mine' {cancel}")
    receive(
        ground, booking_event("BOOKING_RESCHEDULED", "bk3", start(3), said(4), "bk2", status="AWAITING_HOST")
    )
    process(ground)
    assert appointments(ground, told) == [
        ("cancelled", "bk3", False) if cancel else ("confirmed", "bk3", True)
    ]


def booked_here(url: str, more: str = "") -> int:
    """Book as the application does, for a call; return the appointment."""
    sql(url, f"select factory.call(1, retell_call_id => '{call_id(1)}')")
    return int(
        value(
            url,
            "select appointment_id from trueup.book_appointment(1, %s, p_service_id => 1, p_call_id => 1"
            f"{more})",
            NOW + timedelta(days=21),
        )
    )


def test_a_late_event_of_a_booking_that_was_moved_here_makes_no_second(ground: str) -> None:
    booked = booked_here(ground, ", p_booking_uid => 'bk1'")
    sql(
        ground,
        "select trueup.reschedule_appointment(1, %s, %s, p_booking_uid => 'bk2')",
        booked,
        NOW + timedelta(days=22),
    )
    named: dict[str, Any] = {"metadata": {"call_id": call_id(1)}}
    end = [(booked, "bk2", "confirmed", NOW + timedelta(days=22), 9000001 + sum(map(ord, "bk2")))]
    columns = "id, calcom_booking_uid, status, starts_at, calcom_booking_id"
    receive(ground, booking_event("BOOKING_CREATED", "bk1", start(1), said(1), **named))
    process(ground)
    assert appointments(ground, columns) == [(*end[0][:4], None)]
    # of what it was moved away from, too
    receive(ground, booking_event("BOOKING_CANCELLED", "bk1", start(1), said(3), **named))
    process(ground)
    receive(ground, booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", **named))
    process(ground)
    assert appointments(ground, columns) == end
    assert (
        sql(ground, "select status, appointment_id from trueup.webhook_events") == [("processed", booked)] * 3
    )


def test_a_late_event_of_a_booking_that_was_deleted_hard_makes_none(ground: str) -> None:
    booked = booked_here(ground, ", p_booking_uid => 'bk1'")
    sql(ground, "delete from public.appointments where id = %s", booked)
    receive(ground, booking_event("BOOKING_CREATED", "bk1", start(1), said(1)))
    process(ground)
    assert appointments(ground, "id") == []
    assert sql(ground, "select status, error from trueup.webhook_events") == [
        ("ignored", "the appointment of this booking was deleted here")
    ]


def test_an_appointment_whose_uid_somebody_took_away_is_for_a_person(ground: str) -> None:
    booked = booked_here(ground, ", p_booking_uid => 'bk1'")
    sql(ground, "update public.appointments set calcom_booking_uid = null, calcom_sync_status = null")
    receive(ground, booking_event("BOOKING_CREATED", "bk1", start(1), said(1)))
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events") == [
        ("parked", f"appointment {booked} bore this booking and bears none now")
    ]
    # near miss: another one bears it now
    sql(
        ground,
        "select factory.appointment(9, calcom_booking_uid => 'bk1'); select trueup.retry_events(p_status => 'parked')",
    )
    process(ground)
    assert sql(ground, "select status, appointment_id from trueup.webhook_events") == [("processed", 9)]


def test_what_its_call_has_booked_here_is_the_booking_that_names_the_call(ground: str) -> None:
    booked = booked_here(ground)
    named: dict[str, Any] = {"metadata": {"call_id": call_id(1)}}
    receive(ground, booking_event("BOOKING_CREATED", "bk1", start(1), said(1), bookingId=1, **named))
    # near miss: another start is another booking
    receive(ground, booking_event("BOOKING_CREATED", "bk5", start(5), said(1), bookingId=5, **named))
    process(ground)
    columns = "calcom_booking_uid, calcom_booking_id, call_id, source, starts_at"
    second = ("bk5", 5, 1, "calcom", NOW + timedelta(days=25))
    assert appointments(ground, columns) == [("bk1", 1, 1, "retell", NOW + timedelta(days=21)), second]
    receive(
        ground, booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", bookingId=2, **named)
    )
    process(ground)
    assert appointments(ground, columns) == [("bk2", 2, 1, "retell", NOW + timedelta(days=22)), second]
    assert sql(ground, "select distinct status from trueup.webhook_events") == [("processed",)]
    assert value(ground, "select min(id) from public.appointments") == booked


def test_two_that_its_call_has_booked_here_are_told_apart_by_a_person(ground: str) -> None:
    booked = booked_here(ground)
    also = value(
        ground,
        "select appointment_id from trueup.book_appointment(1, %s, p_service_id => 1, p_call_id => 1, "
        "p_booked_for => 'daughter')",
        NOW + timedelta(days=21),
    )
    receive(
        ground, booking_event("BOOKING_CREATED", "bk1", start(1), said(1), metadata={"call_id": call_id(1)})
    )
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events") == [
        ("parked", f"appointments {booked}, {also} of its call may be this booking")
    ]
    assert appointments(ground, "calcom_booking_uid") == [(None,), (None,)]


def test_the_number_of_a_booking_does_not_outlive_a_move(ground: str) -> None:
    receive(ground, booking_event())
    process(ground)
    receive(ground, booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", bookingId=None))
    process(ground)
    assert appointments(ground, "calcom_booking_uid, calcom_booking_id") == [("bk2", None)]
    receive(ground, booking_event("BOOKING_CANCELLED", "bk2", start(2), said(3), bookingId=12))
    process(ground)
    assert appointments(ground, "status") == [("cancelled",)]


def test_what_was_deleted_here_is_not_brought_back(ground: str) -> None:
    receive(ground, booking_event())
    process(ground)
    sql(ground, "update public.appointments set deleted_at = now()")
    receive(ground, booking_event(at="2025-10-21T09:00:00.000Z"))
    process(ground)
    assert appointments(ground, "deleted_at is null") == [(False,)]
    assert sql(ground, "select status, error from trueup.webhook_events order by id") == [
        ("processed", None),
        ("ignored", "the appointment of this booking was deleted here"),
    ]


def test_a_cancellation_may_come_first(ground: str) -> None:
    receive(ground, booking_event("BOOKING_CANCELLED", eventTypeId=700001, at="2025-10-20T11:00:00.000Z"))
    process(ground)
    assert appointments(ground, "id") == []
    receive(ground, booking_event())
    process(ground)
    assert appointments(ground, "status, cancelled_at, metadata") == [
        ("cancelled", datetime(2025, 10, 20, 11, tzinfo=UTC), {})
    ]


def legacy(url: str, rows: str) -> None:
    """Store rows of before: without our triggers, and unlike what our constraints say."""
    sql(url, "select factory.legacy('appointments_status_vocabulary', 'calls_status_vocabulary')")
    plant(url, rows)


def test_a_legacy_spelling_counts_as_what_it_means(ground: str) -> None:
    legacy(
        ground,
        "select factory.appointment(1, calcom_booking_uid => 'bk1', status => 'scheduled');"
        "select factory.appointment(2, calcom_booking_uid => 'bk2', status => 'No_Show');"
        f"select factory.call(1, retell_call_id => '{call_id(1)}', status => 'in_progress', ended_at => null, "
        "duration_ms => null)",
    )
    receive(ground, call_event())
    receive(ground, *(booking_event("BOOKING_CANCELLED", uid) for uid in ("bk1", "bk2")))
    process(ground)
    assert value(ground, "select status from public.calls") == "ended"
    assert appointments(ground, "status, cancelled_at is not null") == [
        ("cancelled", True),
        ("No_Show", False),
    ]


def test_a_status_that_nobody_knows_is_for_a_person(ground: str) -> None:
    """What cancels the booking, or moves it, is kept until somebody has said what the word means."""
    legacy(
        ground,
        "select factory.appointment(1, calcom_booking_uid => 'bk1', status => 'maybe');"
        "select factory.appointment(2, calcom_booking_uid => 'bk2', status => 'maybe')",
    )
    receive(
        ground,
        booking_event("BOOKING_CANCELLED", "bk1"),
        booking_event("BOOKING_RESCHEDULED", "bk3", "2025-10-23T12:00:00.000Z", previous="bk2"),
    )
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events order by id") == [
        ("parked", "the vocabulary does not know the status of appointment 1"),
        ("parked", "the vocabulary does not know the status of appointment 2"),
    ]
    assert value(ground, "select count(*) from public.appointment_modifications") == 0
    sql(
        ground,
        "update public.appointments set status = 'confirmed'; select trueup.retry_events(p_status => 'parked')",
    )
    process(ground)
    assert appointments(ground, "calcom_booking_uid, status") == [("bk1", "cancelled"), ("bk3", "confirmed")]


def test_an_event_waits_for_the_one_before_it_and_not_for_ever(ground: str) -> None:
    move = booking_event(
        "BOOKING_RESCHEDULED", "bk2", previous="bk1", rescheduleStartTime="2025-10-21T12:00:00Z"
    )
    receive(ground, move, booking_event(uid="bk5", metadata={"call_id": call_id(1)}))
    with psycopg.connect(ground, autocommit=True) as connection:
        assert Events(connection).process().waiting == 2
    assert sql(ground, "select error from trueup.webhook_events order by id") == [
        ("waits for the event that made the booking",),
        ("waits for the call that made the booking",),
    ]
    sql(
        ground,
        "update trueup.webhook_events set received_at = now() - interval '61 seconds', next_attempt_at = now()",
    )
    process(ground)
    assert appointments(ground, "calcom_booking_uid, call_id") == [("bk2", None), ("bk5", None)]
    # and when they come after all, it is one appointment, and the call's
    receive(ground, booking_event(start="2025-10-21T12:00:00.000Z", at="2025-10-20T08:00:00Z"), call_event())
    process(ground)
    assert appointments(ground, "calcom_booking_uid, call_id is not null") == [("bk2", False), ("bk5", True)]
    assert value(ground, "select count(*) from public.appointment_modifications") == 1


def test_a_booking_that_once_failed_is_woken_by_its_call(ground: str) -> None:
    """Nothing else looks at a processed event again: the appointment would stay without its call."""
    sql(
        ground,
        "create function public.refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'not now'; end; $$;"
        "create trigger refuse before insert on public.appointments for each row execute function public.refuse()",
    )
    receive(ground, booking_event(metadata={"call_id": call_id(1)}))
    sql(ground, "update trueup.webhook_events set received_at = now() - interval '61 seconds'")
    process(ground)
    assert sql(ground, "select status, attempt_count from trueup.webhook_events") == [("received", 1)]
    sql(ground, "drop trigger refuse on public.appointments")
    sql(ground, "update trueup.webhook_events set next_attempt_at = now()")
    process(ground)
    assert appointments(ground, "call_id") == [(None,)]
    receive(ground, call_event())
    process(ground)
    assert appointments(ground, "call_id is not null") == [(True,)]
    # whoever is woken has all its attempts, and is not counted as one that failed
    assert (
        sql(ground, "select status, attempt_count from trueup.webhook_events order by id")
        == [("processed", 0)] * 2
    )


def test_a_booking_is_woken_by_a_call_that_the_application_wrote(ground: str) -> None:
    """Processed without its call, and the row of the call comes before the events of the call do."""
    sql(ground, "update trueup.settings set value = '0' where name = 'event_order_wait'")
    receive(
        ground,
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1), metadata={"call_id": call_id(1)}),
        booking_event(
            "BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", metadata={"call_id": call_id(2)}
        ),
    )
    process(ground)
    linked = (
        "select ca.retell_call_id, cm.retell_call_id from public.appointments as a "
        "inner join public.appointment_modifications as m on m.appointment_id = a.id "
        "left join public.calls as ca on a.call_id = ca.id left join public.calls as cm on m.call_id = cm.id"
    )
    assert sql(ground, linked) == [(None, None)]
    for number, found in ((1, (call_id(1), None)), (2, (call_id(1), call_id(2)))):
        sql(ground, f"select factory.call({number}, retell_call_id => '{call_id(number)}')")
        receive(ground, recent("call_ended", number))
        process(ground)
        assert sql(ground, linked) == [found]
    # and then nothing is left to wake them for
    receive(ground, *(recent("call_analyzed", number) for number in (1, 2)))
    sql(
        ground,
        "select trueup.process_object('retell', %s), trueup.process_object('retell', %s)",
        call_id(1),
        call_id(2),
    )
    assert sql(ground, "select distinct status from trueup.webhook_events") == [("processed",)]


def test_a_parked_booking_is_woken_by_the_call_that_tells_its_company(ground: str) -> None:
    sql(ground, "select factory.service(3, 2, 45, 700001)")
    receive(ground, booking_event(metadata={"call_id": call_id(1)}))
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events") == [
        ("parked", "unknown tenant: several companies may have this booking")
    ]
    receive(ground, call_event())
    process(ground)
    assert (
        sql(ground, "select status, company_id, error from trueup.webhook_events")
        == [("processed", 1, None)] * 2
    )
    assert appointments(ground, "company_id, call_id is not null") == [(1, True)]


# --- what fails -------------------------------------------------------------------------


def test_a_poisonous_event_stops_no_other_and_ends_with_a_person(ground: str) -> None:
    receive(
        ground,
        call_event("call_started"),
        call_event(),
        call_event("call_analyzed", duration_ms="a minute"),
        call_event(number=2),
    )
    process(ground)
    assert sql(ground, "select status, attempt_count from trueup.webhook_events order by id") == [
        ("processed", 0),
        ("processed", 0),
        ("received", 1),
        ("processed", 0),
    ]
    assert sql(ground, "select status from public.calls order by retell_call_id") == [
        ("ended",),
        ("ended",),
    ]
    for attempt in range(2, 6):
        # not before its time
        process(ground)
        sql(ground, "update trueup.webhook_events set next_attempt_at = now() where status = 'received'")
        process(ground)
        assert value(ground, "select max(attempt_count) from trueup.webhook_events") == attempt
    assert sql(ground, "select status, error from trueup.webhook_events where attempt_count > 0") == [
        ("dead", 'invalid input syntax for type numeric: "a minute" (SQLSTATE 22P02)')
    ]
    assert sql(ground, "select reason, entity_type, severity, status from trueup.manual_review_queue") == [
        ("event_dead", "webhook_event", "critical", "pending")
    ]
    assert value(ground, "select count(*) from trueup.event_unprocessed") == 0


def test_a_guard_refuses_the_event_and_not_the_batch(ground: str) -> None:
    """A deferred guard looks inside the savepoint: at COMMIT it would refuse all that was processed."""
    sql(ground, "update trueup.guards set mode = 'enforce'")
    sql(ground, "update trueup.settings set value = '1' where name = 'event_max_attempts'")
    sql(
        ground,
        "create function public.confirm() returns trigger language plpgsql as "
        "$$ begin new.booking_confirmed := new.from_number = '+4911'; return new; end; $$;"
        "create trigger confirm before insert on public.calls for each row execute function public.confirm()",
    )
    receive(ground, call_event(from_number="+4911"), call_event(number=2))
    process(ground)
    assert sql(
        ground, "select status, error like 'call % violates guard%' from trueup.webhook_events order by id"
    ) == [("dead", True), ("processed", None)]


ENDED = ("call_ended", "call_analyzed")


@pytest.mark.one_server
def test_a_locked_row_delays_the_events_that_need_it_and_is_named(ground: str) -> None:
    receive(ground, call_event("call_started"))
    process(ground)
    with connected(ground, 1) as (holder,):
        holder.execute("select 1 from public.calls for update")
        receive(ground, call_event("call_started", agent_id="agent_2"), *map(call_event, ENDED))
        # three events of one object, one wait
        began = time.monotonic()
        with psycopg.connect(ground, autocommit=True) as connection:
            done = Events(connection).process()
        assert time.monotonic() - began < 6
        assert (done.objects, done.events, done.waiting) == (1, 3, 3)
        assert (
            sql(
                ground,
                "select status, attempt_count, error, next_attempt_at > now() + interval '15 seconds' "
                "from trueup.webhook_events where provider = 'retell' and status <> 'processed'",
            )
            == [("received", 0, "somebody else holds a row it needs", True)] * 3
        )
    sql(ground, "update trueup.webhook_events set next_attempt_at = now() where provider = 'retell'")
    assert events.process(database=ground).processed == 3
    assert sql(ground, "select status from public.calls") == [("analyzed",)]


@pytest.mark.one_server
def test_processing_ends_while_all_it_finds_is_locked(ground: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that only waited is not the end while others are due, and is when it comes round again."""
    receive(ground, *(call_event("call_started", number) for number in range(2)))
    process(ground)
    monkeypatch.setattr(events, "BATCH", 1)
    # due again as soon as they have waited, as they are when there are many
    sql(
        ground,
        "create function public.due() returns trigger language plpgsql as "
        "$$ begin new.next_attempt_at := clock_timestamp(); return new; end; $$;"
        "create trigger due before update on trueup.webhook_events for each row "
        "when (new.status = 'received') execute function public.due()",
    )
    with connected(ground, 1) as (holder,), ThreadPoolExecutor(1) as pool:
        holder.execute("select 1 from public.calls where retell_call_id = %s for update", (call_id(0),))
        receive(ground, *(call_event("call_ended", number) for number in range(2)))
        work = pool.submit(events.process, database=ground)
        try:
            done = work.result(timeout=30)
        finally:
            holder.rollback()
    assert (done.processed, done.waiting) == (1, 2)
    assert sql(ground, "select status from public.calls order by retell_call_id") == [
        ("ongoing",),
        ("ended",),
    ]


def test_an_event_without_an_object_is_for_a_person(ground: str) -> None:
    """receive_event refuses it; a row written past it must neither hang a worker nor be in anybody's way."""
    sql(
        ground,
        "insert into trueup.webhook_events (provider, event_type, body, body_hash) "
        "values ('retell', 'call_ended', '{}', 'a'), ('calcom', 'BOOKING_CREATED', '{}', 'b')",
    )
    receive(ground, call_event())
    with psycopg.connect(ground, autocommit=True) as connection:
        connection.execute("set statement_timeout = '30s'")
        taken = "select objects, processed from trueup.process_events(1)"
        assert connection.execute(taken).fetchall() == [(1, 1)]
        connection.execute(
            "update trueup.webhook_events set received_at = '2025-10-20' where object_id is null"
        )
        repaired = (
            "select r.outcome, r.reason from trueup.webhook_events as e, "
            "trueup.apply_repair('event_unprocessed', 'webhook_event', e.id::text) as r where e.object_id is null"
        )
        assert (
            connection.execute(repaired).fetchall()
            == [("review", "the event does not say which object it is about")] * 2
        )
    assert (
        value(ground, "select count(*) from trueup.manual_review_queue where reason = 'event_unprocessed'")
        == 2
    )


def test_moves_in_a_circle_are_for_a_person(ground: str) -> None:
    sql(ground, "update trueup.settings set value = '1' where name = 'event_max_attempts'")
    sql(ground, "update trueup.settings set value = '0' where name = 'event_order_wait'")
    receive(
        ground,
        booking_event("BOOKING_RESCHEDULED", "bk1", at=said(1), previous="bk2"),
        booking_event("BOOKING_RESCHEDULED", "bk2", at=said(2), previous="bk1"),
    )
    process(ground)
    assert sql(ground, "select status, error from trueup.webhook_events order by id") == [
        ("processed", None),
        ("dead", "the moves of booking bk1 form a circle (SQLSTATE TU310)"),
    ]
    assert appointments(ground, "calcom_booking_uid") == [("bk1",)]


def test_two_appointments_of_one_chain_are_not_merged(ground: str) -> None:
    """A step that comes after both its ends were given up waiting for: a person decides."""
    sql(ground, "update trueup.settings set value = '0' where name = 'event_order_wait'")
    receive(ground, booking_event("BOOKING_RESCHEDULED", "bk3", start(3), said(3), "bk2"))
    process(ground)
    receive(ground, booking_event("BOOKING_CREATED", "bk1", start(1), said(1)))
    process(ground)
    assert appointments(ground, "calcom_booking_uid") == [("bk3",), ("bk1",)]
    receive(ground, booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1"))
    process(ground)
    assert appointments(ground, "calcom_booking_uid, status") == [("bk3", "confirmed"), ("bk1", "confirmed")]
    assert sql(
        ground,
        "select error like 'appointments % bear bookings of one chain' from trueup.webhook_events where status = 'parked'",
    ) == [(True,)]


# --- several workers --------------------------------------------------------------------


def crowd(count: int) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for number in range(count):
        made += [call_event(kind, number) for kind in ("call_analyzed", "call_started", "call_ended")]
        made.append(booking_event(uid=f"bk{number}", metadata={"call_id": call_id(number)}, bookingId=number))
        made.append(
            booking_event(
                "BOOKING_RESCHEDULED",
                f"bk{number}-2",
                "2025-10-23T12:00:00.000Z",
                "2025-10-20T10:00:00.000Z",
                f"bk{number}",
                bookingId=10_000 + number,
            )
        )
    return made


def settled(url: str, count: int) -> None:
    assert sql(url, "select status, count(*) from trueup.webhook_events group by status") == [
        ("processed", 5 * count)
    ]
    assert sql(url, "select status, appointment_made, count(*) from public.calls group by 1, 2") == [
        ("analyzed", True, count)
    ]
    assert sql(
        url,
        "select count(*), count(distinct call_id), min(starts_at) = max(starts_at) from public.appointments",
    ) == [(count, count, True)]
    assert value(url, "select count(*) from public.appointment_modifications") == count


@pytest.mark.one_server
def test_workers_share_the_inbox(ground: str) -> None:
    receive(ground, *crowd(30))
    with connected(ground, 4) as connections:
        for connection in connections:
            connection.autocommit = True

        def work(connection: psycopg.Connection[Any]) -> int:
            done = 0
            while (found := Events(connection).process(3)).objects:
                done += found.events
            return done

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(work, connections)) >= 5 * 30 - 20
    process(ground)
    settled(ground, 30)


def test_nobody_else_takes_the_object_of_a_worker(ground: str) -> None:
    receive(ground, call_event("call_started"), booking_event(metadata={"call_id": call_id(1)}))
    with connected(ground, 2) as (first, second):
        assert Events(first).process(1).objects == 1
        sql(ground, "select * from trueup.receive_event('retell', %s)", json.dumps(call_event()))
        # its call is the other's, and a booking of that call waits for it
        assert Events(second).process().objects == 0
        first.commit()
        second.commit()
        assert Events(second).process().events == 2
        second.commit()
    assert sql(ground, "select status, appointment_made from public.calls") == [("ended", True)]


@pytest.mark.one_server
def test_a_worker_that_is_killed_loses_nothing(ground: str) -> None:
    receive(ground, *crowd(40))
    waiting = "select count(*) from trueup.webhook_events where status = 'received'"

    def begun(before: int, worker: subprocess.Popen[str]) -> bool:
        return bool(value(ground, waiting) < before or worker.poll() is not None)

    for _ in range(3):
        before = value(ground, waiting)
        worker = launch("events", "process", "--workers", "2", url=ground)
        eventually(partial(begun, before, worker))
        worker.kill()
        worker.communicate()
    eventually(
        lambda: (
            value(
                ground,
                "select count(*) from pg_stat_activity where application_name = 'trueup events process'",
            )
            == 0
        )
    )
    process(ground)
    settled(ground, 40)


# --- the command line and the signatures -------------------------------------------------


def test_signatures() -> None:
    body, secret = b'{"event":"call_ended"}', "key_1234"
    cal = hmac.new(secret.encode(), body, "sha256").hexdigest()
    assert is_signed("calcom", body, secret, cal)
    assert is_signed("calcom", body, secret, cal.upper())
    assert not is_signed("calcom", body + b"\n", secret, cal)
    assert not is_signed("calcom", body, "other", cal)
    assert not is_signed("calcom", body, secret, "")
    retell = hmac.new(secret.encode(), body + b"1760950861000", "sha256").hexdigest()
    assert is_signed("retell", body, secret, f"v=1760950861000,d={retell}")
    assert not is_signed("retell", body, secret, f"v=1760950861001,d={retell}")
    assert not is_signed("retell", body, secret, f"d={retell}")
    assert not is_signed("retell", body, secret, f"d={cal}")
    assert not is_signed("retell", body, secret, "v=\N{SNOWMAN},d=\N{SNOWMAN}")


@pytest.mark.one_server
def test_the_command_line(ground: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lines = [call_event("call_started"), call_event(), booking_event(metadata={"call_id": call_id(1)})]
    file.write_text("\n".join([json.dumps(line) for line in lines] + ["", json.dumps(lines[0])]) + "\n")
    done = run("events", "receive", file, url=ground)
    assert (done.returncode, done.stdout) == (0, "3 received, 1 duplicate\n"), done.stderr
    done = run("events", "process", "--workers", "2", url=ground)
    assert (done.returncode, done.stdout) == (0, "3 processed\n"), done.stderr
    assert run("events", "process", url=ground).stdout == "nothing is due\n"
    assert run("events", "list", url=ground).stdout == "no event waits\n"
    listed = json.loads(run("events", "list", "--status", "all", "--format", "json", url=ground).stdout)
    assert [each["event_type"] for each in listed] == ["BOOKING_CREATED", "call_ended", "call_started"]
    shown = run("events", "show", str(listed[0]["id"]), url=ground).stdout
    assert "BOOKING_CREATED of calcom" in shown
    assert '"uid": "bk1"' in shown
    assert run("events", "show", "4711", url=ground).returncode == 2


@pytest.mark.one_server
def test_a_document_over_several_lines_is_one_event(ground: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(booking_event(), indent=2))
    assert run("events", "receive", file, url=ground).stdout == "1 received\n"


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b'{"event": "call_ended", "call": {"call_id": "\xff\xfe"}}', "byte 46 is not UTF-8"),
        (b"not json", "this is no JSON"),
        (b"[1, 2]", "which provider"),
        (b'{"event": "call_ended", "call": {}}', "does not say which object"),
        (b'{"event": "call_ended", "call": {"call_id": "\\ud800"}}', "is no JSON"),
        (b'{"event": "call_ended", "call": {"call_id": "\0"}}', "is no JSON"),
    ],
    ids=["utf8", "json", "provider", "object", "surrogate", "nul"],
)
def test_bad_lines_are_named_and_good_ones_before_them_kept(
    ground: str, tmp_path: Path, bad: bytes, says: str
) -> None:
    file = tmp_path / "events.jsonl"
    good = [json.dumps(call_event(number=number)).encode() for number in (1, 2, 3)]
    file.write_bytes(b"\n".join([*good[:2], bad, good[2]]))
    done = run("events", "receive", file, url=ground)
    assert done.returncode == 2
    assert "line 3: " in done.stderr
    assert says in done.stderr
    assert "the 2 events before it were received" in done.stderr
    assert value(ground, "select count(*) from trueup.webhook_events") == 2


@pytest.mark.one_server
def test_a_wrong_signature_is_refused_and_the_secret_not_told(ground: str, tmp_path: Path) -> None:
    body, secret = json.dumps(booking_event()).encode(), "s3cret-of-the-webhook"
    file = tmp_path / "body.json"
    file.write_bytes(body)
    signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
    for arguments in (["--signature", "0" * 64], [], ["--signature", signature, "--provider", "retell"]):
        done = run("events", "receive", file, *arguments, url=ground, TRUEUP_WEBHOOK_SECRET=secret)
        assert done.returncode == 2
        assert "signature" in done.stderr
        assert secret not in done.stderr + done.stdout
    assert value(ground, "select count(*) from trueup.webhook_events") == 0
    done = run("events", "receive", file, "--signature", signature, url=ground, TRUEUP_WEBHOOK_SECRET=secret)
    assert (done.returncode, done.stdout) == (0, "1 received\n")


@pytest.mark.one_server
def test_the_same_asynchronously(ground: str) -> None:
    async def work() -> tuple[str, int, list[int]]:
        async with await psycopg.AsyncConnection.connect(ground, autocommit=True) as connection:
            inbox = AsyncEvents(connection)
            received = await inbox.receive("calcom", json.dumps(booking_event()).encode())
            done = await inbox.process()
            return received.status, done.processed, await inbox.retry(status="dead")

    assert asyncio.run(work()) == ("received", 1, [])


def test_an_application_needs_its_role_only(ground: str) -> None:
    name = value(ground, "select current_database()") + "_app"
    sql(ground, f"create role {name} login in role trueup_app")
    try:
        with psycopg.connect(ground.replace("postgres@", f"{name}@"), autocommit=True) as connection:
            assert Events(connection).receive("calcom", booking_event()).status == "received"
            assert Events(connection).process().processed == 1
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select * from trueup.webhook_events")
    finally:
        sql(ground, f"drop role {name}")


# --- any order, any repetition ---------------------------------------------------------

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def start(day: int) -> str:
    return iso(NOW + timedelta(days=20 + day))


def said(minute: int) -> str:
    return iso(NOW - timedelta(hours=3) + timedelta(minutes=minute))


def recent(kind: str, number: int, **changes: Any) -> dict[str, Any]:
    began = int((NOW - timedelta(hours=4)).timestamp() * 1000) + number * 600_000
    more = {"start_timestamp": began}
    if kind != "call_started":
        more["end_timestamp"] = began + 61000
    return call_event(kind, number, **more | changes)


def told(*kinds: str, **changes: Any) -> list[dict[str, Any]]:
    return [recent(kind, 1, **changes) for kind in kinds]


NAMED = {"metadata": json.dumps({"call_id": call_id(1), "note": "encoded twice"})}
STORIES: dict[str, list[dict[str, Any]]] = {
    "booked, moved twice and cancelled": [
        *told("call_started", "call_ended", "call_analyzed"),
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1), **NAMED),
        booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", **NAMED),
        booking_event("BOOKING_RESCHEDULED", "bk3", start(3), said(3), "bk2", rescheduleStartTime=start(2)),
        booking_event("BOOKING_CANCELLED", "bk3", start(3), said(4)),
    ],
    "moved there and back and there again": [
        booking_event("BOOKING_REQUESTED", "bk1", start(1), said(0), status="PENDING"),
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1)),
        booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1"),
        booking_event("BOOKING_RESCHEDULED", "bk3", start(1), said(3), "bk2"),
        booking_event("BOOKING_RESCHEDULED", "bk4", start(2), said(4), "bk3"),
    ],
    "moved to a booking that awaits confirmation": [
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1)),
        booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", status="PENDING"),
    ],
    "two bookings of one call, one rejected": [
        *told("call_started", "call_ended", "call_analyzed", from_number="+4917099"),
        booking_event("BOOKING_REQUESTED", "bk1", start(1), said(1), status="PENDING", **NAMED),
        booking_event("BOOKING_REJECTED", "bk1", start(1), said(2), **NAMED),
        booking_event("BOOKING_CREATED", "bk2", start(5), said(3), **NAMED),
    ],
    "a later call moves what the first one booked": [
        *told("call_started", "call_ended"),
        recent("call_ended", 2),
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1), **NAMED),
        booking_event(
            "BOOKING_RESCHEDULED", "bk2", start(2), said(20), "bk1", metadata={"call_id": call_id(2)}
        ),
        booking_event("BOOKING_CONFIRMED", "bk2", start(2), said(21)),
    ],
    "placeholders and a cancellation of what was moved": [
        *told("call_ended", "call_analyzed"),
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1), metadata={"call_id": "{{call_id}}"}),
        booking_event("BOOKING_CREATED", "bk9", start(7), said(1), metadata={"call_id": "call_1"}),
        booking_event("BOOKING_CANCELLED", "bk1", start(1), said(2)),
        booking_event("BOOKING_RESCHEDULED", "bk2", start(2), said(3), "bk1"),
    ],
    "two tenants, one uid": [
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1), bookingId=1),
        booking_event("BOOKING_CREATED", "bk1", start(1), said(1), eventTypeId=700002, bookingId=2),
        booking_event(
            "BOOKING_RESCHEDULED", "bk2", start(2), said(2), "bk1", eventTypeId=700002, bookingId=3
        ),
        booking_event("BOOKING_CANCELLED", "bk1", start(1), said(3), bookingId=1),
    ],
}

# company, uid, status, day of the start, call, steps
ENDS = {
    "booked, moved twice and cancelled": [
        (1, "bk3", "cancelled", 3, call_id(1), "reschedule reschedule cancel")
    ],
    "moved there and back and there again": [
        (1, "bk4", "confirmed", 2, None, "reschedule reschedule reschedule")
    ],
    "moved to a booking that awaits confirmation": [(1, "bk2", "pending", 2, None, "reschedule")],
    "two bookings of one call, one rejected": [
        (1, "bk1", "cancelled", 1, call_id(1), "cancel"),
        (1, "bk2", "confirmed", 5, call_id(1), None),
    ],
    "a later call moves what the first one booked": [(1, "bk2", "confirmed", 2, call_id(1), "reschedule")],
    "placeholders and a cancellation of what was moved": [
        (1, "bk2", "confirmed", 2, None, "cancel reschedule"),
        (1, "bk9", "confirmed", 7, None, None),
    ],
    "two tenants, one uid": [
        (1, "bk1", "cancelled", 1, None, "cancel"),
        (2, "bk2", "confirmed", 2, None, "reschedule"),
    ],
}
END = """
select
    a.company_id, a.calcom_booking_uid, a.status, extract(day from a.starts_at - %s)::integer, c.retell_call_id,
    (
        select string_agg(m.kind, ' ' order by m.created_at)
        from public.appointment_modifications as m
        where m.appointment_id = a.id
    )
from public.appointments as a
left join public.calls as c on a.call_id = c.id
order by a.company_id, a.calcom_booking_uid
"""
STATE = """
select jsonb_build_object(
    'calls', (
        select jsonb_agg(to_jsonb(c) - '{id,customer_id,appointment_id,created_at,updated_at,customer_linked_at,appointment_linked_at}'::text[]
            || jsonb_build_object('customer', concat_ws(' ', k.phone, k.email))
            order by c.retell_call_id)
        from public.calls as c
        left join public.customers as k on c.customer_id = k.id
    ),
    'appointments', (
        select jsonb_agg(to_jsonb(a) - '{id,customer_id,call_id,updated_at,idempotency_key}'::text[]
            || jsonb_build_object('customer', concat_ws(' ', k.name, k.phone), 'call', c.retell_call_id)
            order by a.company_id, a.calcom_booking_uid)
        from public.appointments as a
        left join public.customers as k on a.customer_id = k.id
        left join public.calls as c on a.call_id = c.id
    ),
    'modifications', (
        select jsonb_agg(to_jsonb(m) - '{id,appointment_id,call_id,updated_at}'::text[]
            || jsonb_build_object('booking', a.calcom_booking_uid, 'call', c.retell_call_id)
            order by a.company_id, a.calcom_booking_uid, m.created_at, m.kind)
        from public.appointment_modifications as m
        inner join public.appointments as a on m.appointment_id = a.id
        left join public.calls as c on m.call_id = c.id
    ),
    'customers', (select count(*) from public.customers),
    'events', (select jsonb_object_agg(e.status, e.times) from (
        select e.status, count(*) as times from trueup.webhook_events as e group by e.status
    ) as e)
)
"""
CHECKED = [
    c
    for c in packs.load().checks
    if c.name not in ("guard_disarmed", "check_not_run", "schema_contract_broken")
]


def fresh(url: str) -> None:
    sql(
        url,
        "truncate public.calls, public.appointments, public.appointment_modifications, public.customers, "
        "trueup.webhook_events, trueup.former_bookings",
    )


def apply(url: str, events: Sequence[dict[str, Any]], cuts: frozenset[int] = frozenset()) -> Any:
    """Receive events in this order, process after those whose number is in cuts and at the end."""
    fresh(url)
    for number, event in enumerate(events):
        receive(url, event)
        if number in cuts:
            process(url)
    process(url)
    return value(url, STATE)


def violations(url: str) -> list[tuple[Any, ...]]:
    union = " union all ".join(
        f"select '{check.name}', v.entity_type, v.entity_id::text from trueup.{check.name} as v"
        for check in CHECKED
    )
    return sql(url, union)


@pytest.fixture(scope="module")
def enforced(databases: Databases) -> Any:
    name = databases.create(databases.migrated())
    url = databases.server.url(name)
    sql(url, GROUND)
    sql(url, "update trueup.guards set mode = 'enforce'")
    yield url
    databases.drop(name)


@pytest.mark.one_server
@pytest.mark.parametrize("story", STORIES)
def test_any_order_and_repetition_ends_in_one_state(enforced: str, story: str) -> None:
    events = STORIES[story]
    expected = apply(enforced, events)
    assert sql(enforced, END, NOW + timedelta(days=20)) == ENDS[story]
    assert violations(enforced) == []
    assert expected["events"] == {"processed": len(events)}

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        order=st.permutations(range(len(events))),
        again=st.lists(st.integers(0, len(events) - 1), max_size=4),
        cuts=st.frozensets(st.integers(0, len(events) + 3)),
    )
    def prove(order: list[int], again: list[int], cuts: frozenset[int]) -> None:
        assert apply(enforced, [events[i] for i in [*order, *again]], cuts) == expected
        assert violations(enforced) == []

    prove()


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("event", "left"),
    [
        (call_event(call_type=None, to_number="+493012345699"), "call_type_missing call"),
        (call_event("call_started", to_number="+493012345699"), "call_stuck_ongoing call"),
        (booking_event(eventTypeId=700099), "appointment_past_open appointment"),
    ],
)
def test_a_parked_event_is_applied_whatever_it_tells(ground: str, event: dict[str, Any], left: str) -> None:
    """The repair is as strict as process_events: what the provider says is not undone for what it shows."""
    receive(ground, event)
    process(ground)
    assert value(ground, "select status from trueup.webhook_events") == "parked"
    sql(ground, "select factory.phone_number(9, '+493012345699'), factory.service(9, 1, 45, 700099)")
    done = trueup.repair(["event_unprocessed"], database=ground, apply=True)
    assert (done.corrected, done.review) == (1, 0), done.checks
    assert value(ground, "select status from trueup.webhook_events") == "processed"
    (named,) = value(ground, "select r.evidence -> 'leaves' from trueup.repairs as r")
    assert named.startswith(left)
    found = trueup.check(database=ground).results
    assert [result.name for result in found if result.violations] == [left.split()[0]]
