"""Contracts: which files are kept, which are refused, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trueup import contracts
from trueup.cli_review import contract as command
from trueup.errors import NotFoundError, UsageError

NOWHERE = "host=/nowhere"  # what is refused is refused before anybody connects
INSERT = "insert into calls (company_id, retell_call_id) values ($1, $2)"


def written(directory: Path, content: str | bytes) -> Path:
    file = directory / "statement.sql"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def invoke(database: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--database", database], catch_exceptions=False)


def test_add_list_replace_remove(database: str, tmp_path: Path) -> None:
    file = written(tmp_path, f"\n{INSERT}\n;\n")
    added = contracts.add("save_call", file, database=database)
    assert (added.statement, added.search_path, added.source) == (INSERT, "public", str(file))
    assert contracts.add("save_call", file, database=database) == added

    written(tmp_path, "select 1")
    replaced = contracts.add("save_call", file, "app, public", database=database)
    assert (replaced.id, replaced.statement, replaced.search_path) == (added.id, "select 1", "app, public")
    assert contracts.list_contracts(database=database) == [replaced]

    with pytest.raises(NotFoundError, match="did you mean save_call"):
        contracts.remove("save_cal", database=database)
    contracts.remove("save_call", database=database)
    assert contracts.list_contracts(database=database) == []
    with pytest.raises(NotFoundError, match="no contract is called save_call"):
        contracts.remove("save_call", database=database)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("select 1; drop table calls", "a semicolon in line 1"),
        ("-- why\nselect ';'", "a semicolon in line 2"),
        ("select 1;;", "a semicolon in line 1"),
        ("select 1; -- the end", "a semicolon in line 1"),
        ("", "holds no statement"),
        (" \n;\n", "holds no statement"),
        ("-- only a comment", "holds no statement"),
        ("/* nothing */;", "holds no statement"),
        ("select 'a\0b'", "a NUL character"),
        (b"select '\xe4'", r"not UTF-8 text \(byte 8\)"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        contracts.add("name", written(tmp_path, content), database=NOWHERE)


def test_a_byte_order_mark_and_other_alphabets_are_text(tmp_path: Path) -> None:
    assert contracts.statement(written(tmp_path, "\ufeffselect 'Köln', '100 %'")) == "select 'Köln', '100 %'"


def test_a_percent_sign_is_kept(database: str, tmp_path: Path) -> None:
    text = "select name from customers where name like '%(x)s%'"
    assert contracts.add("like", written(tmp_path, text), database=database).statement == text


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.sql cannot be read: No such file"):
        contracts.add("name", tmp_path / "nothing.sql", database=NOWHERE)
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        contracts.add("name", tmp_path, database=NOWHERE)


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 101, "a;b"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a contract"):
        contracts.add(name, written(tmp_path, "select 1"), database=NOWHERE)


@pytest.mark.parametrize("search_path", ["", "app;", "app public", "'app'", "app,"])
def test_search_paths_that_are_refused(tmp_path: Path, search_path: str) -> None:
    with pytest.raises(UsageError, match="is no search path"):
        contracts.add("name", written(tmp_path, "select 1"), search_path, database=NOWHERE)


@pytest.mark.one_server
def test_commands(database: str, tmp_path: Path) -> None:
    assert "no contracts" in invoke(database, "list").output
    file = str(written(tmp_path, INSERT))
    assert "contract save_call is kept" in invoke(database, "add", "save_call", file).output
    assert "insert into calls" in invoke(database, "list").output
    assert json.loads(invoke(database, "list", "--format", "json").output)[0]["statement"] == INSERT
    assert "contract save_call is forgotten" in invoke(database, "remove", "save_call").output
