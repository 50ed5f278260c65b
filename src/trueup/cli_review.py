"""The commands of people: review, alerts, guard, contract.

Parses, calls one use case, prints. The use cases are imported when a command runs,
so that `trueup --help` does not wait for them.
"""

from __future__ import annotations

import os
import re
import select
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueup.cli_options import (
    as_option,
    clock,
    database_option,
    format_option,
    is_interactive,
    mode_shown,
    print_facts,
    print_json,
    print_rows,
    print_table,
    printable,
    single_keys,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from trueup.alerts import Alert
    from trueup.repairing import Preview
    from trueup.review import Claim, Detail, Item

_PASSWORD = re.compile(r"(?i)password|://[^/@]*:[^/@]*@")

limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most this many."
)
company_option = click.option("--company", metavar="ID", help="Only this company.")
token_option = click.option("--token", required=True, help="The token of your claim.")
free_token_option = click.option(
    "--token", help="The token of your claim; needed while somebody holds the item."
)
lease_option = click.option(
    "--lease", metavar="TIME", help="How long the claim lasts: 45m, 2h.  [default: setting review_lease]"
)
note_option = click.option("--note", metavar="TEXT", help="What the next reader should know.")


@click.group(
    epilog="""\b
Examples:
  trueup review next --as ann
  trueup review list --status open --company 7
  trueup review show 12
"""
)
def review() -> None:
    """Work off the review queue: what evidence could not decide."""


@review.command("list", epilog="Example: trueup review list --reason call_made_without_appointment")
@click.option(
    "--status",
    type=click.Choice(["open", "pending", "in_progress", "resolved", "dismissed", "all"]),
    default="open",
    show_default=True,
    help="open is pending and in progress.",
)
@click.option("--reason", help="Only this reason: the name of a check, or what an application gave.")
@click.option("--reviewer", metavar="NAME", help="Only what this person holds, is assigned, or decided.")
@company_option
@limit_option
@format_option()
@database_option
def review_list(
    status: str,
    reason: str | None,
    reviewer: str | None,
    company: str | None,
    limit: int,
    form: str,
    database: str | None,
) -> None:
    """List the items of the queue, in the order in which they should be done."""
    from trueup import review as use_case

    items = use_case.list_items(status, reason, reviewer, company, limit, database=database)
    if form == "json":
        print_json(items)
    else:
        _print_items(items, empty="the queue is empty" if status == "open" else "no item matches")


@review.command("show", epilog="Example: trueup review show 12")
@click.argument("item_id", metavar="ID", type=int)
@format_option()
@database_option
def review_show(item_id: int, form: str, database: str | None) -> None:
    """Show an item, its evidence, and what happened to it."""
    from trueup import review as use_case

    detail = use_case.show(item_id, database=database)
    if form == "json":
        print_json(detail)
        return
    _print_detail(detail)
    click.echo()
    print_rows(
        ["when", "event", "who", "details"],
        [(event.happened_at, event.event, event.actor, _brief(event.details)) for event in detail.events],
    )


@review.command(
    "next",
    epilog="""\b
Example:
  trueup review next --as ann --company 7 --lease 1h

Prints the commands that go on from there, with the token of the claim.
""",
)
@as_option
@company_option
@lease_option
@format_option()
@database_option
def review_next(
    actor: str | None, company: str | None, lease: str | None, form: str, database: str | None
) -> None:
    """Claim the most urgent item that nobody holds."""
    from trueup import review as use_case

    _print_claim(use_case.next_item(actor, company, _lease(lease), database=database), form, database)


@review.command(
    "walk",
    epilog="""\b
Example:
  trueup review walk --as ann --company 7

Asks for one key at a time; what is held is given back at the end, also after Ctrl-C.
""",
)
@as_option
@company_option
@lease_option
@database_option
def review_walk(actor: str | None, company: str | None, lease: str | None, database: str | None) -> None:
    """Walk through the queue on a terminal: see an item, decide, go on to the next."""
    from trueup.errors import UsageError

    if not is_interactive():
        raise UsageError(
            "review walk asks for keys on a terminal, and this is none; `trueup review next` is for scripts"
        )
    _Walk(actor, company, _lease(lease), database).go()


@review.command("claim", epilog="Example: trueup review claim 12 --as ann")
@click.argument("item_id", metavar="ID", type=int)
@as_option
@lease_option
@format_option()
@database_option
def review_claim(item_id: int, actor: str | None, lease: str | None, form: str, database: str | None) -> None:
    """Claim one item, snoozed or not."""
    from trueup import review as use_case

    _print_claim(use_case.claim(item_id, actor, _lease(lease), database=database), form, database)


@review.command("extend", epilog="Example: trueup review extend 12 --token TOKEN --lease 2h")
@click.argument("item_id", metavar="ID", type=int)
@token_option
@lease_option
@database_option
def review_extend(item_id: int, token: str, lease: str | None, database: str | None) -> None:
    """Prolong your claim, also one that ran out while nobody took the item."""
    from trueup import review as use_case

    item = use_case.extend(item_id, token, _lease(lease), database=database)
    click.echo(f"item {item.id} is yours until {clock(item.lease_expires_at)}")


@review.command("release", epilog="Example: trueup review release 12 --token TOKEN --note 'needs the salon'")
@click.argument("item_id", metavar="ID", type=int)
@token_option
@note_option
@database_option
def review_release(item_id: int, token: str, note: str | None, database: str | None) -> None:
    """Give an item back, undecided."""
    from trueup import review as use_case

    item = use_case.release(item_id, token, note, database=database)
    click.echo(f"item {item.id} is free again")


@review.command(
    "resolve",
    epilog="""\b
Examples:
  trueup review resolve 12 --token TOKEN --notes 'linked by hand'
  trueup review resolve 12 --token TOKEN --repair
""",
)
@click.argument("item_id", metavar="ID", type=int)
@token_option
@click.option("--notes", metavar="TEXT", help="What you did.")
@click.option("--repair", is_flag=True, help="Have the check's repair correct it first.")
@database_option
def review_resolve(item_id: int, token: str, notes: str | None, repair: bool, database: str | None) -> None:
    """Close an item whose matter is right now, and its alert with it.

    Refused while its check still lists the entity: mend the row first, or dismiss.
    """
    from trueup import review as use_case

    item = use_case.resolve(item_id, token, notes, repair, database=database)
    click.echo(f"item {item.id} is resolved")
    if item.repair_id:
        click.echo(f"take the repair back with: trueup repair --undo {item.repair_id}")


@review.command(
    "dismiss", epilog="Example: trueup review dismiss 12 --token TOKEN --notes 'a test call, may stay'"
)
@click.argument("item_id", metavar="ID", type=int)
@token_option
@click.option("--notes", metavar="TEXT", required=True, help="Why it may stay as it is.")
@database_option
def review_dismiss(item_id: int, token: str, notes: str, database: str | None) -> None:
    """Close an item whose matter may stay; its alert is accepted until the evidence changes."""
    from trueup import review as use_case

    item = use_case.dismiss(item_id, token, notes, database=database)
    click.echo(f"item {item.id} is dismissed; it comes back when its evidence changes")


@review.command(
    "snooze",
    epilog="""\b
Examples:
  trueup review snooze 12 --until 1d
  trueup review snooze 12 --until 2025-11-03T09:00 --token TOKEN
""",
)
@click.argument("item_id", metavar="ID", type=int)
@click.option("--until", metavar="WHEN", required=True, help="2h or 1d from now on, or an ISO date or time.")
@free_token_option
@note_option
@as_option
@database_option
def review_snooze(
    item_id: int, until: str, token: str | None, note: str | None, actor: str | None, database: str | None
) -> None:
    """Put an item off; a claim on it ends."""
    from trueup import review as use_case

    item = use_case.snooze(item_id, token, _until(until), note, actor, database=database)
    click.echo(f"item {item.id} comes back at {clock(item.snoozed_until)}")


@review.command("reassign", epilog="Example: trueup review reassign 12 --to bob --note 'his customer'")
@click.argument("item_id", metavar="ID", type=int)
@click.option("--to", metavar="NAME", help="The reviewer whom alone it is offered from now on.")
@click.option("--anybody", is_flag=True, help="Take the assignment away.")
@free_token_option
@note_option
@as_option
@database_option
def review_reassign(
    item_id: int,
    to: str | None,
    anybody: bool,
    token: str | None,
    note: str | None,
    actor: str | None,
    database: str | None,
) -> None:
    """Give an item to somebody else; a claim on it ends."""
    from trueup import review as use_case
    from trueup.errors import UsageError

    if (to is None) is not anybody:
        raise UsageError("say to whom: --to NAME, or --anybody")
    item = use_case.reassign(item_id, token, to, note, actor, database=database)
    click.echo(f"item {item.id} is for {printable(item.assigned_to) if item.assigned_to else 'anybody'} now")


@review.command("reopen", epilog="Example: trueup review reopen 12 --note 'it was the other call'")
@click.argument("item_id", metavar="ID", type=int)
@note_option
@as_option
@database_option
def review_reopen(item_id: int, note: str | None, actor: str | None, database: str | None) -> None:
    """Take a decision back; what a dismissal accepted is open again."""
    from trueup import review as use_case

    item = use_case.reopen(item_id, note, actor, database=database)
    click.echo(f"item {item.id} waits again, due {clock(item.due_at)}")


@review.command("escalate", epilog="Example: trueup review escalate")
@as_option
@format_option()
@database_option
def review_escalate(actor: str | None, form: str, database: str | None) -> None:
    """Move overdue items up by one priority, each once; a scheduler may run it hourly."""
    from trueup import review as use_case

    items = use_case.escalate(actor, database=database)
    if form == "json":
        print_json(items)
    else:
        _print_items(items, empty="nothing to escalate")


@click.group(
    epilog="""\b
Examples:
  trueup alerts list --severity critical
  trueup alerts accept 31 --reason 'known, ticket 12' --until 30d
"""
)
def alerts() -> None:
    """Look at alerts and say what is to become of them."""


@alerts.command("list", epilog="Example: trueup alerts list --check call_backlink_missing --company 7")
@click.option(
    "--status",
    type=click.Choice(["open", "acknowledged", "snoozed", "accepted", "resolved", "all"]),
    default="open",
    show_default=True,
    help="open leaves out what is snoozed.",
)
@click.option("--check", metavar="NAME", help="Only this check.")
@click.option("--severity", type=click.Choice(["critical", "warning", "info"]), help="Only this severity.")
@company_option
@click.option("--entity", "entity_id", metavar="ID", help="Only the row with this key.")
@limit_option
@format_option()
@database_option
def alerts_list(
    status: str,
    check: str | None,
    severity: str | None,
    company: str | None,
    entity_id: str | None,
    limit: int,
    form: str,
    database: str | None,
) -> None:
    """List alerts, the gravest and newest first."""
    from trueup import alerts as use_case

    found = use_case.list_alerts(status, check, severity, company, entity_id, limit, database=database)
    if form == "json":
        print_json(found)
        return
    print_rows(
        ["id", "severity", "check", "entity", "company", "status", "since", "seen", "what"],
        [
            (
                alert.id,
                alert.severity,
                alert.alert_type,
                f"{alert.entity_type} {alert.entity_id}",
                alert.company_id,
                _alert_status(alert),
                alert.detected_at,
                f"{alert.occurrences} x",
                alert.description,
            )
            for alert in found
        ],
        empty="no alert" if status == "all" else f"no {status} alert",
    )


@alerts.command("show", epilog="Example: trueup alerts show 31")
@click.argument("alert_id", metavar="ID", type=int)
@format_option()
@database_option
def alerts_show(alert_id: int, form: str, database: str | None) -> None:
    """Show one alert with its evidence."""
    from trueup import alerts as use_case

    alert = use_case.show(alert_id, database=database)
    if form == "json":
        print_json(alert)
        return
    print_facts(
        [
            ("alert", alert.id),
            ("check", alert.alert_type),
            ("severity", alert.severity),
            ("company", alert.company_id),
            ("entity", f"{alert.entity_type} {alert.entity_id}"),
            ("what", alert.description),
            ("evidence", alert.metadata),
            ("status", _alert_status(alert)),
            ("detected", alert.detected_at),
            ("last seen", f"{clock(alert.last_seen_at)}, {alert.occurrences} times"),
            ("reopened", f"{alert.reopened_count} times" if alert.reopened_count else None),
            ("acknowledged", _by(alert.acknowledged_by, alert.acknowledged_at)),
            ("accepted", _by(alert.accepted_by, alert.accepted_at)),
            ("reason", alert.accepted_reason),
            ("accepted until", alert.accepted_until),
            ("snoozed", _by(alert.snoozed_by, alert.snoozed_until, "until")),
            ("resolved", _by(alert.resolution, alert.resolved_at)),
            ("notes", alert.resolution_notes),
        ]
    )


@alerts.command("ack", epilog="Example: trueup alerts ack 31 --as ann")
@click.argument("alert_id", metavar="ID", type=int)
@as_option
@database_option
def alerts_ack(alert_id: int, actor: str | None, database: str | None) -> None:
    """Say that you have seen it."""
    from trueup import alerts as use_case

    alert = use_case.acknowledge(alert_id, actor, database=database)
    click.echo(f"alert {alert.id} is acknowledged by {printable(alert.acknowledged_by or '')}")


@alerts.command("snooze", epilog="Example: trueup alerts snooze 31 --until 2h")
@click.argument("alert_id", metavar="ID", type=int)
@click.option("--until", metavar="WHEN", required=True, help="2h or 1d from now on, or an ISO date or time.")
@as_option
@database_option
def alerts_snooze(alert_id: int, until: str, actor: str | None, database: str | None) -> None:
    """Hear nothing about it until then."""
    from trueup import alerts as use_case

    alert = use_case.snooze(alert_id, _until(until), actor, database=database)
    click.echo(f"alert {alert.id} is silent until {clock(alert.snoozed_until)}")


@alerts.command(
    "accept", epilog="Example: trueup alerts accept 31 --reason 'known, ticket 12' --until 2025-12-31"
)
@click.argument("alert_id", metavar="ID", type=int)
@click.option("--reason", metavar="TEXT", required=True, help="Why it may stay.")
@click.option("--until", metavar="WHEN", help="When to look again: 30d, or an ISO date.  [default: no end]")
@as_option
@database_option
def alerts_accept(
    alert_id: int, reason: str, until: str | None, actor: str | None, database: str | None
) -> None:
    """Let a known fault be; it comes back at its end, or when its evidence changes."""
    from trueup import alerts as use_case

    alert = use_case.accept(
        alert_id, reason, None if until is None else _until(until), actor, database=database
    )
    end = f"until {clock(alert.accepted_until)}, or " if alert.accepted_until else "until "
    click.echo(f"alert {alert.id} is accepted {end}its evidence changes")


@click.group(
    epilog="""\b
Examples:
  trueup guard list
  trueup guard set call_made_without_appointment enforce
"""
)
def guard() -> None:
    """Say what a violation at COMMIT costs: nothing, an alert, or the transaction."""


@guard.command("list", epilog="Example: trueup guard list --format json")
@format_option()
@database_option
def guard_list(form: str, database: str | None) -> None:
    """List the guards with their modes and the violations still open."""
    from trueup import guards as use_case

    found = use_case.list_guards(database=database)
    if form == "json":
        print_json(found)
        return
    print_rows(
        ["guard", "mode", "since", "by", "open", "what must hold at commit"],
        [
            (
                each.name,
                mode_shown(each.mode, each.companies),
                each.changed_at,
                each.changed_by,
                each.open_violations,
                each.invariant,
            )
            for each in found
        ],
        empty="this pack has no guards",
    )


@guard.command(
    "set",
    epilog="\b\nExamples:\n  trueup guard set call_made_without_appointment observe\n"
    "  trueup guard set call_made_without_appointment enforce --company 7\n"
    "  trueup guard set call_made_without_appointment as-others --company 7",
)
@click.argument("name")
@click.argument("mode", type=click.Choice(["off", "observe", "enforce", "as-others"]))
@click.option("--company", metavar="ID", help="Set the mode for the rows of one company only.")
@as_option
@database_option
def guard_set(name: str, mode: str, company: str | None, actor: str | None, database: str | None) -> None:
    """Set the mode of a guard, from the next COMMIT on, also of sessions already open.

    \b
    off        says nothing, for any company
    observe    files an alert in the writer's transaction
    enforce    refuses the transaction (SQLSTATE 23514)
    as-others  takes away the mode that a company has of its own
    """
    from trueup import guards as use_case

    if mode == "as-others" and company is None:
        raise click.UsageError("as-others is for one company; name it with --company")
    found = use_case.set_mode(
        name, None if mode == "as-others" else mode, actor, company=company, database=database
    )
    click.echo(f"guard {found.name} is set to {mode_shown(found.mode, found.companies)}")
    if "enforce" in (found.mode, *found.companies.values()) and found.open_violations:
        click.echo(f"still open: {found.open_violations}; writes to those rows may be refused until mended")


@click.group(
    epilog="""\b
Examples:
  trueup contract add save_call queries/save_call.sql
  trueup contract list
"""
)
def contract() -> None:
    """Keep statements of applications, so that a column they name cannot vanish unseen."""


@contract.command(
    "add", epilog="Example: trueup contract add save_call queries/save_call.sql --search-path app"
)
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--search-path", default="public", show_default=True, help="Where it finds its tables.")
@database_option
def contract_add(name: str, file: Path, search_path: str, database: str | None) -> None:
    """Keep the one statement in FILE under NAME; adding NAME again replaces it."""
    from trueup import contracts as use_case

    found = use_case.add(name, file, search_path, database=database)
    click.echo(f"contract {found.name} is kept; check schema_contract_broken asks the server about it")


@contract.command("list", epilog="Example: trueup contract list --format json")
@format_option()
@database_option
def contract_list(form: str, database: str | None) -> None:
    """List the contracts."""
    from trueup import contracts as use_case

    found = use_case.list_contracts(database=database)
    if form == "json":
        print_json(found)
        return
    print_rows(
        ["contract", "search path", "from", "added", "by", "statement"],
        [
            (each.name, each.search_path, each.source, each.added_at, each.added_by, _short(each.statement))
            for each in found
        ],
        empty="no contracts",
    )


@contract.command("remove", epilog="Example: trueup contract remove save_call")
@click.argument("name")
@database_option
def contract_remove(name: str, database: str | None) -> None:
    """Forget a contract."""
    from trueup import contracts as use_case

    use_case.remove(name, database=database)
    click.echo(f"contract {printable(name)} is forgotten")


def _print_items(items: Sequence[Item], *, empty: str) -> None:
    print_rows(
        ["id", "priority", "severity", "reason", "entity", "company", "due", "status", "what"],
        [
            (
                item.id,
                item.priority,
                item.severity,
                item.reason,
                f"{item.entity_type} {item.entity_id}",
                item.company_id,
                clock(item.due_at) + (" (overdue)" if item.overdue else ""),
                _item_status(item),
                item.description,
            )
            for item in items
        ],
        empty=empty,
    )


def _print_detail(detail: Detail) -> None:
    item, matter = detail.item, detail.matter
    says = {
        None: None,
        True: "still lists it",
        False: "no longer lists it: the item may be resolved",
    }[matter.violated]
    print_facts(
        [
            ("item", item.id),
            ("priority", f"{item.priority}, {item.severity}"),
            ("due", clock(item.due_at) + (" (overdue)" if item.overdue else "")),
            ("status", _item_status(item)),
            ("company", item.company_id),
            ("entity", f"{item.entity_type} {item.entity_id}"),
            ("what", item.description),
            ("reason", item.reason),
            ("must hold", matter.invariant),
            ("the check", says),
            ("evidence", matter.evidence or item.metadata),
            ("when queued", item.metadata if matter.evidence and item.metadata != matter.evidence else None),
            ("alert", f"{matter.alert_id}, {matter.alert_status}" if matter.alert_id else None),
            ("decided", _by(item.decided_by, item.decided_at)),
            ("notes", item.resolution_notes),
            ("repair", item.repair_id),
        ]
    )


def _print_claim(claim: Claim | None, form: str, database: str | None) -> None:
    """Print a claimed item, its evidence, and the commands that go on from there."""
    from trueup import review as use_case
    from trueup.errors import TrueupError

    if form == "json":
        print_json(claim)
        return
    if claim is None:
        click.echo("nothing to review")
        return
    try:
        detail = use_case.show(claim.item.id, database=database)
    except TrueupError as error:
        # the item is claimed: whatever else fails, its token must be printed
        detail = use_case.Detail(claim.item, use_case.Matter(None, None, None, None, None, None), ())
        click.echo(f"what its check says now cannot be read: {printable(str(error))}", err=True)
    _print_detail(detail)
    ending = f" --token {claim.token}"
    if database and not _PASSWORD.search(database):
        ending += f" --database {shlex.quote(database)}"
    click.echo("\nGo on with one of:\n")
    commands: list[tuple[str, str]] = []
    if detail.matter.violated and detail.matter.repair not in (None, "review"):
        commands.append(("resolve", " --repair"))
    commands += [
        ("resolve", " --notes 'what you did'"),
        ("dismiss", " --notes 'why it may stay'"),
        ("snooze", " --until 1d"),
        ("reassign", " --to NAME"),
        ("extend", " --lease 1h"),
        ("release", ""),
    ]
    for name, more in commands:
        click.echo(f"  trueup review {name} {claim.item.id}{more}{ending}")


def _item_status(item: Item) -> str:
    if item.held:
        return f"held by {item.claimed_by} until {clock(item.lease_expires_at)}"
    if item.status == "in_progress":
        return f"free, the claim of {item.claimed_by} expired"
    if item.status == "pending":
        parts = [
            f"snoozed until {clock(item.snoozed_until)}" if item.snoozed_until else "",
            f"for {item.assigned_to}" if item.assigned_to else "",
        ]
        return ", ".join(["pending", *(part for part in parts if part)])
    return f"{item.status} by {item.decided_by}"


def _alert_status(alert: Alert) -> str:
    if alert.status == "resolved":
        return f"resolved, {alert.resolution}"
    accepted = alert.status == "acknowledged" and alert.accepted_at
    status = f"accepted by {alert.accepted_by}" if accepted else alert.status
    if alert.snoozed_until and alert.snoozed_until > _now():
        return f"{status}, snoozed until {clock(alert.snoozed_until)}"
    return status


def _by(who: str | None, when: datetime | None, preposition: str = "at") -> str | None:
    return f"{who}, {preposition} {clock(when)}" if when else None


def _brief(details: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in details.items())


def _short(statement: str) -> str:
    line = " ".join(statement.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _lease(text: str | None) -> timedelta | None:
    from trueup.durations import duration

    return None if text is None else duration(text)


def _until(text: str) -> datetime:
    from trueup.durations import instant

    return instant(text)


class _Walk:
    """One person's way through the queue: an item is claimed, shown, decided or given back."""

    def __init__(
        self, actor: str | None, company: str | None, lease: timedelta | None, database: str | None
    ) -> None:
        self.actor = actor
        self.company = company
        self.lease = lease
        self.database = database
        self.claim: Claim | None = None
        self.seen: set[int] = set()
        self.done: Counter[str] = Counter()

    def go(self) -> None:
        """Go on until the queue is empty or the person has enough; nothing stays held."""
        try:
            while self._next() and self._work():
                pass
        except KeyboardInterrupt:
            # the key is a wish, no error; the exit code says that it was one
            raise click.Abort from None
        finally:
            self._give_back()
            said = ", ".join(f"{count} {what}" for what, count in self.done.items())
            click.echo(f"\n{said or 'nothing decided'}")

    def _next(self) -> bool:
        """Claim the first item that is free and was not seen in this walk."""
        from trueup import review as use_case
        from trueup.errors import RefusedError

        for item in use_case.list_items(company=self.company, limit=1000, database=self.database):
            is_asleep = item.snoozed_until is not None and item.snoozed_until > _now()
            if item.id in self.seen or item.held or is_asleep:
                continue
            self.seen.add(item.id)
            try:
                self.claim = use_case.claim(item.id, self.actor, self.lease, database=self.database)
            except RefusedError:
                # for somebody else, or somebody was quicker
                continue
            return True
        click.echo("nothing more to review")
        return False

    def _work(self) -> bool:
        """Show the item and do what the keys say until it is done with; False ends the walk."""
        from trueup import review as use_case
        from trueup.errors import TrueupError

        detail = None
        while self.claim:
            try:
                if detail is None:
                    detail = use_case.show(self.claim.item.id, database=self.database)
                    self._show(detail)
                key = self._key(detail)
                if key == "q":
                    return False
                if self._do(key, detail):
                    self.claim = None
                elif key in ("e", "?", "a"):
                    detail = None
            except TrueupError as error:
                click.echo(f"\n{printable(str(error))}", err=True)
                if not self._is_ours():
                    click.echo("the item is no longer yours; on to the next")
                    self.claim = None
        return True

    def _do(self, key: str, detail: Detail) -> bool:
        """Do what a key says; True when the item is done with."""
        from trueup import review as use_case

        assert self.claim is not None
        item_id, token = self.claim.item.id, self.claim.token
        if key == "r":
            notes = click.prompt("What did you do", default="", show_default=False) or None
            use_case.resolve(item_id, token, notes, database=self.database)
            self.done["resolved"] += 1
        elif key == "a" and _is_repairable(detail):
            return self._apply(detail)
        elif key == "d":
            notes = click.prompt("Why may it stay (empty: not after all)", default="", show_default=False)
            if not notes.strip():
                return False
            use_case.dismiss(item_id, token, notes, database=self.database)
            self.done["dismissed"] += 1
        elif key == "s":
            until = _until(click.prompt("Until when", default="1d"))
            item = use_case.snooze(item_id, token, until, actor=self.actor, database=self.database)
            click.echo(f"item {item.id} comes back at {clock(item.snoozed_until)}")
            self.done["snoozed"] += 1
        elif key == "e":
            item = use_case.extend(item_id, token, self.lease, database=self.database)
            click.echo(f"yours until {clock(item.lease_expires_at)}")
            return False
        elif key == "l":
            note = click.prompt("What should the next reader know", default="", show_default=False) or None
            use_case.release(item_id, token, note, database=self.database)
            self.done["released"] += 1
        elif key == "n":
            self._give_back()
        else:
            return False
        return True

    def _apply(self, detail: Detail) -> bool:
        from trueup import repairing
        from trueup import review as use_case

        assert self.claim is not None
        item = detail.item
        preview = repairing.preview(item.reason, item.entity_type, item.entity_id, database=self.database)
        _print_preview(preview)
        if preview.outcome != "corrected":
            return False
        click.echo("Apply it? y, or any other key: ", nl=False)
        if self._pressed(None) != "y":
            click.echo("nothing was changed")
            return False
        done = use_case.resolve(item.id, self.claim.token, repair=True, database=self.database)
        click.echo(f"corrected; take it back with: trueup repair --undo {done.repair_id}")
        self.done["corrected"] += 1
        return True

    def _show(self, detail: Detail) -> None:
        from trueup import alerts as alerts_use_case

        item = detail.item
        click.echo(f"\n{'-' * 72}")
        _print_detail(detail)
        others = [
            alert
            for alert in alerts_use_case.list_alerts(entity_id=item.entity_id, database=self.database)
            if alert.entity_type == item.entity_type and alert.alert_type != item.reason
        ]
        if others:
            click.echo(f"\nAlso open for {item.entity_type} {item.entity_id}:")
            print_rows(
                ["alert", "severity", "what", "evidence"],
                [(a.alert_type, a.severity, a.description, a.metadata) for a in others],
            )
        click.echo()
        print_rows(
            ["when", "event", "who", "details"],
            [(e.happened_at, e.event, e.actor, _brief(e.details)) for e in detail.events],
        )

    def _key(self, detail: Detail) -> str:
        """Ask for a key; say so when the claim runs out meanwhile."""
        offers = ["(r)esolve", "(d)ismiss", "(s)nooze", "(e)xtend", "re(l)ease", "(n)ext", "(q)uit", "(?)"]
        if _is_repairable(detail):
            offers.insert(1, "(a)pply the repair")
        click.echo(f"\n{'  '.join(offers)}: ", nl=False)
        ends = detail.item.lease_expires_at
        key = self._pressed((ends - _now()).total_seconds() if ends else None)
        if not key:
            click.echo("\nyour claim ran out, and others may take the item; e extends it: ", nl=False)
            key = self._pressed(None)
        return key

    def _pressed(self, seconds: float | None) -> str:
        """Return the key pressed within some seconds (None: whenever), or ''."""
        with single_keys() as source:
            wait = None if seconds is None else max(seconds, 0.0)
            if not select.select([source], [], [], wait)[0]:
                return ""
            # the end of the input is the end of the terminal
            key = os.read(source, 16).decode(errors="replace")[:1].lower() or "q"
        click.echo(key if key.isprintable() else "")
        return key

    def _is_ours(self) -> bool:
        """Say whether nobody else has taken or decided the item since."""
        from trueup import review as use_case
        from trueup.errors import TrueupError

        assert self.claim is not None
        try:
            now = use_case.show(self.claim.item.id, database=self.database).item
        except TrueupError:
            return True  # nobody knows
        return now.status == "in_progress" and now.claimed_at == self.claim.item.claimed_at

    def _give_back(self) -> None:
        from trueup import review as use_case
        from trueup.errors import TrueupError

        claim, self.claim = self.claim, None
        if claim is None:
            return
        try:
            use_case.release(claim.item.id, claim.token, database=self.database)
            click.echo(f"item {claim.item.id} is free again")
        except TrueupError as error:
            click.echo(f"\nitem {claim.item.id} was not given back: {printable(str(error))}", err=True)


def _is_repairable(detail: Detail) -> bool:
    return bool(detail.matter.violated) and detail.matter.repair not in (None, "review")


def _print_preview(preview: Preview) -> None:
    if preview.outcome != "corrected":
        click.echo(f"it would not correct it: {preview.outcome}, {printable(preview.reason)}")
        return
    click.echo(f"it would: {printable(preview.reason)}")
    rows = []
    for change in preview.changes:
        before, after = change.before or {}, change.after or {}
        for column in sorted(before.keys() | after.keys()):
            place = (f"{change.operation} {change.table_name} {change.key_value}", column)
            rows.append((*place, before.get(column), after.get(column)))
    print_table(
        ["row", "column", "before", "after"],
        [[printable("" if cell is None else str(cell)) for cell in row] for row in rows],
    )
    for violation in preview.resolved:
        click.echo(f"gone: {printable(violation)}")
