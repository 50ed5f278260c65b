"""The command that reads the provider's list of bookings: parse, call the use case, print."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli_options import database_option, format_option, print_json, shown_progress
from trueup.errors import UsageError

if TYPE_CHECKING:
    from trueup.reconciling import Imported

TOKEN = "TRUEUP_API_TOKEN"


@click.command(
    epilog="\b\nExamples:\n  trueup reconcile --company 1 bookings.json\n"
    "  trueup check booking_missing_locally booking_missing_remotely booking_differs"
)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--company", "company_id", type=int, required=True, metavar="ID", help="Whose bookings these are."
)
@click.option("--api", "url", metavar="URL", help="Read the list over HTTP. Needs trueup[api].")
@click.option(
    "--token-from",
    default=TOKEN,
    show_default=True,
    metavar="NAME",
    help="Environment variable that holds the token of the API.",
)
@click.option(
    "--from", "start", metavar="TIME", help="The list holds all that start then or later [--api: a week ago]"
)
@click.option("--to", "until", metavar="TIME", help="... and end by then  [--api: in 90 days]")
@click.option(
    "--taken-at", metavar="TIME", help="When FILE was read from the provider  [default: when it was written]"
)
@click.option("--timeout", default=30.0, show_default=True, metavar="SECONDS", help="Time for each request.")
@database_option
@format_option()
def reconcile(
    file: str | None,
    company_id: int,
    url: str | None,
    token_from: str,
    start: str | None,
    until: str | None,
    taken_at: str | None,
    timeout: float,
    database: str | None,
    form: str,
) -> None:
    """Store what the provider lists of its bookings, from FILE (- is standard input) or over HTTP.

    FILE holds a page of the list, or a page on each line. Stores a snapshot beside the
    appointments and changes none of them: `trueup check` compares, `trueup repair` corrects what
    evidence allows. That a booking is not there is concluded only from a list that is complete,
    of a known time (--from, --to).

    --api is the address of the list, for example https://api.cal.com/v2/bookings. Its token
    comes from an environment variable, is sent there alone, and is never printed. Exits with
    1 when the list shows fewer bookings than the provider counts.
    """
    from trueup import reconciling
    from trueup.durations import moment

    if (file is None) == (url is None):
        raise click.UsageError("give either FILE or --api URL")
    window = {"start": moment(start) if start else None, "until": moment(until) if until else None}
    if url is None:
        assert file is not None
        if (start is None) != (until is None):
            raise click.UsageError("give both --from and --to, or neither")
        done = reconciling.reconcile_file(
            company_id,
            sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes(),
            name="standard input" if file == "-" else file,
            taken_at=moment(taken_at) if taken_at else _written(file),
            database=database,
            **window,
        )
    else:
        if taken_at is not None:
            raise click.UsageError("--taken-at is for a FILE; over HTTP the list is taken now")
        token = os.environ.get(token_from, "")
        if not token:
            raise UsageError(f"no token: put it into the environment variable {token_from}")
        with shown_progress("read") as progress:
            done = reconciling.reconcile_api(
                company_id, url, token, timeout=timeout, database=database, progress=progress, **window
            )
    print_json(done) if form == "json" else _print(done)
    sys.exit(int(done.status != "complete"))


def _written(file: str) -> datetime | None:
    """Return when a file was written; None, for now, when that is to come or nobody knows."""
    if file == "-":
        return None
    written = datetime.fromtimestamp(Path(file).stat().st_mtime, UTC)
    return written if written < datetime.now(UTC) else None


def _print(done: Imported) -> None:
    counted = "" if done.expected is None else f" of {done.expected:,}"
    click.echo(f"import {done.import_id}: {done.bookings:,}{counted} bookings, {done.added:,} of them new")
    if done.status != "complete":
        click.echo("incomplete: what it does not show proves nothing; read the list again", err=True)
    elif done.start is None:
        click.echo("without --from and --to, what it does not show proves nothing")
    click.echo(
        f"{done.missing_locally:,} bookings have no appointment, "
        f"{done.missing_remotely:,} appointments no booking, {done.differing:,} differ"
    )
