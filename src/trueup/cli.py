"""The command line: parse, call one use case, print, pick the exit code.

Nothing is imported before the command that needs it, so that `trueup --help` is quick.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueup import __version__
from trueup.cli_options import (
    Seconds,
    as_option,
    check_names,
    database_option,
    format_option,
    mode_shown,
    pack_option,
    print_json,
    print_table,
    shown_progress,
    wait_option,
)
from trueup.durations import elapsed_ms
from trueup.errors import TrueupError, UsageError, logged
from trueup.signals import ending

if TYPE_CHECKING:
    from trueup.deploy import Change
    from trueup.inspection import Schedule
    from trueup.migration import Migration
    from trueup.model import Run
    from trueup.repairing import Repairs

logger = logging.getLogger(__name__)

EXIT_CODES = """
\b
Exit codes:
  0  clean
  1  violations at or above --fail-on, or something is not as it should be
  2  the command was used wrongly, or refused
  3  a check or a migration could not run
  4  the database cannot be reached, cannot be written to, or is not ours
"""


# in which module each command is that is not in this one
ELSEWHERE = {
    "alerts": "cli_review",
    "circuit": "cli_circuit",
    "config": "cli_config",
    "contract": "cli_review",
    "events": "cli_events",
    "explain": "cli_explain",
    "guard": "cli_review",
    "lint": "cli_lint",
    "metrics": "cli_metrics",
    "notify": "cli_notify",
    "reconcile": "cli_reconcile",
    "report": "cli_report",
    "review": "cli_review",
    "run": "cli_run",
    "top": "cli_top",
    "uninstall": "cli_uninstall",
    "web": "cli_web",
}


class _Commands(click.Group):
    """The commands, of which those in other modules are imported when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*self.commands, *ELSEWHERE})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.commands and name in ELSEWHERE:
            self.add_command(getattr(import_module(f"trueup.{ELSEWHERE[name]}"), name))
        return super().get_command(context, name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, prog_name="trueup")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least level of what is logged.  [default: warning; info with --log-file]",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="Lines to read, or one JSON object a line."
)
@click.option("--log-file", type=click.Path(dir_okay=False), help="Where to log.  [default: standard error]")
@click.pass_context
def cli(
    context: click.Context, debug: bool, log_level: str | None, log_format: str | None, log_file: str | None
) -> None:
    """Keep the facts that a PostgreSQL application stores more than once in agreement.

    Constraints and triggers prevent disagreement, check views find what slipped through,
    repairs correct what evidence allows, and people get the rest in a queue.

    \b
    First steps:
      trueup demo                          see it work on a broken booking database
      trueup adopt --database URL          compare your tables with the pack; changes nothing
      trueup adopt --database URL --apply  put the layer beside them
      trueup check                         what is wrong
      trueup repair                        what could be corrected; changes nothing
    """
    if isinstance(context.obj, Logging):
        context.obj.begin(context.invoked_subcommand or "", level=log_level, format=log_format, file=log_file)


@cli.command(
    epilog="\b\nExamples:\n  trueup migrate --database postgresql://postgres@localhost/bookings --dry-run\n"
    "  trueup migrate --check --fail-on-new"
)
@database_option
@pack_option
@click.option("--dry-run", is_flag=True, help="Print the SQL that would run, ready for psql; change nothing.")
@wait_option
@click.option(
    "--keep-drift",
    is_flag=True,
    help="Leave what was changed by hand (`trueup status` shows it) as it is, and say so.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Count the violations of the checks concerned before and after, and keep the difference.",
)
@click.option(
    "--fail-on-new",
    is_flag=True,
    help="With --check: take the last revision back when a check has more violations. Exits with 1.",
)
@click.option(
    "--accept-edited",
    multiple=True,
    metavar="REVISION",
    help="Accept that the file of a revision is not the one that was run, and remember the new one.",
)
@click.option(
    "--replace-pack",
    is_flag=True,
    help="Drop what another pack deployed, none of whose checks this one has, and deploy this one.",
)
@format_option()
def migrate(
    database: str | None,
    pack: Path | None,
    dry_run: bool,
    wait: float,
    keep_drift: bool,
    check: bool,
    fail_on_new: bool,
    accept_edited: tuple[str, ...],
    replace_pack: bool,
    form: str,
) -> None:
    """Bring the database to head: revisions, then views and triggers, then constraints.

    Run it again at any time: what is in place is left alone, what was dropped, disabled
    or edited by hand is mended. One migration runs at a time. No lock behind which others
    would queue is waited for longer than three seconds at once; a build of an index makes
    nobody wait, and waits ten minutes. `trueup history` shows what was done.
    """
    from trueup.migration import migrate as run

    if fail_on_new and not check:
        raise click.UsageError("--fail-on-new goes with --check")
    if dry_run and (check or accept_edited):
        raise click.UsageError("--dry-run changes nothing; leave --check and --accept-edited out")
    with shown_progress("migrating") as progress:
        done = run(
            database=database,
            pack=pack,
            dry_run=dry_run,
            wait=wait,
            keep_drift=keep_drift,
            accept_edited=accept_edited,
            check=check,
            fail_on_new=fail_on_new,
            replace_pack=replace_pack,
            progress=progress,
        )
    if form == "json":
        print_json(done)
    elif dry_run:
        _print_script(done)
        for change in done.changes:
            if change.action == "keep":
                click.echo(f"{change.what}: {change.detail}", err=True)
    else:
        _print_migration(done.revisions, done.changes, done.warnings)
        if check:
            _print_effect(done)
    sys.exit(int(fail_on_new and done.grew))


@cli.command(epilog="\b\nExample:\n  trueup rollback bookings@bookings_0004")
@click.argument("revision")
@database_option
@pack_option
@wait_option
@format_option()
def rollback(revision: str, database: str | None, pack: Path | None, wait: float, form: str) -> None:
    """Take the database down to REVISION: all views and triggers of ours go, then revisions.

    What the revisions above REVISION added is dropped, with the data in it. `trueup migrate`
    brings the database to head again; until then nothing is guarded and nothing is checked.
    """
    from trueup.migration import rollback as run

    done = run(revision, database=database, pack=pack, wait=wait)
    if form == "json":
        print_json(done)
        return
    click.echo(f"dropped   {len(done.changes)} views, functions and triggers")
    for name in done.revisions:
        click.echo(f"rolled back from {name}")
    click.echo("nothing is guarded now; `trueup migrate` brings the database to head again")


@cli.command(epilog="\b\nExamples:\n  trueup history\n  trueup history --limit 500 --format json")
@database_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Lines to show.")
@format_option()
def history(database: str | None, limit: int, form: str) -> None:
    """Show the ledger, newest first: every revision and deployment, by whom, when and from where."""
    from trueup.inspection import history as run

    rows = run(database=database, limit=limit)
    if form == "json":
        print_json(rows)
        return
    print_table(
        ["when", "what", "name", "outcome", "seconds", "who", "from", "version", "detail"],
        [
            (
                row.started_at,
                row.kind,
                row.name,
                row.outcome,
                None if row.seconds is None else f"{row.seconds:.2f}",
                row.actor,
                f"{row.client_address or 'local'} {row.application_name}".strip(),
                row.version,
                " ".join((row.detail or "").split())[:120],
            )
            for row in rows
        ],
        right=["seconds"],
    )


@cli.command(
    epilog="\b\nExample:\n  trueup adopt --database postgresql://postgres@localhost/bookings --apply"
)
@database_option
@pack_option
@click.option("--apply", is_flag=True, help="Put the layer in place. Without it, compare only.")
@click.option("--dry-run", is_flag=True, help="Print the SQL that --apply would run, ready for psql.")
@wait_option
@format_option()
@click.option("--host-schema", help="Where the application keeps its tables, if not in public.")
def adopt(
    database: str | None,
    pack: Path | None,
    apply: bool,
    dry_run: bool,
    wait: float,
    form: str,
    host_schema: str | None,
) -> None:
    """Compare an existing application's tables with the pack, and put the layer beside them.

    No row is changed. Constraints arrive NOT VALID: they refuse new and changed rows and
    leave old ones alone until somebody updates them. Guards arrive in mode observe: they
    file alerts and refuse nothing. `trueup enforce` switches on what is clean, later.
    """
    from trueup.adoption import adopt as run
    from trueup.adoption import explain
    from trueup.errors import DatabaseError

    if apply and dry_run:
        raise click.UsageError("say --apply or --dry-run, not both")
    done = run(database=database, pack=pack, apply=apply, wait=wait, host_schema=host_schema, dry_run=dry_run)
    if form == "json":
        print_json(done)
    if done.problems:
        if form == "json":
            sys.exit(DatabaseError.exit_code)
        raise DatabaseError(explain(list(done.problems)))
    if form == "json":
        return
    if dry_run and done.migration:
        _print_script(done.migration)
        return
    click.echo(
        f"{len(done.tables)} tables compared: {', '.join(done.tables)}: everything the pack needs is there"
    )
    for note in done.notes:
        click.echo(f"note         {note}")
    if not done.migration and not done.adopted_before:
        for change in done.placed:
            click.echo(f"{change.action:<12} {change.what}: {change.detail}")
        _print_left_out(done.left_out)
    if done.migration:
        _print_migration(done.migration.revisions, done.migration.changes, done.migration.warnings)
        click.echo("next: trueup check, trueup repair, then trueup enforce")
    elif done.adopted_before:
        click.echo("adopted already; `trueup migrate` brings it to head")
    else:
        click.echo(
            "nothing was changed; --apply puts schema trueup, triggers and NOT VALID constraints in place"
        )


@cli.command(
    epilog="\b\nExamples:\n  trueup check\n  trueup check call_backlink_missing --format json\n"
    "  trueup check --jobs 2\n"
    "  trueup check --fail-on warning --format junit > trueup.xml\n" + EXIT_CODES
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=check_names)
@database_option
@pack_option
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "warning", "info", "never"]),
    default="critical",
    show_default=True,
    help="Exit with 1 for violations of this severity or a higher one.",
)
@click.option(
    "--max-alerts",
    type=click.IntRange(0, 1_000_000_000),
    default=10_000,
    show_default=True,
    help="More new violations of one check make one alert.",
)
@click.option(
    "--timeout",
    default="5min",
    show_default=True,
    help="Time for each check, as PostgreSQL writes it. trueup.checks.statement_timeout is for one.",
)
@click.option(
    "--examples",
    type=click.IntRange(0, 1_000_000),
    default=3,
    show_default=True,
    help="Violations of each check to show.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1, max=64),
    default=1,
    show_default=True,
    help="Connections that evaluate side by side, all on one snapshot, besides the one that files.",
)
@click.option(
    "--replica",
    metavar="URL",
    help="Evaluate on this streaming standby; alerts are filed on the primary, --database.",
)
@click.option(
    "--replica-wait",
    type=Seconds(),
    default=30.0,
    show_default=True,
    help="Seconds to wait for the standby to replay what was committed before the run.",
)
@click.option(
    "--changed",
    is_flag=True,
    help="Judge only what has changed since the last run; cost follows the changes.",
)
@format_option("junit", "sarif", "prometheus")
def check(
    names: tuple[str, ...],
    database: str | None,
    pack: Path | None,
    fail_on: str,
    max_alerts: int,
    timeout: str,
    examples: int,
    jobs: int,
    replica: str | None,
    replica_wait: float,
    changed: bool,
    form: str,
) -> None:
    """Evaluate the checks on one snapshot and file alerts for what they list.

    A check is a view of the rows that violate one invariant. New violations open an
    alert, known ones are counted, gone ones resolved, returned ones reopened.

    With --changed only the entities that changes since the last run concern are judged:
    triggers note the keys of changed rows. The alerts are then those of a full run, which
    remains the net, once a night, and counts what the passes had missed.
    """
    from trueup.evaluation import check as run

    if changed and names:
        raise click.UsageError("--changed judges all checks; leave the names out")
    if replica is not None and not replica.strip():
        raise click.UsageError("--replica names no server")
    if changed and (replica or jobs > 1):
        raise click.UsageError("--changed reads little, and on the primary; leave --jobs and --replica out")
    with shown_progress("checking") as progress:
        if changed:
            from trueup.changes import check_changed

            done = check_changed(
                database=database,
                pack=pack,
                max_alerts=max_alerts,
                timeout=timeout,
                examples=examples,
                progress=progress,
            )
        else:
            done = run(
                names,
                database=database,
                pack=pack,
                max_alerts=max_alerts,
                timeout=timeout,
                examples=examples,
                jobs=jobs,
                replica=replica,
                replica_wait=replica_wait,
                progress=progress,
            )
    # what only shows the run must not keep it waiting
    from trueup import packs, rendering

    if form == "json":
        click.echo(rendering.run_as_json(done, fail_on))
    elif form == "junit":
        click.echo(rendering.run_as_junit(done))
    elif form == "sarif":
        click.echo(rendering.run_as_sarif(done, packs.load(pack), __version__))
    elif form == "prometheus":
        click.echo(rendering.run_as_prometheus(done))
    else:
        _print_run(done)
    sys.exit(done.exit_code(fail_on))


@cli.command(
    epilog="\b\nExamples:\n  trueup repair\n  trueup repair call_direction_missing --apply\n"
    "  trueup repair --list\n  trueup repair --undo 17\n" + EXIT_CODES
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=check_names)
@database_option
@pack_option
@click.option("--apply", is_flag=True, help="Do it. Without it, every repair is tried and rolled back.")
@click.option(
    "--list", "listed", is_flag=True, help="List the newest applied repairs, with the ids that --undo takes."
)
@click.option("--undo", type=int, metavar="ID", help="Put back what the repair with this id changed.")
@click.option(
    "--max-changes",
    type=click.IntRange(min=0),
    help="Entities that may be repaired at most.  [default: 1000, or 5 % of all entities if that is more]",
)
@click.option(
    "--timeout", default="5min", show_default=True, help="Time for each check, as PostgreSQL writes it."
)
@click.option("--as", "actor", metavar="NAME", help="Name for the journal. Default: the database user.")
@format_option()
def repair(
    names: tuple[str, ...],
    database: str | None,
    pack: Path | None,
    apply: bool,
    listed: bool,
    undo: int | None,
    max_changes: int | None,
    timeout: str,
    actor: str | None,
    form: str,
) -> None:
    """Correct what evidence allows and queue the rest for people: a dry run unless --apply.

    One entity is one transaction: locked, checked again, corrected, and every check of
    every row it touched read again; a violation that stays, or a new one, undoes it.
    Images of all rows before and after, the evidence and the actor go to
    trueup.repairs. Exits with 1 when something critical was left to people.
    """
    from trueup.repairing import journal
    from trueup.repairing import repair as run
    from trueup.repairing import undo as take_back

    if listed:
        if apply or undo is not None:
            raise click.UsageError("--list goes with names of checks, and with neither --apply nor --undo")
        entries = journal(names, database=database)
        if form == "json":
            print_json(entries)
        else:
            print_table(
                ["id", "when", "check", "entity", "rows", "reason", "by", "undone by"],
                [
                    (
                        e.id,
                        e.repaired_at,
                        e.check_name,
                        f"{e.entity_type} {e.entity_id}",
                        e.changed_rows,
                        e.reason,
                        e.actor,
                        e.undone_by,
                    )
                    for e in entries
                ],
                right=["id", "rows"],
            )
        return
    if undo is not None:
        if names or apply:
            raise click.UsageError("--undo takes an id and neither names nor --apply")
        undone = take_back(undo, database=database, actor=actor)
        if form == "json":
            print_json(undone)
            return
        click.echo(f"repair {undo} undone: {undone.rows_restored} rows are as they were")
        for name in undone.constraints_loosened:
            click.echo(f"constraint {name} is NOT VALID again: a row it refuses is back")
        return
    with shown_progress("repairing") as progress:
        done = run(
            names,
            database=database,
            pack=pack,
            apply=apply,
            max_changes=max_changes,
            actor=actor,
            timeout=timeout,
            progress=progress,
        )
    if form == "json":
        print_json(done)
    else:
        _print_repairs(done)
    sys.exit(done.exit_code())


@cli.command(
    epilog="\b\nExamples:\n  trueup prune\n  trueup prune --apply\n  trueup prune alerts runs_changed --apply"
)
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@database_option
@click.option("--apply", is_flag=True, help="Delete. Without it, count only.")
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="Rows of a rule that one transaction deletes at most, with what hangs on them.",
)
@format_option()
def prune(rules: tuple[str, ...], database: str | None, apply: bool, batch: int, form: str) -> None:
    """Delete what is over and older than it is kept: a dry run unless --apply.

    Resolved alerts, decided reviews, repairs, runs, and finished work of the pack's tables,
    never anything open, pending or running. The table trueup.retention says how long each is
    kept; what is pruned from the journal of repairs can no longer be undone. Locks nothing but
    the rows it deletes; interrupted anywhere, run it again.
    """
    from trueup.retention import prune as run

    with shown_progress("pruning") as progress:
        done = run(rules, database=database, apply=apply, batch=batch, progress=progress)
    if form == "json":
        print_json({"applied": done.applied, "rows": done.rows, "tables": done.tables})
        return
    print_table(
        ["rule", "table", "kept", "rows"],
        [(e.rule, e.table, e.keep or "for ever", e.rows) for e in done.tables],
        right=["rows"],
    )
    click.echo(
        f"{done.rows:,} rows deleted"
        if done.applied
        else f"{done.rows:,} rows would be deleted; nothing was changed, --apply does it"
    )


@cli.command(
    epilog="\b\nExamples:\n  trueup enforce --dry-run\n  trueup enforce call_backlink_broken --company 7\n"
    "  trueup enforce call_backlink_broken --revert"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@database_option
@pack_option
@click.option("--dry-run", is_flag=True, help="Say what would be switched on; change nothing.")
@click.option("--company", metavar="ID", help="Enforce guards for the rows of one company only.")
@click.option(
    "--quiet-for",
    metavar="DURATION",
    default="7d",
    show_default=True,
    help="Leave a guard off that would have refused a write in this time.",
)
@click.option("--revert", is_flag=True, help="Let the guards observe again; with --company, that company's.")
@as_option
@format_option()
def enforce(
    names: tuple[str, ...],
    database: str | None,
    pack: Path | None,
    dry_run: bool,
    company: str | None,
    quiet_for: str,
    revert: bool,
    actor: str | None,
    form: str,
) -> None:
    """Validate the constraints and enforce the guards whose checks are clean.

    Says of each what was switched on, or what keeps it off: violations there are now, and
    writes of the last days that the guard would have refused, out of how many. VALIDATE lets
    writers go on (SHARE UPDATE EXCLUSIVE). Exits with 1 when something had to be left off.
    """
    from trueup.durations import duration
    from trueup.enforcement import enforce as run
    from trueup.enforcement import revert as take_back

    changes = (
        take_back(names, database=database, pack=pack, company=company, actor=actor, dry_run=dry_run)
        if revert
        else run(
            names,
            database=database,
            pack=pack,
            company=company,
            actor=actor,
            quiet=duration(quiet_for),
            dry_run=dry_run,
        )
    )
    if form == "json":
        print_json(changes)
    else:
        shown = [change for change in changes if change.action != "keep"]
        if shown:
            print_table(["", "what", "why"], [(c.action, c.what, c.detail) for c in shown])
        kept = len(changes) - len(shown)
        already = "observing" if revert else "on"
        click.echo(f"{kept} {already} already, {sum(c.action == 'leave' for c in shown)} left as they are")
    sys.exit(int(any(change.action == "leave" for change in changes)))


@cli.command(epilog="\b\nExample:\n  trueup catalog --format json")
@pack_option
@format_option("markdown")
def catalog(pack: Path | None, form: str) -> None:
    """List the invariants of the pack: what prevents, finds and repairs a violation. Needs no database;
    what is left out in one, `trueup status` tells.
    """
    from trueup.inspection import catalog as run

    entries = run(pack=pack)
    if form == "json":
        print_json(entries)
    elif form == "markdown":
        click.echo("| check | what must be true | severity | prevented by | repair |\n|---|---|---|---|---|")
        for entry in entries:
            invariant = entry.invariant.replace("|", r"\|")
            prevented = entry.prevented.split("; ")
            if len(prevented) > 4:
                prevented = [*prevented[:3], f"and {len(prevented) - 3} more of its kind"]
            cells = (f"`{entry.name}`", invariant, entry.severity, "; ".join(prevented), entry.repair)
            click.echo(f"| {' | '.join(cells)} |")
    else:
        print_table(
            ["check", "severity", "prevented by", "repair", "invariant"],
            [(e.name, e.severity, e.prevented, e.repair, e.invariant) for e in entries],
        )


@cli.command(epilog="\b\nExample:\n  trueup status --database service=bookings")
@database_option
@pack_option
@format_option()
def status(database: str | None, pack: Path | None, form: str) -> None:
    """Show revisions, pending files, guard modes, last runs and what is open; changes nothing."""
    from trueup.inspection import status as run

    now = run(database=database, pack=pack)
    if form == "json":
        print_json(now)
        return
    click.echo(f"database     {now.database} on {now.server}")
    click.echo(f"revision     {', '.join(now.revisions) or 'none'}")
    pending = [*now.pending_revisions, *(f"{change.what} ({change.detail})" for change in now.pending_files)]
    click.echo(f"pending      {', '.join(pending) or 'nothing'}")
    click.echo(
        f"constraints  {', '.join(f'{count} {state}' for state, count in sorted(now.constraints.items()))}"
    )
    click.echo(
        f"open alerts  {', '.join(f'{n} {severity}' for severity, n in now.open_alerts.items()) or 'none'}"
    )
    click.echo(f"open reviews {now.open_reviews}")
    if now.schedule:
        click.echo(f"schedule     {_schedule_shown(now.schedule)}")
    _print_left_out(now.left_out)
    for line in now.edited:
        click.echo(f"edited       {line}")
    if now.drift:
        click.echo(f"drift        {len(now.drift)} objects are not as they were deployed")
        for item in now.drift:
            click.echo(
                f"\n{item.kind} {item.identity} is {item.state}" + (f"\n{item.diff}" if item.diff else "")
            )
        click.echo("\n`trueup migrate` puts these back, `trueup migrate --keep-drift` leaves them\n")
    if now.guards:
        print_table(["guard", "mode"], [(g.name, mode_shown(g.mode, g.companies)) for g in now.guards])
    if now.runs:
        print_table(
            ["last run", "id", "status", "started", "violations", "failed checks", "consistency %"],
            [(r.kind, r.id, r.status, r.started_at, r.violations, r.checks_failed, r.rate) for r in now.runs],
            right=["id", "violations", "failed checks", "consistency %"],
        )


@cli.command(epilog="\b\nExample:\n  trueup verify || trueup migrate")
@database_option
@pack_option
@format_option()
def verify(database: str | None, pack: Path | None, form: str) -> None:
    """Compare everything of ours with its file: there, enabled, unchanged. Exits with 1 if not.

    Constraints that are not valid yet, or wait for rows to be clean, are notes and no fault:
    `trueup enforce` validates them.
    """
    from trueup.inspection import verify as run

    found = run(database=database, pack=pack)
    if form == "json":
        print_json({"ok": found.ok, "problems": found.problems, "notes": found.notes})
        sys.exit(int(not found.ok))
    for title, changes in (("problems", found.problems), ("notes", found.notes)):
        if changes:
            print_table([title, "what", ""], [(c.action, c.what, c.detail) for c in changes])
    if found.ok:
        waits = f"; constraints that wait for `trueup enforce`: {found.waiting}" if found.waiting else ""
        click.echo(f"everything of ours is there, enabled and equal to its file{waits}")
    else:
        click.echo(f"{len(found.problems)} problems: `trueup migrate` mends them", err=True)
    sys.exit(int(not found.ok))


@cli.command(epilog="\b\nExample:\n  trueup init shop --table public.orders --database service=shop")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--table", required=True, help="A table of the database, as schema.table.")
@click.option("--column", help="A column that must have a value. Default: the first that may be NULL.")
@database_option
@format_option()
def init(directory: Path, table: str, column: str | None, database: str | None, form: str) -> None:
    """Start a pack for any database, with one example check for TABLE."""
    from trueup.scaffold import init as run

    made = run(directory, table=table, column=column, database=database)
    if form == "json":
        print_json(made)
        return
    for name in made.files:
        click.echo(f"wrote {made.directory / name}")
    click.echo(f"next: trueup migrate --pack {made.directory}, then trueup check --pack {made.directory}")


@cli.command(
    epilog="\b\nExamples:\n  trueup demo\n  trueup demo --keep ./demo-data\n  trueup demo --format json"
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the demo's cluster in DIR and leave it running.",
)
@format_option()
def demo(keep: Path | None, form: str) -> None:
    """Bring the reference incident's database back to order, on an embedded PostgreSQL."""
    from trueup.demonstration import demo as run
    from trueup.demonstration import story

    with shown_progress("demo") as progress:
        done = run(keep=keep, progress=progress)
    click.echo(story(done)) if form == "text" else print_json(done)


@cli.group()
def server() -> None:
    """Start, stop and look at the embedded PostgreSQL server."""


data_option = click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Directory of the cluster."
)


@server.command("start", epilog="\b\nExample:\n  trueup server start --data ./demo-data")
@data_option
def server_start(data: Path) -> None:
    """Start the server, making the cluster first if DIR is empty; the last line is its URL."""
    from trueup import server as embedded

    started = embedded.start(data)
    click.echo(f"PostgreSQL {started.binaries.version}, process {started.pid}, data in {started.data}")
    click.echo(started.url())


@server.command("stop", epilog="\b\nExample:\n  trueup server stop --data ./demo-data")
@data_option
def server_stop(data: Path) -> None:
    """Stop the server and keep its data."""
    from trueup import server as embedded

    click.echo("stopped" if embedded.stop(data) else "was not running")


@server.command("status", epilog="\b\nExample:\n  trueup server status --data ./demo-data")
@data_option
@format_option()
def server_status(data: Path, form: str) -> None:
    """Say whether the server runs, and where. Exits with 1 when it does not."""
    from trueup import server as embedded

    now = embedded.status(data)
    if form == "json":
        print_json(now)
    elif now.running:
        click.echo(f"running, process {now.pid}, PostgreSQL {now.version}\n{now.url}")
    else:
        click.echo("not running")
    sys.exit(int(not now.running))


@cli.command(
    epilog="\b\nExample:\n  trueup completion bash > ~/.local/share/bash-completion/completions/trueup"
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(cli, {}, "trueup", "_TRUEUP_COMPLETE").source())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; errors of ours are printed in a line or two."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    log = Logging(asks_for_help=bool({"-h", "--help"} & set(words)))
    # what is open is closed on the way out: a demo's server, a transaction
    for number in ending():
        if number != signal.SIGINT:
            signal.signal(number, _told_to_end)
    try:
        _run(["--debug", *words] if debug else words, log, debug)
    except SystemExit as end:
        log.end(end.code)
        raise


def _told_to_end(number: int, _: object) -> None:
    if number == signal.SIGHUP:
        # the terminal and its shell may both send it
        signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _run(words: list[str], log: Logging, debug: bool) -> None:
    try:
        sys.exit(cli.main(args=words, prog_name="trueup", standalone_mode=False, obj=log))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("trueup: interrupted", err=True)
        sys.exit(130)
    except TrueupError as error:
        if debug:
            raise
        log.failed(error, str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:  # whatever it is, a terminal gets a line and not a traceback
        if debug:
            raise
        if isinstance(error, UnicodeEncodeError) and (where := _not_utf8(words)):
            # what it is may be an address with a password
            misused = UsageError(f"{where} is not UTF-8 text; only names of files may be anything else")
            log.failed(misused, str(misused))
            sys.exit(misused.exit_code)
        if isinstance(error, OSError):
            text = f"{error.filename or 'output'}: {error.strerror or error}"
        else:
            text = f"a fault of trueup's own, {type(error).__name__}: {error}; --debug shows where"
        log.failed(error, text)
        sys.exit(3)


def _not_utf8(words: Sequence[str]) -> str | None:
    """Say which word, or else which variable of ours, holds bytes that are not UTF-8."""
    for number, word in enumerate(words, 1):
        if not _is_utf8(word):
            return f"word {number} after trueup"
    for name, value in os.environ.items():
        if name.startswith("TRUEUP_") and not _is_utf8(value):
            return name
    return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Logging:
    """What this process logs of its command; a program that calls `cli` itself configures its own."""

    def __init__(self, *, asks_for_help: bool) -> None:
        self._command: str | None = None
        self._asks_for_help = asks_for_help
        self._is_apart = self._is_for_machines = False
        self._began = time.monotonic()

    def begin(self, command: str, **options: str | None) -> None:
        """Say where events go; the options come before the environment, whoever reads the configuration."""
        if self._asks_for_help:
            return
        os.environ.update({f"TRUEUP_LOG_{name.upper()}": given for name, given in options.items() if given})
        from trueup.operating.logs import configure_command

        log = configure_command()
        self._command = command
        self._is_apart = log.file is not None
        self._is_for_machines = log.format == "json" and not log.file

    def failed(self, error: Exception, text: str) -> None:
        """Tell an error once: in words to a person, and to the log where that is another place."""
        if self._is_apart or self._is_for_machines:
            logger.error("command failed", extra={"command": self._command, **logged(error)})
        if not self._is_for_machines:
            click.echo(f"trueup: {text}", err=True)

    def end(self, code: str | int | None) -> None:
        """Log the end of the command."""
        if self._command:
            logger.info(
                "command finished",
                extra={
                    "command": self._command,
                    "exit_code": code or 0,
                    "duration_ms": elapsed_ms(self._began),
                },
            )


def _print_migration(revisions: Sequence[str], changes: Sequence[Change], warnings: Sequence[str]) -> None:
    for revision in revisions:
        click.echo(f"revision  {revision}")
    files = [change for change in changes if change.action == "deploy"]
    if files and all(change.detail in ("new", "generated: new") for change in files):
        click.echo(f"deployed  {len(files)} files, all new")
    else:
        for change in files:
            click.echo(f"deployed  {change.what}: {change.detail}")
    added = [change for change in changes if change.action == "add"]
    loose = sum(change.detail == "not valid" for change in added)
    if added:
        click.echo(f"added     {len(added)} constraints and indexes, {loose} of them NOT VALID")
    for change in changes:
        if change.action not in ("deploy", "add", "left out"):
            click.echo(f"{change.action:<9} {change.what}: {change.detail}")
    _print_left_out([change for change in changes if change.action == "left out"])
    for warning in warnings:
        click.echo(f"warning   {warning}", err=True)
    if not revisions and all(change.action == "left out" for change in changes):
        click.echo("nothing to do: the database is at head")


def _print_script(planned: Migration) -> None:
    click.echo(planned.sql.rstrip() or "-- nothing to do")


def _print_effect(done: Migration) -> None:
    for d in done.differences:
        click.echo(
            f"check     {d.check_name}: {d.before} violations before, {d.after} after "
            f"({d.appeared} new, {d.disappeared} gone)"
        )
    click.echo(f"checked   {len(done.checked)} checks concerned, {len(done.differences)} changed")
    if done.rolled_back:
        click.echo(
            f"rolled back  revision {done.rolled_back}, because violations grew; views, functions and "
            f"triggers are as before; revisions that stay: {', '.join(done.revisions) or 'none'}"
        )
    elif done.grew:
        click.echo("violations grew; nothing was rolled back")


def _schedule_shown(found: Schedule) -> str:
    parts = [f"{found.runners_up} {'runner' if found.runners_up == 1 else 'runners'} up"]
    if found.next_due_at:
        parts.append(f"{found.next_job} due by {found.next_due_at:%Y-%m-%d %H:%M:%S %Z}")
    if found.overdue:
        parts.append(f"overdue: {', '.join(found.overdue)}")
    return "; ".join(parts)


def _print_left_out(changes: Sequence[Change]) -> None:
    """Print what cannot be there, one line for each reason; `trueup verify` lists every name."""
    by_reason: dict[str, list[str]] = {}
    for change in changes:
        by_reason.setdefault(change.detail, []).append(change.what)
    for reason, names in by_reason.items():
        shown = names if len(names) < 6 else [*names[:3], f"and {len(names) - 3} more"]
        click.echo(f"left out     {reason}: {', '.join(shown)}")


def _print_run(run: Run) -> None:
    changed = run.kind == "changed"
    quiet = ("complete", "changed", "unjudged")
    shown = [r for r in run.results if r.violations or r.resolved or r.outcome not in quiet]
    if shown:
        order = {"critical": 0, "warning": 1, "info": 2}
        print_table(
            ["check", "severity", "violations", "judged" if changed else "of", "new", "again", "gone", ""],
            [
                (
                    r.name,
                    r.severity,
                    r.violations,
                    (r.rows_tested or None) if changed else r.rows_tested,
                    r.opened or None,
                    r.reopened or None,
                    r.resolved or None,
                    _remark(r),
                )
                for r in sorted(shown, key=lambda r: (order[r.severity], r.name))
            ],
            right=["violations", "judged" if changed else "of", "new", "again", "gone"],
        )
        for result in shown:
            for item in result.examples:
                click.echo(f"  {result.name}: {item.entity_type} {item.entity_id}: {item.description}")
    failed = sum(r.outcome in ("error", "timeout") for r in run.results)
    seconds = (run.finished_at - run.started_at).total_seconds()
    rate = f", {run.rate} % consistent" if run.rate is not None else ""
    if changed:
        judged = sum(
            r.rows_tested is None or r.rows_tested > 0 for r in run.results if r.outcome != "unjudged"
        )
        what = f"{judged} checks had changes to judge, {seconds:.2f} s, {run.violations:,} violations open"
    else:
        what = f"{len(run.results)} checks in {seconds:.1f} s, {run.violations:,} violations{rate}"
    click.echo(
        f"run {run.id}: {what}"
        + (f", {failed} checks could not run" if failed else "")
        + (f", {run.missed:,} alerts that passes over the changes had missed" if run.missed else "")
    )


def _remark(result: Any) -> str:
    if result.error:
        return f"{result.outcome}: {result.error}"
    remarks = []
    if result.outcome == "superseded":
        remarks.append("a newer run had filed it")
    if result.outcome == "unjudged":
        remarks.append("only a full run judges it")
    if result.accepted:
        remarks.append(f"{result.accepted} accepted")
    if result.flooded:
        remarks.append("too many: filed as one alert")
    return ", ".join(remarks)


def _print_repairs(done: Repairs) -> None:
    if done.checks:
        print_table(
            ["check", "violating", "corrected", "to people", "clean by now", "busy"],
            [
                (c.name, c.candidates, c.corrected, c.review, c.clean or None, c.busy or None)
                for c in done.checks
            ],
            right=["violating", "corrected", "to people", "clean by now", "busy"],
        )
        for item in done.checks:
            for outcome, reason, count in item.reasons:
                if outcome in ("review", "busy"):
                    click.echo(f"  {item.name}: {count}: {reason}")
    for result in done.run.results:
        if result.error:
            click.echo(f"  {result.name}: {_remark(result)}")
    verb = "corrected" if done.applied else "would be corrected"
    tail = "" if done.applied else "; nothing was changed, --apply does it"
    click.echo(f"{done.corrected:,} {verb}, {done.review:,} for people{tail}")
