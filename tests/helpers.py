"""Small things that many tests need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
TRUEUP = str(Path(sys.executable).with_name("trueup"))


def sql(url: str, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run SQL in a connection of its own; return the rows of the last statement."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text.encode(), parameters or None)
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []


def value(url: str, text: str, *parameters: Any) -> Any:
    """Run a query; return the first column of its first row."""
    return sql(url, text, *parameters)[0][0]


def plant(url: str, text: str) -> None:
    """Run SQL behind the back of every trigger of ours."""
    with psycopg.connect(url) as connection:
        connection.execute("select factory.behind_the_back(true)")
        connection.execute(text.encode())
        connection.execute("set constraints all immediate")
        connection.execute("select factory.behind_the_back(false)")


def run(
    *arguments: str | Path, url: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed `trueup` as a user does."""
    return subprocess.run(
        [TRUEUP, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=_environment(url, environment),
    )


def launch(*arguments: str, url: str) -> subprocess.Popen[str]:
    """Start the installed `trueup` and return at once."""
    return subprocess.Popen(
        [TRUEUP, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(url, {}),
    )


def _environment(url: str | None, more: dict[str, str]) -> dict[str, str]:
    kept = {key: item for key, item in os.environ.items() if not key.startswith(("PG", "TRUEUP_"))}
    return {**kept, **({"TRUEUP_DATABASE_URL": url} if url else {}), "COLUMNS": "200", **more}


def eventually(question: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until the question is answered with yes."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@contextmanager
def connected(url: str, count: int) -> Iterator[list[psycopg.Connection[Any]]]:
    """Open connections, not in autocommit, and close them."""
    connections = [psycopg.connect(url) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


class Pool:
    """A pool of one connection, which it opens when it lends it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def connection(self) -> psycopg.Connection[Any]:
        """Open a connection; it commits and closes when the block that took it ends."""
        return psycopg.connect(self.url)


REVISION = '''"""A revision of a test."""

from trueup.migration import run_sql

revision = "{name}"
down_revision = "{after}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up", search_path="public")


def downgrade() -> None:
    run_sql(__file__, "down", search_path="public")
'''


def copy_pack(directory: Path) -> Path:
    """Copy the shipped pack, to be changed by a test."""
    for folder in ("checks", "db", "migrations", "triggers"):
        shutil.copytree(ROOT / folder, directory / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return directory


def add_revision(pack: Path, name: str, up: str, down: str = "select 1;", after: str | None = None) -> None:
    """Write a revision into a pack, after the newest one unless told otherwise."""
    versions = pack / "migrations" / "versions"
    newest = max(versions.glob("[0-9]*.py"))
    named = re.search(r'^revision = "(\w+)"', newest.read_text(), re.M)
    assert named is not None
    stem = f"{int(newest.stem[:4]) + 1:04d}_{name}"
    after = after or named[1]
    (versions / f"{stem}.py").write_text(REVISION.format(name=name, after=after))
    (versions / f"{stem}.up.sql").write_text(up)
    (versions / f"{stem}.down.sql").write_text(down)


CHECK = """-- {name}
--
-- invariant:   nothing is wrong
-- severity:    warning
-- entity:      item
-- changes:     {changes}
-- population:  items
-- prevented:   none: example
-- repair:      review
-- cost:        the changed rows
--
-- Of a test.

create or replace view trueup.{name} as
select
    null::text as company_id,
    'item' as entity_type,
    i.id as entity_id,
    'wrong' as description,
    '{{}}'::jsonb as evidence
from public.items as i
where {wrong};
"""


def items_pack(directory: Path, **checks: tuple[str, str]) -> Path:
    """Write a pack whose checks are about public.items: each has its line `changes`, and says what is wrong."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "migrations" / "versions").mkdir(parents=True)
    (directory / "checks").mkdir()
    for name, (changes, wrong) in checks.items():
        text = CHECK.format(name=name, changes=changes, wrong=wrong)
        (directory / "checks" / f"{name}.sql").write_text(text)
    return directory
