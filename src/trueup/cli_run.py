"""The command that runs the schedule."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli_options import (
    clock,
    config_option,
    database_option,
    format_option,
    pack_option,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from trueup.operating.runner import Listing


@click.command(
    epilog="\b\nExamples:\n  trueup run --config /etc/trueup.toml --metrics-port 9188\n"
    "  trueup run --once full\n  trueup run --list"
)
@click.option(
    "--once", metavar="JOB", help="Run the latest slot of one job, unless another runner did, and end."
)
@click.option("--force", is_flag=True, help="With --once: run it now, whoever ran what before.")
@click.option(
    "--list", "listed", is_flag=True, help="Show the jobs, when they come, and how they ended last."
)
@click.option("--retire", is_flag=True, help="Give the schedule up: job_overdue misses its jobs no more.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve metrics over HTTP."
)
@click.option(
    "--metrics-address",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address of the metrics.",
)
@config_option
@database_option
@pack_option
@format_option()
def run(
    once: str | None,
    force: bool,
    listed: bool,
    retire: bool,
    metrics_port: int | None,
    metrics_address: str,
    file: Path | None,
    database: str | None,
    pack: Path | None,
    form: str,
) -> None:
    """Run the schedule: judge changes as they come, and each job at its time.

    Runs until SIGTERM, SIGINT or, unless nohup began it, SIGHUP, which let running jobs finish within
    a grace; a second one ends it at once. Start it on as many machines as you like: each slot of a
    job runs once, and what a runner that died had begun is run by another. A slot that nobody was
    there for runs late.

    \b
    Exit codes:
      0  told to stop; --once: done, or another runner does it or has done it
      2  the configuration does not fit
      3  --once: the job failed, here or before; or a job hung and could not be ended
      4  the database cannot be reached, or is not ours
    """
    from trueup.operating import logs, runner
    from trueup.operating.config import load

    if sum((once is not None, listed, retire)) > 1:
        raise click.UsageError("--once, --list and --retire are for one at a time")
    if force and once is None:
        raise click.UsageError("--force goes with --once")
    configuration = load(file).configuration
    database = database or configuration.database_url
    pack = pack or configuration.pack
    if listed:
        _show(runner.listing(configuration, database=database), form)
        return
    if retire:
        count = runner.retire(database=database)
        click.echo(f"{count} jobs taken off the schedule; the next `trueup run` puts them back")
        return
    logs.configure(configuration.log)
    made = runner.Runner(configuration, database=database, pack=pack)
    with ExitStack() as stack:
        if metrics_port is not None:
            from trueup.operating import metrics

            stack.enter_context(
                metrics.serve(
                    metrics_address, metrics_port, database=database, settings=configuration.metrics
                )
            )
        if once is None:
            sys.exit(made.run())
        outcome = made.once(once, force=force)
    if form == "json":
        print_json(outcome)
    elif outcome.outcome == "taken":
        click.echo(f"{once}: nothing to do; {outcome.error}")
    elif outcome.outcome == "done":
        click.echo(f"{once}: done, for {clock(outcome.slot)}")
    else:
        click.echo(f"trueup: job {once} {outcome.outcome}: {outcome.error}", err=True)
    sys.exit({"taken": 0, "done": 0}.get(outcome.outcome, 3))


def _show(found: Listing, form: str) -> None:
    if form == "json":
        print_json(found)
        return
    rows = []
    for line in found.jobs:
        last = line.state
        rows.append(
            (
                line.name,
                line.schedule,
                clock(line.next_at) if line.next_at else "disabled",
                clock(last.slot) if last else None,
                (f"{last.outcome}, late" if last.is_late else last.outcome)
                if last and last.outcome
                else "never ran",
                last.runner if last else None,
                last.error if last else None,
            )
        )
    print_table(["job", "when", "next", "last slot", "outcome", "runner", "error"], rows)
    for up in found.runners:
        click.echo(f"runner {up.id} on {up.host}, process {up.pid}, since {clock(up.started_at)}")
    if not found.runners:
        click.echo("no runner is up")
