"""The commands of circuits: what they do, and what a person orders them to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trueup.cli_options import (
    as_option,
    clock,
    database_option,
    format_option,
    print_facts,
    print_json,
    print_rows,
    printable,
)

if TYPE_CHECKING:
    from trueup.circuit import State

reason_option = click.option("--reason", metavar="TEXT", help="Why; kept in the history of the circuit.")


@click.group(
    epilog="""\b
Examples:
  trueup circuit list
  trueup circuit force-open appointment_booking:service:7 --reason 'provider moves house'
  trueup circuit automatic appointment_booking:service:7
"""
)
def circuit() -> None:
    """See which providers are not called at the moment, and order otherwise."""


@circuit.command("list", epilog="Example: trueup circuit list --format json")
@format_option()
@database_option
def circuit_list(form: str, database: str | None) -> None:
    """List the circuits that ever failed or were ordered something, those not closed first."""
    from trueup import circuit as use_case

    found = use_case.list_circuits(database=database)
    if form == "json":
        print_json(found)
        return
    print_rows(
        ["circuit", "state", "since", "mode", "failures", "last failure", "next try"],
        [
            (
                each.key,
                each.state,
                each.state_changed_at,
                each.mode,
                each.failure_count,
                each.last_failure_at,
                each.retry_at,
            )
            for each in found
        ],
        empty="no circuit ever failed",
    )


@circuit.command("show", epilog="Example: trueup circuit show appointment_booking:service:7")
@click.argument("key")
@format_option()
@database_option
def circuit_show(key: str, form: str, database: str | None) -> None:
    """Show a circuit, its rules, its calls of the last hour, and its last 20 changes."""
    from trueup import circuit as use_case

    detail = use_case.show(key, database=database)
    if form == "json":
        print_json(detail)
        return
    state, rules = detail.state, detail.rules
    ordered = f"by {state.mode_changed_by}, {clock(state.mode_changed_at)}" if state.mode_changed_by else None
    print_facts(
        [
            ("circuit", state.key),
            ("state", f"{state.state} since {clock(state.state_changed_at)}"),
            ("not closed since", state.opened_at),
            ("next try", state.retry_at),
            ("mode", state.mode),
            ("ordered", ordered),
            ("reason", state.reason),
            ("failures", f"{state.failure_count} in a row"),
            ("last failure", state.last_failure_at),
            (
                "opens after",
                f"{rules['failures']} failures in a row, or {rules['failure_share']} of at least "
                f"{rules['share_calls']} calls in {rules['share_window']} failed "
                f"or slower than {rules['slow']}",
            ),
            ("seen by", f"{rules['quorum']} reporters" if rules["quorum"] != 1 else None),
            ("stays open", f"{rules['open_time']}, doubling to {rules['open_time_most']}"),
            ("closes after", f"{rules['successes']} successful probes"),
        ]
    )
    click.echo()
    print_rows(
        ["outcome, last hour", "calls", "slow", "average"],
        [
            (each.outcome, each.calls, each.slow, f"{each.average_ms:.0f} ms" if each.average_ms else "")
            for each in detail.traffic
        ],
        empty="no calls in the last hour",
    )
    click.echo()
    print_rows(
        ["when", "from", "to", "why", "who"],
        [
            (each.happened_at, each.old_state, each.new_state, each.reason, each.actor)
            for each in detail.events
        ],
        empty="no changes",
    )


def _ordering(mode: str, summary: str) -> None:
    """Add the command that orders a mode."""
    name = mode.replace("_", "-")

    @circuit.command(
        name, help=summary, epilog=f"Example: trueup circuit {name} appointment_booking:service:7"
    )
    @click.argument("key")
    @reason_option
    @as_option
    @database_option
    def order(key: str, reason: str | None, actor: str | None, database: str | None) -> None:
        from trueup import circuit as use_case

        _print_state(use_case.set_mode(key, mode, reason, actor, database=database))


_ordering("force_open", "Allow no call, until somebody orders otherwise.")
_ordering("force_closed", "Allow every call, whatever is reported.")
_ordering("shadow", "Open and close as usual, and allow every call: to see what it would do.")
_ordering("automatic", "Open and close by what is reported; a circuit that was forced begins closed.")


def _print_state(state: State) -> None:
    click.echo(f"circuit {printable(state.key)} is {state.state}, mode {state.mode}")
