"""The preview of a repair, and the walk through the queue on a real terminal."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest
from helpers import eventually, run, sql, value
from rows import factory, flagged_call, queue
from terminal import Terminal

import trueup
from trueup import repairing
from trueup.errors import RefusedError

# the preview


@pytest.mark.one_server
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


# the walk

KEYS = "(q)uit  (?): "
STATES = "select id, status, claimed_by from trueup.manual_review_queue order by id"


@pytest.mark.one_server
def test_a_walk_through_the_queue(database: str) -> None:
    with factory(database) as db:
        flagged_call(db, 1)
        right = queue(db, "something", "7")
        wrong = queue(db, "call_made_without_appointment", "1")
        db.execute("update trueup.manual_review_queue set priority = 1 where id = %s", (wrong,))
        later, passed, returned, beyond = (queue(db, "something", str(n)) for n in (8, 9, 10, 11))
    trueup.check(["call_made_without_appointment"], database=database)
    with Terminal("review", "walk", "--as", "ann", url=database, columns=200) as terminal:
        shown = terminal.until(KEYS)
        assert "call 1" in shown
        assert "still lists it" in shown
        assert "queued" in shown, "its history"
        terminal.press("a")
        terminal.until("it would not correct it: review, the call bears no booking uid")
        terminal.until(KEYS)
        assert sql(database, STATES)[1] == (wrong, "in_progress", "ann")
        terminal.press("r")
        terminal.until("What did you do")
        terminal.press("nothing\n")
        terminal.until("still violates")
        terminal.until(KEYS)
        terminal.press("e")
        terminal.until("yours until")
        terminal.until(KEYS)
        terminal.press("d")
        terminal.until("Why may it stay")
        terminal.press("\n")
        terminal.until(KEYS)
        terminal.press("d")
        terminal.until("Why may it stay")
        terminal.press("a test call\n")
        terminal.until("call 7")
        terminal.until(KEYS)
        terminal.press("r")
        terminal.until("What did you do")
        terminal.press("called back\n")
        terminal.until("call 8")
        terminal.until(KEYS)
        terminal.press("s")
        terminal.until("Until when")
        terminal.press("yesterday\n")
        terminal.until("is no time")
        terminal.until(KEYS)
        terminal.press("s")
        terminal.until("Until when")
        terminal.press("2d\n")
        terminal.until("comes back at")
        terminal.until("call 9")
        terminal.until(KEYS)
        terminal.press("n")
        terminal.until("call 10")
        terminal.until(KEYS)
        terminal.press("l")
        terminal.until("next reader")
        terminal.press("ask the salon\n")
        terminal.until("call 11")
        terminal.until(KEYS)
        terminal.press("q")
        assert terminal.end() == 0
        assert f"item {beyond} is free again" in terminal.text
        assert "1 dismissed, 1 resolved, 1 snoozed, 1 released" in terminal.text
    assert [row[:2] for row in sql(database, STATES)] == [
        (right, "resolved"), (wrong, "dismissed"), (later, "pending"), (passed, "pending"),
        (returned, "pending"), (beyond, "pending"),
    ]  # fmt: skip


@pytest.mark.one_server
def test_an_offered_repair_is_previewed_and_applied(incident_database: str) -> None:
    trueup.adopt(database=incident_database, apply=True)
    call_id = value(incident_database, "select min(v.entity_id) from trueup.call_backlink_missing as v")
    queue_one = "select trueup.queue_review('call_backlink_missing', 'call', %s, 'look')"
    item_id = value(incident_database, queue_one, str(call_id))
    wrong = f"select count(*) from trueup.call_backlink_missing where entity_id = {call_id}"
    with Terminal("review", "walk", url=incident_database, columns=200, NO_COLOR="1") as terminal:
        assert "(a)pply the repair" in terminal.until(KEYS)
        terminal.press("a")
        shown = terminal.until("Apply it? y")
        assert f"update public.calls {call_id}" in shown
        assert "appointment_id" in shown
        assert f"gone: call_backlink_missing call {call_id}" in shown
        terminal.press("x")
        terminal.until("nothing was changed")
        assert value(incident_database, wrong) == 1
        terminal.until(KEYS)
        terminal.press("a")
        terminal.until("Apply it? y")
        terminal.press("y")
        terminal.until("trueup repair --undo")
        terminal.until("nothing more to review")
        assert terminal.end() == 0
        assert "\x1b[3" not in terminal.raw
    assert value(incident_database, wrong) == 0
    assert sql(incident_database, STATES)[0][:2] == (item_id, "resolved")


def waits(pid: int) -> bool:
    """Say whether a process sleeps, as one does that reads a terminal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.one_server
def test_a_walk_leaves_nothing_held(database: str) -> None:
    with factory(database) as db:
        item_id = queue(db, "something", "1")
    for end in ("\x03", "prompt", "term"):
        with Terminal("review", "walk", url=database) as terminal:
            terminal.until(KEYS)
            assert sql(database, STATES)[0][1] == "in_progress"
            if end == "term":
                terminal.process.send_signal(signal.SIGTERM)
            elif end == "prompt":
                terminal.press("d")
                terminal.until("Why may it stay")
                # Python does not see a signal between its last look and the read that waits
                eventually(partial(waits, terminal.process.pid))
                terminal.press("\x03")
            else:
                terminal.press(end)
            assert terminal.end() == (143 if end == "term" else 130)
            assert f"item {item_id} is free again" in terminal.text
        assert sql(database, STATES)[0][1] == "pending"


@pytest.mark.one_server
def test_a_claim_that_runs_out_is_told_and_one_that_is_lost_is_left(database: str) -> None:
    with factory(database) as db:
        item_id = queue(db, "something", "1")
        with Terminal("review", "walk", "--as", "ann", "--lease", "2s", url=database) as terminal:
            terminal.until("your claim ran out")
            terminal.press("e")
            terminal.until("yours until")
            terminal.until("your claim ran out")
            assert run("review", "claim", str(item_id), "--as", "bob", url=database).returncode == 0
            terminal.press("r")
            terminal.until("What did you do")
            terminal.press("\n")
            terminal.until("no longer yours")
            terminal.until("nothing more to review")
            assert terminal.end() == 0
    assert sql(database, STATES) == [(item_id, "in_progress", "bob")]


@pytest.mark.one_server
def test_a_walk_needs_a_terminal(database: str) -> None:
    done = run("review", "walk", url=database)
    assert done.returncode == 2
    assert done.stderr == (
        "trueup: review walk asks for keys on a terminal, and this is none; `trueup review next` is for scripts\n"
    )
