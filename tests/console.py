"""What the tests of the review console share: one database, emptied for each test, and people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from argon2 import PasswordHasher
from conftest import Databases
from helpers import sql

from trueup.web import users

PASSWORD = "correct horse battery"
PEOPLE = {
    "ann": ("reviewer", None),
    "bob": ("reviewer", ["1"]),
    "cyd": ("reviewer", ["2"]),
    "vic": ("viewer", ["1"]),
    "ada": ("admin", None),
}
# emptied behind the back of every trigger: the history of items and of the console is append-only
EMPTY = """
set session_replication_role = replica;
truncate
    public.companies, public.customers, public.calls, public.appointments,
    trueup.manual_review_queue, trueup.manual_review_events, trueup.data_consistency_alerts,
    trueup.repairs, trueup.repair_changes, trueup.check_runs, trueup.check_results, trueup.changes,
    trueup.console_users, trueup.console_sessions, trueup.console_attempts, trueup.console_audit
    restart identity cascade;
"""


@contextmanager
def console_database(databases: Databases) -> Iterator[tuple[str, str]]:
    """Make a database; give its URL, and that for a login which is in trueup_console and in nothing else."""
    name = databases.create(databases.migrated())
    url = databases.server.url(name)
    sql(url, f"create role {name} login in role trueup_console")
    try:
        yield url, url.replace("postgres@", f"{name}@")
    finally:
        databases.drop(name)
        databases.admin(f"drop role {name}")


def emptied(url: str) -> None:
    """Leave the database as a migration left it, with two companies."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(EMPTY.encode())
        connection.execute("set session_replication_role = origin")
        connection.execute("select factory.company(1), factory.company(2)")


def quick() -> PasswordHasher:
    """Return a hasher for passwords that are hashed quickly: nothing tested depends on how slowly."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def add_people(url: str) -> None:
    """Ann sees all, Bob company 1, Cyd company 2; Vic decides nothing, Ada reads the log."""
    for name, (role, companies) in PEOPLE.items():
        users.add(name, PASSWORD, role, companies, "en", database=url)
