"""The command that explains a check: parse, call the use case, print within 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli_options import check_names, database_option, format_option, pack_option, print_json

if TYPE_CHECKING:
    from trueup.explaining import Explanation, ForEntities, Plan, Tracked

WIDTH = 100
NARROW = 13
WIDE = 30
MANY = 1000
KEYS = ("invariant", "severity", "entity", "changes", "population", "prevented", "repair", "cost")


@click.command(
    epilog="\b\nExamples:\n  trueup explain call_duplicate\n"
    "  trueup explain call_backlink_missing --analyze --entities 1000"
)
@click.argument("name", metavar="CHECK", shell_complete=check_names)
@database_option
@pack_option
@click.option("--analyze", is_flag=True, help="Execute both plans and measure them. Without it, plan only.")
@click.option(
    "--timeout", default="1min", show_default=True, help="Time for each execution, as PostgreSQL writes it."
)
@click.option(
    "--entities",
    type=click.IntRange(1, 10_000_000),
    default=10,
    show_default=True,
    help="Entities to judge alone: the newest of each table.",
)
@format_option()
def explain(
    name: str, database: str | None, pack: Path | None, analyze: bool, timeout: str, entities: int, form: str
) -> None:
    """Show what a check costs: its header, the plan of its view, and its plan for single entities.

    Names the indexes that the plan uses and those of ours it lacks, the tables that it
    reads whole, and what is kept of changed rows so that only they are judged again.
    Runs in a read-only transaction that is rolled back; plans take milliseconds.
    """
    from trueup.explaining import explain as run

    found = run(name, database=database, pack=pack, analyze=analyze, timeout=timeout, entities=entities)
    if form == "json":
        print_json(found)
        return
    for line in explained(found):
        click.echo(line)


def explained(found: Explanation) -> Iterator[str]:
    """Yield the lines of an explanation, none wider than 100 columns but for a word that is."""
    check = found.check
    yield f"{check.name}, {check.file}"
    yield ""
    for key in KEYS:
        yield from _labelled(key, getattr(check, key))
    if not found.is_current:
        yield ""
        yield "The deployed view is not that of the file: `trueup migrate` deploys it."
    yield from _heading("In full")
    if check.candidates:
        yield from _labelled(
            "candidates",
            f"the plan is that of trueup.{check.candidates} for this check; "
            "of what it lists, the plan is below",
        )
    yield from _labelled("planned", _planned(found))
    yield from _measured(found.plan)
    yield from _labelled("last run", _last(found))
    yield from _plan(found.plan)
    yield from _indexes(found)
    yield from _heading("For what changed")
    for tracked in found.tracked:
        yield from _labelled(f"{_short(tracked.table)}.{tracked.column}", _concerns(tracked), WIDE)
    yield from _rests(found)
    if found.time == "begins":
        yield from _labelled("time", "its passing begins violations: every pass evaluates it in full", WIDE)
    elif found.time == "ends":
        yield from _labelled("time", "its passing ends violations: every pass judges open alerts again", WIDE)
    if not found.tracked:
        yield "No changes are followed: a full evaluation finds and resolves its violations."
    elif found.owes_full:
        yield from _labelled("next pass", f"evaluates it in full: {found.owes_full}", WIDE)
    for each in found.entities:
        yield from _entities(each)


def _planned(found: Explanation) -> str:
    cost = found.plan.cost
    text = f"cost {cost:,.0f}, {found.plan.rows:,} rows expected"
    if cost > found.ceiling:
        return f"{text}; ABOVE the ceiling of {found.ceiling:,.0f}, setting check_cost_ceiling"
    return f"{text}; the ceiling is {found.ceiling:,.0f}"


def _measured(plan: Plan) -> Iterator[str]:
    if plan.error:
        yield from _labelled("measured", plan.error)
    elif plan.duration_ms is not None:
        temporary = f", {plan.temporary_buffers:,} temporary" if plan.temporary_buffers else ""
        yield from _labelled(
            "measured",
            f"{plan.duration_ms:,.1f} ms, {plan.found:,} rows; {plan.buffers:,} buffers, "
            f"{plan.read_buffers:,} of them not in shared memory{temporary}",
        )


def _last(found: Explanation) -> str:
    last = found.last
    if last is None:
        return "never completed"
    tested = f" of {last.rows_tested:,}" if last.rows_tested is not None else ""
    planned = "" if last.planned_cost is None else f", then planned at {last.planned_cost:,.0f}"
    return (
        f"{last.finished_at:%Y-%m-%d %H:%M}, {last.duration_ms:,.0f} ms{planned}; "
        f"{last.violations:,}{tested} rows violated it"
    )


def _plan(plan: Plan) -> Iterator[str]:
    yield ""
    for line in plan.text.splitlines():
        bare = line.lstrip()
        # under the text of its node, and further in than the nodes below
        hanging = 2 + len(line) - len(bare) + (10 if bare.startswith("->") else 4)
        yield from _wrapped(bare, " " * (2 + len(line) - len(bare)), " " * hanging)
    yield ""
    above = ""
    for read in plan.reads:
        rows = "never analyzed" if read.rows is None else f"{read.rows:,} rows"
        if read.index is None:
            text = f"scanned, {rows}, {_size(read.bytes)}"
        elif read.whole:
            text = f"all of {read.index}, {rows}, {_size(read.bytes)}"
        elif read.many:
            text = f"looked up by {read.index}, {read.found:,} rows at a time"
        else:
            text = f"looked up by {read.index}"
        yield from _labelled("" if read.table == above else _short(read.table), text, WIDE)
        above = read.table


def _indexes(found: Explanation) -> Iterator[str]:
    lacking = [index for index in found.indexes if index.state not in ("valid", "not valid")]
    idle = [index.name for index in found.indexes if not index.used and index not in lacking]
    if idle:
        yield from _labelled("idle", ", ".join(idle), WIDE)
    for index in lacking:
        command = "enforce" if index.kind == "exclude" else "migrate"
        yield from _labelled(
            index.state.upper(),
            f"{index.kind} {index.name} on {_short(index.table)}; `trueup {command}` builds it",
            WIDE,
        )


def _concerns(tracked: Tracked) -> str:
    text = f"the {tracked.entity_type} with that key"
    if tracked.via:
        text = f"every {tracked.entity_type} with that {tracked.via}"
    if tracked.partners:
        text += f", and those its evidence names in {_and(tracked.partners)}"
    if tracked.lookup and tracked.lookup.rows > MANY:
        text += f", {tracked.lookup.rows:,} expected"
    if tracked.follows:
        text += f"; NO INDEX finds them in {_and(map(_short, tracked.follows))}, which is read for them"
    return text


def _rests(found: Explanation) -> Iterator[str]:
    if not found.tracked:
        return
    tracked = {tracked.table for tracked in found.tracked}
    for rests in sorted(found.rests, key=lambda rests: rests.table_name):
        if not rests.is_armed:
            text = "changes are NOT NOTED, so it is evaluated in full; `trueup verify` says why"
        elif rests.table_name not in tracked:
            text = "any change makes the next pass evaluate it in full"
        else:
            continue
        yield from _labelled(_short(rests.table_name), text, WIDE)


def _entities(each: ForEntities) -> Iterator[str]:
    yield ""
    if not each.entities:
        yield f"{_short(each.table)} is empty; its plan for some of it:"
    else:
        yield f"The {each.entities:,} newest of {_short(each.table)}:"
    yield ""
    yield from _labelled("planned", f"cost {each.plan.cost:,.0f}")
    yield from _measured(each.plan)
    if each.follows:
        text = (
            f"READS ALL OR A SHARE of {_and(map(_short, each.follows))}, however few entities are asked for: "
            "the cost follows the table"
        )
    else:
        text = "lookups only: the cost follows the number of entities, not the size of the tables"
    yield from _labelled("so", text)
    yield from _plan(each.plan)


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield text
    yield "-" * len(text)


def _labelled(label: str, text: str, width: int = NARROW) -> Iterator[str]:
    if len(label) >= width:
        yield label
        label = ""
    yield from _wrapped(text, label.ljust(width), " " * width)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _short(table: str) -> str:
    return table.removeprefix("public.")


def _and(names: Iterable[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def _size(count: int) -> str:
    """Return bytes as PostgreSQL writes them."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 10 * 1024:
            return f"{size:,.0f} {unit}"
        size /= 1024
    return f"{size:,.0f} GB"
