"""`trueup lint`: what is wrong in the files of a pack, with file and line."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trueup import __version__
from trueup.cli_options import format_option


@click.command(
    epilog="\b\nExamples:\n  trueup lint\n  trueup lint --no-server --format sarif > lint.sarif\n\n"
    "\b\nExit codes:\n  0  clean\n  1  findings\n  2  no pack there\n  4  the database cannot be reached\n"
)
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--database",
    metavar="URL",
    help="A database to be thrown away, to try the bodies of functions in: with the application's tables, or "
    "empty when the pack makes them. All happens in one transaction that is rolled back, and locks those "
    "tables meanwhile. TRUEUP_DATABASE_URL is not looked at. Default: an embedded server.",
)
@click.option("--no-server", is_flag=True, help="Look at the files alone; try no bodies.")
@click.option("--rules", is_flag=True, help="List the rules, each with its reason, and exit.")
@format_option("sarif")
def lint(directory: Path | None, database: str | None, no_server: bool, rules: bool, form: str) -> None:
    """Find what a test may never reach in the pack in DIRECTORY (default: the shipped one).

    Headers, names, names without schema, `not in (select ...)`, functions without search_path,
    guards that read before they lock, bodies that cannot run, and revisions that squawk warns
    of, when it is installed. A comment `-- lint: <rule>: <reason>` on the line of a finding or
    above it passes it over. Exits with 1 when there are findings.
    """
    from trueup import rendering
    from trueup.linting import RULES
    from trueup.linting import lint as run

    if rules:
        for rule in RULES:
            click.echo(f"{rule.id:<20} {rule.why}")
        return
    done = run(directory, database=database, use_server=not no_server)
    if form == "json":
        click.echo(rendering.as_json(done))
    elif form == "sarif":
        click.echo(
            rendering.findings_as_sarif(done.findings, {rule.id: rule.why for rule in RULES}, __version__)
        )
    else:
        for finding in done.findings:
            click.echo(str(finding))
        for note in done.notes:
            click.echo(f"note: {note}", err=True)
        click.echo(f"{done.files} files, {len(done.findings)} findings", err=True)
    sys.exit(int(bool(done.findings)))
