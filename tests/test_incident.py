"""The incident's legacy database is what DOMAIN says it is, and faulty nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

import trueup
from trueup import incident, packs, store

# every call is in exactly one of these, and each has as many
GROUPS = {
    "confirmed_right": 4,
    "confirmed_backlink": 17,
    "confirmed_unlinked": 10,
    "confirmed_without_appointment": 13,
    "booked_linkable": 3,
    "booked_unproven": 6,
    "made_unproven": 6,
    "direction_line_ours": 13,
    "direction_line_unknown": 16,
    "link_unproven": 1,
    "status_anonymous": 27,
    "status_name_only": 16,
    "status_other": 11,
    "status_customer_not_linked": 4,
    "status_linked_to_nobody": 2,
    "odd": 24,
}

# what else is wrong with some of them
SHARED = {
    "confirmed_not_flagged": (12, {"confirmed_backlink": 12}),
    "confirmed_creation_failed": (5, {"confirmed_without_appointment": 5}),
    "confirmed_double_encoded": (1, {"confirmed_without_appointment": 1}),
    "fragment_names": (11, {"status_anonymous": 4, "status_other": 5, "direction_line_ours": 2}),
    "call_type_payload": (
        46,
        {
            "direction_line_ours": 13,
            "direction_line_unknown": 7,
            "status_anonymous": 17,
            "status_name_only": 9,
        },
    ),
    "call_type_unknown": (4, {"status_name_only": 4}),
}

# the groups that each check lists before the repair; a check not named here lists nothing
LISTED = {
    "appointment_without_call": ("appointments_without_call",),
    "call_appointment_not_flagged": ("confirmed_not_flagged",),
    "call_backlink_missing": ("confirmed_backlink",),
    "call_booked_without_appointment": ("confirmed_unlinked", "confirmed_without_appointment"),
    "call_creation_failed_unqueued": ("confirmed_creation_failed",),
    "call_customer_not_linked": ("status_customer_not_linked",),
    "call_direction_missing": ("direction_line_ours", "direction_line_unknown"),
    "call_link_status_wrong": ("status_anonymous", "status_name_only", "status_other"),
    "call_link_unproven": ("link_unproven",),
    "call_linked_without_customer": ("status_linked_to_nobody",),
    "call_made_without_appointment": ("made_unproven",),
    "call_outcome_without_appointment": ("booked_linkable", "booked_unproven"),
    "call_transcript_name": ("fragment_names",),
    "call_type_missing": ("call_type_payload", "call_type_unknown"),
    "customer_company_missing": ("customers_evidenced", "customers_other"),
    "event_double_encoded": ("confirmed_double_encoded",),
}


def load(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(incident.legacy_sql().encode())


def counts(url: str) -> dict[str, Any]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        found = connection.execute(store.statement("incident_counts")).fetchone()
    assert found is not None
    return found


def column(url: str, query: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def test_composition(legacy_database: str) -> None:
    load(legacy_database)
    found = counts(legacy_database)
    assert found == {part.name: part.before for part in incident.COMPOSITION}
    assert list(found) == [part.name for part in incident.COMPOSITION]


def test_every_call_is_in_one_group() -> None:
    planted = incident.planted()
    assert {name: len(planted[name]) for name in GROUPS} == GROUPS
    assert frozenset().union(*(planted[name] for name in GROUPS)) == frozenset(range(1, 174))


@pytest.mark.parametrize("name", SHARED)
def test_faults_that_share_a_call(name: str) -> None:
    planted = incident.planted()
    total, shares = SHARED[name]
    assert len(planted[name]) == total
    assert {group: n for group in GROUPS if (n := len(planted[name] & planted[group]))} == shares


def test_same_text_in_another_process() -> None:
    program = "from trueup import incident; import sys; sys.stdout.write(incident.legacy_sql())"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {incident.legacy_sql().encode()}


def test_everything_is_invented_and_of_october() -> None:
    text = incident.legacy_sql()
    numbers = {re.sub(r"[ -]", "", number) for number in re.findall(r"'((?:\+|00)49[0-9 -]+)'", text)}
    assert len(numbers) > 100
    # the ranges that the Bundesnetzagentur gives to nobody
    assert all(re.fullmatch(r"(\+|00)49(3023125|4066969)\d{3}", number) for number in numbers)
    assert set(re.findall(r"@([\w.]+)", text)) == {"example.com"}
    assert set(re.findall(r"\b(20\d\d-\d\d)-\d\d[ T]", text)) == {"2025-10"}


def test_loads_quickly(legacy_database: str) -> None:
    started = time.monotonic()
    load(legacy_database)
    assert time.monotonic() - started < 2


def test_application_can_go_on_writing(legacy_database: str) -> None:
    load(legacy_database)
    insert = "insert into public.calls (company_id, retell_call_id) values (1, 'call_1') returning id"
    assert column(legacy_database, insert) == [174]


def test_checks_list_what_was_planted_and_nothing_else(incident_database: str) -> None:
    trueup.adopt(database=incident_database, apply=True)
    planted = incident.planted()
    checks = [check.name for check in packs.load().checks if check.populations]
    found = {
        name: sorted(column(incident_database, f"select v.entity_id from trueup.{name} as v"))
        for name in checks
    }
    expected = {
        name: sorted(frozenset().union(*(planted[group] for group in LISTED.get(name, ()))))
        for name in checks
    }
    assert found == expected
