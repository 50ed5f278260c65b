"""The configuration: where values come from, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from trueup.cli import cli
from trueup.errors import UsageError
from trueup.operating import config
from trueup.operating.config import load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def source(name: str, loaded: config.Loaded) -> str:
    return next(value.source for value in loaded.values if value.name == name)


def test_without_a_file_all_is_default() -> None:
    loaded = load(environ={})
    assert loaded.file is None
    assert {value.source for value in loaded.values} == {"default"}


def test_the_environment_comes_before_the_file_and_the_file_before_the_default() -> None:
    Path("trueup.toml").write_text('database_url = "dbname=a"\n[log]\nlevel = "debug"\nformat = "json"\n')
    loaded = load(environ={"TRUEUP_LOG_LEVEL": "error"})
    assert loaded.configuration.log == config.Log("error", "json", None)
    assert source("log.level", loaded) == "TRUEUP_LOG_LEVEL"
    assert source("log.format", loaded) == "trueup.toml"
    assert source("log.file", loaded) == "default"


def test_pyproject_counts_only_with_a_table_of_ours() -> None:
    Path("pyproject.toml").write_text("[tool.other]\nlevel = 1\n")
    assert load(environ={}).file is None
    Path("pyproject.toml").write_text('[tool.trueup.log]\nlevel = "error"\n')
    assert load(environ={}).configuration.log.level == "error"
    Path("trueup.toml").write_text("")
    assert load(environ={}).file == Path("trueup.toml")


def test_a_file_can_be_named() -> None:
    Path("other.toml").write_text('pack = "shop"\n')
    assert load(Path("other.toml"), {}).configuration.pack == Path("shop")
    assert load(environ={"TRUEUP_CONFIG": "other.toml"}).configuration.pack == Path("shop")
    with pytest.raises(UsageError, match=r"nothing\.toml: cannot be read"):
        load(Path("nothing.toml"), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[log]\nlevl = 'info'", r"trueup\.toml: \[log\] knows no key levl; it knows level, format, file"),
        ("wrong = 1", "before its first section knows no key wrong"),
        ("[log]\nlevel = 3", r"trueup\.toml: log\.level: 3 is not text"),
        ("log = 3", r"trueup\.toml: log is a table of keys, not a number"),
        # no password in an error
        (
            '[notify.channels]\nops = "mailto://user:hunter2@host"',
            r"trueup\.toml: notify\.channels\.ops is a table of keys, not text$",
        ),
        (
            '[notify]\nchannels = "mailto://user:hunter2@host"',
            r"trueup\.toml: notify\.channels is a table of named entries, not text$",
        ),
        (
            '[notify.channels.ops]\nurl = ["mailto://user:hunter2@host"]',
            r"trueup\.toml: notify\.channels\.ops\.url is text, not a list$",
        ),
        ("[log", r"trueup\.toml: is no TOML"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(text: str, message: str) -> None:
    Path("trueup.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load(environ={})


@dataclass(frozen=True)
class Entry:
    every: timedelta | None = config.option("how often")
    names: tuple[str, ...] = config.option("which", ())
    least: float = config.option("at least", 1.0)
    loud: bool = config.option("whether it is loud", False)


@dataclass(frozen=True)
class Section:
    entries: dict[str, Entry] = config.option("named", {"first": Entry(every=timedelta(minutes=5))})


def read(table: dict[str, object], environ: dict[str, str]) -> tuple[Section, list[config.Value]]:
    reader = config._Reader("file", environ)
    return reader.section(Section, table, ("some",)), reader.values


def test_named_entries_come_from_the_default_the_file_and_the_environment() -> None:
    made, values = read(
        {"entries": {"first": {"loud": True}, "second": {"every": "1h", "names": ["a", "b"], "least": 2}}},
        {"TRUEUP_SOME_ENTRIES_THIRD_NAMES": "x, y", "TRUEUP_SOME_ENTRIES_SECOND_LOUD": "yes"},
    )
    assert made.entries == {
        "first": Entry(timedelta(minutes=5), (), 1.0, True),
        "second": Entry(timedelta(hours=1), ("a", "b"), 2.0, True),
        "third": Entry(None, ("x", "y"), 1.0, False),
    }
    by_name = {value.name: value for value in values}
    assert by_name["some.entries.first.every"].value == timedelta(minutes=5)
    assert by_name["some.entries.first.every"].source == "default"
    assert by_name["some.entries.third.names"].source == "TRUEUP_SOME_ENTRIES_THIRD_NAMES"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("EVERY", "soon", "TRUEUP_SOME_ENTRIES_FIRST_EVERY: 'soon' is no duration"),
        ("LEAST", "much", "TRUEUP_SOME_ENTRIES_FIRST_LEAST: 'much' is no number"),
        ("LOUD", "perhaps", "TRUEUP_SOME_ENTRIES_FIRST_LOUD: 'perhaps' is neither true nor false"),
    ],
)
def test_a_variable_of_another_type_is_refused_by_name(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read({}, {f"TRUEUP_SOME_ENTRIES_FIRST_{name}": text})


def test_config_shows_no_secret() -> None:
    Path("trueup.toml").write_text('database_url = "postgresql://u:hunter2@h/d"\n')
    for form in ("text", "json"):
        result = CliRunner().invoke(cli, ["config", "--format", form], env={})
        assert result.exit_code == 0
        assert "hunter2" not in result.output
        assert "***" in result.output
