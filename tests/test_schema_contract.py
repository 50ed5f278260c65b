"""schema_contract_broken, evaluated as a run evaluates it: read only, on one snapshot."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

import trueup

Connection = psycopg.Connection[Any]


def said(connection: Connection, statement: str) -> list[Any]:
    return connection.execute("select * from trueup.contract_error(%s, 'public')", [statement]).fetchall()


def test_contracts_are_judged_in_a_read_only_snapshot(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("begin transaction isolation level repeatable read read only")
        assert said(connection, "insert into calls (company_id, retell_call_id) values ($1, $2)") == []
        assert said(connection, "update calls set booked = true") == [
            ("42703", 'column "booked" of relation "calls" does not exist')
        ]
        assert connection.execute("show search_path").fetchone() == ('"$user", public',)
        connection.execute("commit")
        assert connection.execute("select name from pg_prepared_statements").fetchall() == []


def test_a_run_reports_a_broken_contract(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            """
            insert into trueup.contracts (name, statement) values
            ('reads calls', 'select id from calls where company_id = $1'),
            ('writes a phantom', 'update appointments set google_event_id = $1')
            """
        )
    run = trueup.check(["schema_contract_broken"], database=database)
    assert [(result.name, result.outcome, result.violations) for result in run.results] == [
        ("schema_contract_broken", "complete", 1)
    ]


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
def test_a_table_that_cannot_be_read_is_no_broken_contract(database: str, limit: str) -> None:
    with psycopg.connect(database) as other, psycopg.connect(database, autocommit=True) as connection:
        other.execute("lock table public.calls in access exclusive mode")
        connection.execute(f"set {limit} = '100ms'".encode())
        with pytest.raises((psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)):
            said(connection, "select id from calls")
        other.rollback()
        assert said(connection, "select id from calls") == []
        assert connection.execute("select name from pg_prepared_statements").fetchall() == []
