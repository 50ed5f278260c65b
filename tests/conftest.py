"""Databases for the tests: real servers, one template for each state, a copy for each test."""

from __future__ import annotations

import itertools
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from postgres import Choice, Postgres, choices, install_pgtap, started

import trueup
from trueup import migration, packs

ROOT = Path(__file__).resolve().parents[1]
FACTORY = Path(__file__).with_name("factory.sql")
MEMORY = Path("/dev/shm")
ROOM = 4 << 30

_number = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", help="the server to run on: a release installed here (15), or docker:16")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres" in metafunc.fixturenames:
        found = choices(metafunc.config.getoption("postgres"))
        if metafunc.definition.get_closest_marker("one_server"):
            found = found[:1]
        metafunc.parametrize(
            "postgres", found, ids=[choice.name for choice in found], indirect=True, scope="session"
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process on a server that others may use too, and in containers; else one for each core."""
    is_container = str(config.getoption("postgres")).startswith("docker:")
    return 1 if is_container or "TRUEUP_TEST_DATABASE_URL" in os.environ else None


def pytest_configure(config: pytest.Config) -> None:
    for name in (
        "TRUEUP_DATABASE_URL",
        "PGHOST",
        "PGPORT",
        "PGDATABASE",
        "PGUSER",
        "PGSERVICE",
        "PGPASSWORD",
    ):
        os.environ.pop(name, None)
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None
    # begun with nohup, or in the background of a script: the programs that tests start would ignore them, too
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def _has_room(memory: Path) -> bool:
    """Tell whether servers may keep their files in memory: copies of databases cost a tenth there."""
    try:
        found = os.statvfs(memory)
        available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return False
    free = min(found.f_bavail * found.f_frsize, int(available[1]) * 1024 if available else 0)
    return free > ROOM and os.access(memory, os.W_OK | os.X_OK) and not found.f_flag & os.ST_NOEXEC


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A running server; the suite runs once for each."""
    choice = request.param
    assert isinstance(choice, Choice)
    with started(choice) as server:
        yield server


class Databases:
    """Makes databases of one server: templates once, copies of them quickly."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.made: dict[str, str] = {}
        self.prefix = f"trueup_test_{os.getpid()}"

    def admin(self, statement: str) -> None:
        """Run a statement as the superuser, outside any test's database."""
        with psycopg.connect(self.server.admin_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, template: str = "template1") -> str:
        """Create a database; return its name."""
        name = f"{self.prefix}_{next(_number)}"
        self.admin(f"create database {name} template {template} strategy file_copy")
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        self.admin(f"drop database if exists {name} with (force)")

    def template(self, state: str, fill: Callable[[str], None], base: str | None = None) -> str:
        """Return the name of the database in a state, filled the first time."""
        if state not in self.made:
            name = self.create(base or "template1")
            fill(self.server.url(name))
            self.made[state] = name
        return self.made[state]

    def migrated(self) -> str:
        """A database at head, with the test factory and pgTAP."""

        def fill(url: str) -> None:
            trueup.migrate(database=url)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(FACTORY.read_bytes())
            install_pgtap(url)

        return self.template("migrated", fill)

    def legacy(self) -> str:
        """A database that holds the application's tables and nothing of ours."""

        def fill(url: str) -> None:
            text = migration.host_sql(packs.load())
            assert text is not None
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(text.encode())

        return self.template("legacy", fill)

    def incident(self) -> str:
        """The legacy database of the reference incident."""

        def fill(url: str) -> None:
            from trueup import incident

            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(incident.legacy_sql().encode())

        return self.template("incident", fill, self.legacy())

    def close(self) -> None:
        """Drop the templates."""
        for name in self.made.values():
            self.drop(name)


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Iterator[Databases]:
    """The databases of the server."""
    made = Databases(postgres)
    yield made
    made.close()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that the server's own user may enter, as pytest's tmp_path is not when root runs the suite."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        yield path


def _copy(databases: Databases, template: str) -> Iterator[str]:
    name = databases.create(template)
    yield databases.server.url(name)
    databases.drop(name)


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[str]:
    """URL of a database with nothing in it."""
    yield from _copy(databases, "template1")


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """URL of a fresh database at head, with the functions of factory.sql."""
    yield from _copy(databases, databases.migrated())


@pytest.fixture
def legacy_database(databases: Databases) -> Iterator[str]:
    """URL of a database that holds the application's tables, empty, and nothing of ours."""
    yield from _copy(databases, databases.legacy())


@pytest.fixture
def incident_database(databases: Databases) -> Iterator[str]:
    """URL of the incident's legacy database, not adopted."""
    yield from _copy(databases, databases.incident())
