"""One run, five formats: the same result as text for a person and as data for a program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from trueup.model import Result, Run
from trueup.packs import Pack

# SARIF and JUnit know fewer levels than we do
SARIF_LEVELS = {"critical": "error", "warning": "warning", "info": "note"}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: dataclasses as objects, instants as ISO 8601, keys as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def as_json(value: Any) -> str:
    """Return any result as JSON text."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def run_as_json(run: Run, fail_on: str) -> str:
    """Return a run as JSON text, with its totals and the exit code it leads to."""
    totals = {
        "violations": run.violations,
        "opened": sum(result.opened for result in run.results),
        "reopened": sum(result.reopened for result in run.results),
        "resolved": sum(result.resolved for result in run.results),
        "failed": [result.name for result in run.results if result.outcome in ("error", "timeout")],
        "missed": run.missed,
        "consistency_rate": run.rate,
        "exit_code": run.exit_code(fail_on),
    }
    return as_json({**asdict(run), **totals})


def _is_judged(result: Result) -> bool:
    return result.outcome not in ("error", "timeout", "superseded")


def run_as_junit(run: Run) -> str:
    """Return a run as JUnit XML: a check is a test case, a violation a failure."""
    from xml.sax.saxutils import escape, quoteattr

    failures = sum(result.failing > 0 for result in run.results if _is_judged(result))
    errors = sum(result.outcome in ("error", "timeout") for result in run.results)
    seconds = sum(result.duration_ms for result in run.results) / 1000
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="trueup" tests="{len(run.results)}" failures="{failures}" errors="{errors}" '
        f'time="{seconds:.3f}" timestamp={quoteattr(run.started_at.isoformat())}>',
    ]
    for result in run.results:
        took = result.duration_ms / 1000
        case = f'  <testcase classname="trueup.{result.severity}" name="{result.name}" time="{took:.3f}"'
        if result.outcome in ("error", "timeout"):
            lines += [
                f"{case}>",
                f"    <error message={quoteattr(_clean(result.error or ''))}/>",
                "  </testcase>",
            ]
        elif result.failing:
            shown = "\n".join(
                f"{item.entity_type} {item.entity_id}: {item.description}" for item in result.examples
            )
            message = quoteattr(f"{result.failing} violations: {result.invariant}")
            lines += [
                f"{case}>",
                f"    <failure message={message}>{escape(_clean(shown))}</failure>",
                "  </testcase>",
            ]
        else:
            lines.append(f"{case}/>")
    return "\n".join([*lines, "</testsuite>"])


def run_as_sarif(run: Run, pack: Pack, version: str) -> str:
    """Return a run as SARIF 2.1.0: a check is a rule, each example a result in the check's file."""
    files = {check.name: check.file for check in pack.checks}
    rules = [
        {
            "id": result.name,
            "shortDescription": {"text": result.invariant},
            "defaultConfiguration": {"level": SARIF_LEVELS[result.severity]},
        }
        for result in run.results
    ]
    results = []
    for place, result in enumerate(run.results):
        location = {"physicalLocation": {"artifactLocation": {"uri": files[result.name]}}}
        base = {"ruleId": result.name, "ruleIndex": place, "locations": [location]}
        if result.outcome in ("error", "timeout"):
            results.append({**base, "level": "error", "message": {"text": f"could not run: {result.error}"}})
        for item in result.examples:
            text = f"{item.entity_type} {item.entity_id}: {item.description}"
            results.append(
                {
                    **base,
                    "level": SARIF_LEVELS[result.severity],
                    "message": {"text": text},
                    "partialFingerprints": {
                        "entity/v1": f"{result.name}/{item.entity_type}/{item.entity_id}"
                    },
                    "properties": {"violations": result.violations, "evidence": item.evidence},
                }
            )
    return _sarif(version, rules, results)


def _sarif(version: str, rules: list[dict[str, Any]], results: list[dict[str, Any]]) -> str:
    driver = {"name": "trueup", "version": version, "rules": rules}
    return as_json(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        }
    )


class _Finding(Protocol):
    @property
    def rule(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def message(self) -> str: ...


def findings_as_sarif(findings: Iterable[_Finding], rules: Mapping[str, str], version: str) -> str:
    """Return what a lint found as SARIF 2.1.0; `rules` are the reasons by the ids of the rules."""
    ids = list(rules)
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": ids.index(finding.rule),
            "level": "error",
            "message": {"text": finding.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": finding.file},
                        "region": {"startLine": finding.line},
                    }
                }
            ],
        }
        for finding in findings
    ]
    described = [{"id": name, "shortDescription": {"text": why}} for name, why in rules.items()]
    return _sarif(version, described, results)


def run_as_prometheus(run: Run) -> str:
    """Return a run as a Prometheus text exposition, fit for the textfile collector."""
    from trueup import exposition

    def each(metric: str, values: Iterable[tuple[Result, float | Decimal | None]]) -> exposition.Family:
        return exposition.family(
            metric, (((one.name, one.severity), float(value)) for one, value in values if value is not None)
        )

    judged = [one for one in run.results if _is_judged(one)]
    evaluated = [one for one in run.results if one.outcome != "superseded"]
    families = [
        each("check_violations", ((one, one.violations) for one in judged)),
        each("check_rows_tested", ((one, one.rows_tested) for one in judged)),
        each("check_duration_seconds", ((one, one.duration_ms / 1000) for one in evaluated)),
        each("check_planned_cost", ((one, one.planned_cost) for one in run.results)),
        each("check_up", ((one, one.outcome in ("complete", "superseded")) for one in run.results)),
        *exposition.consistency(run.rates),
        exposition.family("run_timestamp_seconds", [([run.kind], run.finished_at.timestamp())]),
    ]
    return exposition.text(families)


def _clean(text: str) -> str:
    """Return text without the control characters that XML 1.0 cannot hold."""
    return "".join(character for character in text if character >= " " or character in "\t\n\r")
