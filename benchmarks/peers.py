"""The tools that trueup is compared with, each in an environment of its own, with the same twelve checks.

peers/checks/<check>.sql is the check as a plain query over the application's tables, the best
that we could write without trueup's views. dbt gets each as a singular test over sources, Soda
Core as a failed rows check, Great Expectations as an expectation of no unexpected rows.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness import TRUEUP, Place, Ran, run
from psycopg.conninfo import conninfo_to_dict

HERE = Path(__file__).with_name("peers")
ENVIRONMENTS = Path(__file__).resolve().parent.parent / ".cache" / "peers"
CHECKS = tuple(sorted(path.stem for path in (HERE / "checks").glob("*.sql")))

Answers = dict[str, int]
"""The number of violations by check."""


@dataclass(frozen=True)
class Answered:
    """What a tool said, and what it took."""

    ran: Ran
    answers: Answers


class Tool(Protocol):
    """A tool that can run the twelve checks once, as a process of its own."""

    @property
    def name(self) -> str:
        """What the figures call it."""

    def prepare(self, place: Place) -> None:
        """Install it and write its project."""

    def check(self, place: Place) -> Answered:
        """Run the twelve checks."""


@dataclass(frozen=True)
class Trueup:
    """`trueup check` with the names of the twelve."""

    name: str = "trueup"
    options: tuple[str, ...] = ()

    def prepare(self, place: Place) -> None:
        """Nothing: the harness runs from the environment that has it."""

    def check(self, place: Place) -> Answered:
        """Run the command; it files alerts, as it does every night."""
        ran = run(
            [TRUEUP, "check", *CHECKS, *self.options, "--database", place.url, "--format", "json"],
            accept=(0, 1),
        )
        results = json.loads(ran.output)["results"]
        wrong = [result["name"] for result in results if result["outcome"] != "complete"]
        if wrong:
            raise RuntimeError(f"trueup did not complete {', '.join(wrong)}")
        return Answered(ran, {result["name"]: result["violations"] for result in results})


@dataclass(frozen=True)
class Dbt:
    """`dbt test --store-failures`."""

    name: str
    threads: int

    def prepare(self, place: Place) -> None:
        """Write the project: a singular test for each check, tables as sources."""
        _install("dbt")
        project = _project(place, self.name)
        shutil.copytree(HERE / "dbt", project)
        (project / "tests").mkdir()
        for check, query in queries().items():
            text = re.sub(r"\bpublic\.(\w+)", r"{{ source('public', '\1') }}", query)
            (project / "tests" / f"{check}.sql").write_text(text)

    def check(self, place: Place) -> Answered:
        """Run dbt; the answers are in its run_results.json."""
        project = place.directory / self.name
        ran = run(
            [_program("dbt", "dbt"), "test", "--store-failures", "--threads", str(self.threads)],
            directory=project,
            environment={
                **_where(place),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
                "DBT_PROFILES_DIR": str(project),
            },
            accept=(0, 1),
        )
        results = json.loads((project / "target" / "run_results.json").read_text())["results"]
        if wrong := [result["unique_id"] for result in results if result["status"] not in ("pass", "fail")]:
            raise RuntimeError(f"dbt could not run {', '.join(wrong)}:\n{ran.output}")
        return Answered(ran, {result["unique_id"].split(".")[2]: result["failures"] for result in results})


@dataclass(frozen=True)
class Soda:
    """`soda scan`."""

    name: str = "soda"

    def prepare(self, place: Place) -> None:
        """Write the checks: one of failed rows for each."""
        _install("soda")
        project = _project(place, self.name)
        project.mkdir()
        shutil.copy(HERE / "soda" / "configuration.yml", project)
        # Soda Core reads whether to send statistics from the home directory only
        (project / ".soda").mkdir()
        (project / ".soda" / "config.yml").write_text(
            "send_anonymous_usage_stats: false\nuser_cookie_id: none\n"
        )
        lines = ["checks:"]
        for check, query in queries().items():
            lines += ["  - failed rows:", f"      name: {check}", "      fail query: |"]
            lines += [f"        {line}" for line in query.splitlines()]
        (project / "checks.yml").write_text("\n".join(lines) + "\n")

    def check(self, place: Place) -> Answered:
        """Run the scan; the answers are in its results file."""
        project = place.directory / self.name
        results = project / "results.json"
        ran = run(
            [
                _program("soda", "soda"),
                "scan",
                "-d",
                "bookings",
                "-c",
                "configuration.yml",
                "-srf",
                results,
                "checks.yml",
            ],
            directory=project,
            environment={**_where(place), "HOME": str(project)},
            accept=(0, 2),
        )
        return Answered(
            ran,
            {c["name"]: int(c["diagnostics"]["value"]) for c in json.loads(results.read_text())["checks"]},
        )


@dataclass(frozen=True)
class GreatExpectations:
    """A checkpoint of Great Expectations."""

    name: str = "great_expectations"

    def prepare(self, place: Place) -> None:
        """Write the queries where its script looks."""
        _install(self.name)
        project = _project(place, self.name)
        project.mkdir()
        for check, query in queries().items():
            (project / f"{check}.sql").write_text(query)

    def check(self, place: Place) -> Answered:
        """Run the script; its last line is the answer."""
        settings = _where(place)
        url = (  # its URL must name a host; the socket's directory replaces that one
            f"postgresql+psycopg2://{settings['BENCH_USER']}@localhost/{settings['BENCH_DATABASE']}"
            f"?host={settings['BENCH_HOST']}&port={settings['BENCH_PORT']}"
        )
        ran = run(
            [_program(self.name, "python"), HERE / self.name / "run.py", url, place.directory / self.name],
            environment={"GX_ANALYTICS_ENABLED": "false"},
        )
        return Answered(ran, json.loads(ran.output.strip().splitlines()[-1]))


def queries() -> dict[str, str]:
    """Return the plain query of each check."""
    return {check: (HERE / "checks" / f"{check}.sql").read_text() for check in CHECKS}


def releases() -> dict[str, str]:
    """Return the releases that the requirements name."""
    lines = [
        line for path in sorted(HERE.glob("*/requirements.txt")) for line in path.read_text().splitlines()
    ]
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def _project(place: Place, name: str) -> Path:
    project = place.directory / name
    if project.exists():
        shutil.rmtree(project)
    return project


def _where(place: Place) -> Mapping[str, str]:
    found = conninfo_to_dict(place.url)
    return {
        "BENCH_HOST": str(found["host"]),
        "BENCH_PORT": str(found["port"]),
        "BENCH_USER": str(found["user"]),
        "BENCH_DATABASE": str(found["dbname"]),
    }


def _program(name: str, program: str) -> Path:
    return ENVIRONMENTS / name / "bin" / program


def _install(name: str) -> None:
    """Make the tool's environment; made again when its requirements change."""
    requirements = HERE / name / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    marker = ENVIRONMENTS / name / "installed"
    if marker.exists() and marker.read_text() == wanted:
        return
    print(f"installing {name} into {ENVIRONMENTS / name} ...", file=sys.stderr, flush=True)
    venv.create(ENVIRONMENTS / name, clear=True, with_pip=True)
    subprocess.run(
        [_program(name, "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
        check=True,
    )
    marker.write_text(wanted)
