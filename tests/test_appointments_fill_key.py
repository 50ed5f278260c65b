"""Two sessions that are given one idempotency key: the unique index decides."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest

BOOKING = """
    insert into public.appointments (company_id, call_id, starts_at, ends_at, source)
    values (1, 1, '2025-10-22 12:00:00+00', '2025-10-22 12:45:00+00', 'retell')
    returning idempotency_key, trueup.idempotency_key(1, null, null, null, 1, starts_at)
"""


@pytest.mark.parametrize("first_commits", [True, False])
def test_one_key_is_given_to_one_of_two_bookings_at_once(database: str, first_commits: bool) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("select factory.company(1), factory.call(1)")
        with psycopg.connect(database) as first, psycopg.connect(database) as second:
            first.execute(BOOKING)
            told: list[Any] = []

            def book() -> None:
                try:
                    told.append(second.execute(BOOKING).fetchone())
                except psycopg.errors.UniqueViolation as error:
                    told.append(error.diag.constraint_name)

            booking = threading.Thread(target=book)
            booking.start()
            waits = "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
            while not connection.execute(waits, [second.info.backend_pid]).fetchone():
                assert booking.is_alive()
                time.sleep(0.01)
            if first_commits:
                first.commit()
            else:
                first.rollback()
            booking.join()

        (answer,) = told
        if first_commits:
            assert answer == "appointments_idempotency_key_key"
        else:
            given, computed = answer
            assert given == computed
