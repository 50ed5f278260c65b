"""Webhook events: received once, applied in any order to one state, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from helpers import sql, value

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
        "attendees": [
            {"name": "Erika Muster", "email": "erika@example.com", "timeZone": "Europe/Berlin"}
        ],
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
        ground, "select company_id, status, source, calcom_booking_uid, call_id is not null from public.appointments"
    ) == [(1, "confirmed", "calcom", "bk1", True)]
