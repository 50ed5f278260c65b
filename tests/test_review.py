"""The review queue through Python and the command line: a life, a lease, two who ask at once."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo
from rows import factory, flagged_call, queue, value

from trueup import alerts, durations, review
from trueup.cli_review import review as command
from trueup.errors import NotFoundError, RefusedError, UsageError

Connection = psycopg.Connection[Any]
CHECK = "call_made_without_appointment"


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with factory(database) as connection:
        yield connection


def lapse(db: Connection, item_id: int) -> None:
    db.execute(
        "update trueup.manual_review_queue set lease_expires_at = now() - interval '1 s' where id = %s",
        (item_id,),
    )


def names(detail: review.Detail) -> list[str]:
    return [event.event for event in detail.events]


def invoke(database: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--database", database], catch_exceptions=False)


# the life of an item


def test_life_of_an_item(db: Connection, database: str) -> None:
    item_id = queue(db, "something", "1", p_company_id="1", p_metadata='{"uid": "x"}')

    claim = review.next_item("ann", database=database)
    assert claim is not None
    assert (claim.item.id, claim.item.claimed_by, claim.item.held) == (item_id, "ann", True)
    assert claim.item.metadata == {"uid": "x"}
    assert review.next_item("bob", database=database) is None

    review.extend(item_id, claim.token, timedelta(hours=3), database=database)
    assert review.release(item_id, claim.token, "not now", database=database).status == "pending"
    again = review.claim(item_id, "bob", timedelta(minutes=5), database=database)
    done = review.resolve(item_id, str(again.token), "called back", database=database)
    assert (done.status, done.decided_by, done.resolution_notes) == ("resolved", "bob", "called back")
    assert review.list_items(database=database) == []
    assert [item.id for item in review.list_items("resolved", reviewer="bob", database=database)] == [item_id]

    assert review.reopen(item_id, "again", "cyd", database=database).status == "pending"
    detail = review.show(item_id, database=database)
    assert names(detail) == ["queued", "claimed", "extended", "released", "claimed", "resolved", "reopened"]
    assert detail.events[-1].actor == "cyd"
    assert detail.events[-1].details["decided_by"] == "bob"


def test_the_database_user_is_the_reviewer_unless_told_otherwise(db: Connection, database: str) -> None:
    queue(db, "something", "1")
    claim = review.next_item(database=database)
    assert claim is not None
    assert claim.item.claimed_by == value(db, "select session_user::text")


def test_items_come_by_priority_then_due_time(db: Connection, database: str) -> None:
    late = queue(db, "something", "1")
    soon = queue(db, "something", "2", p_severity="critical")
    first = queue(db, "validation_failed", "3", p_severity="info")
    assert [item.id for item in review.list_items(database=database)] == [first, soon, late]
    assert [item.id for item in review.list_items(reason="something", limit=1, database=database)] == [soon]


def test_only_the_companys_items(db: Connection, database: str) -> None:
    queue(db, "something", "1", p_company_id="1")
    other = queue(db, "something", "2", p_company_id="2")
    claim = review.next_item("ann", company="2", database=database)
    assert claim is not None
    assert claim.item.id == other
    assert review.next_item("ann", company="2", database=database) is None
    assert len(review.list_items(company="1", database=database)) == 1


def test_snoozed_and_assigned_items_are_not_offered(db: Connection, database: str) -> None:
    item_id = queue(db, "something", "1")
    review.snooze(item_id, None, datetime.now(UTC) + timedelta(hours=1), database=database)
    assert review.next_item("ann", database=database) is None
    claim = review.claim(item_id, "ann", database=database)
    review.reassign(item_id, claim.token, "bob", "his", database=database)
    assert review.next_item("ann", database=database) is None
    with pytest.raises(RefusedError, match="assigned to bob"):
        review.claim(item_id, "ann", database=database)
    offered = review.next_item("bob", database=database)
    assert offered is not None
    assert offered.item.id == item_id


def test_overdue_items_escalate_once(db: Connection, database: str) -> None:
    item_id = queue(db, "something", "1")
    queue(db, "something", "2")
    db.execute(
        "update trueup.manual_review_queue set due_at = now() - interval '1 s' where id = %s", (item_id,)
    )
    (moved,) = review.escalate("cron", database=database)
    assert (moved.id, moved.priority, moved.overdue) == (item_id, 4, True)
    assert review.escalate("cron", database=database) == []
    assert review.show(item_id, database=database).events[-1].actor == "cron"


# decisions


def test_what_is_still_wrong_is_not_resolved(db: Connection, database: str) -> None:
    flagged_call(db, 7)
    item_id = queue(db, CHECK, "7")
    alert_id = value(db, "select trueup.file_alert(%s, '1', 'call', '7', 'wrong', '{}')", (CHECK,))
    claim = review.claim(item_id, "ann", database=database)
    matter = review.show(item_id, database=database).matter
    assert (matter.violated, matter.repair, matter.alert_id) == (True, "evidence", alert_id)
    assert matter.evidence is not None

    with pytest.raises(RefusedError, match=f"call 7 still violates {CHECK}\nMend the row first"):
        review.resolve(item_id, claim.token, "done", database=database)

    db.execute("update public.calls set appointment_made = false where id = 7")
    assert review.show(item_id, database=database).matter.violated is False
    review.resolve(item_id, claim.token, "no booking was made", database=database)
    alert = alerts.show(alert_id, database=database)
    assert (alert.status, alert.resolution, alert.resolution_notes) == (
        "resolved",
        "fixed elsewhere",
        "no booking was made",
    )


def test_dismissing_accepts_the_alert_and_reopening_takes_it_back(db: Connection, database: str) -> None:
    flagged_call(db, 7)
    item_id = queue(db, CHECK, "7")
    claim = review.claim(item_id, "ann", database=database)
    review.dismiss(item_id, claim.token, "a test call", database=database)
    (alert,) = alerts.list_alerts("accepted", database=database)
    assert (alert.accepted_by, alert.accepted_reason, alert.accepted_until) == ("ann", "a test call", None)

    review.reopen(item_id, database=database)
    assert alerts.list_alerts("accepted", database=database) == []
    assert len(alerts.list_alerts("open", database=database)) == 1


def test_reopening_leaves_a_later_acceptance_alone(db: Connection, database: str) -> None:
    flagged_call(db, 7)
    item_id = queue(db, CHECK, "7")
    claim = review.claim(item_id, "ann", database=database)
    review.dismiss(item_id, claim.token, "a test call", database=database)
    (alert,) = alerts.list_alerts("accepted", database=database)
    alerts.accept(alert.id, "ticket 12", actor="boss", database=database)
    review.reopen(item_id, database=database)
    assert alerts.show(alert.id, database=database).accepted_by == "boss"


def test_a_refused_decision_changes_nothing(db: Connection, database: str) -> None:
    flagged_call(db, 7)
    item_id = queue(db, CHECK, "7")
    claim = review.claim(item_id, "ann", database=database)
    before = review.show(item_id, database=database)
    with pytest.raises(RefusedError):
        review.resolve(item_id, claim.token, "done", database=database)
    with pytest.raises(RefusedError, match="not dismissed without a reason"):
        review.dismiss(item_id, claim.token, " ", database=database)
    assert review.show(item_id, database=database) == before


def test_a_decision_asked_twice_is_made_once(db: Connection, database: str) -> None:
    item_id = queue(db, "something", "1")
    claim = review.claim(item_id, "ann", database=database)
    first = review.resolve(item_id, claim.token, "done", database=database)
    assert review.resolve(item_id, claim.token, "done", database=database) == first
    assert names(review.show(item_id, database=database)).count("resolved") == 1
    with pytest.raises(RefusedError, match="already resolved by ann"):
        review.dismiss(item_id, claim.token, "no", database=database)


# token and lease


Write = Callable[[int, Any, str], object]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda i, t, d: review.extend(i, t, database=d), id="extend"),
        pytest.param(lambda i, t, d: review.release(i, t, database=d), id="release"),
        pytest.param(lambda i, t, d: review.resolve(i, t, "done", database=d), id="resolve"),
        pytest.param(lambda i, t, d: review.dismiss(i, t, "fine", database=d), id="dismiss"),
        pytest.param(
            lambda i, t, d: review.snooze(i, t, datetime.now(UTC) + timedelta(days=1), database=d),
            id="snooze",
        ),
        pytest.param(lambda i, t, d: review.reassign(i, t, "cyd", database=d), id="reassign"),
    ],
)
def test_a_stale_token_writes_nothing(db: Connection, database: str, write: Write) -> None:
    item_id = queue(db, "something", "1")
    stale = review.claim(item_id, "ann", database=database).token
    lapse(db, item_id)
    review.claim(item_id, "bob", database=database)
    before = review.show(item_id, database=database)
    with pytest.raises(RefusedError, match="stale") as caught:
        write(item_id, stale, database)
    assert isinstance(caught.value.__cause__, psycopg.Error)
    assert caught.value.__cause__.sqlstate == "TU001"
    assert "Claim the item again" in str(caught.value)
    assert review.show(item_id, database=database) == before


def test_an_expired_lease_returns_the_item(db: Connection, database: str) -> None:
    item_id = queue(db, "something", "1")
    review.claim(item_id, "ann", database=database)
    with pytest.raises(RefusedError, match="claimed by ann until 20"):
        review.claim(item_id, "bob", database=database)
    lapse(db, item_id)
    (waiting,) = review.list_items(database=database)
    assert (waiting.status, waiting.held) == ("in_progress", False)
    claim = review.next_item("bob", database=database)
    assert claim is not None
    assert claim.item.claimed_by == "bob"
    assert names(review.show(item_id, database=database)) == ["queued", "claimed", "lease_expired", "claimed"]


def test_an_expired_claim_is_extended_and_then_decides(db: Connection, database: str) -> None:
    item_id = queue(db, "something", "1")
    token = review.claim(item_id, "ann", database=database).token
    lapse(db, item_id)
    with pytest.raises(RefusedError, match="Extend the lease"):
        review.resolve(item_id, token, "done", database=database)
    review.extend(item_id, token, database=database)
    assert review.resolve(item_id, token, "done", database=database).status == "resolved"


@pytest.mark.one_server
def test_what_is_no_token_is_said_to_be_none(database: str) -> None:
    with pytest.raises(UsageError, match="'abc' is no token"):
        review.release(1, "abc", database=database)


@pytest.mark.one_server
def test_an_unknown_item(database: str) -> None:
    with pytest.raises(NotFoundError, match="review item 99 does not exist"):
        review.show(99, database=database)
    with pytest.raises(RefusedError, match="review item 99 does not exist"):
        review.claim(99, "ann", database=database)
    with pytest.raises(UsageError, match="the statuses are open"):
        review.list_items("snoozed", database=database)


# two at once


def together(*work: Callable[[], review.Claim | None]) -> list[review.Claim | None]:
    barrier = threading.Barrier(len(work))

    def run(each: Callable[[], review.Claim | None]) -> review.Claim | None:
        barrier.wait()
        return each()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def test_reviewers_who_ask_at_once_get_different_items(db: Connection, database: str) -> None:
    for number in range(20):
        queue(db, "something", str(number))
    for _ in range(5):
        claims = together(
            *(
                lambda name=name: review.next_item(name, database=database)
                for name in ("ann", "bob", "cyd", "dan")
            )
        )
        assert all(claims)
    held = review.list_items("in_progress", database=database)
    assert len(held) == 20
    assert value(db, "select count(distinct claim_token) from trueup.manual_review_queue") == 20


def test_one_item_goes_to_one_of_two(db: Connection, database: str) -> None:
    for number in range(10):
        item_id = queue(db, "something", str(number))
        claims = together(
            lambda: review.next_item("ann", database=database),
            lambda: review.next_item("bob", database=database),
        )
        (claim,) = [claim for claim in claims if claim]
        assert claim.item.id == item_id
        assert names(review.show(item_id, database=database)) == ["queued", "claimed"]


def test_an_item_that_another_session_is_taking_is_passed_over(db: Connection, database: str) -> None:
    first, second = queue(db, "something", "1"), queue(db, "something", "2")
    with psycopg.connect(database) as other:
        taken = value(other, "select q.id from trueup.claim_review('ann') as q")
        claim = review.next_item("bob", database=database)
        assert claim is not None
        assert (taken, claim.item.id) == (first, second)
        assert review.next_item("cyd", database=database) is None
        other.rollback()
    claim = review.next_item("cyd", database=database)
    assert claim is not None
    assert claim.item.id == first


def test_an_item_decided_while_the_same_is_queued_is_queued_anew(db: Connection, database: str) -> None:
    # the trigger stops a writer between the INSERT, which finds the item open, and its look-up
    db.execute(
        "create function public.stop() returns trigger language plpgsql as $$ begin "
        "perform pg_advisory_xact_lock(7); return null; end $$; "
        "create trigger stop after insert on trueup.manual_review_queue "
        "for each statement execute function public.stop()"
    )
    first = queue(db, "something", "1")
    again = "select trueup.queue_review('something', 'call', '1', 'look')"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database, autocommit=True) as other:
        db.execute("select pg_advisory_lock(7)")
        second = pool.submit(value, other, again)
        waits = "select count(*) from pg_stat_activity where pid = %s and wait_event = 'advisory'"
        while not value(db, waits, (other.info.backend_pid,)):
            assert not second.done()
        db.execute("update trueup.manual_review_queue set status = 'resolved' where id = %s", (first,))
        db.execute("select pg_advisory_unlock(7)")
        assert second.result(60) not in (None, first)
    assert value(db, again) == second.result()


def test_one_item_claimed_by_name_at_once(db: Connection, database: str) -> None:
    item_id = queue(db, "something", "1")

    refusals = []

    def claim(reviewer: str) -> review.Claim | None:
        try:
            return review.claim(item_id, reviewer, database=database)
        except RefusedError as error:
            refusals.append(str(error))
            return None

    claims = together(lambda: claim("ann"), lambda: claim("bob"))
    (claimed,) = [claim for claim in claims if claim]
    (refusal,) = refusals
    assert f"is claimed by {claimed.item.claimed_by} until" in refusal


# what the functions may be called by


def test_a_reviewer_works_through_functions_alone(db: Connection, database: str) -> None:
    flagged_call(db, 7)
    item_id = queue(db, CHECK, "7")
    role = value(db, "select 'ann_' || current_database()")
    db.execute(f"create role {role} login in role trueup_reviewer".encode())
    as_role = make_conninfo(database, user=role)
    try:
        claim = review.next_item(database=as_role)
        assert claim is not None
        assert claim.item.claimed_by == role
        assert review.show(item_id, database=as_role).matter.violated
        review.extend(item_id, claim.token, database=as_role)
        review.dismiss(item_id, claim.token, "a test call", database=as_role)
        (alert,) = alerts.list_alerts("accepted", database=as_role)
        assert alert.accepted_by == role
        with psycopg.connect(as_role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update trueup.manual_review_queue set status = 'pending'")
    finally:
        db.execute(f"drop owned by {role}".encode())
        db.execute(f"drop role {role}".encode())


# the command line


@pytest.mark.one_server
def test_next_prints_the_item_and_how_to_go_on(db: Connection, database: str) -> None:
    flagged_call(db, 7)
    queue(db, CHECK, "7", p_company_id="1")
    said = invoke(database, "next", "--as", "ann", "--lease", "2h").output
    token = value(db, "select claim_token::text from trueup.manual_review_queue")
    for part in ("call 7", CHECK, "still lists it", '"booking_id"', "held by ann until"):
        assert part in said
    assert f"trueup review resolve 1 --repair --token {token}" in said
    line = next(line for line in said.splitlines() if "trueup review release" in line)
    released = CliRunner().invoke(command, shlex.split(line)[2:], catch_exceptions=False)
    assert "item 1 is free again" in released.output
    assert "nothing to review" in invoke(database, "next", "--company", "9").output


@pytest.mark.one_server
def test_next_keeps_a_password_to_itself(db: Connection, database: str) -> None:
    queue(db, "something", "1")
    said = invoke(make_conninfo(database, password="geheim"), "next").output
    assert "trueup review resolve 1" in said
    assert "geheim" not in said


@pytest.mark.one_server
def test_the_token_is_printed_whatever_the_check_does(db: Connection, database: str) -> None:
    flagged_call(db, 7)
    queue(db, CHECK, "7")
    db.execute(f"drop view trueup.{CHECK} cascade".encode())
    db.execute(
        f"create view trueup.{CHECK} as select c.company_id, 'call' as entity_type, c.id as entity_id, "
        "'x' as description, to_jsonb(1 / (c.id - 7)) as evidence from public.calls as c".encode()
    )
    said = invoke(database, "next", "--as", "ann").output
    assert str(value(db, "select claim_token from trueup.manual_review_queue")) in said


@pytest.mark.one_server
def test_commands_of_a_life(db: Connection, database: str) -> None:
    item_id = str(queue(db, "something", "1", p_company_id="1"))
    claimed = json.loads(invoke(database, "claim", item_id, "--as", "ann", "--format", "json").output)
    token = claimed["token"]
    assert claimed["item"]["claimed_by"] == "ann"
    assert "is yours until" in invoke(database, "extend", item_id, "--token", token, "--lease", "1h").output
    assert "held by ann" in invoke(database, "list").output
    said = invoke(database, "snooze", item_id, "--until", "2h", "--token", token, "--note", "later").output
    assert "comes back at" in said
    assert "snoozed until" in invoke(database, "list").output
    assert "is for bob now" in invoke(database, "reassign", item_id, "--to", "bob").output
    assert "is for anybody now" in invoke(database, "reassign", item_id, "--anybody").output
    with pytest.raises(UsageError, match="say to whom"):
        invoke(database, "reassign", item_id)
    token = json.loads(invoke(database, "claim", item_id, "--format", "json").output)["token"]
    with pytest.raises(UsageError, match="no duration"):
        invoke(database, "extend", item_id, "--token", token, "--lease", "soon")
    assert "is dismissed" in invoke(database, "dismiss", item_id, "--token", token, "--notes", "fine").output
    assert "the queue is empty" in invoke(database, "list").output
    assert "waits again, due" in invoke(database, "reopen", item_id, "--note", "no").output
    token = json.loads(invoke(database, "next", "--format", "json").output)["token"]
    assert "is resolved" in invoke(database, "resolve", item_id, "--token", token, "--notes", "ok").output
    assert "nothing to escalate" in invoke(database, "escalate").output
    history = invoke(database, "show", item_id).output
    for event in ("queued", "extended", "snoozed", "reassigned", "dismissed", "reopened", "resolved"):
        assert event in history
    shown = json.loads(invoke(database, "show", item_id, "--format", "json").output)
    assert shown["item"]["status"] == "resolved"
    assert "claim_token" not in json.dumps(shown)
    assert json.loads(invoke(database, "list", "--format", "json").output) == []


@pytest.mark.one_server
def test_data_does_not_steer_the_terminal(db: Connection, database: str) -> None:
    queue(db, "something", "1", p_description="\x1b[2Jgone [bold]text[/bold]")
    said = invoke(database, "list").output
    assert "\x1b" not in said
    assert "[bold]text[/bold]" in said


# durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86400),
        ("1w", 604800),
        ("1h30m", 5400),
        (" 1.5 H ", 5400),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert durations.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "m", "-1h", "2 weeks", "1h x", "1x", "0s", "99999999999w", "9" * 400 + "d"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError):
        durations.duration(text)


def test_instants() -> None:
    now = datetime(2025, 10, 20, 9, tzinfo=UTC)
    assert durations.instant("2h", now=now) == now + timedelta(hours=2)
    assert durations.instant("2025-11-03T09:00+01:00", now=now) == datetime(2025, 11, 3, 8, tzinfo=UTC)
    assert durations.instant("2025-11-03 09:00", now=now) == datetime(2025, 11, 3, 9).astimezone()
    assert durations.instant("2025-11-03", now=now) == datetime(2025, 11, 3).astimezone()


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2025-13-01", "2025-10-20", "2025-10-20T08:59:59Z", "9999999d"]
)
def test_no_instants(text: str) -> None:
    with pytest.raises(UsageError):
        durations.instant(text, now=datetime(2025, 10, 20, 9, tzinfo=UTC))
