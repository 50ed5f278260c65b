"""What every command of the command line shares: options, tables, progress, JSON."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from datetime import datetime

    from trueup.model import Progress

F = TypeVar("F", bound=Callable[..., Any])

SECONDS_BETWEEN_LINES = 10
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

as_option = click.option("--as", "actor", metavar="NAME", help="Who you are.  [default: the database user]")


class Seconds(click.FloatRange):
    """A number of seconds, up to a day; nan lies in every range of floats."""

    def __init__(self) -> None:
        super().__init__(0, 86_400)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds.

        Raises:
            click.BadParameter: it is no such number.
        """
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


wait_option = click.option(
    "--wait",
    type=Seconds(),
    default=60.0,
    show_default=True,
    help="Seconds to wait for another migration to end.",
)


def database_option(function: F) -> F:
    """Add --database URL."""
    return click.option(
        "--database",
        metavar="URL",
        help="Database, as a libpq URL or key=value string. Default: TRUEUP_DATABASE_URL, else libpq's "
        "own environment and service files.",
    )(function)


def pack_option(function: F) -> F:
    """Add --pack DIR."""
    return click.option(
        "--pack",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        envvar="TRUEUP_PACK",
        help="Directory of the pack. Default: TRUEUP_PACK, else the shipped pack of phone bookings.",
    )(function)


def config_option(function: F) -> F:
    """Add --config FILE."""
    return click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Configuration. Default: TRUEUP_CONFIG, else trueup.toml here, else [tool.trueup] of "
        "pyproject.toml here.",
    )(function)


def format_option(*more: str) -> Callable[[F], F]:
    """Add --format text|json, and whatever else the command can print."""

    def decorate(function: F) -> F:
        return click.option(
            "--format",
            "form",
            type=click.Choice(["text", "json", *more]),
            default="text",
            show_default=True,
            help="What to print.",
        )(function)

    return decorate


def check_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a check."""
    from trueup import packs
    from trueup.errors import TrueupError

    try:
        return [
            c.name for c in packs.load(context.params.get("pack")).checks if c.name.startswith(incomplete)
        ]
    except TrueupError:
        return []


def print_json(value: Any) -> None:
    """Print any result as JSON."""
    from trueup.rendering import as_json

    click.echo(as_json(value))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print a table: as wide as the terminal, or unshortened when it goes to a file or a pipe.

    The columns named in `right` are aligned to the right. None prints as nothing.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in set(right) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else _cell(cell)) for cell in row))
    console = (
        Console(highlight=False)
        if sys.stdout and sys.stdout.isatty()
        else Console(highlight=False, width=10_000)
    )
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().rstrip().splitlines()))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "") -> None:
    """Print a table of any values; `empty` when there are no rows."""
    cells = [[_shown(value) for value in row] for row in rows]
    if cells:
        print_table(columns, cells, right=["id"])
    else:
        click.echo(empty)


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Print names and values below each other; what is None or empty is left out."""
    kept = [(name, text) for name, text in ((name, _shown(value)) for name, value in facts) if text]
    width = max(len(name) for name, _ in kept)
    for name, text in kept:
        click.echo(f"{name:<{width}}  " + text.replace("\n", "\n" + " " * (width + 2)))


def _shown(value: Any) -> str:
    from datetime import datetime

    if isinstance(value, datetime):
        return clock(value)
    if isinstance(value, dict):
        from trueup.rendering import as_json

        return printable(as_json(value)) if value else ""
    return "" if value is None else printable(str(value))


def printable(text: str) -> str:
    """Return the text without control characters: data must not steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def clock(moment: datetime | None) -> str:
    """Return an instant in the zone of this machine, to the minute."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M %Z}" if moment else ""


def _cell(value: Any) -> str:
    from datetime import datetime

    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S%z")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def mode_shown(mode: str, companies: dict[str, str]) -> str:
    """Return the mode of a guard, with those of companies that have their own."""
    return "; ".join(
        [mode, *(f"company {printable(each)}: {own}" for each, own in sorted(companies.items()))]
    )


def is_interactive() -> bool:
    """Say whether a person sits at both ends: keys come from a terminal, and what is printed goes to one."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty())


@contextmanager
def single_keys() -> Iterator[int]:
    """Have the terminal hand over each key as it is pressed; give its descriptor."""
    import termios
    import tty

    source = sys.stdin.fileno()
    before = termios.tcgetattr(source)
    try:
        # now, not after a flush: keys pressed a moment ago count
        tty.setcbreak(source, termios.TCSANOW)
        yield source
    finally:
        termios.tcsetattr(source, termios.TCSADRAIN, before)


@contextmanager
def shown_progress(verb: str) -> Iterator[Progress]:
    """Show progress on standard error: a bar on a terminal, a plain line now and then otherwise."""
    if sys.stderr and sys.stderr.isatty():
        from rich import progress
        from rich.console import Console

        with progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task = bar.add_task(verb, total=None)

            def show(what: str, done: int, total: int) -> None:
                bar.update(task, description=f"{verb} {what}", completed=done, total=total)

            yield show
        return
    started = last = time.monotonic()

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - started)
            left = f", about {(total - done) / rate:.0f} s left" if done else ""
            click.echo(f"{verb} {what}: {done:,} of {total:,} ({rate:,.0f}/s{left})", err=True)

    yield tell
