"""The preview of a repair, and the walk through the queue on a real terminal."""

from __future__ import annotations

import pytest
from helpers import sql, value
from rows import factory, flagged_call

import trueup
from trueup import repairing
from trueup.errors import RefusedError

# the preview


def test_a_preview_says_what_the_repair_then_does(incident_database: str) -> None:
    trueup.adopt(database=incident_database, apply=True)
    (call_id,) = sql(
        incident_database,
        "select min(v.entity_id)::text from trueup.call_booked_without_appointment as v"
        " inner join public.calls as c on v.entity_id = c.id where c.booking_details ? 'calcom_booking'",
    )[0]
    before = sql(incident_database, "select * from public.calls order by id")
    found = repairing.preview("call_booked_without_appointment", "call", call_id, database=incident_database)
    assert found.outcome == "corrected"
    assert f"call_booked_without_appointment call {call_id}" in found.resolved
    assert sql(incident_database, "select * from public.calls order by id") == before
    assert value(incident_database, "select count(*) from trueup.repairs") == 0
    assert value(incident_database, "select count(*) from trueup.manual_review_queue") == 0

    trueup.repair(["call_booked_without_appointment"], database=incident_database, apply=True)
    done = sql(
        incident_database,
        "select rc.table_name, rc.operation, rc.before is null from trueup.repair_changes as rc"
        " inner join trueup.repairs as r on rc.repair_id = r.id"
        " where r.entity_id = %s and r.check_name = 'call_booked_without_appointment' order by rc.id",
        call_id,
    )
    assert [(c.table_name, c.operation, c.before is None) for c in found.changes] == done


def test_a_preview_of_what_people_decide_queues_nothing(database: str) -> None:
    with factory(database) as db:
        flagged_call(db, 1)
    found = repairing.preview("call_made_without_appointment", "call", "1", database=database)
    assert (found.outcome, found.changes, found.resolved) == ("review", (), ())
    assert value(database, "select count(*) from trueup.manual_review_queue") == 0
    with pytest.raises(RefusedError, match="the name of no check"):
        repairing.preview("something", "call", "1", database=database)


MASKS = [
    ('"anna@example.org"', '"an***"'),
    ('"write to anna.b@example.org today"', '"write to an*** today"'),
    ('"+4930123456"', '"+4***56"'),
    ('"030 123 456"', '"03***56"'),
    ('"493012345678"', '"49***78"'),
    ('"2025-10-22T12:00:00+00:00"', None),
    ('"2025-10-22"', None),
    ('"0b3d6a52-0000-5f4e-9a5e-123456789012"', None),
    ('"bkDemoUid0001"', None),
    ("9000001", None),
]


@pytest.mark.one_server
def test_an_image_shows_no_address_and_no_number(database: str) -> None:
    for text, masked in MASKS:
        image = "trueup.changed_columns(jsonb_build_object('x', %s::jsonb), '{}') -> 'x'"
        assert value(database, f"select ({image})::text", text) == (masked or text)
