"""What we measure, under which names, and as the text that Prometheus reads.

Every metric is described here once; `trueup metrics`, `trueup check --format prometheus` and
docs/metrics.md say the same of it. Units are base units; a metric is a gauge, because what
it counts is read from tables that are pruned, and may fall. Ages are told as the instant
they are counted from: subtract it from time().
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.model import Rate

PREFIX = "trueup_"
# the label of what is not told one by one
OTHER = "other"
# companies, reasons, circuits, jobs, hosts, channels that are told one by one, unless said otherwise
MOST = 20


@dataclass(frozen=True)
class Metric:
    """A metric: its name without the prefix, the group it is read with, what it means, its labels."""

    name: str
    group: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that Prometheus knows."""
        return PREFIX + self.name


@dataclass(frozen=True)
class Family:
    """A metric with its samples, each the values of its labels, in their order, and a value."""

    metric: Metric
    samples: tuple[tuple[tuple[str, ...], float], ...]


_CHECK = ("check", "severity")
_DESCRIBED = (
    Metric("up", "exporter", "1 when the database was read, 0 when it could not be."),
    Metric("build_info", "exporter", "1; the version of the program is the label.", ("version",)),
    Metric("collector_up", "exporter", "1 when a group of these metrics was read.", ("collector",)),
    Metric("collection_duration_seconds", "exporter", "Time it took to read all of these metrics."),
    Metric("check_violations", "checks", "Rows that violate the invariant of a check.", _CHECK),
    Metric("check_rows_tested", "checks", "Population of a check.", _CHECK),
    Metric("check_duration_seconds", "checks", "Time the evaluation of a check took.", _CHECK),
    Metric(
        "check_planned_cost",
        "checks",
        "What the planner expected the evaluation of a check to cost, in its own units.",
        _CHECK,
    ),
    Metric("check_up", "checks", "1 when the last evaluation of a check was complete.", _CHECK),
    Metric(
        "check_late",
        "checks",
        "1 when a check has not been evaluated completely for twice the setting check_interval.",
        _CHECK,
    ),
    Metric(
        "check_last_complete_timestamp_seconds",
        "checks",
        "When the last complete evaluation of a check ended, in Unix time.",
        _CHECK,
    ),
    Metric("alerts", "alerts", "Alerts that are not resolved.", (*_CHECK, "status")),
    Metric(
        "alerts_oldest_timestamp_seconds",
        "alerts",
        "Since when the oldest of these alerts is open, in Unix time.",
        (*_CHECK, "status"),
    ),
    Metric("guard_mode", "guards", "1 for the mode that a guard is in.", ("guard", "mode")),
    Metric(
        "guard_companies",
        "guards",
        "Companies for which a guard has this mode, whatever it has for the others.",
        ("guard", "mode"),
    ),
    Metric(
        "consistency_ratio",
        "consistency",
        "Share of entities without an open critical or warning alert.",
        ("company",),
    ),
    Metric("entities", "consistency", "Entities that the checks are about.", ("company",)),
    Metric(
        "inconsistent_entities",
        "consistency",
        "Entities with an open critical or warning alert.",
        ("company",),
    ),
    Metric("run_timestamp_seconds", "runs", "When the last run of checks finished, in Unix time.", ("kind",)),
    Metric("run_duration_seconds", "runs", "Time the last run of checks took.", ("kind",)),
    Metric(
        "run_rows_tested", "runs", "Rows that the last run of checks tested, its checks added up.", ("kind",)
    ),
    Metric("run_violations", "runs", "Violations that the last run of checks found.", ("kind",)),
    Metric("run_checks_failed", "runs", "Checks that failed or timed out in the last run.", ("kind",)),
    Metric(
        "incremental_missed",
        "runs",
        "Violations that the last full run found and the passes over changes had missed.",
    ),
    Metric(
        "repair_entities",
        "repairs",
        "Entities by what the repairs of the last 24 hours did with them.",
        ("outcome",),
    ),
    Metric("changes_waiting", "changes", "Notes of changed rows that no run has seen yet."),
    Metric(
        "changes_oldest_timestamp_seconds",
        "changes",
        "When the oldest of these notes was written, in Unix time.",
    ),
    Metric("checks_owing_full", "changes", "Checks that the next pass over changes evaluates in full."),
    Metric("review_items", "review", "Open items of the review queue.", ("reason", "status")),
    Metric(
        "review_overdue_items", "review", "Open items past their due time, not snoozed.", ("reason", "status")
    ),
    Metric(
        "review_oldest_timestamp_seconds",
        "review",
        "When the oldest of these items was handed over, in Unix time.",
        ("reason", "status"),
    ),
    Metric("circuits", "circuits", "Circuits by state, those that never failed aside.", ("state",)),
    Metric(
        "circuit_opened_timestamp_seconds",
        "circuits",
        "Since when a circuit has not been closed, in Unix time.",
        ("circuit",),
    ),
    Metric("sync_failures", "sync", "Synchronisations with the provider that failed and wait.", ("status",)),
    Metric("runners", "runners", "Runners that give signs of life.", ("host",)),
    Metric(
        "runner_heartbeat_timestamp_seconds",
        "runners",
        "When a runner of this host gave its last sign of life, in Unix time.",
        ("host",),
    ),
    Metric(
        "job_timestamp_seconds",
        "jobs",
        "When a job last ended with this outcome, in Unix time.",
        ("job", "outcome"),
    ),
    Metric("job_duration_seconds", "jobs", "Time the last finished run of a job took.", ("job",)),
    Metric("job_failures", "jobs", "Runs of a job that failed since it last succeeded.", ("job",)),
    Metric("job_running", "jobs", "1 while a job runs.", ("job",)),
    Metric(
        "job_overdue",
        "jobs",
        "1 when a job should have succeeded longer ago than the setting job_patience.",
        ("job",),
    ),
    Metric(
        "notification_failures", "notifications", "Attempts of a channel that failed in a row.", ("channel",)
    ),
    Metric(
        "notification_sent_timestamp_seconds",
        "notifications",
        "When a channel last took a message, in Unix time.",
        ("channel",),
    ),
    Metric("notifications_pending", "notifications", "Messages that wait to be sent.", ("channel",)),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _DESCRIBED}


def family(name: str, samples: Iterable[tuple[Sequence[str], float]]) -> Family:
    """Return the samples of one metric, each with the values of its labels in their order."""
    return Family(METRICS[name], tuple((tuple(labels), float(value)) for labels, value in samples))


def families(rows: Iterable[Mapping[str, Any]]) -> list[Family]:
    """Return what rows measure: columns named as a metric are values, those named as a label its labels.

    A value of None is no sample.
    """
    found: dict[str, list[tuple[Sequence[str], float]]] = {}
    for row in rows:
        for name in row.keys() & METRICS.keys():
            samples = found.setdefault(name, [])
            if row[name] is not None:
                samples.append(([str(row[label]) for label in METRICS[name].labels], float(row[name])))
    return [family(name, found[name]) for name in METRICS if name in found]


def consistency(rates: Iterable[Rate], most: int = MOST) -> list[Family]:
    """Return the consistency of the whole (company ""), of the `most` largest companies, and of the rest.

    The rest is added up under the company "other": however many companies there are, a
    server of metrics keeps no more than `most` + 2 series of them.
    """
    whole = [("", rate.population, rate.wrong) for rate in rates if rate.company_id is None]
    known = sorted(
        ((rate.company_id, rate.population, rate.wrong) for rate in rates if rate.company_id is not None),
        key=lambda each: (-each[1], each[0]),
    )
    told = whole + known[:most]
    if rest := known[most:]:
        told.append((OTHER, sum(each[1] for each in rest), sum(each[2] for each in rest)))
    return [
        family("consistency_ratio", (([name], _ratio(entities, wrong)) for name, entities, wrong in told)),
        family("entities", (([name], entities) for name, entities, _ in told)),
        family("inconsistent_entities", (([name], wrong) for name, _, wrong in told)),
    ]


def _ratio(entities: int, wrong: int) -> float:
    """Return the share that is not wrong, cut to four decimals as the rate is: 1 means not one is wrong."""
    return (10_000 * (entities - wrong) // entities) / 10_000 if entities else 1.0


def text(found: Iterable[Family]) -> str:
    """Return families in the text format 0.0.4, without a newline at the end."""
    lines: list[str] = []
    for each in found:
        name = each.metric.full_name
        lines.append(f"# HELP {name} {each.metric.help}")
        lines.append(f"# TYPE {name} gauge")
        for values, value in each.samples:
            pairs = zip(each.metric.labels, values, strict=True)
            inner = ",".join(f'{label}="{_escaped(item)}"' for label, item in pairs)
            lines.append(f"{name}{'{' + inner + '}' if inner else ''} {repr(value).removesuffix('.0')}")
    return "\n".join(lines)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
