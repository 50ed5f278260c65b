"""Every file under tests/pgtap, on every server; each rolls back what it did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pgtap_runner
import pytest
from conftest import Databases

FILES = sorted((Path(__file__).parent / "pgtap").glob("*.sql"))


@pytest.fixture(scope="session")
def pgtap_database(databases: Databases) -> Iterator[str]:
    """One database at head for all files."""
    name = databases.create(databases.migrated())
    yield databases.server.url(name)
    databases.drop(name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_pgtap(file: Path, pgtap_database: str) -> None:
    assert pgtap_runner.run(file, pgtap_database) > 0
