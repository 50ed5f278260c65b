"""Guards at COMMIT, with real transactions: any order, observe, enforce, a mode that changes meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from helpers import eventually, launch, sql
from rows import factory, value

import trueup
from trueup import alerts, guards
from trueup.cli_review import guard as command
from trueup.errors import NotFoundError, UsageError
from trueup.operating import notify

Connection = psycopg.Connection[Any]
GUARD = "call_made_without_appointment"
FLAG = "update public.calls set appointment_made = true where id = 2"


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    """Give a session that is not in autocommit; call 2 has no appointment and says so."""
    with factory(database) as connection:
        connection.execute("select factory.call(id => 2, appointment_made => false)")
        connection.autocommit = False
        yield connection
        connection.rollback()


def flagged(database: str) -> bool:
    with psycopg.connect(database) as connection:
        return bool(value(connection, "select appointment_made from public.calls where id = 2"))


def invoke(database: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--database", database], catch_exceptions=False)


def test_one_transaction_writes_in_any_order(db: Connection, database: str) -> None:
    guards.set_mode(GUARD, "enforce", database=database)
    db.execute(FLAG)
    db.execute("select factory.appointment(id => 12, call_id => 2)")
    db.commit()
    db.execute("delete from public.appointments where id = 12")
    db.execute("select factory.appointment(id => 13, call_id => 2)")
    db.commit()
    assert flagged(database)
    assert alerts.list_alerts("all", check=GUARD, database=database) == []


def test_observe_files_the_alert_in_the_writers_transaction(db: Connection, database: str) -> None:
    guards.set_mode(GUARD, "observe", database=database)
    db.execute("set application_name = 'the app'")
    db.execute(FLAG)
    transaction = value(db, "select pg_current_xact_id()::text")
    user = value(db, "select session_user::text")
    db.commit()
    (alert,) = alerts.list_alerts(check=GUARD, database=database)
    assert (alert.entity_id, alert.severity, alert.company_id) == ("2", "critical", "1")
    assert alert.metadata["written_by"] == {
        "transaction": transaction,
        "role": user,
        "application": "the app",
    }
    assert flagged(database)


def test_a_commit_waits_for_no_run_that_files(db: Connection, database: str) -> None:
    """A run keeps every alert that it has filed locked until it has filed them all."""
    guards.set_mode(GUARD, "observe", database=database)
    db.execute(FLAG)
    db.commit()
    waiting = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and application_name = 'trueup check' and wait_event = 'advisory'"
    )
    with psycopg.connect(database, autocommit=True) as other:
        # the run has filed what the guard found, and waits at a later check
        other.execute(
            "select pg_advisory_lock(hashtext('trueup.file_violations'), ch.id::integer) "
            "from trueup.checks as ch where ch.name = 'call_outcome_unknown'"
        )
        filing = launch("check", url=database)
        eventually(lambda: value(other, waiting) == 1)
        db.execute("set lock_timeout = '1s'")
        db.execute(FLAG)
        db.execute("select factory.call(id => 3, appointment_made => true)")
        db.commit()
        trips = "select array_agg(t.entity_id order by t.id) from trueup.guard_trips as t where t.guard = %s"
        assert value(other, trips, [GUARD]) == ["2", "2", "3"]
    said = filing.communicate(timeout=60)
    assert filing.returncode == 1, said
    assert [alert.entity_id for alert in alerts.list_alerts(check=GUARD, database=database)] == ["2"]
    # what the guard did not file it has noted
    trueup.check_changed(database=database)
    found = alerts.list_alerts(check=GUARD, database=database)
    assert sorted(alert.entity_id for alert in found) == ["2", "3"]


@pytest.mark.one_server
def test_a_writer_that_stays_open_keeps_its_own_check_from_being_filed_only(
    db: Connection, database: str
) -> None:
    guards.set_mode(GUARD, "observe", database=database)
    flag_3 = "update public.calls set appointment_made = true where id = 3"
    db.execute("select factory.call(id => 3, appointment_made => false)")
    db.commit()
    sql(database, flag_3)
    trueup.check(database=database)
    db.execute(FLAG)
    db.execute("set constraints all immediate")
    # triggers cannot be disabled while the writer is there
    sql(
        database,
        "set session_replication_role = replica; "
        "update public.calls set appointment_made = false, call_type = null where id = 3",
    )

    def opened(check: str) -> list[str]:
        return sorted(alert.entity_id for alert in alerts.list_alerts(check=check, database=database))

    # the second owes it, and a pass that owes nothing files the call that has changed
    for judge in (trueup.check, trueup.check_changed, trueup.check_changed):
        run = judge(database=database)
        # what the flag fills trips another guard, too
        failed = {result.name: result for result in run.results if result.error}
        assert failed.keys() <= {GUARD, "call_outcome_without_appointment"}
        assert (failed[GUARD].outcome, failed[GUARD].sqlstate) == ("error", "55P03")
        assert str(failed[GUARD].error).endswith(f"its guard stays open: pid {db.info.backend_pid}")
        assert run.exit_code() == 3
        assert opened("call_type_missing") == ["3"]
        assert opened(GUARD) == ["3"], "it is mended, which nobody has filed"
        with psycopg.connect(database) as connection:
            owed = value(connection, "select owes_full from trueup.checks where name = %s", [GUARD])
            assert owed == "its last evaluation failed"
            connection.execute("update trueup.checks set owes_full = null")
        sql(database, "insert into trueup.changes (table_name, keys) values ('public.calls', '{id=3}')")

    db.commit()
    trueup.check_changed(database=database)
    assert opened(GUARD) == ["2"]


@pytest.mark.one_server
def test_nobody_waits_for_a_run_that_waits_for_a_writer(db: Connection, database: str) -> None:
    guards.set_mode(GUARD, "observe", database=database)
    db.execute("select factory.call(id => 3, appointment_made => false)")
    db.commit()
    waiting = "select exists (select 1 from pg_locks where locktype = 'advisory' and not granted)"
    db.execute(FLAG)
    db.execute("set constraints all immediate")
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("set statement_timeout = '1s'")
        filing = launch("check", url=database)
        eventually(lambda: bool(value(other, waiting)))
        other.execute("update public.calls set appointment_made = true where id = 3")
        assert value(other, waiting), "the run has not gone on meanwhile"
    said, _ = filing.communicate(timeout=60)
    assert filing.returncode == 3, said
    db.commit()
    trueup.check_changed(database=database)
    found = alerts.list_alerts(check=GUARD, database=database)
    assert sorted(alert.entity_id for alert in found) == ["2", "3"]


def test_observe_refuses_no_writer_whose_snapshot_is_older_than_the_alert(
    db: Connection, database: str
) -> None:
    guards.set_mode(GUARD, "observe", database=database)
    db.execute(FLAG)
    db.commit()
    trueup.check_changed(database=database)
    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    db.execute("select factory.call(id => 3, appointment_made => true)")
    # writes to the alert of call 2
    trueup.check(database=database)
    db.execute(FLAG)
    db.commit()
    trueup.check_changed(database=database)
    found = alerts.list_alerts(check=GUARD, database=database)
    assert sorted(alert.entity_id for alert in found) == ["2", "3"]


def test_a_rollback_takes_the_alert_along(db: Connection, database: str) -> None:
    guards.set_mode(GUARD, "observe", database=database)
    db.execute(FLAG)
    db.execute("set constraints all immediate")
    assert (
        value(db, "select count(*) from trueup.data_consistency_alerts where alert_type = %s", [GUARD]) == 1
    )
    db.rollback()
    assert alerts.list_alerts("all", check=GUARD, database=database) == []
    assert not flagged(database)


def test_enforce_refuses_as_a_check_constraint_does(db: Connection, database: str) -> None:
    guards.set_mode(GUARD, "enforce", database=database)
    db.execute(FLAG)
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        db.commit()
    said = caught.value.diag
    assert caught.value.sqlstate == "23514"
    assert said.message_primary == f'call 2 violates guard "{GUARD}"'
    assert (said.schema_name, said.constraint_name) == ("trueup", GUARD)
    assert said.message_detail is not None
    assert said.message_detail.startswith("flagged appointment_made, but no appointment")
    assert said.message_hint is not None
    assert said.message_hint.startswith("What must hold at commit: a call flagged appointment_made")
    assert not flagged(database)
    assert alerts.list_alerts("all", check=GUARD, database=database) == []


def test_a_writer_cannot_pass_for_the_sync(db: Connection, database: str) -> None:
    """The guard skips what the sync writes; the parameter that says so convinces it of nobody else."""
    guards.set_mode(GUARD, "enforce", database=database)
    db.execute("create role writer_of_calls")
    db.execute("grant select, insert, update on all tables in schema public to writer_of_calls")
    db.execute(
        """
        create table public.nudges (call_id bigint);
        create function public.nudge() returns trigger language plpgsql as $$
        begin
            update public.calls set appointment_made = true where id = new.call_id;
            return null;
        end;
        $$;
        create trigger nudge after insert on public.nudges for each row execute function public.nudge();
        grant insert on public.nudges to writer_of_calls;
        """
    )
    db.execute("set role writer_of_calls")
    db.execute("savepoint before")
    for depth, write in (("0", FLAG), ("1", "insert into public.nudges values (2)")):
        db.execute(f"set local trueup.syncing = '{depth}'".encode())
        db.execute(write.encode())
        with pytest.raises(psycopg.errors.CheckViolation):
            db.execute("set constraints all immediate")
        db.execute("rollback to before")


def test_what_a_trigger_of_the_application_writes_during_the_sync_is_looked_at(
    db: Connection, database: str
) -> None:
    guards.set_mode(GUARD, "enforce", database=database)
    db.execute("select factory.call(id => 3, appointment_made => false)")
    db.execute(
        """
        create function public.meddle() returns trigger language plpgsql as $$
        begin
            update public.calls set appointment_made = true where id = 3;
            return null;
        end;
        $$;
        create trigger meddle after update on public.calls
            for each row when (new.id = 2) execute function public.meddle();
        """
    )
    db.execute("select factory.appointment(id => 12, call_id => 2)")
    with pytest.raises(psycopg.errors.CheckViolation, match="call 3 violates"):
        db.commit()


def test_off_says_nothing(db: Connection, database: str) -> None:
    guards.set_mode(GUARD, "off", database=database)
    db.execute(FLAG)
    db.commit()
    assert flagged(database)
    assert alerts.list_alerts("all", check=GUARD, database=database) == []


@pytest.mark.parametrize(
    ("before", "after"), [("off", "enforce"), ("observe", "enforce"), ("enforce", "off")]
)
def test_a_mode_holds_from_the_next_commit_on(db: Connection, database: str, before: str, after: str) -> None:
    guards.set_mode(GUARD, before, database=database)
    db.execute(FLAG)  # this session has its transaction open, and has planned the trigger's queries before
    guards.set_mode(GUARD, after, database=database)
    if after == "enforce":
        with pytest.raises(psycopg.errors.CheckViolation):
            db.commit()
    else:
        db.commit()
    assert flagged(database) is (after != "enforce")


def test_a_session_that_met_the_guard_meets_its_new_mode(db: Connection, database: str) -> None:
    guards.set_mode(GUARD, "observe", database=database)
    for _ in range(6):  # often enough for cached plans
        db.execute(FLAG)
        db.commit()
        db.execute("update public.calls set appointment_made = false where id = 2")
        db.commit()
    guards.set_mode(GUARD, "enforce", database=database)
    db.execute(FLAG)
    with pytest.raises(psycopg.errors.CheckViolation):
        db.commit()


def test_list_and_set(db: Connection, database: str) -> None:
    found = {each.name: each for each in guards.list_guards(database=database)}
    assert found[GUARD].mode == "observe"
    assert found[GUARD].open_violations == 0
    db.execute(FLAG)
    db.commit()
    changed = guards.set_mode(GUARD, "enforce", "ann", database=database)
    assert (changed.mode, changed.changed_by, changed.open_violations) == ("enforce", "ann", 1)
    assert changed.changed_at > found[GUARD].changed_at
    assert guards.set_mode(GUARD, "enforce", "bob", database=database) == changed


@pytest.mark.one_server
def test_an_unknown_guard_or_mode(database: str) -> None:
    with pytest.raises(NotFoundError, match=f"did you mean .*{GUARD}"):
        guards.set_mode("call_made_without_appointments", "off", database=database)
    with pytest.raises(NotFoundError, match="`trueup guard list` lists them"):
        guards.set_mode("zzz", "off", database=database)
    with pytest.raises(UsageError, match="off, observe, enforce"):
        guards.set_mode(GUARD, "loud", database=database)


@pytest.mark.one_server
def test_a_company_that_nobody_knows_is_told(
    db: Connection, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One may be set up before its first row; a slip of the pen looks the same."""

    def told() -> list[str]:
        found = [vars(record)["company"] for record in caplog.records if record.msg == "company unknown"]
        caplog.clear()
        return found

    db.commit()
    for company in ("1", "11"):
        guards.set_mode(GUARD, "enforce", company=company, database=database)
        trueup.enforce([GUARD], company=company, dry_run=True, database=database)
        notify.mute(timedelta(hours=1), "a test", company=company, database=database)
    assert told() == ["1"] * 3 + ["11"] * 3
    trueup.check(database=database)
    guards.set_mode(GUARD, "observe", company="1", database=database)
    guards.set_mode(GUARD, "observe", company="11", database=database)
    guards.set_mode(GUARD, "observe", database=database)
    assert told() == ["11"]
    guards.set_mode(GUARD, None, company="11", database=database)
    assert told() == []


@pytest.mark.one_server
def test_commands(db: Connection, database: str) -> None:
    said = invoke(database, "list").output
    assert GUARD in said
    assert "observe" in said
    db.execute(FLAG)
    db.commit()
    said = invoke(database, "set", GUARD, "enforce", "--as", "ann").output
    assert f"guard {GUARD} is set to enforce" in said
    assert "still open: 1" in said
    rows = {row["name"]: row for row in json.loads(invoke(database, "list", "--format", "json").output)}
    assert (rows[GUARD]["mode"], rows[GUARD]["changed_by"]) == ("enforce", "ann")
    assert invoke(database, "set", GUARD, "loud").exit_code == 2
