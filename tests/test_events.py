"""Webhook events: received once, applied in any order to one state, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Databases
from helpers import sql, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup import packs

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
        "trueup.webhook_events",
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


@pytest.mark.parametrize("story", STORIES)
def test_any_order_and_repetition_ends_in_one_state(enforced: str, story: str) -> None:
    events = STORIES[story]
    expected = apply(enforced, events)
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
