"""The reference incident, number by number, by the installed wheel: DOMAIN, section 7."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import ROOT
from helpers import sql

import trueup
from trueup import incident


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel of this checkout installed in it, without its dependencies."""
    made = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", made, ROOT], check=True)
    (built,) = made.glob("trueup-*.whl")
    target = made / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", target, built], check=True)
    return target


@pytest.fixture(scope="module")
def told(wheel: Path) -> dict[str, Any]:
    """What `trueup demo --format json` of the wheel says."""
    done = subprocess.run(
        [sys.executable, wheel / "bin" / "trueup", "demo", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        cwd=wheel,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_wheel_is_what_runs(wheel: Path) -> None:
    code = "import trueup, trueup.packs as p; print(trueup.__file__, p.default_pack())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        cwd=wheel,
    )
    assert all(str(wheel) in path for path in said.stdout.split())


@pytest.mark.parametrize("part", incident.COMPOSITION, ids=lambda part: part.name)
def test_number_by_number(told: dict[str, Any], part: incident.Part) -> None:
    (count,) = [item for item in told["counts"] if item["name"] == part.name]
    assert (count["before"], count["after"]) == (part.before, part.after)


def test_what_goes_to_people(told: dict[str, Any]) -> None:
    assert {item["reason"]: item["items"] for item in told["questions"]} == {
        "call_outcome_without_appointment": 6,
        "call_made_without_appointment": 6,
        "customer_company_missing": 4,
    }


def test_nothing_is_left_but_what_people_have(told: dict[str, Any]) -> None:
    left = {item["name"]: item["violations"] for item in told["second"]["results"] if item["violations"]}
    assert left == {
        "call_outcome_without_appointment": 6,
        "call_made_without_appointment": 6,
        "customer_company_missing": 4,
        "call_type_missing": 4,
        "review_overdue": 1,
    }


def test_every_guard_and_every_fixable_constraint_is_on(told: dict[str, Any]) -> None:
    left = {item["what"] for item in told["enforced"] if item["action"] == "leave"}
    # four customers without a company are with people; two of them have appointments in both companies
    assert left == {"customers_company_known", "appointments_company_id_customer_id_fkey"}
    guards = [item["what"] for item in told["enforced"] if item["detail"].startswith("guard")]
    assert sorted(guards) == sorted(trueup.packs.load().guards)


def test_the_refusal_is_complete(told: dict[str, Any]) -> None:
    refusal = told["refusal"]
    assert refusal["sqlstate"] == "23514"
    assert refusal["constraint"] == "call_outcome_without_appointment"
    assert refusal["detail"]
    assert refusal["hint"]


PICTURE = """
select t.name, t.row
from (
    select 'calls' as name, c.id, to_jsonb(c) as row from public.calls as c
    union all
    select 'appointments', a.id, to_jsonb(a) from public.appointments as a
    union all
    select 'customers', k.id, to_jsonb(k) from public.customers as k
    union all
    select 'modifications', m.id, to_jsonb(m) from public.appointment_modifications as m
) as t
order by t.name, t.id
"""


@pytest.mark.one_server
def test_a_second_repair_changes_nothing_and_everything_can_be_undone(incident_database: str) -> None:
    before = sql(incident_database, PICTURE)
    trueup.adopt(database=incident_database, apply=True)
    assert sql(incident_database, PICTURE) == before, "adoption changes no row"
    trueup.check(database=incident_database)
    trueup.repair(database=incident_database, apply=True)
    repaired = sql(incident_database, PICTURE)
    queue = "select count(*), max(q.updated_at) from trueup.manual_review_queue as q"
    asked = sql(incident_database, queue)

    again = trueup.repair(database=incident_database, apply=True)
    assert again.corrected == 0
    assert sql(incident_database, PICTURE) == repaired
    assert sql(incident_database, queue) == asked

    trueup.enforce(database=incident_database)
    journal = sql(
        incident_database, "select r.id, r.reason, r.evidence from trueup.repairs as r order by r.id desc"
    )
    assert all(reason and evidence is not None for _, reason, evidence in journal)
    for repair_id, _, _ in journal:
        trueup.undo(repair_id, database=incident_database)
    assert sql(incident_database, PICTURE) == before, "every correction can be undone"


@pytest.mark.one_server
def test_clean_calls_that_look_odd_have_no_alert(incident_database: str) -> None:
    trueup.adopt(database=incident_database, apply=True)
    trueup.check(database=incident_database)
    odd = incident.planted()["odd"]
    assert len(odd) >= 20
    alarmed = {
        int(row[0])
        for row in sql(
            incident_database,
            "select al.entity_id from trueup.data_consistency_alerts as al where al.entity_type = 'call'",
        )
    }
    assert not alarmed & odd


@pytest.mark.one_server
def test_no_customer_of_another_company_is_ever_used(incident_database: str) -> None:
    trueup.adopt(database=incident_database, apply=True)
    trueup.repair(database=incident_database, apply=True)
    assert (
        sql(
            incident_database,
            """
        select a.id
        from public.appointments as a
        inner join public.customers as k on a.customer_id = k.id
        where a.company_id <> k.company_id
        union
        select c.id
        from public.calls as c
        inner join public.customers as k on c.customer_id = k.id
        where c.company_id <> k.company_id
        """,
        )
        == []
    )


@pytest.mark.one_server
def test_adoption_stops_no_call_of_any_customer(incident_database: str) -> None:
    """Lesson 9 of the incident: half of the customers have no company yet, and all of them call."""
    trueup.adopt(database=incident_database, apply=True)
    sql(
        incident_database,
        """
        insert into public.calls (company_id, retell_call_id, customer_id)
        select coalesce(k.company_id, 1), 'call_' || k.id, k.id
        from public.customers as k
        """,
    )
    waiting = {
        change.what
        for change in trueup.verify(database=incident_database).notes
        if change.action == "missing"
    }
    assert "foreign key calls_company_id_customer_id_fkey on public.calls" in waiting
    assert trueup.verify(database=incident_database).ok
    trueup.repair(database=incident_database, apply=True)
    trueup.enforce(database=incident_database)
    foreign = "insert into public.calls (company_id, retell_call_id, customer_id) select 3 - k.company_id, 'x', k.id from public.customers as k where k.company_id is not null limit 1"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sql(incident_database, foreign)
