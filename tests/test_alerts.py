"""Alerts through Python and the command line: list, acknowledge, snooze, accept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from rows import factory, value

from trueup import alerts
from trueup.cli_review import alerts as command
from trueup.errors import NotFoundError, RefusedError, UsageError

Connection = psycopg.Connection[Any]
CHECK = "call_made_without_appointment"


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with factory(database) as connection:
        yield connection


def file(db: Connection, entity_id: str, company: str = "1", check: str = CHECK) -> int:
    query = """select trueup.file_alert(%s, %s, 'call', %s, 'wrong', '{"uid": "x", "written_by": {}}')"""
    return int(value(db, query, (check, company, entity_id)))


def resolve(db: Connection, alert_id: int) -> None:
    db.execute(
        "update trueup.data_consistency_alerts "
        "set status = 'resolved', resolution = 'fixed elsewhere', resolved_at = now() where id = %s",
        (alert_id,),
    )


def invoke(database: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--database", database], catch_exceptions=False)


def ids(found: list[alerts.Alert]) -> set[int]:
    return {alert.id for alert in found}


@pytest.mark.one_server
def test_list_by_status_company_check_severity_and_entity(db: Connection, database: str) -> None:
    first, second, third, fourth = file(db, "1"), file(db, "2", "2"), file(db, "3"), file(db, "4")
    other = file(db, "5", check="validation_failed")
    alerts.acknowledge(second, "ann", database=database)
    alerts.snooze(third, datetime.now(UTC) + timedelta(hours=1), database=database)
    resolve(db, fourth)
    assert ids(alerts.list_alerts(database=database)) == {first, other}
    assert ids(alerts.list_alerts("acknowledged", database=database)) == {second}
    assert ids(alerts.list_alerts("snoozed", database=database)) == {third}
    assert ids(alerts.list_alerts("resolved", database=database)) == {fourth}
    assert ids(alerts.list_alerts("accepted", database=database)) == set()
    assert ids(alerts.list_alerts("all", company="2", database=database)) == {second}
    assert ids(alerts.list_alerts(check=CHECK, database=database)) == {first}
    assert ids(alerts.list_alerts(severity="warning", database=database)) == {other}
    assert ids(alerts.list_alerts("all", entity_id="3", database=database)) == {third}
    assert len(alerts.list_alerts("all", limit=2, database=database)) == 2
    # an ended snooze is over by itself
    db.execute("update trueup.data_consistency_alerts set snoozed_until = now() where id = %s", (third,))
    assert ids(alerts.list_alerts(database=database)) == {first, third, other}


@pytest.mark.one_server
def test_the_gravest_come_first(db: Connection, database: str) -> None:
    warning, critical = file(db, "5", check="validation_failed"), file(db, "1")
    newer = file(db, "2")
    assert [alert.id for alert in alerts.list_alerts(database=database)] == [newer, critical, warning]


@pytest.mark.one_server
def test_an_unknown_check_status_or_severity(database: str) -> None:
    with pytest.raises(NotFoundError, match=f"did you mean .*{CHECK}"):
        alerts.list_alerts(check="call_made_without_apointment", database=database)
    assert alerts.list_alerts(check=CHECK, database=database) == []
    with pytest.raises(UsageError, match="the statuses are"):
        alerts.list_alerts("closed", database=database)
    with pytest.raises(UsageError, match="the severities are"):
        alerts.list_alerts(severity="grave", database=database)


def test_acknowledge(db: Connection, database: str) -> None:
    alert = alerts.acknowledge(file(db, "1"), "ann", database=database)
    assert (alert.status, alert.acknowledged_by) == ("acknowledged", "ann")
    assert alerts.acknowledge(alert.id, "bob", database=database) == alert
    user = value(db, "select session_user::text")
    assert alerts.acknowledge(file(db, "2"), database=database).acknowledged_by == user


def test_snooze_keeps_the_status(db: Connection, database: str) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    alert = alerts.snooze(file(db, "1"), until, "ann", database=database)
    assert (alert.status, alert.snoozed_by, alert.snoozed_until) == ("open", "ann", until)
    with pytest.raises(RefusedError, match="no time to come"):
        alerts.snooze(alert.id, until - timedelta(days=1), database=database)


def test_accept_keeps_what_was_accepted(db: Connection, database: str) -> None:
    alert = alerts.accept(file(db, "1"), "ticket 12", actor="ann", database=database)
    assert (alert.status, alert.accepted_by, alert.accepted_reason) == ("acknowledged", "ann", "ticket 12")
    assert value(db, "select accepted_evidence from trueup.data_consistency_alerts") == {"uid": "x"}
    with pytest.raises(RefusedError, match="without a reason"):
        alerts.accept(alert.id, " ", database=database)


def test_a_resolved_or_unknown_alert_is_left_alone(db: Connection, database: str) -> None:
    alert_id = file(db, "1")
    resolve(db, alert_id)
    before = alerts.show(alert_id, database=database)
    until = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(RefusedError, match="already resolved"):
        alerts.acknowledge(alert_id, database=database)
    with pytest.raises(RefusedError, match="already resolved"):
        alerts.snooze(alert_id, until, database=database)
    with pytest.raises(RefusedError, match="already resolved"):
        alerts.accept(alert_id, "x", database=database)
    assert alerts.show(alert_id, database=database) == before
    with pytest.raises(RefusedError, match="alert 99 does not exist"):
        alerts.acknowledge(99, database=database)
    with pytest.raises(NotFoundError, match="alert 99 does not exist"):
        alerts.show(99, database=database)


@pytest.mark.one_server
def test_commands(db: Connection, database: str) -> None:
    alert_id = str(file(db, "1"))
    assert CHECK in invoke(database, "list").output
    assert json.loads(invoke(database, "list", "--format", "json").output)[0]["metadata"]["uid"] == "x"
    assert (
        f"alert {alert_id} is acknowledged by ann" in invoke(database, "ack", alert_id, "--as", "ann").output
    )
    assert "is silent until" in invoke(database, "snooze", alert_id, "--until", "1d").output
    said = invoke(
        database, "accept", alert_id, "--reason", "ticket 12", "--until", "30d", "--as", "bob"
    ).output
    assert "or its evidence changes" in said
    assert "accepted by bob" in invoke(database, "list", "--status", "accepted").output
    shown = invoke(database, "show", alert_id).output
    for part in (CHECK, "call 1", '"uid": "x"', "ann, at", "bob, at", "ticket 12", "until"):
        assert part in shown
    assert json.loads(invoke(database, "show", alert_id, "--format", "json").output)["accepted_by"] == "bob"
    assert "no open alert" in invoke(database, "list").output
    with pytest.raises(UsageError, match="has passed"):
        invoke(database, "snooze", alert_id, "--until", "2025-10-20")
