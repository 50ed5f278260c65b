"""The commands of notifications: trueup notify, notify test, list, mute, unmute."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli_options import (
    as_option,
    check_names,
    clock,
    config_option,
    database_option,
    format_option,
    print_json,
    print_rows,
    printable,
)

if TYPE_CHECKING:
    from trueup.operating.config import Configuration
    from trueup.operating.notify import Delivery, Mute, State


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  trueup notify --dry-run
  trueup notify test ops
  trueup notify mute --for 2h --reason 'import of October'

\b
A channel in trueup.toml:
  [notify.channels.ops]
  url = "mailtos://user:password@mail.example.com/?to=ops@example.com"

The address is better in the environment: TRUEUP_NOTIFY_CHANNELS_OPS_URL.
""",
)
@click.option("--dry-run", is_flag=True, help="Print what is due; send and write nothing.")
@format_option()
@config_option
@database_option
@click.pass_context
def notify(context: click.Context, dry_run: bool, form: str, file: Path | None, database: str | None) -> None:
    """Tell the channels of the configuration what has become of alerts.

    Each channel hears of an alert when it is opened, reopened or resolved, in one message
    for a check and company; of what stays open once a day, critical every four hours; and
    of nothing that is acknowledged, accepted, snoozed or muted. Exits with 3 when a channel
    failed: its messages wait, and are tried again.
    """
    if context.invoked_subcommand is not None:
        if dry_run or file or database or form != "text":
            raise click.UsageError(f"write the options of {context.invoked_subcommand} after it")
        return
    from trueup.operating import notify as use_case

    configuration, database = _configured(file, database)
    done = use_case.deliver(database=database, configuration=configuration, dry_run=dry_run)
    if form == "json":
        print_json(done)
    else:
        _print_delivery(done, dry_run, bool(configuration.notify.channels))
    sys.exit(3 if done.errors else 0)


@notify.command("test", epilog="Example: trueup notify test ops")
@click.argument("name", metavar="CHANNEL")
@config_option
@database_option
def notify_test(name: str, file: Path | None, database: str | None) -> None:
    """Send a test message to one channel; exits with 3 when it was not taken."""
    from trueup.operating import notify as use_case

    configuration, database = _configured(file, database)
    told = use_case.test(name, database=database, configuration=configuration)
    if told.error:
        click.echo(f"channel {printable(name)}: {printable(told.error)}", err=True)
        sys.exit(3)
    click.echo(f"channel {printable(name)} took the message")


@notify.command("list", epilog="Example: trueup notify list")
@format_option()
@config_option
@database_option
def notify_list(form: str, file: Path | None, database: str | None) -> None:
    """List the channels, whether they work, and the silences in force."""
    from trueup.operating import notify as use_case

    configuration, database = _configured(file, database)
    states = use_case.states(database=database, configuration=configuration)
    silences = use_case.mutes(database=database)
    if form == "json":
        print_json({"channels": states, "mutes": silences})
        return
    print_rows(
        ["channel", "kind", "state", "last sent", "waiting", "next try", "why"],
        [
            (
                state.name,
                state.kind,
                _how_it_is(state),
                state.last_sent_at,
                state.waiting,
                state.next_attempt_at,
                state.error,
            )
            for state in states
        ],
        empty="no channel is configured; `trueup notify --help` shows one",
    )
    for silence in silences:
        click.echo(_spelled(silence))


@notify.command(
    "mute", epilog="Example: trueup notify mute --for 2h --reason 'import of October' --company 7"
)
@click.option("--for", "length", metavar="TIME", required=True, help="How long: 30m, 2h, 1d.")
@click.option("--reason", metavar="TEXT", required=True, help="Why; whoever finds it quiet will ask.")
@click.option("--check", metavar="NAME", shell_complete=check_names, help="Only this check.")
@click.option("--company", metavar="ID", help="Only this company.")
@as_option
@config_option
@database_option
def notify_mute(
    length: str,
    reason: str,
    check: str | None,
    company: str | None,
    actor: str | None,
    file: Path | None,
    database: str | None,
) -> None:
    """Say nothing for a time; afterwards one summary tells what is new."""
    from trueup.durations import duration
    from trueup.operating import notify as use_case

    _, database = _configured(file, database)
    click.echo(_spelled(use_case.mute(duration(length), reason, check, company, actor, database=database)))


@notify.command("unmute", epilog="Example: trueup notify unmute")
@click.argument("mute_id", metavar="[ID]", type=int, required=False)
@as_option
@config_option
@database_option
def notify_unmute(mute_id: int | None, actor: str | None, file: Path | None, database: str | None) -> None:
    """End one silence before its time, or all."""
    from trueup.operating import notify as use_case

    _, database = _configured(file, database)
    ended = use_case.unmute(mute_id, actor, database=database)
    click.echo(f"ended: {', '.join(map(str, ended))}" if ended else "no silence is in force")


def _configured(file: Path | None, database: str | None) -> tuple[Configuration, str | None]:
    """Return the configuration, and the database that is meant."""
    from trueup.operating.config import load

    configuration = load(file).configuration
    return configuration, database or configuration.database_url


def _how_it_is(state: State) -> str:
    if not state.is_configured:
        return "not configured"
    if state.failures:
        return f"fails since {clock(state.failing_since)}"
    return "works" if state.last_sent_at else "not used yet"


def _spelled(silence: Mute) -> str:
    scope = [
        *([f"check {printable(silence.check)}"] if silence.check else []),
        *([f"company {printable(silence.company)}"] if silence.company else []),
    ]
    return (
        f"silence {silence.id}: {' in '.join(scope) or 'everything'} until {clock(silence.ends_at)}, "
        f"by {printable(silence.actor)}: {printable(silence.reason)}"
    )


def _print_delivery(done: Delivery, dry_run: bool, has_channels: bool) -> None:
    for told in done.told:
        click.echo(f"{told.channel}: {told.outcome}: {printable(told.subject)}")
        if dry_run:
            click.echo("    " + "\n    ".join(map(printable, told.body.splitlines())) + "\n")
    for name in done.busy:
        click.echo(f"{name}: another delivery is at it")
    for name, error in done.errors.items():
        waits = f"; {done.waiting[name]} wait" if name in done.waiting else ""
        click.echo(f"{name}: {printable(error)}{waits}", err=True)
    if not has_channels:
        click.echo("no channel is configured; `trueup notify --help` shows one")
    elif not (done.told or done.busy or done.errors):
        click.echo("nothing is due")
