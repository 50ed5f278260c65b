"""`trueup uninstall`: what would go, then, told by name, its going."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli_options import database_option, format_option, print_json, wait_option

if TYPE_CHECKING:
    from trueup.uninstalling import Removal


@click.command(
    epilog="\b\nExamples:\n  trueup uninstall\n"
    "  trueup uninstall --database service=bookings --database-name bookings --dump alerts.jsonl --apply"
)
@database_option
@click.option("--apply", is_flag=True, help="Do it. Without it, print the statements and what they lock.")
@click.option("--database-name", metavar="NAME", help="The name of the database; --apply wants to be told.")
@click.option(
    "--dump",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File for alerts, repairs, and the queue with its events: one JSON object a line. It holds names "
    "and numbers of callers. A file that exists is not overwritten.",
)
@click.option("--no-dump", is_flag=True, help="Keep no copy of alerts, repairs and the queue.")
@wait_option
@format_option()
def uninstall(
    database: str | None,
    apply: bool,
    database_name: str | None,
    dump: Path | None,
    no_dump: bool,
    wait: float,
    form: str,
) -> None:
    """Take trueup out of a database: a dry run unless --apply.

    Triggers, constraints and indexes of ours go from the application's tables, then the rights
    of our roles and schema trueup. The tables themselves and their rows stay, also those that
    `trueup migrate` created on an empty database: corrected rows stay corrected. Each statement
    waits a tenth of a second for its lock and is tried again; indexes go concurrently. Nothing
    is dropped that the application made: what of it rests on schema trueup is named, and refused.
    Interrupted anywhere, run it again.
    """
    from trueup.uninstalling import script
    from trueup.uninstalling import uninstall as run

    done = run(
        database=database, database_name=database_name, dump=dump, no_dump=no_dump, apply=apply, wait=wait
    )
    if form == "json":
        print_json(done)
    else:
        _print(done, script(done))
    sys.exit(2 if done.obstacles else 0)


def _print(done: Removal, text: str) -> None:
    if not done.steps:
        click.echo(f"nothing to do: nothing of ours is in {done.database}")
        return
    if not done.applied:
        click.echo(text)
    for name in done.stays:
        click.echo(f"-- stays  {name}")
    for name, rows in done.rows.items():
        kept = done.dump is not None or not done.applied
        click.echo(
            f"-- {'dump ' if kept else 'lost '}  {name}: {done.dump.rows[name] if done.dump else rows:,} rows"
        )
    for warning in done.warnings:
        click.echo(f"warning  {warning}", err=True)
    for obstacle in done.obstacles:
        click.echo(
            f"refused  {obstacle} rests on something of ours; it must go or be written anew first", err=True
        )
    if done.applied:
        where = f"; alerts, repairs and the queue are in {done.dump.file}" if done.dump else ""
        click.echo(f"{len(done.steps)} steps done, {done.database} is as it was before us{where}")
    else:
        click.echo(f"-- {len(done.steps)} steps; nothing was changed, --apply does it")
