"""What a full run finds among the candidates of a check is what its whole view lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from helpers import sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup import evaluation, packs

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
    }
)
INSERT = """
insert into public.appointments (
    id, company_id, customer_id, service_id, staff_id, starts_at, ends_at, calcom_booking_uid, status,
    deleted_at, metadata
)
overriding system value
values (
    %(id)s, %(company_id)s, %(customer_id)s, %(service_id)s, %(staff_id)s,
    timestamptz '2025-10-25 20:00+00' + %(starts)s * interval '15 minutes',
    timestamptz '2025-10-25 20:00+00' + (%(starts)s + %(lasts)s) * interval '15 minutes',
    %(calcom_booking_uid)s, %(status)s,
    case when %(is_deleted)s then now() end,
    jsonb_strip_nulls(jsonb_build_object('booked_for', %(booked_for)s::text))
)
"""


# a legacy table holds what ours would refuse
WITHOUT_CONSTRAINTS = """
do $$
declare
    v_name name;
begin
    for v_name in
        select co.conname
        from pg_catalog.pg_constraint as co
        where co.conrelid = 'public.appointments'::regclass and co.contype in ('c', 'x')
    loop
        execute format('alter table public.appointments drop constraint %I', v_name);
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
    assert [check.name for check in CHECKS] == [
        "appointment_booking_shared",
        "appointment_duplicate",
        "appointment_staff_overlap",
    ]


@pytest.mark.one_server
def test_candidates_hold_every_violation(connection: psycopg.Connection[Any]) -> None:
    listed = dict.fromkeys((check.name for check in CHECKS), 0)

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(APPOINTMENT, max_size=9))
    def looked(appointments: list[dict[str, Any]]) -> None:
        try:
            for number, row in enumerate(appointments, start=1):
                connection.execute(INSERT, {"id": number, **row})
            for check in CHECKS:
                whole = connection.execute(
                    f"select entity_id::text, evidence from trueup.{check.name} order by 1".encode()
                ).fetchall()
                found = connection.execute(
                    f"select q.entity_id, q.evidence from ({evaluation.query_of(check)}) as q "
                    "order by 1".encode()
                ).fetchall()
                assert found == whole, check.name
                listed[check.name] += len(whole)
        finally:
            connection.rollback()

    looked()
    assert all(listed.values()), listed
