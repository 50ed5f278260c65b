"""A week of calls as an application stored them, adopted and mended: DOMAIN, section 7.

The week itself lies outside the project; a synthetic extract of its form ships with it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import ROOT
from helpers import sql, value

import trueup

# the form that the provider documents, said here once more and not by our SQL
PROVIDER_ID = re.compile(r"call_[0-9a-f]{27}")
IS_STUCK = {"in_progress", "in-progress", "active", "ongoing", "registered"}


@dataclass(frozen=True)
class Week:
    """A file of calls and what is known to be in it."""

    path: Path
    calls: int
    unknown_status: int
    for_a_person: dict[str, str]  # retell_call_id: status
    stuck: int
    malformed: int


WEEKS = {
    "synthetic": Week(
        path=Path(__file__).parent / "data" / "calls_week.jsonl",
        calls=24,
        unknown_status=10,
        for_a_person={"call_" + "e1".rjust(27, "0"): "inbound", "call_" + "e2".rjust(27, "0"): ""},
        stuck=7,
        malformed=5,
    ),
    "real": Week(
        path=ROOT.parent / "shared" / "data" / "retell_calls_2025-10.jsonl",
        calls=167,
        unknown_status=49,
        for_a_person={},
        stuck=40,
        malformed=9,
    ),
}


def load(url: str, calls: list[dict[str, Any]]) -> None:
    """Store the calls as the application would have, without an end: the file has none."""
    rows = [
        (c["call_id"], c["started_at"], c["duration_ms"], c["call_status"], c["disconnection_reason"])
        for c in calls
    ]
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("insert into public.companies (name) values ('one')")
        cursor.executemany(
            "insert into public.calls"
            " (company_id, retell_call_id, started_at, ended_at, duration_ms, status, disconnection_reason)"
            " values (1, %s, %s, null, %s, %s, %s)",
            rows,
        )


def listed(url: str, check: str) -> set[str]:
    """Return the retell_call_id of every call that a check lists."""
    found = sql(
        url,
        f"select c.retell_call_id from trueup.{check} as v inner join public.calls as c on v.entity_id = c.id",
    )
    return {row[0] for row in found}


def counts(url: str) -> dict[str, int]:
    """Run every check; return the violations of each that has any."""
    return {
        result.name: result.violations for result in trueup.check(database=url).results if result.violations
    }


@pytest.mark.one_server
@pytest.mark.parametrize("name", WEEKS)
def test_a_week_is_adopted_and_mended(name: str, legacy_database: str) -> None:
    week = WEEKS[name]
    if not week.path.exists():
        pytest.skip(f"{week.path.name} lies outside the project, and is not here")
    calls = [json.loads(line) for line in week.path.read_text().splitlines()]
    assert len(calls) == week.calls
    known = {"registered", "ongoing", "ended", "analyzed", "failed"}
    unknown = {c["call_id"] for c in calls if c["call_status"] not in known}
    malformed = {c["call_id"] for c in calls if not PROVIDER_ID.fullmatch(c["call_id"])}
    stuck = {c["call_id"] for c in calls if c["call_status"].strip().lower() in IS_STUCK}
    person = week.for_a_person or {c["call_id"]: "inbound" for c in calls if c["call_status"] == "inbound"}

    load(legacy_database, calls)
    trueup.adopt(database=legacy_database, apply=True)

    before = counts(legacy_database)
    assert before["call_status_unknown"] == week.unknown_status == len(unknown)
    assert listed(legacy_database, "call_status_unknown") == unknown
    assert before["call_id_malformed"] == week.malformed == len(malformed)
    assert listed(legacy_database, "call_id_malformed") == malformed
    assert before["call_direction_missing"] == week.calls

    # by itself: 48 of the real week's 49 are synonyms
    repaired = trueup.repair(["call_status_unknown"], database=legacy_database, apply=True)
    (result,) = [r for r in repaired.checks if r.name == "call_status_unknown"]
    assert (result.corrected, result.review) == (week.unknown_status - len(person), len(person))
    assert listed(legacy_database, "call_status_unknown") == set(person)
    queued = sql(
        legacy_database,
        "select c.retell_call_id, c.status from trueup.manual_review_queue as q"
        " inner join public.calls as c on q.entity_id = c.id::text"
        " where q.reason = 'call_status_unknown' and q.status = 'pending'",
    )
    assert dict(queued) == person
    mended = counts(legacy_database)
    assert mended["call_stuck_ongoing"] == week.stuck == len(stuck)

    trueup.repair(database=legacy_database, apply=True)
    after = counts(legacy_database)
    assert after["call_stuck_ongoing"] == week.stuck
    assert listed(legacy_database, "call_stuck_ongoing") == stuck
    assert after["call_status_unknown"] == len(person)
    assert listed(legacy_database, "call_id_malformed") == malformed
    # a row that no constraint accepts as it is takes no other correction before a person has decided
    assert listed(legacy_database, "call_direction_missing") == set(person)
    waiting = dict(
        sql(
            legacy_database,
            "select reason, count(*)::integer from trueup.manual_review_queue where status = 'pending' group by reason",
        )
    )
    assert waiting["call_status_unknown"] == len(person)
    assert waiting["call_stuck_ongoing"] == week.stuck
    assert waiting["call_id_malformed"] == week.malformed

    # no call is lost, no instant and no duration invented
    told = sql(
        legacy_database,
        'select retell_call_id, duration_ms, ended_at is null from public.calls order by retell_call_id collate "C"',
    )
    assert told == sorted((c["call_id"], c["duration_ms"], True) for c in calls)

    # a second repair changes nothing
    done = value(legacy_database, "select count(*) from trueup.repairs")
    trueup.repair(database=legacy_database, apply=True)
    assert value(legacy_database, "select count(*) from trueup.repairs") == done
    assert counts(legacy_database) == after

    # a person decides; then the rest of those rows is mended, too
    sql(
        legacy_database,
        "update public.calls set status = 'ended' where retell_call_id = any(%s)",
        list(person),
    )
    trueup.repair(database=legacy_database, apply=True)
    decided = counts(legacy_database)
    assert not decided.keys() & {"call_status_unknown", "call_direction_missing", "call_link_status_wrong"}
    assert decided["call_stuck_ongoing"] == week.stuck
