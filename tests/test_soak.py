"""A simulated day, or most of one, of the schedule with two runners, faults and deaths; weeks of it are benchmarks/soak.py."""

from __future__ import annotations

import sys

import pytest
from conftest import ROOT
from packages import unpacked

sys.path.insert(0, str(ROOT / "benchmarks"))

import soak

pytestmark = pytest.mark.one_server


def test_hours_in_which_runners_and_the_server_die_leaves_nothing_wrong() -> None:
    library = next(unpacked("libfaketime").rglob("libfaketimeMT.so.1"))
    # so slow that a machine with other things to do keeps up with it
    options = soak.parser().parse_args(
        [
            "--days",
            "0.36",
            "--speed",
            "2400",
            "--faults",
            "40",
            "--kills",
            "16",
            "--silent-after",
            "3h",
            "--timeout",
            "10d",
            "--answer-within",
            "6h",
            "--full-every",
            "4",
        ]
    )
    options.library = library
    found = soak.soak(options)
    assert not found["wrong"], soak.table(found)
    assert sum(found["faults"].values()) >= 5
    assert found["events"]["runner killed"] + found["events"]["server killed"] >= 2
    said = found["announcements"]
    assert said["alarms heard by steady"] >= 3
    assert said["recoveries heard by steady"] >= 1
    # what was over before that channel took anything again, it is not told
    assert said["alarms heard by flaky"] >= 1
    assert all(
        row["done"] for name, row in found["runs"].items() if name in ("changed", "queue", "full", "repair")
    )
