"""The commands of the inbox: trueup events receive, process, list, show, retry.

Parses, calls one use case, prints. The use cases are imported when a command runs,
so that `trueup --help` does not wait for them.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO

import click

from trueup.cli_listen import listen
from trueup.cli_options import database_option, format_option, print_json, print_table

if TYPE_CHECKING:
    from datetime import datetime

    from trueup.events import Processed, Received

provider_option = click.option(
    "--provider",
    type=click.Choice(["calcom", "retell"]),
    help="Whose events.  [default: what each looks like]",
)


@click.group(
    epilog="""\b
Examples:
  trueup events receive webhooks.jsonl
  trueup events process --workers 2
  trueup events list --status parked
"""
)
def events() -> None:
    """Receive the webhook events of the providers and apply them, in whatever order they come."""


events.add_command(listen)


@events.command(
    "receive",
    epilog="""\b
Example:
  trueup events receive webhooks.jsonl

FILE holds one JSON document, or one event on each line; - is standard input. Each event
is kept as soon as it is received. The first that is not UTF-8, no JSON, refused or
wrongly signed ends the command with exit code 2 and names its line: nothing of it is
stored, and what came before it is.

\b
The signature is that of the one body in FILE, over its bytes as they came:
  calcom  header X-Cal-Signature-256; the secret is that of the webhook
  retell  header X-Retell-Signature (v=...,d=...); the secret is the API key
Where a secret is set, a body without a signature is refused. The secret is never printed.
""",
)
@click.argument("file", type=click.File("rb"))
@provider_option
@click.option(
    "--secret",
    envvar="TRUEUP_WEBHOOK_SECRET",
    show_envvar=True,
    help="Verify the signature with this. Others on the machine see options: better in the environment.",
)
@click.option("--signature", metavar="TEXT", help="The signature that came with the body.")
@format_option()
@database_option
def events_receive(
    file: BinaryIO,
    provider: str | None,
    secret: str | None,
    signature: str | None,
    form: str,
    database: str | None,
) -> None:
    """Put events into the inbox; one that is there already is not stored again."""
    from trueup import events as use_case

    kept = use_case.receive(file, provider, secret, signature, database=database)
    if form == "json":
        print_json(kept)
    else:
        click.echo(_counted(kept))


@events.command("process", epilog="\b\nExample:\n  trueup events process --limit 1000 --workers 2")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many calls and bookings.")
@click.option(
    "--workers", type=click.IntRange(min=1, max=64), default=1, show_default=True, help="Sessions at once."
)
@format_option()
@database_option
def events_process(limit: int | None, workers: int, form: str, database: str | None) -> None:
    """Apply what is due until nothing is; exits with 1 when an event failed or is dead.

    An event that fails is tried again later, with growing pauses, and goes to the review
    queue after five attempts (setting event_max_attempts). It holds up no other.
    """
    from trueup import events as use_case

    done = use_case.process(limit, workers, database=database)
    print_json(done) if form == "json" else click.echo(_processed(done))
    sys.exit(int(bool(done.failed or done.dead)))


@events.command("list", epilog="\b\nExample:\n  trueup events list --status dead --company 7")
@click.option(
    "--status",
    type=click.Choice(["open", "received", "parked", "dead", "processed", "ignored", "all"]),
    default="open",
    show_default=True,
    help="open is received, parked and dead.",
)
@provider_option
@click.option("--object", "object_id", metavar="ID", help="Only this call id or booking uid.")
@click.option("--company", type=int, metavar="ID", help="Only this company.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most this many."
)
@format_option()
@database_option
def events_list(
    status: str,
    provider: str | None,
    object_id: str | None,
    company: int | None,
    limit: int,
    form: str,
    database: str | None,
) -> None:
    """List events of the inbox, the newest first."""
    from trueup import events as use_case

    found = use_case.list_events(status, provider, object_id, company, limit, database=database)
    if form == "json":
        print_json(found)
    elif not found:
        click.echo("no event waits" if status == "open" else "no event matches")
    else:
        print_table(
            ["id", "received", "provider", "event", "object", "company", "status", "why"],
            [
                (
                    event.id,
                    _clock(event.received_at),
                    event.provider,
                    event.event_type,
                    event.object_id,
                    event.company_id,
                    event.status,
                    event.error,
                )
                for event in found
            ],
            right=["id", "company"],
        )


@events.command("show", epilog="\b\nExample:\n  trueup events show 12")
@click.argument("event_id", metavar="ID", type=int)
@format_option()
@database_option
def events_show(event_id: int, form: str, database: str | None) -> None:
    """Show an event and its body. The body holds what the provider sent, names and numbers included."""
    from trueup import events as use_case

    event = use_case.show(event_id, database=database)
    if form == "json":
        print_json(event)
        return
    facts = [
        ("event", f"{event.id}, {event.event_type} of {event.provider}"),
        ("object", event.object_id),
        ("company", event.company_id),
        ("occurred", _clock(event.occurred_at)),
        ("received", _clock(event.received_at)),
        ("status", event.status + (f", {event.attempt_count} attempts" if event.attempt_count else "")),
        ("next attempt", _clock(event.next_attempt_at)),
        ("processed", _clock(event.processed_at)),
        ("appointment", event.appointment_id),
        ("why", event.error),
    ]
    for name, value in facts:
        if value not in (None, ""):
            click.echo(f"{name:<13} {value}")
    print_json(event.body)


@events.command(
    "retry", epilog="\b\nExamples:\n  trueup events retry --status parked\n  trueup events retry 12 13"
)
@click.argument("event_ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--status", type=click.Choice(["parked", "dead"]), help="All of these.")
@format_option()
@database_option
def events_retry(event_ids: tuple[int, ...], status: str | None, form: str, database: str | None) -> None:
    """Let parked and dead events be tried again by the next `trueup events process`."""
    from trueup import events as use_case

    done = use_case.retry(event_ids, status, database=database)
    print_json(done) if form == "json" else click.echo(f"{len(done):,} will be tried again")


def _counted(kept: list[Received]) -> str:
    found = Counter("duplicate" if each.duplicate else each.status for each in kept)
    if not kept:
        return "no event in it"
    return ", ".join(f"{count:,} {name}" for name, count in sorted(found.items(), reverse=True))


def _processed(done: Processed) -> str:
    if not done.events:
        return "nothing is due"
    counts = {
        "processed": done.processed,
        "parked": done.parked,
        "waiting for another": done.waiting,
        "failed, to be tried again": done.failed,
        "dead, handed to review": done.dead,
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _clock(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}" if moment else ""
