"""The command that prints the report."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from trueup.cli_options import config_option, database_option, pack_option


def _rate(context: click.Context, parameter: click.Parameter, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        rate = Decimal(text.removesuffix("%").strip())
        if 0 <= rate <= 100:
            return rate
    except InvalidOperation:
        pass
    raise click.BadParameter(f"'{text}' is no rate; write per cent, 0 to 100, such as 99.5")


@click.command(
    epilog="\b\nExamples:\n  trueup report\n"
    "  trueup report --since 30d --format html --output report.html\n"
    "  trueup report --since 12h --company 1\n"
    "  trueup report --format json --fail-under 50 > report.json\n"
)
@click.option(
    "--since",
    metavar="7d|DATE",
    help="Beginning of the period: a time before its end, or a date.  [default: report.since, 7d]",
)
@click.option("--until", metavar="DATE", help="End of the period.  [default: now]")
@click.option("--company", metavar="ID", help="What concerns this company only.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "json"]),
    help="What to print.  [default: by the name of --output, else md]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it.  [default: standard output]",
)
@click.option(
    "--fail-under",
    metavar="RATE",
    callback=_rate,
    help="Exit with 1 when the consistency rate is lower, with 3 when it, or a check, is not known.",
)
@database_option
@pack_option
@config_option
def report(
    since: str | None,
    until: str | None,
    company: str | None,
    form: str | None,
    output: Path | None,
    fail_under: Decimal | None,
    database: str | None,
    pack: Path | None,
    file: Path | None,
) -> None:
    """Tell how consistent the data is, what changed in a period, and what is left for people.

    Reads what runs have recorded, in one snapshot, and changes nothing. The HTML is one file
    that needs no other and no network; the Markdown fits into a comment of a pull request.
    Times are told in the zone report.zone of the configuration.
    """
    from trueup.durations import ago, moment
    from trueup.operating import report as use_case
    from trueup.operating.config import load

    configured = load(file).configuration.report
    form = form or (output.suffix[1:].lower() if output else "")
    found = use_case.build(
        database=database,
        pack=pack,
        since=ago(since) if since else configured.since,
        until=moment(until, is_local=False) if until else None,
        company=company,
        zone=configured.zone,
    )
    text = use_case.render(found, form if form in use_case.FORMS else "md")
    if output:
        use_case.save(text, output)
    else:
        click.echo(text)
    sys.exit(found.exit_code(fail_under))
