"""The benchmark: its page is current, its twelve checks mean what trueup's do, and trueup has not become slow.

What is compared are ratios of what runs here one after the other, on few rows and with generous
bounds: a machine that is slow is slow for both. Only a change of another order is found, such as an
index that is no longer used.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from postgres import Postgres

from trueup import server

sys.path.insert(0, str(ROOT / "benchmarks"))

import adopting
import bench
import bookings
import breaker
import changed
import events
import filing
import generator
import goals
import page
import peers
import plain
import startup
from harness import TRUEUP, Place, median, ratio, run

CALLS = 20_000
OF_ONE_ROW = ("call_direction_missing", "call_linked_without_customer")


@pytest.fixture(scope="module")
def place(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A small database of the benchmark, adopted, on a server of the release under test."""
    settings = {**bench.measuring(), **generator.LOADING, "shared_buffers": "256MB"}
    with server.temporary(binaries=server.find_binaries(postgres.version), settings=settings) as running:
        made = Place(CALLS, running, "bookings", tmp_path_factory.mktemp("benchmark"), repetitions=5)
        with replace(made, database="postgres").connected() as connection:
            connection.execute("create database bookings")
        generator.load(made)
        yield made


def test_the_page_is_what_the_results_say() -> None:
    written = page.written(goals.read(page.RESULTS))
    stale = [
        name
        for name, text in written.items()
        if not (page.DOCS / name).exists() or (page.DOCS / name).read_text(encoding="utf-8") != text
    ]
    assert not stale, f"run: python benchmarks/page.py ({', '.join(stale)})"
    charts = {f"benchmarks/{path.name}" for path in (page.DOCS / "benchmarks").glob("*.svg")}
    assert charts == {name for name in written if name.endswith(".svg")}


@pytest.mark.parametrize("name", bench.VARIANTS)
def test_a_variant_says_what_it_measures(name: str) -> None:
    assert bench.variant(name).__doc__


def test_the_tools_are_pinned_and_send_no_statistics() -> None:
    assert {"dbt-core", "soda-core-postgres", "great-expectations"} <= set(peers.releases())
    assert "send_anonymous_usage_stats: false" in (peers.HERE / "dbt" / "dbt_project.yml").read_text()
    assert "enable_analytics(False)" in (peers.HERE / "great_expectations" / "run.py").read_text()
    assert len(peers.CHECKS) == 12
    assert all((ROOT / "checks" / f"{check}.sql").exists() for check in peers.CHECKS)


def test_a_variant_that_fails_takes_no_figures_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    measured, failed = {"seconds": {"x": [1.0]}}, {"left_out": "it failed (OSError)"}
    bench._merge(20_000, {"variants": {"plain": measured, "bloat": measured}})
    bench._merge(20_000, {"variants": {"plain": failed, "checks": failed}})
    kept = json.loads((tmp_path / "20000.json").read_text())["variants"]
    assert kept == {"plain": measured, "bloat": measured, "checks": failed}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--calls", "0"), "0 is less than 20000"),
        (("--repetitions", "0"), "0 is less than 1"),
        (("--postgres", "9"), "no server programs of PostgreSQL 9 here"),
    ],
)
def test_a_benchmark_that_cannot_be_made_is_refused(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(options)
    assert said in capsys.readouterr().err


@pytest.mark.one_server
def test_only_the_twelve_checks_find_the_faults(place: Place) -> None:
    answered = peers.Trueup().check(place)
    assert min(answered.answers.values()) >= 1
    ran = run([TRUEUP, "check", "--database", place.url, "--format", "json"], accept=(0, 1))
    found = {
        each["name"]: each["violations"] for each in json.loads(ran.output)["results"] if each["violations"]
    }
    assert found == answered.answers


def test_a_view_costs_little_more_than_the_plain_query(place: Place) -> None:
    seconds = plain.measure(place)["seconds"]
    ratios = {check: ratio(seconds[f"view {check}"], seconds[f"plain {check}"]) for check in peers.CHECKS}
    assert max(ratios.values()) < 4, ratios
    # the plain query reads the table, the view an index of what is wrong
    assert max(ratios[check] for check in OF_ONE_ROW) < 0.75, ratios


@pytest.mark.one_server
def test_filing_costs_little_more_than_inserting(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing, "NEW", 10_000)
    monkeypatch.setattr(filing, "FLOOD", 20_000)
    monkeypatch.setattr(filing, "MOST", 1_000)
    seconds = filing.measure(place)["seconds"]
    assert ratio(seconds["file"], seconds["insert"]) < 4
    assert ratio(seconds["flood"], seconds["file"]) < 1


@pytest.mark.one_server
def test_events_cost_a_few_times_their_rows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CALLS", 200)
    facts = events.measure(replace(place, repetitions=2))["facts"]
    assert facts["events"] == 875
    assert facts["ratio"]["receive"] < 40
    assert facts["ratio"]["process"] < 40


@pytest.mark.one_server
def test_a_circuit_costs_little_more_than_a_round_trip(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "TRANSACTIONS", 800)
    measured = breaker.measure(replace(place, repetitions=5))
    # by the clock on the wall: a single transaction takes too few microseconds to be told from none
    rate = measured["facts"]["per_second"]
    assert rate["round_trip 1"] / rate["allow 1"] < 10
    assert rate["insert 1"] / rate["report 1"] < 10
    results = goals.read(page.RESULTS)
    results[max(results)]["variants"]["breaker"] = measured
    text = page.written(results)["benchmarks.md"]
    assert "## The circuit breaker" in text or "### The circuit breaker" in text
    assert "asking a circuit at 8 clients" in text


@pytest.mark.one_server
def test_a_pass_over_changes_finds_all_and_costs_less_than_a_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed, "CHANGES", (1, 200))
    with place.copy("changed") as copy:
        measured = changed.measure(replace(copy, repetitions=2))
    assert measured["facts"]["missed"] == 0
    assert measured["facts"]["alerts_by_passes"] > 0
    full = median(measured["seconds"]["full"])
    assert median(measured["seconds"]["session 200"]) * 2 < full
    assert median(measured["seconds"]["session 1"]) * 6 < full


@pytest.mark.one_server
def test_a_booking_costs_little_more_than_its_rows_and_a_replay_less(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookings, "TRANSACTIONS", 100)
    measured = bookings.measure(replace(place, repetitions=3))
    assert measured["facts"]["ratios"]["plain 1"] < 3
    assert median(measured["seconds"]["replay 1"]) < median(measured["seconds"]["book 1"])
    results = goals.read(page.RESULTS)
    results[max(results)]["variants"]["bookings"] = measured
    assert "| `book_appointment` |" in page.written(results)["benchmarks.md"]


@pytest.mark.one_server
def test_writers_go_on_while_the_layer_comes_and_goes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "QUIET", 2)
    facts = adopting.measure(place)["facts"]
    assert list(facts["writes"]) == [
        "nothing",
        "adopt",
        "repair",
        "enforce",
        "check",
        "uninstall",
        "nothing after",
    ]
    assert facts["failed"] == 0
    assert facts["switched_on"] > 20
    assert all(step["count"] > 10 for step in facts["writes"].values())
    # generous: what is held back here is held back until a step ends
    assert facts["writes"]["adopt"]["longest_ms"] < 5000
    results = goals.read(page.RESULTS)
    results[max(results)]["variants"]["adopting"] = {"seconds": {}, "facts": facts}
    assert "## Putting it in place" in page.written(results)["benchmarks.md"]


@pytest.mark.one_server
def test_help_imports_little(place: Place) -> None:
    seconds = startup.measure(replace(place, repetitions=2))["seconds"]
    assert ratio(seconds["help"], seconds["check"]) < 0.8


def test_a_median_and_a_ratio() -> None:
    assert median([3, 1, 2]) == 2
    assert ratio([2, 30, 4], [1, 10, 4]) == 2  # of the ratios, not of the times
