"""What a full run finds among the candidates of a check is what its whole view lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helpers import copy_pack, plant, sql, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueup
from trueup import evaluation, packs
from trueup.model import Result
from trueup.store import session

CHECKS = [check for check in packs.load().checks if check.candidates]
APPOINTMENT = st.fixed_dictionaries(
    {
        "company_id": st.sampled_from([1, 1, 2, None]),
        "customer_id": st.sampled_from([1, 1, 2, None]),
        "service_id": st.sampled_from([1, 2, None]),
        "staff_id": st.sampled_from([1, 1, 2, None]),
        # quarters of an hour, so that ends meet beginnings; and more than the four hours of the second look
        "starts": st.integers(0, 40),
        "lasts": st.sampled_from([-1, 0, 1, 2, 3, 15, 16, 17, 40]),
        "calcom_booking_uid": st.sampled_from(["u1", "u2", None]),
        "status": st.sampled_from(["confirmed", "confirmed", "completed", "cancelled"]),
        "is_deleted": st.sampled_from([False, False, False, True]),
        "booked_for": st.sampled_from([None, None, "a child"]),
        "call_id": st.sampled_from([1, 2, 3, 9, None]),
        "branch_id": st.sampled_from([1, 2, 9, None, None]),
    }
)
# like one another, so that not every row is at fault at everything
CALL = st.fixed_dictionaries(
    {
        "company_id": st.sampled_from([1, 1, 1, 2, None]),
        "branch_id": st.sampled_from([1, 2, 9, None, None, None]),
        "phone_number_id": st.sampled_from([1, 1, 2, 9, None]),
        "customer_id": st.sampled_from([1, 1, 2, 3, 9, None]),
        "from_number": st.sampled_from(["+491701", "+49 1701", "+491702", None]),
        "direction": st.sampled_from(["inbound", "outbound", None]),
        "customer_link_status": st.sampled_from(["linked", "linked", "unlinked", "pending_review"]),
        "customer_link_method": st.sampled_from(["phone_match", "phone_match", "manual_link", None]),
        "customer_link_confidence": st.sampled_from([100, 100, None, 150]),
        "customer_linked_at": st.sampled_from(["2025-10-20", "2025-10-20", None]),
        "session_outcome": st.sampled_from(["appointment_booked", "creation_failed", "other", None]),
        "appointment_made": st.booleans(),
        "appointment_id": st.sampled_from([1, 2, 3, 9, None, None]),
        "appointment_link_status": st.sampled_from(["linked", "unlinked", "creation_failed"]),
        "appointment_linked_at": st.sampled_from(["2025-10-20", None]),
        "booking_confirmed": st.booleans(),
        "booking_failed": st.sampled_from([False, False, True]),
        "deleted_at": st.sampled_from([None, None, None, "2025-10-20"]),
    }
)
CALL_COLUMNS = (
    *("company_id", "branch_id", "phone_number_id", "customer_id", "from_number", "direction"),
    *("customer_link_status", "customer_link_method", "customer_link_confidence", "customer_linked_at"),
    *("session_outcome", "appointment_made", "appointment_id", "appointment_link_status"),
    *("appointment_linked_at", "booking_confirmed", "booking_failed", "deleted_at"),
)
OF_ONE_TABLE = (
    "appointment_booking_shared_candidates",
    "appointment_duplicate_candidates",
    "appointment_staff_overlap_candidates",
)
INSERT = """
insert into public.appointments (
    id, company_id, customer_id, service_id, staff_id, starts_at, ends_at, calcom_booking_uid, status,
    deleted_at, metadata, call_id, branch_id
)
overriding system value
values (
    %(id)s, %(company_id)s, %(customer_id)s, %(service_id)s, %(staff_id)s,
    timestamptz '2025-10-25 20:00+00' + %(starts)s * interval '15 minutes',
    timestamptz '2025-10-25 20:00+00' + (%(starts)s + %(lasts)s) * interval '15 minutes',
    %(calcom_booking_uid)s, %(status)s,
    case when %(is_deleted)s then now() end,
    jsonb_strip_nulls(jsonb_build_object('booked_for', %(booked_for)s::text)),
    %(call_id)s, %(branch_id)s
)
"""
INSERT_CALL = f"""
insert into public.calls (id, retell_call_id, status, {", ".join(CALL_COLUMNS)})
overriding system value
values (%(id)s, 'call_' || %(id)s, 'ended', {", ".join(f"%({name})s" for name in CALL_COLUMNS)})
"""
# two companies and what belongs to each; a customer of none, staff and a number of the other's branch
REFERRED_TO = """
insert into public.companies (id, name) overriding system value values (1, 'one'), (2, 'two');
insert into public.branches (id, company_id, name) overriding system value values (1, 1, 'a'), (2, 2, 'b');
insert into public.staff (id, company_id, branch_id, name) overriding system value
values (1, 1, 1, 'a'), (2, 2, 1, 'b');
insert into public.services (id, company_id, name, duration_minutes) overriding system value
values (1, 1, 'a', 30), (2, 9, 'b', 30);
insert into public.phone_numbers (id, company_id, branch_id, number) overriding system value
values (1, 1, 2, '+4930'), (2, 2, null, '+4931');
insert into public.customers (id, company_id, name, phone) overriding system value
values (1, 1, 'a', '+491701'), (2, 2, 'b', '+491702'), (3, null, 'c', '+491703');
"""


# a legacy table holds what ours would refuse
WITHOUT_CONSTRAINTS = """
do $$
declare
    v_table regclass;
    v_name name;
begin
    for v_table, v_name in
        select
            co.conrelid::regclass,
            co.conname
        from pg_catalog.pg_constraint as co
        where co.connamespace = 'public'::regnamespace and co.contype in ('c', 'x')
    loop
        execute format('alter table %s drop constraint %I', v_table, v_name);
    end loop;
    drop index public.appointments_booking_uid_key;
end;
$$
"""


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    sql(database, WITHOUT_CONSTRAINTS)
    with psycopg.connect(database) as opened:
        opened.execute("set session_replication_role = replica")
        opened.execute("set timezone = 'Europe/Berlin'")
        opened.commit()
        yield opened


def test_there_are_some() -> None:
    assert {check.name: check.candidates for check in CHECKS} == {
        "appointment_booking_shared": "appointment_booking_shared_candidates",
        "appointment_call_mismatch": "calls_and_appointments_candidates",
        "appointment_duplicate": "appointment_duplicate_candidates",
        "appointment_staff_overlap": "appointment_staff_overlap_candidates",
        "call_appointment_not_flagged": "calls_and_appointments_candidates",
        "call_backlink_broken": "calls_and_appointments_candidates",
        "call_backlink_missing": "calls_and_appointments_candidates",
        "call_booked_without_appointment": "calls_and_appointments_candidates",
        "call_failed_but_booked": "calls_and_appointments_candidates",
        "call_made_without_appointment": "calls_and_appointments_candidates",
        "call_link_unproven": "call_link_unproven_candidates",
        "call_outcome_without_appointment": "calls_and_appointments_candidates",
        "tenant_mismatch": "calls_and_appointments_candidates",
    }


@pytest.mark.one_server
@pytest.mark.parametrize("tables", ["appointments", "calls and appointments"])
def test_candidates_hold_every_violation(connection: psycopg.Connection[Any], tables: str) -> None:
    of_one_table = tables == "appointments"
    listed = dict.fromkeys((check.name for check in CHECKS), 0)
    most = 0 if of_one_table else 4

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(CALL, min_size=min(most, 1), max_size=most), st.lists(APPOINTMENT, max_size=9 - most))
    def looked(calls: list[dict[str, Any]], appointments: list[dict[str, Any]]) -> None:
        try:
            connection.execute(REFERRED_TO)
            for number, row in enumerate(calls, start=1):
                connection.execute(INSERT_CALL.encode(), {"id": number, **row})
            for number, row in enumerate(appointments, start=1):
                connection.execute(INSERT, {"id": number, **row})
            for view in dict.fromkeys(check.candidates for check in CHECKS):
                together = [check for check in CHECKS if check.candidates == view]
                found = connection.execute(
                    f"select q.check_name, q.entity_type, q.entity_id, q.evidence "
                    f"from ({evaluation.query_of(*together)}) as q order by 1, 2, 3".encode()
                ).fetchall()
                whole = [
                    row
                    for check in together
                    for row in connection.execute(
                        "select %s, v.entity_type, v.entity_id::text, v.evidence "
                        f"from trueup.{check.name} as v order by 2, 3".encode(),
                        [check.name],
                    )
                ]
                assert found == whole, view
                for name, *_ in whole:
                    listed[name] += 1
        finally:
            connection.rollback()

    looked()
    assert all(
        listed[check.name] for check in CHECKS if (check.candidates in OF_ONE_TABLE) == of_one_table
    ), listed


def test_calls_that_are_not_flagged_are_read_by_their_index(database: str) -> None:
    """Its predicate stands in the revision and in the view; spelled otherwise in one, no index answers it."""
    with psycopg.connect(database) as connection:
        connection.execute("set enable_seqscan = off")
        plan = connection.execute(
            "explain select * from trueup.calls_and_appointments_candidates as c where c.entity_type = 'call'"
        ).fetchall()
    assert "using calls_unflagged_idx" in str(plan)


def test_references_are_grouped_in_the_order_of_an_index(database: str) -> None:
    """Grouped in another order they would be sorted, on releases that do not look for a better one."""
    with psycopg.connect(database) as connection:
        connection.execute("set enable_seqscan = off")
        connection.execute("set enable_hashagg = off")
        connection.execute("set enable_bitmapscan = off")
        lines = connection.execute(
            "explain select * from trueup.calls_and_appointments_candidates as c "
            "where c.check_name = 'tenant_mismatch'"
        ).fetchall()
    plan = "\n".join(line for (line,) in lines)
    for index in ("calls_company_id_branch_id_idx", "appointments_company_id_branch_id_idx"):
        grouped = rf"Group Key: (\w+)\.company_id, \1\.branch_id, [^\n]*\n +->  Index Only Scan using {index}"
        assert re.search(grouped, plan), plan


@pytest.mark.parametrize(
    "fill",
    [
        "insert into public.calls (company_id, branch_id, retell_call_id, direction, call_type) "
        "select 1, i, 'call_' || md5(i::text), 'inbound', 'phone_call' from generate_series(1, 2000) as i",
        "insert into public.appointments (company_id, branch_id, starts_at, ends_at) "
        "select 1, i, now() + i * interval '1 day', now() + i * interval '25 hours' from generate_series(1, 2000) as i",
    ],
    ids=["calls", "appointments"],
)
def test_a_branch_is_looked_up_when_it_is_deleted(database: str, fill: str) -> None:
    """What the foreign key asks then would read all rows of the company otherwise."""
    table = fill.split()[2]
    with psycopg.connect(database) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(fill.encode())
        connection.execute(f"analyze {table}".encode())
        plan = connection.execute(
            f"explain select 1 from only {table} as x where 1 = company_id and 1 = branch_id for key share of x".encode()
        ).fetchall()
    assert "Index Cond: ((company_id = 1) AND (branch_id = 1))" in str(plan), plan


def test_a_view_that_is_gone_costs_its_own_check_only(database: str) -> None:
    """Candidates are asked about by a function that rests on the views of all checks of the entity."""
    sql(database, "drop view trueup.call_transcript_name")
    failed = [result.name for result in trueup.check(database=database).results if result.error]
    assert failed == ["call_transcript_name"]


OPEN = "select array_agg(entity_id) from trueup.data_consistency_alerts where alert_type = %s and status = 'open'"


@pytest.mark.one_server
def test_candidates_that_are_not_deployed_yet_are_not_asked(database: str, tmp_path: Path) -> None:
    """The file says for which checks they are; the view in the database may know nothing of one."""
    name = "appointment_without_call"
    plant(
        database,
        "select factory.company(1); "
        "select factory.appointment(1, source => 'retell', idempotency_key => gen_random_uuid())",
    )
    trueup.check(database=database)
    assert value(database, OPEN, name) == ["1"]

    pack = copy_pack(tmp_path / "pack")
    view = pack / "db" / "views" / "calls_and_appointments_candidates.sql"
    text = view.read_text().replace("tenant_mismatch\n", f"tenant_mismatch, {name}\n", 1)
    branch = f"union all select '{name}', 'appointment', ka.id from trueup.suspect_appointments as ka;"
    view.write_text(text.rstrip().removesuffix(";") + f"\n{branch}\n")
    assert name in {check.name for check in packs.load(pack).checks if check.candidates}

    found = {result.name: result for result in trueup.check(database=database, pack=pack).results}
    assert (found[name].outcome, found[name].violations) == ("complete", 1)
    (guard,) = trueup.enforce([name], database=database, pack=pack)
    assert guard.action == "leave", "its violation is counted"

    trueup.migrate(database=database, pack=pack)
    trueup.check(database=database, pack=pack)
    assert value(database, OPEN, name) == ["1"]
    assert value(database, "select max(occurrences) from trueup.data_consistency_alerts") == 3


def test_a_check_whose_file_is_not_deployed_yet_is_asked_whole(database: str, tmp_path: Path) -> None:
    """What its file says of it may not be what the candidates in the database were written for."""
    pack = copy_pack(tmp_path / "pack")
    with (pack / "checks" / "call_link_unproven.sql").open("a") as file:
        file.write("-- another\n")
    with session(database, "test") as connection:
        asked = {
            check.name: check.candidates
            for check in evaluation.with_candidates(connection, list(packs.load(pack).checks))
        }
    assert {check.name: asked[check.name] for check in CHECKS} == {
        check.name: None if check.name == "call_link_unproven" else check.candidates for check in CHECKS
    }


BOOKED = "call_booked_without_appointment"


def in_full(database: str) -> dict[str, Result]:
    """Make a pass that judges all that rests on calls in full; return its results."""
    sql(database, "insert into trueup.changes (table_name) values ('public.calls')")
    return {result.name: result for result in trueup.check_changed(database=database).results}


def test_a_pass_asks_the_whole_view_of_a_check_that_was_edited_by_hand(database: str) -> None:
    (definition,) = sql(database, f"select pg_get_viewdef('trueup.{BOOKED}')")[0]
    more = "select 1::bigint, 'call'::text, 1::bigint, 'edited'::text, '{}'::jsonb"
    sql(
        database,
        f"create or replace view trueup.{BOOKED} as {definition.rstrip().removesuffix(';')} union all {more}",
    )
    trueup.check(database=database)
    assert value(database, OPEN, BOOKED) == ["1"]
    assert in_full(database)[BOOKED].outcome == "complete"
    assert value(database, OPEN, BOOKED) == ["1"]


@pytest.mark.parametrize(
    "damage",
    ["drop view trueup.calls_and_appointments_candidates", "drop routine trueup.violations_of_call"],
)
def test_a_pass_needs_no_candidates(database: str, damage: str) -> None:
    trueup.check_changed(database=database)
    sql(database, damage)
    found = in_full(database)
    assert {result.outcome for result in found.values()} == {"complete", "changed", "unjudged"}
    assert found[BOOKED].outcome == "complete"
