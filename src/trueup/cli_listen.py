"""The command that prints notices of changed appointments, one a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from trueup.cli_options import database_option, format_option

if TYPE_CHECKING:
    from trueup.notices import Notice


@click.command(
    epilog="\b\nExamples:\n  trueup events listen --company 7 --count 1\n"
    "  trueup events listen --position 748 --missed --format json"
)
@click.option("--company", "company_id", type=int, metavar="ID", help="Only this company.")
@click.option("--position", type=int, metavar="N", help="Begin with what was missed since this position.")
@click.option("--missed", is_flag=True, help="Print what was missed, and end.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after this many notices.")
@database_option
@format_option()
def listen(
    company_id: int | None,
    position: int | None,
    missed: bool,
    count: int | None,
    database: str | None,
    form: str,
) -> None:
    """Print which days of which companies have changed, as it happens.

    Each line is one notice: the day (any: every day), the company (all: every company), and
    the position to begin with the next time. Without --position the first notice
    says that anything may have changed. With --format json each line is an object. Goes on over
    lost connections, and keeps one connection to the server.
    """
    from trueup import notices
    from trueup.store import session

    if missed:
        with session(database, "events listen") as connection:
            found = notices.missed(connection.connection, position, company_id=company_id)
        for notice in found:
            _print(notice, form)
        return
    for number, notice in enumerate(
        notices.listen(database, position=position, company_id=company_id), start=1
    ):
        _print(notice, form)
        if number == count:
            break


def _print(notice: Notice, form: str) -> None:
    from trueup.rendering import plain

    if form == "json":
        click.echo(json.dumps(plain(notice)))
    else:
        company = "all companies" if notice.company_id is None else f"company {notice.company_id}"
        click.echo(f"{notice.date or 'any day'!s:<10}  {company}  position {notice.position}")
