"""Switching guards on: what they would have refused, one company first, and back again."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from helpers import copy_pack, sql, value
from rows import factory

import trueup
from trueup import durations, guards
from trueup.cli import cli
from trueup.deploy import Change
from trueup.errors import NotFoundError

GUARD = "call_made_without_appointment"
FLAG = "update public.calls set appointment_made = true where id = "
CLEAR = "update public.calls set appointment_made = false where id = "

pytestmark = pytest.mark.one_server


@pytest.fixture
def ground(database: str) -> str:
    """Two companies, each with a call that has no appointment and says so."""
    with factory(database) as connection:
        connection.execute("select factory.company(2)")
        connection.execute("select factory.call(id => 1, appointment_made => false)")
        connection.execute("select factory.call(id => 2, company_id => 2, appointment_made => false)")
    return database


def of(changes: list[Change], name: str = GUARD) -> Change:
    (found,) = [change for change in changes if change.what == name]
    return found


def invoke(*arguments: str, url: str) -> Result:
    return CliRunner().invoke(cli, ["enforce", *arguments, "--database", url], catch_exceptions=False)


def test_a_guard_that_would_have_refused_a_write_stays_as_it_is(ground: str) -> None:
    with psycopg.connect(ground, autocommit=True) as writer:
        writer.execute("set application_name = 'the app'")
        writer.execute((FLAG + "1").encode())
        writer.execute((CLEAR + "1").encode())
    trueup.check(database=ground)
    left = of(trueup.enforce(database=ground))
    assert left.action == "leave"
    assert "guard stays observe: would have refused 1" in left.detail
    assert "application the app" in left.detail
    assert of(trueup.enforce([GUARD], database=ground)).action == "leave", "also when it is named"

    sql(ground, "update trueup.guard_trips set tripped_at = tripped_at - interval '8 days'")
    assert of(trueup.enforce(database=ground)).action == "enforce"
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(ground, FLAG + "1")


def test_a_write_that_was_taken_back_is_no_trip(ground: str) -> None:
    with psycopg.connect(ground) as writer:
        writer.execute((FLAG + "1").encode())
        writer.execute("set constraints all immediate")
        writer.rollback()
    assert value(ground, "select count(*) from trueup.guard_trips") == 0


def test_it_says_out_of_how_many_writes(ground: str) -> None:
    trueup.check(database=ground)
    sql(ground, "update trueup.guards set changed_at = now() - interval '3 days'")
    sql(
        ground,
        """
        delete from trueup.write_samples;
        insert into trueup.write_samples (table_name, sampled_at, writes)
        select w.table_name, now() - interval '2 days', w.writes + 1500
        from trueup.table_writes as w;
        -- the server's statistics were reset in between
        insert into trueup.write_samples (table_name, sampled_at, writes)
        select w.table_name, now() - interval '1 day', 0
        from trueup.table_writes as w
        """,
    )
    said = of(trueup.enforce([GUARD], database=ground, dry_run=True)).detail
    assert "would have refused 0 of about" in said
    assert re.search(r"row writes in 3d( \d+s)?$", said)  # the seconds that the test itself has taken
    counted = int(said.partition("about ")[2].partition(" ")[0].replace(",", ""))
    assert counted == value(
        ground, "select sum(writes) from trueup.table_writes where table_name in ('calls', 'appointments')"
    )


def test_one_company_first_and_back(ground: str) -> None:
    done = of(trueup.enforce([GUARD], database=ground, company="1", actor="ann"))
    assert (done.action, done.detail.partition(";")[0]) == ("enforce", "guard for company 1")
    (listed,) = [each for each in guards.list_guards(database=ground) if each.name == GUARD]
    assert listed.companies == {"1": "enforce"}
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(ground, FLAG + "1")
    sql(ground, FLAG + "2")
    assert of(trueup.enforce([GUARD], database=ground, company="1")).action == "keep"

    # what company 2 did keeps the guard off for all, not for company 1
    assert of(trueup.enforce([GUARD], database=ground)).action == "leave"

    back = trueup.revert([GUARD], database=ground, company="1")
    assert of(back) == Change("observe", GUARD, "guard for company 1")
    sql(ground, FLAG + "1")
    assert of(trueup.revert([GUARD], database=ground, company="1")).action == "keep"


def test_violations_of_other_companies_do_not_count(ground: str) -> None:
    sql(ground, FLAG + "2")
    assert of(trueup.enforce([GUARD], database=ground, company="2")).action == "leave"
    assert of(trueup.enforce([GUARD], database=ground, company="1")).action == "enforce"
    guards.set_mode(GUARD, "off", database=ground)
    left = of(trueup.enforce([GUARD], database=ground, company="1"))
    assert (left.action, "off for all companies" in left.detail) == ("leave", True)


def test_revert_takes_the_modes_of_companies_back_too(ground: str) -> None:
    for company in ("1", "2"):
        guards.set_mode(GUARD, "enforce", company=company, database=ground)
    assert of(trueup.revert(database=ground)) == Change(
        "observe", GUARD, "guard for company 1, for company 2"
    )
    assert value(ground, "select count(*) from trueup.guard_companies") == 0
    for company in ("1", "2"):
        sql(ground, FLAG + company)


def test_revert_lets_every_guard_observe(ground: str) -> None:
    trueup.enforce(database=ground)
    assert value(ground, "select count(*) from trueup.guards where mode = 'enforce'") > 1
    preview = trueup.revert(database=ground, dry_run=True)
    done = trueup.revert(database=ground)
    assert preview == done
    assert {change.action for change in done} == {"observe"}
    assert value(ground, "select count(*) from trueup.guards where mode = 'enforce'") == 0
    assert {change.action for change in trueup.revert(database=ground)} == {"keep"}
    left = of(trueup.revert(["calls_direction_known"], database=ground), "calls_direction_known")
    assert left == Change("leave", "calls_direction_known", "refuses new violations whether validated or not")
    with pytest.raises(NotFoundError, match="no constraint, guard or check is called nothing"):
        trueup.revert(["nothing"], database=ground)


def test_a_guard_that_is_enforced_for_all_is_not_reverted_for_one(ground: str) -> None:
    trueup.enforce([GUARD], database=ground)
    left = of(trueup.revert([GUARD], database=ground, company="1"))
    assert left.action == "leave"
    assert f"`trueup guard set {GUARD} observe --company 1`" in left.detail
    guards.set_mode(GUARD, "observe", company="1", database=ground)
    sql(ground, FLAG + "1")
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(ground, FLAG + "2")


def test_the_applications_own_constraint_is_left_to_it(legacy_database: str) -> None:
    sql(
        legacy_database,
        "alter table public.calls add constraint calls_direction_known check (direction is not null) not valid",
    )
    trueup.adopt(database=legacy_database, apply=True)
    (state,) = sql(
        legacy_database,
        "select was_there, state from trueup.constraint_states where name = 'calls_direction_known'",
    )
    left = of(trueup.enforce(["calls_direction_known"], database=legacy_database), "calls_direction_known")
    assert left.action == "leave", state
    assert not value(
        legacy_database,
        "select convalidated from pg_constraint where conname = 'calls_direction_known'",
    )


def test_a_constraint_that_is_left_refuses_writes_from_now_on(incident_database: str) -> None:
    """Two customers of no company have appointments: the key waited for them, and cannot be validated."""
    trueup.adopt(database=incident_database, apply=True)
    trueup.repair(database=incident_database, apply=True)
    key = "appointments_company_id_customer_id_fkey"
    there = f"select count(*) from pg_constraint where conname = '{key}'"
    assert value(incident_database, there) == 0
    foreseen = of(trueup.enforce([key], database=incident_database, dry_run=True), key)
    assert (foreseen.action, foreseen.detail) == ("leave", "rows that violate it: 4")
    assert value(incident_database, there) == 0
    left = of(trueup.enforce([key], database=incident_database), key)
    assert value(incident_database, there) == 1
    assert (left.action, left.detail[:17]) == ("leave", "added NOT VALID: ")
    assert "is not present in table" in left.detail
    again = of(trueup.enforce([key], database=incident_database), key)
    assert (again.action, again.detail[:5]) == ("leave", "Key (")
    assert of(trueup.enforce([key], database=incident_database, dry_run=True), key) == foreseen


def test_the_commands(ground: str) -> None:
    assert "guard for company 1" in invoke(GUARD, "--company", "1", url=ground).output
    listed = CliRunner().invoke(cli, ["guard", "list", "--database", ground]).output
    assert "observe; company 1: enforce" in listed
    assert "observe; company 1: enforce" in CliRunner().invoke(cli, ["status", "--database", ground]).output
    said = CliRunner().invoke(
        cli, ["guard", "set", GUARD, "as-others", "--company", "1", "--database", ground]
    )
    assert said.output == f"guard {GUARD} is set to observe\n"
    refused = CliRunner().invoke(cli, ["guard", "set", GUARD, "off", "--company", "1", "--database", ground])
    assert "a guard has no mode off for one company; the modes are observe, enforce" in str(refused.exception)
    assert CliRunner().invoke(cli, ["guard", "set", GUARD, "as-others", "--database", ground]).exit_code == 2
    assert "is no duration" in str(invoke_loosely("--quiet-for", "long", url=ground).exception)
    assert invoke(url=ground).exit_code in (0, 1)
    reverted = json.loads(invoke("--revert", "--format", "json", url=ground).output)
    assert {change["action"] for change in reverted} == {"observe"}


def invoke_loosely(*arguments: str, url: str) -> Result:
    return CliRunner().invoke(cli, ["enforce", *arguments, "--database", url])


def test_a_length_is_written_as_people_write_it() -> None:
    assert durations.length(timedelta(days=7)) == "7d"
    assert durations.length(timedelta(hours=3, minutes=20, seconds=5)) == "3h 20m"
    assert durations.length(timedelta(0)) == "0s"


def test_a_check_that_is_gone_from_the_pack_holds_nothing_up(database: str, tmp_path: Path) -> None:
    """Of its constraint VALIDATE says whether it is true; its guard stays as it is."""
    pack = copy_pack(tmp_path / "pack")
    for file in ("checks", "db/repairs"):
        (pack / file / "call_direction_missing.sql").unlink()
    trueup.migrate(database=database, pack=pack)
    # not migrated: the guard is still there
    for file in ("checks", "db/repairs"):
        (pack / file / "appointment_without_call.sql").unlink()
    name = "calls_direction_known"
    definition = value(
        database, "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", name
    )
    sql(
        database,
        f"alter table public.calls drop constraint {name}, add constraint {name} {definition} not valid",
    )
    changes = trueup.enforce(database=database, pack=pack)
    assert of(changes, name).action == "validate"
    assert of(changes, "appointment_without_call").action == "leave"
    assert of(changes, "appointment_without_call").detail == (
        "guard stays observe: its check is not in this pack"
    )
    assert of(changes).action == "enforce", "what comes after it, too"
