"""Failed synchronisation: recorded once, tried again by one worker at a time, in the end a person's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from helpers import connected, sql, value
from rows import factory

import trueup
from trueup import calling
from trueup.errors import RefusedError

Connection = psycopg.Connection[Any]
RECORD = "select * from trueup.record_sync_failure(1, 1, 'create', 'no answer')"


@pytest.fixture
def company(database: str) -> Iterator[Connection]:
    """An autocommit connection to a database where company 1 has appointment 1."""
    with factory(database) as connection:
        connection.execute("select factory.appointment(1, calcom_sync_status => 'pending')")
        yield connection


def row(connection: Connection, text: str, *parameters: Any) -> dict[str, Any]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        (found,) = cursor.execute(text.encode(), parameters or None).fetchall()
    return found


def claim(connection: Connection, most: int = 10) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select c.failure_id, c.attempt, c.token from trueup.claim_sync_failures(%s) as c", [most]
    ).fetchall()


def finish(connection: Connection, failure_id: int, token: Any, outcome: str, **more: Any) -> dict[str, Any]:
    given = {"p_company_id": 1, "p_failure_id": failure_id, "p_token": token, "p_outcome": outcome, **more}
    arguments = ", ".join(f"{name} => %({name})s" for name in given)
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        (found,) = cursor.execute(
            f"select * from trueup.finish_sync_failure({arguments})".encode(), given
        ).fetchall()
    return found


def make_due(connection: Connection) -> None:
    """Let the pause pass, and every lease."""
    connection.execute(
        "update trueup.sync_failures set next_attempt_at = next_attempt_at - interval '1 day', "
        "lease_expires_at = lease_expires_at - interval '1 day'"
    )


def appointment(connection: Connection) -> tuple[Any, ...] | None:
    return connection.execute(
        "select a.calcom_sync_status, a.sync_attempt_count, a.last_sync_attempted_at is not null "
        "from appointments as a where a.id = 1"
    ).fetchone()


def open_items(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select q.entity_id, q.reason, q.metadata ->> 'appointment_id' from trueup.manual_review_queue as q "
        "where q.status = 'pending'"
    ).fetchall()


def test_a_failure_is_recorded_once_and_pauses_double_up_to_a_cap(company: Connection) -> None:
    company.execute("update trueup.settings set value = '4' where name = 'sync_retry_attempts'")
    company.execute("update trueup.settings set value = '3 minutes' where name = 'sync_retry_cap'")
    pauses = []
    for attempt in (1, 2, 3):
        found = row(company, RECORD)
        assert (found["status"], found["attempt_count"]) == ("pending", attempt)
        pauses.append(
            row(
                company,
                "select extract(epoch from next_attempt_at - clock_timestamp()) as s from trueup.sync_failures",
            )["s"]
        )
    assert all(
        low <= float(pause) + 1 and float(pause) <= low * 1.1
        for pause, low in zip(pauses, (60, 120, 180), strict=True)
    )
    assert row(company, "select count(*) from trueup.sync_failures")["count"] == 1
    assert appointment(company) == ("failed", 3, True)
    last = row(company, RECORD)
    assert (last["status"], last["next_attempt_at"]) == ("manual_review", None)
    assert open_items(company) == [(str(last["failure_id"]), "sync_failed", "1")]
    again = row(company, RECORD)
    assert (again["failure_id"], again["status"]) == (last["failure_id"], "manual_review")
    assert len(open_items(company)) == 1


@pytest.mark.parametrize(("outcome", "status"), [("refused", "failed"), ("unknown", "verification_pending")])
def test_what_trying_again_cannot_mend_is_a_persons_at_once(
    company: Connection, outcome: str, status: str
) -> None:
    found = row(company, "select * from trueup.record_sync_failure(1, 1, 'cancel', p_outcome => %s)", outcome)
    assert found["status"] == "manual_review"
    assert found["review_item_id"] is not None
    assert appointment(company) == (status, 1, True)
    assert claim(company) == []


def test_a_worker_tries_again_and_is_done(company: Connection) -> None:
    row(company, RECORD)
    assert claim(company) == [], "not yet due"
    make_due(company)
    ((failure_id, attempt, token),) = claim(company)
    assert attempt == 2
    assert claim(company) == [], "claimed"
    with pytest.raises(psycopg.Error, match="not synced without its booking"):
        finish(company, failure_id, token, "done")
    for _ in range(2):
        assert finish(company, failure_id, token, "done", p_booking_uid="uid-1")["status"] == "resolved"
    assert company.execute(
        "select a.calcom_sync_status, a.calcom_booking_uid from appointments as a"
    ).fetchall() == [("synced", "uid-1")]
    # what fails another time is another failure
    assert row(company, RECORD)["attempt_count"] == 1


def test_a_worker_that_fails_leaves_it_to_the_next_and_in_the_end_to_a_person(company: Connection) -> None:
    row(company, RECORD)
    make_due(company)
    ((failure_id, _, token),) = claim(company)
    assert finish(company, failure_id, token, "failed", p_error="no answer")["status"] == "pending"
    make_due(company)
    ((failure_id, attempt, token),) = claim(company)
    assert attempt == 3
    done = finish(company, failure_id, token, "failed", p_error="no answer")
    assert (done["status"], done["attempt_count"]) == ("manual_review", 3)
    assert len(open_items(company)) == 1
    assert sql_clean(company)
    # the person mends it at the provider, and says so
    assert finish(company, failure_id, None, "done", p_booking_uid="uid-1")["status"] == "resolved"


def test_a_worker_that_dies_uses_up_its_try(company: Connection) -> None:
    row(company, RECORD)
    for attempt in (2, 3):
        make_due(company)
        assert [found[1] for found in claim(company)] == [attempt]
    make_due(company)
    assert company.execute("select v.entity_type from trueup.sync_failure_exhausted as v").fetchall() == [
        ("sync_failure",)
    ]
    assert claim(company) == [], "the last try is over: handed to a person"
    assert len(open_items(company)) == 1
    assert sql_clean(company)


def sql_clean(connection: Connection) -> bool:
    return connection.execute("select 1 from trueup.sync_failure_exhausted").fetchone() is None


def test_what_is_handed_over_stays_with_a_person(company: Connection, database: str) -> None:
    """Handing over ends the violation of sync_failure_exhausted, and not the question."""
    row(company, RECORD)
    company.execute(
        "update trueup.sync_failures set attempt_count = max_attempts, next_attempt_at = now() - interval '1 day'"
    )
    trueup.check(database=database)
    assert claim(company) == [], "the tries are used up: handed over"
    trueup.check(database=database)
    assert len(open_items(company)) == 1
    # and when a person has decided, and it fails again
    company.execute("update trueup.manual_review_queue set status = 'dismissed'")
    again = row(company, RECORD)
    assert again["review_item_id"] is not None
    assert [reason for _, reason, _ in open_items(company)] == ["sync_failed"]

    company.execute("update trueup.manual_review_queue set status = 'dismissed'")
    company.execute(
        "update trueup.sync_failures set status = 'pending', next_attempt_at = now() - interval '1 day'"
    )
    trueup.repair(["sync_failure_exhausted"], database=database, apply=True)
    assert row(company, "select status from trueup.sync_failures") == {"status": "manual_review"}
    assert [reason for _, reason, _ in open_items(company)] == ["sync_failed"]


def test_who_was_slower_than_the_lease_cannot_write(company: Connection) -> None:
    row(company, RECORD)
    make_due(company)
    ((failure_id, _, late),) = claim(company)
    make_due(company)
    ((_, _, token),) = claim(company)
    for wrong in (late, None):
        with pytest.raises(psycopg.Error) as refused:
            finish(company, failure_id, wrong, "failed")
        assert refused.value.sqlstate == "TU403"
    assert finish(company, failure_id, token, "failed")["status"] == "manual_review"


def test_of_two_workers_each_gets_others(database: str, company: Connection) -> None:
    for number in range(2, 22):
        company.execute("select factory.appointment(%s)", [number])
        company.execute("select trueup.record_sync_failure(1, %s, 'create')", [number])
    make_due(company)
    barrier = threading.Barrier(4)
    found: list[int] = []

    def work(worker: Connection) -> None:
        barrier.wait()
        with worker.transaction():
            mine = claim(worker, 5)
            barrier.wait()  # all hold theirs
            found.extend(failure_id for failure_id, _, _ in mine)

    with connected(database, 4) as workers:
        threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == len(set(found)) == 20


def test_the_same_failure_recorded_by_many_at_once_is_one(database: str, company: Connection) -> None:
    company.execute("update trueup.settings set value = '100' where name = 'sync_retry_attempts'")
    barrier = threading.Barrier(8)

    def work(worker: Connection) -> None:
        barrier.wait()
        worker.execute(RECORD.encode())
        worker.commit()

    with connected(database, 8) as workers:
        threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sql(database, "select f.attempt_count, f.status from trueup.sync_failures as f") == [
        (8, "pending")
    ]


def test_another_company_is_not_found(database: str, company: Connection) -> None:
    failure_id = row(company, RECORD)["failure_id"]
    with psycopg.connect(database) as connection:
        for function, arguments in (
            ("record_sync_failure", {"company_id": 2, "appointment_id": 1, "operation": "create"}),
            (
                "finish_sync_failure",
                {"company_id": 2, "failure_id": failure_id, "token": None, "outcome": "done"},
            ),
        ):
            with pytest.raises(RefusedError) as refused:
                calling.value(connection, function, **arguments)
            assert refused.value.sqlstate == "TU402"
            connection.rollback()
    make_due(company)
    assert value(database, "select count(*) from trueup.claim_sync_failures(10, 2)") == 0
    assert value(database, "select count(*) from trueup.claim_sync_failures(10, 1)") == 1


@pytest.mark.parametrize(
    "arguments", ["''", "null", "'create', p_outcome => 'perhaps'", "'create', p_outcome => null"]
)
def test_what_makes_no_sense_is_refused(company: Connection, arguments: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        company.execute(f"select trueup.record_sync_failure(1, 1, {arguments})".encode())
    assert refused.value.sqlstate == "TU401"
    assert appointment(company) == ("pending", 0, False)
