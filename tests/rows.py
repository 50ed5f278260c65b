"""Rows for the tests of what people do: two companies, a fault planted, an item queued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def factory(database: str) -> Iterator[psycopg.Connection[Any]]:
    """Give an autocommit connection to a database with two companies."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("select factory.company(1), factory.company(2)")
        yield connection


def flagged_call(connection: psycopg.Connection[Any], call_id: int) -> None:
    """Plant a call that says appointment_made and has none, behind the back of every trigger."""
    connection.execute("select factory.call(id => %s, appointment_made => false)", (call_id,))
    connection.execute("select factory.behind_the_back(true)")
    connection.execute("update public.calls set appointment_made = true where id = %s", (call_id,))
    connection.execute("select factory.behind_the_back(false)")


def queue(connection: psycopg.Connection[Any], reason: str, entity_id: str, **more: Any) -> int:
    """Queue an item for a call; `more` are further arguments of trueup.queue_review."""
    given = {
        "p_reason": reason,
        "p_entity_type": "call",
        "p_entity_id": entity_id,
        "p_description": "look",
        **more,
    }
    arguments = ", ".join(f"{name} => %({name})s" for name in given)
    return int(value(connection, f"select trueup.queue_review({arguments})", given))


def value(connection: psycopg.Connection[Any], query: str, parameters: Any = None) -> Any:
    """Return the first column of the first row."""
    row = connection.execute(query.encode(), parameters).fetchone()
    return row[0] if row else None
